//! Publishing: one job appends a batch of records, each at the end of its partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::partition::{offset, position};
use super::{Shared, State, bus_error, codec};
use crate::adapters::sqlite::{Job, Tx};
use crate::domain::Timestamp;
use crate::events::Topic;
use crate::ports::bus::{
    BusError, DEAD_LETTER_BYTES_MAX, NewRecord, Position, RECORD_BYTES_MAX, Record, partition_of,
};
use crate::ports::store::{StoreError, Value};

const INSERT: &str = "insert into log_records (position, timestamp_ms, record_key, headers, value)
 values (?1, ?2, ?3, ?4, ?5)";
const LAST: &str = "select position, timestamp_ms from log_records where position between ?1 and ?2
 order by position desc limit 1";
const START: &str = "select start_offset from log_partitions where tp = ?1";

struct Append {
    shared: Arc<Shared>,
    now: Timestamp,
    routed: Vec<Routed>,
    appended: Vec<Arc<Record>>,
    reply: oneshot::Sender<Result<Vec<Position>, StoreError>>,
}

struct Routed {
    topic: Arc<str>,
    partition: u32,
    tp: u64,
    record: NewRecord,
}

pub(super) async fn publish(
    shared: &Arc<Shared>,
    records: Vec<NewRecord>,
) -> Result<Vec<Position>, BusError> {
    if records.is_empty() {
        return Ok(vec![]);
    }
    let routed = {
        let mut state = shared.state();
        records.into_iter().map(|r| route(&mut state, r)).collect::<Result<Vec<_>, _>>()?
    };
    let (reply, outcome) = oneshot::channel();
    let now = shared.clock.now();
    let job = Append { shared: Arc::clone(shared), now, routed, appended: vec![], reply };
    shared.journal.submit(Box::new(job));
    match outcome.await {
        Ok(outcome) => outcome.map_err(bus_error),
        Err(_) => Err(BusError::Unavailable("the log is closed".into())),
    }
}

fn route(state: &mut State, record: NewRecord) -> Result<Routed, BusError> {
    let headers: usize = record.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
    let size = headers
        + record.key.as_ref().map_or(0, bytes::Bytes::len)
        + record.value.as_ref().map_or(0, bytes::Bytes::len);
    let dead_letter = record.topic == Topic::DlqEvents.as_str();
    let max = if dead_letter { DEAD_LETTER_BYTES_MAX } else { RECORD_BYTES_MAX };
    if size > max {
        return Err(BusError::TooLarge { size, max });
    }
    let Some((name, topic)) = state.topics.get_key_value(record.topic.as_str()) else {
        return Err(BusError::Unknown(record.topic));
    };
    let count = topic.partitions.len() as u32;
    let partition = match (record.partition, &record.key) {
        (Some(partition), _) => partition,
        (None, Some(key)) => partition_of(key, count),
        (None, None) => {
            state.keyless = state.keyless.wrapping_add(1);
            state.keyless % count.max(1)
        }
    };
    let Some(found) = topic.partitions.get(partition as usize) else {
        return Err(BusError::Unknown(format!("{}/{partition}", record.topic)));
    };
    Ok(Routed { topic: Arc::clone(name), partition, tp: found.tp, record })
}

impl Job for Append {
    fn apply(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.appended.clear();
        let mut ends: BTreeMap<u64, End> = BTreeMap::new();
        for routed in &self.routed {
            let end = match ends.get_mut(&routed.tp) {
                Some(end) => end,
                None => ends.entry(routed.tp).or_insert(end_of(tx, routed.tp)?),
            };
            end.time = end.time.max(self.now);
            let record = &routed.record;
            tx.execute(
                INSERT,
                &[
                    Value::Int(position(routed.tp, end.offset)),
                    Value::Int(end.time.millis()),
                    Value::from(record.key.clone()),
                    Value::Bytes(codec::encode(&record.headers)),
                    Value::from(record.value.clone()),
                ],
            )?;
            self.appended.push(Arc::new(Record {
                at: Position {
                    topic: Arc::clone(&routed.topic),
                    partition: routed.partition,
                    offset: end.offset,
                },
                timestamp: end.time,
                key: record.key.clone(),
                headers: record.headers.clone(),
                value: record.value.clone(),
            }));
            end.offset += 1;
        }
        Ok(())
    }

    fn done(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { shared, routed, appended, reply, .. } = *self;
        let outcome = outcome.map(|()| {
            let mut state = shared.state();
            for (record, routed) in appended.iter().zip(&routed) {
                let topic = state.topics.get_mut(&record.at.topic);
                let found = topic.and_then(|t| t.partitions.get_mut(routed.partition as usize));
                if let Some(found) = found.filter(|found| found.tp == routed.tp) {
                    found.push(Arc::clone(record));
                }
            }
            drop(state);
            shared.pulse.give();
            appended.iter().map(|record| record.at.clone()).collect()
        });
        // Whoever gets the answer may be the last to know the log, and close it.
        drop(shared);
        let _ = reply.send(outcome);
    }
}

/// Where a partition ends: the next offset, and the time of the last record. Times never fall
/// within a partition, even if the clock does: finding a record by its time relies on it.
struct End {
    offset: u64,
    time: Timestamp,
}

/// From the table itself: a rolled-back append leaves no gap.
fn end_of(tx: &Tx<'_>, tp: u64) -> Result<End, StoreError> {
    let start = tx.query(START, &[Value::Int(tp as i64)])?;
    let Some(start) = start.first() else {
        return Err(StoreError::Unavailable("the topic was deleted at this moment".into()));
    };
    let bounds = [Value::Int(position(tp, 0)), Value::Int(position(tp + 1, 0) - 1)];
    if let Some(last) = tx.query(LAST, &bounds)?.first() {
        let time = Timestamp::from_millis(last.int(1)?);
        return Ok(End { offset: offset(last.int(0)?) + 1, time });
    }
    Ok(End { offset: start.int(0)? as u64, time: Timestamp::default() })
}
