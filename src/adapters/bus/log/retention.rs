//! Removing records from the front of a partition, in bounded steps beside the traffic: what is past its
//! retention, unless a group with members has not read it yet, and what somebody says shall go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::partition::position;
use super::{Shared, State, reading};
use crate::adapters::sqlite::Tx;
use crate::ports::bus::BusError;

/// Records removed per job: some milliseconds of the writer's time.
const STEP: u64 = 2_000;

struct Due {
    topic: Arc<str>,
    partition: u32,
    tp: u64,
    start: u64,
    keep_from: u64,
}

pub(super) async fn prune(shared: &Arc<Shared>) -> Result<u64, BusError> {
    let mut removed = 0;
    for due in due(shared)? {
        removed += remove(shared, &due).await?;
    }
    Ok(removed)
}

/// Removes what lies before these offsets, whoever still wants it.
pub(super) async fn truncate(
    shared: &Arc<Shared>,
    topic: &str,
    before: &BTreeMap<u32, u64>,
) -> Result<(), BusError> {
    for (partition, keep_from) in before {
        let due = {
            let state = shared.state();
            let p = state.partition(topic, *partition)?;
            let (topic, keep_from) = (topic.into(), (*keep_from).min(p.end));
            Due { topic, partition: *partition, tp: p.tp, start: p.start, keep_from }
        };
        remove(shared, &due).await?;
    }
    Ok(())
}

/// Removes it step by step; how many records.
async fn remove(shared: &Arc<Shared>, due: &Due) -> Result<u64, BusError> {
    let mut at = due.start;
    while at < due.keep_from {
        let to = due.keep_from.min(at + STEP);
        let (tp, first, last) = (due.tp, position(due.tp, at), position(due.tp, to) - 1);
        let (topic, partition) = (Arc::clone(&due.topic), due.partition as usize);
        // Another may remove further records of the same partition at the same time.
        let task = move |tx: &Tx<'_>| {
            tx.execute(
                "delete from log_records where position between ?1 and ?2",
                &[first.into(), last.into()],
            )?;
            tx.execute(
                "update log_partitions set start_offset = max(start_offset, ?2) where tp = ?1",
                &[(tp as i64).into(), (to as i64).into()],
            )
        };
        let note = move |state: &mut State, _: &usize| {
            let topic = state.topics.get_mut(&topic);
            let found = topic.and_then(|topic| topic.partitions.get_mut(partition));
            if let Some(found) = found.filter(|found| found.tp == tp) {
                found.start = found.start.max(to);
            }
        };
        shared.change(task, note).await?;
        at = to;
    }
    Ok(due.keep_from.saturating_sub(due.start))
}

fn due(shared: &Arc<Shared>) -> Result<Vec<Due>, BusError> {
    let now = shared.clock.now();
    let mut candidates = vec![];
    {
        let state = shared.state();
        for (name, topic) in &state.topics {
            let Some(retention) = topic.retention else { continue };
            for (partition, p) in (0u32..).zip(&topic.partitions) {
                let unread = state.groups.slowest(name, partition).unwrap_or(u64::MAX);
                candidates.push((
                    Arc::clone(name),
                    partition,
                    p.tp,
                    p.start,
                    unread,
                    now - retention,
                ));
            }
        }
    }
    let mut due = vec![];
    for (topic, partition, tp, start, unread, horizon) in candidates {
        let keep_from = reading::offset_at(shared, &topic, partition, horizon)?.min(unread);
        if keep_from > start {
            due.push(Due { topic, partition, tp, start, keep_from });
        }
    }
    Ok(due)
}
