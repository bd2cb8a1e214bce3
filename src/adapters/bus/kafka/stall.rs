//! What a member misses, and nobody tells it: librdkafka may go on asking a broker that does not lead a
//! partition any more (<https://github.com/confluentinc/librdkafka/pull/5593>). Only a new client helps.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::errors::bus_error;
use super::group::{MemberContext, Membership};
use super::read::read;
use super::topics::edges;
use super::{Shared, blocking};
use crate::ports::bus::{BusError, Position};

/// Next offsets, by our topic and its partition.
type Offsets = BTreeMap<(String, u32), u64>;

/// What a member lacks at one moment; usually no more at the next look.
#[derive(Default)]
struct Lacks {
    /// Partitions that have more than it has been given, and where it stands.
    records: Offsets,
    /// Partitions of which the cluster has less than it has committed, and what the cluster has.
    commits: Offsets,
}

/// Ends when a member has lacked a record that is there, or the cluster a commit of it, from one look to the
/// next; there is a look as often as a question may take. To be asked only while nothing waits to be taken.
pub(super) async fn stalled(
    shared: Arc<Shared>,
    consumer: Weak<StreamConsumer<MemberContext>>,
    membership: Arc<Membership>,
) -> BusError {
    let mut before = Lacks::default();
    loop {
        shared.clock.sleep(shared.options.timeout).await;
        let Some(asked) = consumer.upgrade() else { return std::future::pending().await };
        let (asker, stored) = (Arc::clone(&shared), membership.stored());
        // A cluster that does not answer has other troubles.
        let now = blocking(move || lacks(&asker, &asked, &stored)).await.unwrap_or_default();
        if let Some((topic, partition)) = still(&before.commits, &now.commits).next() {
            return anew(&format!("a commit of {topic}/{partition} was lost"));
        }
        for (topic, partition) in still(&before.records, &now.records) {
            let offset = now.records[&(topic.clone(), *partition)];
            let at = Position { topic: topic.as_str().into(), partition: *partition, offset };
            // What ends a transaction is no record.
            if read(&shared, &at, 1).await.is_ok_and(|found| !found.is_empty()) {
                return anew(&format!("{at} is there and does not come"));
            }
        }
        before = now;
    }
}

fn anew(why: &str) -> BusError {
    BusError::Unavailable(format!("{why}; joining anew"))
}

/// What lacked before, and does at the same offset.
fn still<'a>(
    before: &'a Offsets,
    now: &'a Offsets,
) -> impl Iterator<Item = &'a (String, u32)> + 'a {
    now.iter().filter(|(place, at)| before.get(*place) == Some(*at)).map(|(place, _)| place)
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
    let given = offsets(shared, &asked);
    let commits = stored.iter().filter_map(|(place, stored)| {
        let committed = (*committed.get(place)?).unwrap_or_default();
        (committed < *stored).then(|| (place.clone(), committed))
    });
    // Who has been given nothing yet begins at what is committed, or at the start.
    let next = |(place, given): (&(String, u32), &Option<u64>)| {
        let committed = committed.get(place).copied().flatten();
        (place.clone(), given.or(committed).unwrap_or_default())
    };
    let mut records: Offsets = given.iter().map(next).collect();
    let all: Vec<(&str, u32)> = records.keys().map(|(topic, p)| (topic.as_str(), *p)).collect();
    let ends = edges(shared, &all, Offset::End)?;
    records.retain(|place, next| ends.get(place).is_some_and(|end| *end > *next));
    Ok(Lacks { records, commits: commits.collect() })
}

fn offsets(shared: &Shared, list: &TopicPartitionList) -> BTreeMap<(String, u32), Option<u64>> {
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
