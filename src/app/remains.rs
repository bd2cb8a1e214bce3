//! What a shop and the world around it have written down, for reading: in a folder, or on servers.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::{NotUsable, Settings, backends, folder};
pub use crate::adapters::gateway::HttpLedger;
use crate::adapters::sqlite::Schema;
use crate::adapters::store::SqliteSnapshot;
use crate::events::Topic;
use crate::ports::{Clock, EventBus, Mailbox, Store, StoreError};

/// Everything that was written down.
#[derive(Clone)]
pub struct Remains {
    /// The shop's tables.
    pub shop: Arc<dyn Store>,
    /// The event log, where it is a server's.
    pub bus: Option<Arc<dyn EventBus>>,
    /// The event log's tables, where they are not among the shop's.
    pub log: Option<Arc<dyn Store>>,
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
        let shop = Arc::new(shop);
        Ok(Self { shop, bus: None, log: None, outside, ledger: None, inbox: None })
    }

    /// Those on the servers that the settings name, and in the folder what they do not name.
    pub async fn of_cluster(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let path = settings.data_dir()?;
        let in_folder = folder::holds_data(&path).then(|| Self::of_folder(&path)).transpose()?;
        let mut remains = if settings.postgres.url.is_empty() {
            in_folder.with_context(|| format!("{} holds no shop", path.display()))?
        } else {
            let shop = Arc::new(backends::postgres(settings, false, Arc::clone(&clock)).await?);
            let (log, outside) = in_folder.map_or((None, None), |f| (Some(f.shop), f.outside));
            Self { shop, bus: None, log, outside, ledger: None, inbox: None }
        };
        let gateway = &settings.gateway;
        if !gateway.url.is_empty() {
            let ledger = HttpLedger::new(&gateway.url, gateway.secret.as_ref())?;
            remains.ledger = Some(Arc::new(ledger));
        }
        if !settings.smtp.url.is_empty() {
            remains.inbox = backends::inbox(settings, Arc::clone(&clock))?;
        }
        if !settings.kafka.bootstrap.is_empty() {
            let bus = backends::kafka(settings, clock).await?;
            has_topics(&bus, &settings.kafka.bootstrap).await?;
            remains.bus = Some(Arc::new(bus));
        }
        Ok(remains)
    }
}

/// Without the shop's topics, or without the right to see them, its log would only look empty.
async fn has_topics(bus: &dyn EventBus, place: &str) -> Result<(), NotUsable> {
    let there = bus.topics().await?;
    let missing = Topic::ALL.iter().find(|wanted| !there.iter().any(|t| t.name == wanted.as_str()));
    missing.map_or(Ok(()), |topic| {
        Err(NotUsable(format!(
            "Kafka at {place}: no topic {topic} can be seen; check kafka.prefix, and that the Kafka user may describe and read the shop's topics"
        )))
    })
}

fn outside(folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(SqliteSnapshot::open(&folder::outside_db(folder), Schema::OUTSIDE)?))
}
