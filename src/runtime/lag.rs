//! How far the consumers are behind.

use std::collections::BTreeMap;
use std::time::Duration;

use super::meters::LagLabels;
use super::{Meters, Stop};
use crate::ports::{Clock, EventBus};

/// Pause between two looks: each asks the cluster about every group.
const EVERY: Duration = Duration::from_secs(5);

/// Measures until told to stop.
pub async fn watch(
    bus: &dyn EventBus,
    clock: &dyn Clock,
    meters: &Meters,
    stop: &Stop,
) -> Result<(), String> {
    loop {
        measure(bus, meters).await;
        if stop.unless_said(clock.sleep(EVERY)).await.is_none() {
            return Ok(());
        }
    }
}

/// What is not known stays as it was: whether the bus answers is told elsewhere.
async fn measure(bus: &dyn EventBus, meters: &Meters) {
    let Ok(offsets) = bus.groups().await else { return };
    let mut lag: BTreeMap<(String, String), u64> = BTreeMap::new();
    for offset in offsets {
        *lag.entry((offset.group, offset.topic)).or_default() += offset.lag;
    }
    for ((group, topic), lag) in lag {
        meters.lag.get_or_create(&LagLabels { group, topic }).set(lag as i64);
    }
}
