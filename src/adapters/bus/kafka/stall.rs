//! What a member misses, and nobody tells it: librdkafka may go on asking a broker that does not lead a
//! partition any more (<https://github.com/confluentinc/librdkafka/pull/5593>). Only a new client helps.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::errors::bus_error;
use super::group::{MemberContext, Membership};
use super::read::read;
use super::topics::edges;
use super::{Offsets, Place, Shared, blocking};
use crate::ports::bus::{BusError, Position};

/// Between two looks, the shortest and the longest; else as long as a question may take.
const EVERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// A member that was stalled is followed by one that is twice as patient: what is slow is not stalled. So often
/// at most.
const DOUBLED_MAX: u32 = 6;

/// What a member lacks at one moment; usually no more at the next look.
#[derive(Default)]
struct Lacks {
    /// Partitions that have more than it has been given, and where it stands.
    records: Offsets,
    /// Partitions of which the cluster has less than it has committed, and what the cluster has.
    commits: Offsets,
}

impl Lacks {
    fn is_nothing(&self) -> bool {
        self.records.is_empty() && self.commits.is_empty()
    }

    /// What was lacking before, too, at the same offset.
    fn as_in(&self, before: &Self) -> Self {
        let both = |now: &Offsets, before: &Offsets| {
            let same = now.iter().filter(|(place, at)| before.get(*place) == Some(*at));
            same.map(|(place, at)| (place.clone(), *at)).collect()
        };
        Self {
            records: both(&self.records, &before.records),
            commits: both(&self.commits, &before.commits),
        }
    }
}

/// Who looks after a member.
pub(super) struct Watch {
    pub(super) shared: Arc<Shared>,
    pub(super) group: String,
    pub(super) consumer: Weak<StreamConsumer<MemberContext>>,
    pub(super) membership: Arc<Membership>,
}

impl Watch {
    /// Ends when the member has lacked a record that is there, or the cluster a commit of it, from one look to
    /// the next. To be asked only while nothing waits to be taken.
    pub(super) async fn stalled(self) -> BusError {
        let shared = &self.shared;
        let mut before = Lacks::default();
        // Looks that were as the one before.
        let mut same = 0;
        loop {
            shared.clock.sleep(shared.options.timeout.clamp(EVERY.0, EVERY.1)).await;
            let Some(consumer) = self.consumer.upgrade() else { break };
            let (asker, stored) = (Arc::clone(shared), self.membership.stored());
            let Ok(now) = blocking(move || lacks(&asker, &consumer, &stored)).await else {
                // A cluster that does not answer has other troubles.
                (before, same) = (Lacks::default(), 0);
                continue;
            };
            if now.is_nothing() {
                shared.stalls().remove(&self.group);
            }
            let still = now.as_in(&before);
            same = if still.is_nothing() { 0 } else { same + 1 };
            if same >= self.patience()
                && let Some(what) = self.verdict(&still).await
            {
                *shared.stalls().entry(self.group.clone()).or_default() += 1;
                return BusError::Unavailable(format!("{what}; joining anew"));
            }
            before = now;
        }
        std::future::pending().await
    }

    /// Looks that must be as the one before.
    fn patience(&self) -> u32 {
        let stalls = self.shared.stalls().get(&self.group).copied().unwrap_or_default();
        1 << stalls.min(DOUBLED_MAX)
    }

    async fn verdict(&self, still: &Lacks) -> Option<String> {
        if let Some((topic, partition)) = still.commits.keys().next() {
            return Some(format!("a commit of {topic}/{partition} was lost"));
        }
        for (place, offset) in &still.records {
            let topic = place.0.as_str().into();
            let at = Position { topic, partition: place.1, offset: *offset };
            // What ends a transaction is no record.
            let there = read(&self.shared, &at, 1).await.is_ok_and(|found| !found.is_empty());
            // It may have come while it was looked for, or be another member's now.
            if there && self.stands_at(place, *offset) {
                return Some(format!("{at} is there and does not come"));
            }
        }
        None
    }

    /// Whether the member was given nothing of this partition, which is its own, from this offset on.
    fn stands_at(&self, place: &Place, offset: u64) -> bool {
        let given = self.consumer.upgrade().and_then(|consumer| consumer.position().ok());
        let given = given.and_then(|list| offsets(&self.shared, &list).remove(place));
        given.is_some_and(|given| given.is_none_or(|next| next == offset))
    }
}

impl Shared {
    /// How often members of a group were stalled one after another.
    fn stalls(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.stalls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blocks.
fn lacks(
    shared: &Shared,
    consumer: &StreamConsumer<MemberContext>,
    stored: &Offsets,
) -> Result<Lacks, BusError> {
    let failed = |e: KafkaError| bus_error(&e, "positions");
    let asked = consumer.position().map_err(failed)?;
    let committed = consumer.committed_offsets(asked.clone(), shared.options.timeout);
    let committed = offsets(shared, &committed.map_err(failed)?);
    let commits = stored.iter().filter_map(|(place, stored)| {
        let committed = (*committed.get(place)?).unwrap_or_default();
        (committed < *stored).then(|| (place.clone(), committed))
    });
    let commits: Offsets = commits.collect();
    // While a group changes its members nobody commits by the clock.
    if !commits.is_empty()
        && let Err(e) = consumer.commit_consumer_state(CommitMode::Async)
    {
        tracing::debug!(error = %e, "not committed");
    }
    // Who has been given nothing yet begins at what is committed, or at the start.
    let given = offsets(shared, &asked);
    let next = |(place, given): (&Place, &Option<u64>)| {
        let committed = committed.get(place).copied().flatten();
        (place.clone(), given.or(committed).unwrap_or_default())
    };
    let mut records: Offsets = given.iter().map(next).collect();
    let all: Vec<(&str, u32)> = records.keys().map(|(topic, p)| (topic.as_str(), *p)).collect();
    // Of a partition without a leader nobody knows the end.
    let ends = edges(shared, &all, Offset::End).unwrap_or_default();
    records.retain(|place, next| ends.get(place).is_some_and(|end| *end > *next));
    Ok(Lacks { records, commits })
}

fn offsets(shared: &Shared, list: &TopicPartitionList) -> BTreeMap<Place, Option<u64>> {
    let all = list.elements();
    let ours = all.iter().filter_map(|e| {
        let offset = match e.offset() {
            Offset::Offset(offset) => Some(offset.unsigned_abs()),
            _ => None,
        };
        Some(((shared.inner(e.topic())?.to_owned(), e.partition().unsigned_abs()), offset))
    });
    ours.collect()
}
