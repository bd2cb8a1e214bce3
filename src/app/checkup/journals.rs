//! The databases of a data folder, and its log's topics, as they are on disk.

use std::path::Path;

use futures::channel::oneshot;

use crate::adapters::sqlite::Schema;
use crate::adapters::sqlite::copy::{Pinned, check};
use crate::app::Remains;
use crate::domain::Timestamp;
use crate::ports::store::{Row, StoreError, Value, query};

/// The databases of a folder, and whether the shop can do without.
const DATABASES: [(&str, Schema, bool); 3] = [
    ("shop.db", Schema::SHOP, true),
    ("outside.db", Schema::OUTSIDE, true),
    ("console.db", Schema::CONSOLE, false),
];

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFacts {
    /// Its file's name.
    pub name: &'static str,
    /// Whether the shop cannot do without.
    pub needed: bool,
    /// What it is like; none if there is no such file.
    pub state: Option<Result<JournalState, String>>,
}

/// What a database is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalState {
    /// Its schema's version.
    pub schema: u64,
    /// The newest that this build knows.
    pub schema_known: u64,
    /// Bytes.
    pub bytes: u64,
    /// Bytes of its write-ahead log.
    pub log_bytes: u64,
    /// What is wrong with its pages, if anything.
    pub damage: Option<String>,
}

/// Reads all databases of the folder at `path` whole, beside whoever uses them.
pub async fn look(path: &Path) -> Vec<JournalFacts> {
    let (reply, told) = oneshot::channel();
    let path = path.to_owned();
    let work = move || {
        let facts = DATABASES.iter().map(|(name, schema, needed)| {
            let file = path.join(name);
            let state = file.exists().then(|| state(&file, *schema).map_err(|e| e.to_string()));
            JournalFacts { name, needed: *needed, state }
        });
        let _ = reply.send(facts.collect());
    };
    // A thread, since it takes as long as reading everything does.
    if std::thread::Builder::new().name("ecom-checkup".into()).spawn(work).is_err() {
        return vec![];
    }
    told.await.unwrap_or_default()
}

fn state(file: &Path, schema: Schema) -> Result<JournalState, StoreError> {
    let pinned = Pinned::now(file)?;
    let log = file.with_extension("db-wal").metadata();
    let damage = match check(file) {
        Ok(()) => None,
        Err(StoreError::Broken(what)) => Some(what),
        Err(e) => return Err(e),
    };
    Ok(JournalState {
        schema: pinned.schema_version()?,
        schema_known: schema.steps.len() as u64,
        bytes: pinned.bytes()?,
        log_bytes: log.map_or(0, |log| log.len()),
        damage,
    })
}

/// A topic of the embedded log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTopic {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: u32,
    /// How long records are kept, in ms; none: for ever.
    pub retention_ms: Option<u64>,
}

/// The topics of the folder at `path`.
pub async fn log_topics(path: &Path) -> Result<Vec<LogTopic>, StoreError> {
    let shop = Remains::of_folder(path)?.shop;
    let sql = "select t.topic, t.retention_ms, count(p.tp) from log_topics t
        left join log_partitions p on p.topic = t.topic group by t.topic order by t.topic";
    let topic = |row: &Row| {
        Ok(LogTopic {
            name: row.text(0)?.to_owned(),
            retention_ms: if row.0.get(1) == Some(&Value::Null) {
                None
            } else {
                Some(row.int(1)?.unsigned_abs())
            },
            partitions: row.int(2)? as u32,
        })
    };
    query(shop.as_ref(), sql, vec![]).await?.iter().map(topic).collect()
}

/// The latest time that the shop in the folder at `path` has noted; none if it never ran.
pub async fn latest_time(path: &Path) -> Result<Option<Timestamp>, StoreError> {
    let shop = Remains::of_folder(path)?.shop;
    let sql = "select max(started_at), max(ended_at) from process_starts";
    let rows = query(shop.as_ref(), sql, vec![]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok([row.time_opt(0)?, row.time_opt(1)?].into_iter().flatten().max())
}
