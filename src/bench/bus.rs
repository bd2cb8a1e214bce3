//! The event bus alone: records of 1 KiB in, each acknowledged, and out again.

use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use serde::Serialize;

use super::round;
use crate::app::embedded::Environment;
use crate::app::folder::ThrowAway;
use crate::app::{Backends, Corner, DataFolder, Settings};
use crate::ports::bus::{EventBus, NewRecord};

/// Bytes of a record.
pub const RECORD_BYTES: usize = 1_024;
/// Records in all.
const RECORDS: usize = 200_000;
/// Records of one call.
const BATCH: usize = 512;
/// Calls under way at a time.
const CALLS: usize = 8;
/// Most records of one poll.
const POLL_MAX: usize = 1_024;
const TOPIC: &str = "bench.bus";

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct BusFigures {
    published_per_s: f64,
    published_mib_per_s: f64,
    consumed_per_s: f64,
    consumed_mib_per_s: f64,
}

/// Publishes, and then reads as a group.
pub async fn measure(settings: &Settings) -> anyhow::Result<BusFigures> {
    let env = Environment::system();
    let name = format!("ecom-bench-bus-{}-{}", std::process::id(), env.clock.now().millis());
    let folder = ThrowAway::new(&name)?;
    let owned = DataFolder::open(folder.path())?;
    let mut settings = settings.clone();
    let corner = Corner::claim(&mut settings, &name, env.clock.as_ref()).await?;
    let backends = Backends::open(Some(&owned), &settings, env).await?;
    let (bus, clock) = (backends.ports.bus.as_ref(), &backends.ports.clock);
    bus.create_topic(TOPIC, 3, None).await?;
    publish(bus, CALLS).await?; // a first round, so that all is warm
    let started = clock.elapsed();
    for _ in 0..RECORDS / (BATCH * CALLS) {
        publish(bus, CALLS).await?;
    }
    let publishing = clock.elapsed().saturating_sub(started);
    let count = RECORDS / (BATCH * CALLS) * (BATCH * CALLS);
    let mut member = bus.subscribe("bench", &[TOPIC]).await?;
    let (mut read, mut first) = (0, None);
    while read < count {
        let records = member.poll(POLL_MAX).await?;
        if !records.is_empty() {
            // Joining a group takes its time, and only once.
            first.get_or_insert_with(|| (clock.elapsed(), records.len()));
        }
        read += records.len();
    }
    let (began, head) = first.unwrap_or((started, 0));
    let consuming = clock.elapsed().saturating_sub(began);
    drop(member);
    corner.sweep(std::sync::Arc::clone(clock)).await?;
    let (published, consumed) = (rate(count, publishing), rate(read - head, consuming));
    let mib = |per_s: f64| round(per_s * RECORD_BYTES as f64 / f64::from(1 << 20));
    Ok(BusFigures {
        published_per_s: published.round(),
        published_mib_per_s: mib(published),
        consumed_per_s: consumed.round(),
        consumed_mib_per_s: mib(consumed),
    })
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

async fn publish(bus: &dyn EventBus, calls: usize) -> anyhow::Result<()> {
    let value = Bytes::from(vec![b'x'; RECORD_BYTES]);
    let record = |n: usize| NewRecord {
        topic: TOPIC.to_owned(),
        partition: None,
        key: Some(Bytes::from(n.to_string())),
        headers: vec![],
        value: Some(value.clone()),
    };
    let call = |c: usize| bus.publish((c * BATCH..(c + 1) * BATCH).map(record).collect());
    try_join_all((0..calls).map(call)).await?;
    Ok(())
}
