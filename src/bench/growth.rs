//! Whether the shop gets slower as it gets older: many orders one after the other, with retention on,
//! measured in slices of 100,000.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::ground::Ground;
use super::saga::{SagaPlan, measure as measure_saga};
use super::{Bar, Bench, Measured, Options};
use crate::app::Settings;
use crate::app::config::Period;

/// Orders of one slice.
const SLICE: usize = 100_000;
/// What is older is removed from log, outbox and inbox; a few slices long.
const RETENTION: Duration = Duration::from_mins(1);
/// How often.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// A slice of the orders.
#[derive(Debug, Clone, Serialize)]
struct Slice {
    orders_per_s: f64,
    disk_mib: u64,
    fulfilled_ms_p99: f64,
}

#[derive(Debug, Clone, Serialize)]
struct GrowthFigures {
    slices: Vec<Slice>,
    /// The last slice's throughput as a share of the first's, in percent.
    last_to_first_percent: f64,
    disk_mib: u64,
}

#[derive(Serialize)]
struct GrowthSettings {
    orders: usize,
    slice: usize,
    retention_s: u64,
    in_flight: usize,
}

pub(super) async fn measure(settings: &Settings, options: &Options) -> anyhow::Result<Measured> {
    let mut settings = settings.clone();
    let data = &mut settings.data;
    for period in [
        &mut data.log_retention,
        &mut data.outbox_retention,
        &mut data.inbox_retention,
        &mut data.dlq_retention,
    ] {
        *period = Period(RETENTION);
    }
    data.tidy_every = Period(TIDY_EVERY);
    let ground = Arc::new(Ground::prepare(settings).await?);
    let mut slices: Vec<Slice> = vec![];
    for n in 0..options.orders.div_ceil(SLICE) {
        let plan = SagaPlan {
            seconds: u64::from(u32::MAX),
            carts: SLICE,
            first_user: n * SLICE,
            ..SagaPlan::new(0, options.in_flight, false)
        };
        let figures = measure_saga(Arc::clone(&ground), &plan).await?;
        let slice = Slice {
            orders_per_s: figures.orders_per_s.round(),
            disk_mib: ground.disk_bytes() >> 20,
            fulfilled_ms_p99: figures.fulfilled_ms.p99,
        };
        tracing::info!(orders = (n + 1) * SLICE, ?slice, "slice done");
        slices.push(slice);
    }
    let first = slices.first().map_or(0.0, |slice| slice.orders_per_s);
    let last = slices.last().map_or(0.0, |slice| slice.orders_per_s);
    let percent = (last / first * 1_000.0).round() / 10.0;
    let figures = GrowthFigures {
        slices,
        last_to_first_percent: percent,
        disk_mib: ground.disk_bytes() >> 20,
    };
    let how = GrowthSettings {
        orders: options.orders,
        slice: SLICE,
        retention_s: RETENTION.as_secs(),
        in_flight: options.in_flight,
    };
    let bar = Bar::at_least("last_to_first_percent", "%", percent, 80.0);
    Ok(Measured::new(Bench::Growth, &how, &figures, vec![bar]))
}
