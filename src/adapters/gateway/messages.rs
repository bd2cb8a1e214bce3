//! What the simulated provider still has to tell: rows beside its ledger, each written with the
//! decision that it tells of.

use std::sync::Arc;
use std::time::Duration;

use crate::adapters::sqlite::Journal;
use crate::adapters::store::SqliteStore;
use crate::domain::Timestamp;
use crate::ports::store::{Batch, Row, Store, StoreError, query};
use crate::ports::webhook::Webhook;
use crate::values;

const INSERT: &str =
    "insert into gateway_webhooks (webhook_id, body, created_at, attempts, next_at)
 values (?1, ?2, ?3, 0, ?3)";
const SELECT_DUE: &str = "select webhook_id, body, created_at, attempts from gateway_webhooks
 where next_at <= ?1 order by next_at, webhook_id limit ?2";
const SELECT_NEXT: &str = "select min(next_at) from gateway_webhooks";
const LATER: &str =
    "update gateway_webhooks set attempts = attempts + 1, next_at = ?2 where webhook_id = ?1";
const DELETE: &str = "delete from gateway_webhooks where webhook_id = ?1";

/// The messages that wait.
pub struct Messages(SqliteStore);

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Its JSON.
    pub body: String,
    /// When it came up.
    pub created_at: Timestamp,
    /// How often it was sent in vain.
    pub attempts: u32,
}

impl Messages {
    /// Those on the outside's journal.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self(SqliteStore::new(journal))
    }

    /// Those that are due at `now`, longest due first; they and what they tell of are on disk.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, StoreError> {
        let rows = query(&self.0, SELECT_DUE, values![now, limit]).await?;
        self.0.durable().await?;
        rows.iter().map(message).collect()
    }

    /// When the next one is due.
    pub async fn next_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = query(&self.0, SELECT_NEXT, vec![]).await?;
        rows.first().map_or(Ok(None), |row| row.time_opt(0))
    }

    /// Forgets those in `done`, and puts off those in `later`.
    pub async fn record(
        &self,
        done: &[String],
        later: &[(String, Timestamp)],
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        done.iter().for_each(|id| batch.any(DELETE, values![id]));
        later.iter().for_each(|(id, at)| batch.any(LATER, values![id, *at]));
        if batch.is_empty() { Ok(()) } else { self.0.write(batch).await }
    }
}

/// Puts a message into the batch that decides what it tells of.
pub(super) fn insert(batch: &mut Batch, webhook: &Webhook, now: Timestamp) {
    let body = serde_json::to_string(webhook).expect("a message is plain data");
    batch.one(INSERT, values![&webhook.id, body, now]);
}

fn message(row: &Row) -> Result<Message, StoreError> {
    Ok(Message {
        id: row.text(0)?.to_owned(),
        body: row.text(1)?.to_owned(),
        created_at: row.time(2)?,
        attempts: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
    })
}

/// The pause after the `attempts`th time in vain.
pub fn pause(attempts: u32) -> Duration {
    const MIN: Duration = Duration::from_millis(250);
    const MAX: Duration = Duration::from_mins(1);
    (MIN * 2u32.saturating_pow(attempts.min(16))).min(MAX)
}
