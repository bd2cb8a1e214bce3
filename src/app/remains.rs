//! What a shop and the world around it have written down, for reading: in a folder, or on servers.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::{Settings, backends, folder};
pub use crate::adapters::gateway::HttpLedger;
use crate::adapters::sqlite::Schema;
use crate::adapters::store::SqliteSnapshot;
use crate::ports::{Clock, EventBus, Mailbox, Store, StoreError};

/// Everything that was written down.
#[derive(Clone)]
pub struct Remains {
    /// The shop's tables.
    pub shop: Arc<dyn Store>,
    /// The event log, where it is not among the shop's tables.
    pub bus: Option<Arc<dyn EventBus>>,
    /// The provider's ledger and the mailbox, as far as they are embedded.
    pub outside: Option<Arc<dyn Store>>,
    /// The provider's ledger, where it is a server's.
    pub ledger: Option<Arc<HttpLedger>>,
    /// The mailbox, where it is a server's.
    pub inbox: Option<Arc<dyn Mailbox>>,
}

impl Remains {
    /// Those in `folder`, which another process may be using.
    pub fn of_folder(folder: &Path) -> Result<Self, StoreError> {
        let shop = SqliteSnapshot::open(&folder::shop_db(folder), Schema::SHOP)?;
        let outside = Some(outside(folder)?);
        Ok(Self { shop: Arc::new(shop), bus: None, outside, ledger: None, inbox: None })
    }

    /// Those on the servers that the settings name, and in the folder what they do not name.
    pub async fn of_cluster(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let path = settings.data_dir()?;
        let mut remains = if folder::holds_data(&path) {
            Self::of_folder(&path)?
        } else {
            let shop = backends::postgres(settings, false, Arc::clone(&clock)).await;
            let shop = shop.with_context(|| format!("{} holds no shop", path.display()))?;
            Self { shop: Arc::new(shop), bus: None, outside: None, ledger: None, inbox: None }
        };
        if !settings.postgres.url.is_empty() {
            let store = backends::postgres(settings, false, Arc::clone(&clock)).await?;
            remains.shop = Arc::new(store);
        }
        let gateway = &settings.gateway;
        if !gateway.url.is_empty() {
            let ledger = HttpLedger::new(&gateway.url, gateway.secret.as_ref())?;
            remains.ledger = Some(Arc::new(ledger));
        }
        if !settings.smtp.url.is_empty() {
            remains.inbox = backends::inbox(settings, Arc::clone(&clock))?;
        }
        if !settings.kafka.bootstrap.is_empty() {
            remains.bus = Some(Arc::new(backends::kafka(settings, clock).await?));
        }
        Ok(remains)
    }
}

fn outside(folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(SqliteSnapshot::open(&folder::outside_db(folder), Schema::OUTSIDE)?))
}
