//! What a shop has written down, wherever it is, so that it can be emptied.

pub mod tables;

use std::sync::Arc;

use super::embedded::Environment;
use super::{Console, DataFolder, Settings, backends, folder};
use crate::adapters::bus::KafkaBus;
use crate::adapters::bus::log::{BEGIN_ANEW, EMPTY};
use crate::adapters::postgres::PostgresStore;
use crate::adapters::redis::RedisLink;
use crate::adapters::sqlite::{Journal, Schema};
use crate::adapters::store::SqliteStore;
use crate::ports::store::{Batch, Store, StoreError, query};
use crate::values;
use tables::Table;

/// How keys of copies of carts begin.
pub const CARTS: &str = "cart:";
/// How keys of holds begin.
pub const HOLDS: &str = "{holds}:";

/// What becomes of the embedded log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// It stays.
    Stays,
    /// Its records go, and the next ones get the offsets after them.
    IsEmptied,
    /// It begins at offset 0 again: for who also forgets all that is known by offsets.
    BeginsAnew,
}

impl Log {
    const fn statements(self) -> &'static [&'static str] {
        match self {
            Self::Stays => &[],
            Self::IsEmptied => &EMPTY,
            Self::BeginsAnew => &BEGIN_ANEW,
        }
    }
}

/// A database in a folder that this process has.
pub struct Database {
    journal: Arc<Journal>,
}

impl Database {
    fn open(path: &std::path::Path, schema: Schema) -> Result<Self, StoreError> {
        Ok(Self { journal: Arc::new(Journal::open(path, schema)?.0) })
    }

    /// As a store.
    pub fn store(&self) -> SqliteStore {
        SqliteStore::new(Arc::clone(&self.journal))
    }

    /// Empties all of `tables`, and the log as `log` says, in one step; it is on disk then.
    pub async fn empty(&self, tables: &[Table], log: Log) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        log.statements().iter().for_each(|sql| batch.any(sql, vec![]));
        tables.iter().for_each(|table| batch.any(table.delete, vec![]));
        let store = self.store();
        store.write(batch).await?;
        store.durable().await
    }
}

/// Everything that a stopped shop has written down. Nobody else opens its folder meanwhile.
pub struct Grounds {
    /// Tables and log in the folder, as far as they are there.
    pub shop: Option<Database>,
    /// Ledger and mailbox in the folder.
    pub outside: Option<Database>,
    /// Tables on a server.
    pub postgres: Option<PostgresStore>,
    /// Events on a cluster: the shop's topics and groups.
    pub kafka: Option<KafkaBus>,
    /// Cache and holds on a server.
    pub redis: Option<RedisLink>,
    /// The console's index.
    pub console: Option<Console>,
    _folder: Option<DataFolder>,
}

impl Grounds {
    /// Opens what the settings name and is there. An [`super::folder::InUse`] error if the shop runs.
    pub async fn open(settings: &Settings, env: &Environment) -> anyhow::Result<Self> {
        let clock = || Arc::clone(&env.clock);
        let path = settings.data_dir()?;
        let taken = (backends::needs_folder(settings) && folder::holds_data(&path))
            .then(|| DataFolder::open(&path))
            .transpose()?;
        let (mut shop, mut outside, mut console) = (None, None, None);
        if let Some(taken) = &taken {
            shop = Some(Database::open(&taken.shop_db(), Schema::SHOP)?);
            outside = Some(Database::open(&taken.outside_db(), Schema::OUTSIDE)?);
            console = Some(Console::in_folder(taken)?);
        }
        let (mut kafka, mut postgres, mut redis) = (None, None, None);
        if !settings.kafka.bootstrap.is_empty() {
            let bus = backends::kafka(settings, clock()).await?;
            let of_cluster = Console::of_cluster(&bus.cluster_id().await?, &settings.kafka)?;
            (kafka, console) = (Some(bus), Some(of_cluster));
        }
        if !settings.postgres.url.is_empty() {
            postgres = Some(backends::postgres(settings, false, clock()).await?);
        }
        if !settings.redis.url.is_empty() {
            redis = Some(backends::redis(settings, clock()).await?);
        }
        Ok(Self { shop, outside, postgres, kafka, redis, console, _folder: taken })
    }

    /// The shop's tables, wherever they are; none if there are none yet.
    pub fn tables(&self) -> Option<Arc<dyn Store>> {
        let server = self.postgres.clone().map(|store| Arc::new(store) as Arc<dyn Store>);
        server.or_else(|| Some(Arc::new(self.shop.as_ref()?.store())))
    }

    /// Empties these tables of the shop; and the embedded log and its offsets, if that is wanted, in the same
    /// step where they are in the same place.
    pub async fn empty_shop(
        &self,
        tables: &[Table],
        log: Log,
        offsets: bool,
    ) -> Result<(), StoreError> {
        let own_log = self.kafka.is_none();
        let mut in_folder = vec![];
        if let Some(postgres) = &self.postgres {
            let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
            if !names.is_empty() {
                postgres.truncate(&names).await?;
            }
        } else {
            in_folder.extend_from_slice(tables);
        }
        if offsets && own_log {
            in_folder.extend_from_slice(tables::OFFSETS);
        }
        let log = if own_log { log } else { Log::Stays };
        match &self.shop {
            Some(shop) => shop.empty(&in_folder, log).await,
            None => Ok(()),
        }
    }

    /// Rows in all of `tables`; none if they could not be counted in time.
    pub async fn count(store: &dyn Store, tables: &[Table]) -> Option<u64> {
        let mut sum = 0;
        for table in tables {
            let rows = query(store, table.count, values![]).await.ok()?;
            sum += rows.first()?.int(0).ok()?.unsigned_abs();
        }
        Some(sum)
    }

    /// Writes what was opened back and closes it.
    pub fn close(&self) {
        for database in [&self.shop, &self.outside].into_iter().flatten() {
            database.journal.close();
        }
        if let Some(console) = &self.console {
            console.close();
        }
    }
}
