//! What the machine itself can do, with nothing of the shop in the way: the figures that the others
//! are to be read against.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::app::embedded::Environment;
use crate::app::folder::ThrowAway;
use crate::app::{DataFolder, Embedded, Settings, SystemClock};
use crate::ports::Clock;
use crate::ports::store::{Batch, Read};
use crate::sim::figures::{Percentiles, micros_histogram};
use crate::values;

/// How long each part is measured.
const EACH: Duration = Duration::from_secs(3);
/// Rows of one transaction, about what a group commit under load holds.
const ROWS: usize = 512;

/// What the machine can do.
#[derive(Debug, Clone, Serialize)]
pub struct FloorFigures {
    /// Appends of 4 KiB with `fdatasync`, one after the other, per second.
    pub fsyncs_per_s: f64,
    /// How long one takes, in ms.
    pub fsync_ms: Percentiles,
    /// Rows of an outbox inserted per second in transactions of 512, not synced.
    pub inserts_per_s: f64,
    /// Rows updated by key per second, in transactions of 512, not synced.
    pub updates_per_s: f64,
    /// Rows read by key per second, one read after the other.
    pub reads_per_s: f64,
}

/// Measures it in a throw-away folder beside where the shops of the other benches are.
pub async fn measure(settings: &Settings) -> anyhow::Result<FloorFigures> {
    let folder = ThrowAway::new(&format!("ecom-bench-floor-{}", std::process::id()))?;
    let owned = DataFolder::open(folder.path())?;
    let (fsyncs_per_s, fsync_ms) = fsyncs(&folder)?;
    let embedded = Arc::new(Embedded::open(&owned, settings, Environment::system())?);
    let store = Arc::clone(&embedded.ports.store);
    let now = embedded.ports.clock.now();
    let mut next = 0_i64;
    let inserts_per_s = repeat(ROWS, async || {
        let mut batch = Batch::default();
        for _ in 0..ROWS {
            next += 1;
            let id = format!("bench:{next}");
            batch.one(
                "insert into idempotency_keys (service, scope, key, fingerprint, status, body, created_at, expires_at)
                 values ('bench', 'floor', ?1, '', 200, ?2, ?3, ?3)",
                values![id, "x".repeat(400), now],
            );
        }
        Ok(store.write(batch).await?)
    })
    .await?;
    let rows = next;
    let mut at = 0_i64;
    let mut key = || {
        at = at.wrapping_add(7_919) % rows;
        format!("bench:{}", at + 1)
    };
    let updates_per_s = repeat(ROWS, async || {
        let mut batch = Batch::default();
        for _ in 0..ROWS {
            batch.one(
                "update idempotency_keys set status = status + 1
                 where service = 'bench' and scope = 'floor' and key = ?1",
                values![key()],
            );
        }
        Ok(store.write(batch).await?)
    })
    .await?;
    let reads_per_s = repeat(1, async || {
        let read = Read::new(
            "select body from idempotency_keys where service = 'bench' and scope = 'floor' and key = ?1",
            values![key()],
        );
        store.read(&[read]).await?;
        Ok(())
    })
    .await?;
    embedded.close();
    Ok(FloorFigures { fsyncs_per_s, fsync_ms, inserts_per_s, updates_per_s, reads_per_s })
}

fn fsyncs(folder: &ThrowAway) -> anyhow::Result<(f64, Percentiles)> {
    let mut file = File::create(folder.path().join("floor"))?;
    let mut took = micros_histogram();
    let clock = SystemClock::default();
    let page = [7; 4_096];
    while clock.elapsed() < EACH {
        let started = clock.elapsed();
        file.write_all(&page)?;
        file.sync_data()?;
        took.saturating_record(clock.elapsed().saturating_sub(started).as_micros() as u64);
    }
    Ok((took.len() as f64 / clock.elapsed().as_secs_f64(), Percentiles::of(&took)))
}

/// Does `step`, which is worth `rows`, for a while; rows per second.
async fn repeat(
    rows: usize,
    mut step: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let clock = SystemClock::default();
    let mut done = 0;
    while clock.elapsed() < EACH {
        step().await?;
        done += rows;
    }
    Ok((done as f64 / clock.elapsed().as_secs_f64()).round())
}
