//! Removes what has served its time, in small steps: published outbox rows, processed event ids,
//! remembered answers.

use std::sync::Arc;
use std::time::Duration;

use super::Stop;
use super::members::Members;
use crate::domain::Timestamp;
use crate::ports::Clock;
use crate::ports::store::{Batch, Store, StoreError, query};
use crate::services::ServiceName;
use crate::values;

/// Rows per statement: some milliseconds of the writer's time.
const STEP: i64 = 2_000;

const OUTBOX_LAST: &str = "select max(seq) from (select seq, created_at, published from outbox_events order by seq limit ?2) as oldest
 where published = 'Y' and created_at < ?1";
const OUTBOX_DELETE: &str =
    "delete from outbox_events where seq <= ?1 and published = 'Y' and created_at < ?2";
const INBOX_COUNT: &str = "select count(*) from (select 1 from processed_events
   where consumer = ?1 and event_id < ?2 and processed_at < ?3 limit ?4) as old";
const INBOX_DELETE: &str = "delete from processed_events where consumer = ?1 and event_id in
 (select event_id from processed_events where consumer = ?1 and event_id < ?2 and processed_at < ?3
  order by event_id limit ?4)";
const KEYS_COUNT: &str =
    "select count(*) from (select 1 from idempotency_keys where expires_at <= ?1 limit ?2) as old";
// Also outside of the subquery: what was revived while the deletion waited for it is not expired.
const KEYS_DELETE: &str = "delete from idempotency_keys where expires_at <= ?1 and (service, scope, key) in
 (select service, scope, key from idempotency_keys where expires_at <= ?1 order by expires_at limit ?2)";

/// Removes old rows of one store.
pub struct Janitor {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who else may do it: one of them does.
    pub members: Members,
    /// Pause between two rounds.
    pub every: Duration,
    /// How long published events stay in the outbox; zero: for ever.
    pub outbox_retention: Duration,
    /// How long processed event ids are kept; zero: for ever.
    pub inbox_retention: Duration,
}

impl Janitor {
    /// Tidies until told to stop.
    pub async fn run(&self, stop: &Stop) -> Result<(), String> {
        while stop.unless_said(self.clock.sleep(self.every)).await.is_some() {
            if self.members.share(self.clock.as_ref()).is_none_or(|share| share.index != 0) {
                continue;
            }
            if let Err(error) = self.round(stop).await {
                tracing::warn!(%error, "tidying failed, next round");
            }
        }
        Ok(())
    }

    async fn round(&self, stop: &Stop) -> Result<(), StoreError> {
        let now = self.clock.now();
        if !self.outbox_retention.is_zero() {
            while !stop.is_said() && self.outbox(now - self.outbox_retention).await? {}
        }
        let services = if self.inbox_retention.is_zero() { &[] } else { ServiceName::ALL };
        for service in services {
            while !stop.is_said() && self.inbox(*service, now - self.inbox_retention).await? {}
        }
        while !stop.is_said() && self.keys(now).await? {}
        Ok(())
    }

    /// Each of these removes one step's worth; whether there is more.
    async fn outbox(&self, horizon: Timestamp) -> Result<bool, StoreError> {
        let rows = query(self.store.as_ref(), OUTBOX_LAST, values![horizon, STEP]).await?;
        let Some(last) = rows.first().and_then(|row| row.int(0).ok()) else { return Ok(false) };
        self.delete(OUTBOX_DELETE, values![last, horizon]).await?;
        Ok(true)
    }

    async fn inbox(&self, service: ServiceName, horizon: Timestamp) -> Result<bool, StoreError> {
        // Event ids begin with their time, and sort by it.
        let ms = u64::try_from(horizon.millis()).unwrap_or(0);
        let first = uuid::Builder::from_unix_timestamp_millis(ms, &[0; 10]).into_uuid().to_string();
        let row = values![service.as_str(), first, horizon, STEP];
        let found = query(self.store.as_ref(), INBOX_COUNT, row.clone()).await?;
        let count = found.first().map_or(Ok(0), |row| row.int(0))?;
        if count > 0 {
            self.delete(INBOX_DELETE, row).await?;
        }
        Ok(count == STEP)
    }

    async fn keys(&self, now: Timestamp) -> Result<bool, StoreError> {
        let found = query(self.store.as_ref(), KEYS_COUNT, values![now, STEP]).await?;
        let count = found.first().map_or(Ok(0), |row| row.int(0))?;
        if count > 0 {
            self.delete(KEYS_DELETE, values![now, STEP]).await?;
        }
        Ok(count == STEP)
    }

    async fn delete(
        &self,
        sql: &'static str,
        row: Vec<crate::ports::Value>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.any(sql, row);
        self.store.write(batch).await
    }
}
