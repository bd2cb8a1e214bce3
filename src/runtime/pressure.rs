//! Whether new orders can be taken: not while the outbox is long or the disk nearly full. Reading
//! goes on all the same, and so does finishing what was taken.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Health, Meters, Stop};
use crate::ports::Clock;
use crate::ports::store::{Store, StoreError, query};
use crate::services::desk::Bells;
use crate::values;

const UNPUBLISHED: &str =
    "select count(*) from (select 1 from outbox_events where published = 'N' limit ?1) as waiting";

/// Pause between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Watches the outbox and the disk.
pub struct PressureGauge {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where to say it.
    pub bells: Bells,
    /// Unpublished events from which on no new orders are taken.
    pub outbox_max: u32,
    /// Free bytes below which no new orders are taken.
    pub disk_floor: u64,
    /// Counters.
    pub meters: Arc<Meters>,
    /// How the shop is.
    pub health: Health,
}

impl PressureGauge {
    /// Looks until told to stop.
    pub async fn run(&self, stop: &Stop) -> Result<(), String> {
        loop {
            let why = match self.look().await {
                Ok(why) => why,
                Err(e) => Some(e.to_string()),
            };
            let before = self.bells.pressure.swap(why.is_some(), Ordering::Relaxed);
            self.tell(why, before);
            if stop.unless_said(self.clock.sleep(EVERY)).await.is_none() {
                return Ok(());
            }
        }
    }

    fn tell(&self, why: Option<String>, before: bool) {
        if let Some(why) = why {
            if !before {
                tracing::warn!(reason = why, "no new orders are taken for now");
            }
            self.health.down("intake", why);
            return;
        }
        if before {
            tracing::info!("new orders are taken again");
        }
        self.health.up("intake");
    }

    async fn look(&self) -> Result<Option<String>, StoreError> {
        let rows = query(self.store.as_ref(), UNPUBLISHED, values![self.outbox_max]).await?;
        let unpublished = rows.first().map_or(Ok(0), |row| row.int(0))?;
        self.meters.outbox_unpublished.set(unpublished);
        if unpublished >= i64::from(self.outbox_max) {
            return Ok(Some(format!("{unpublished} events wait to be published")));
        }
        let room = self.store.room().await?;
        if let Some(room) = room {
            self.meters.disk_free_bytes.set(i64::try_from(room).unwrap_or(i64::MAX));
            if room < self.disk_floor {
                let (free, floor) = (room >> 20, self.disk_floor >> 20);
                return Ok(Some(format!("{free} MiB are free on the disk, less than {floor} MiB")));
            }
        }
        Ok(None)
    }
}
