//! Reading records by offset and by time.

use std::sync::Arc;

use super::partition::{offset, position};
use super::{Shared, bus_error, codec};
use crate::domain::Timestamp;
use crate::ports::bus::{BusError, Position, Record};
use crate::ports::store::{Read, Row, StoreError, Value};
use crate::values;

const SELECT: &str = "select position, timestamp_ms, record_key, headers, value from log_records
 where position between ?1 and ?2 order by position limit ?3";
const TIME_OF: &str = "select timestamp_ms from log_records where position >= ?1 and position < ?2
 order by position limit 1";

/// Up to `max` records from `from` on; from the first that is still there if that one is gone.
pub(super) fn read(
    shared: &Shared,
    from: &Position,
    max: usize,
) -> Result<Vec<Arc<Record>>, BusError> {
    let (tp, first, end) = {
        let state = shared.state();
        let partition = state.partition(&from.topic, from.partition)?;
        let first = from.offset.max(partition.start);
        if first >= partition.end || max == 0 {
            return Ok(vec![]);
        }
        if let Some(records) = partition.tail_from(first, max) {
            return Ok(records);
        }
        (partition.tp, first, partition.end)
    };
    let bounds = values![position(tp, first), position(tp, end - 1), max as i64];
    let rows = shared.journal.read(&[Read::new(SELECT, bounds)]).map_err(bus_error)?;
    let record = |row: &Row| record(&from.topic, from.partition, row).map_err(bus_error);
    rows.concat().iter().map(record).collect()
}

fn record(topic: &Arc<str>, partition: u32, row: &Row) -> Result<Arc<Record>, StoreError> {
    let bytes = |at: usize| match row.0.get(at) {
        Some(Value::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let headers = bytes(3)
        .and_then(codec::decode)
        .ok_or_else(|| StoreError::Broken("unreadable headers in the event log".into()))?;
    Ok(Arc::new(Record {
        at: Position { topic: Arc::clone(topic), partition, offset: offset(row.int(0)?) },
        timestamp: Timestamp::from_millis(row.int(1)?),
        key: bytes(2),
        headers,
        value: bytes(4),
    }))
}

/// The first offset at or after `time`, by bisection: times never fall within a partition.
pub(super) fn offset_at(
    shared: &Shared,
    topic: &str,
    partition: u32,
    time: Timestamp,
) -> Result<u64, BusError> {
    let (tp, start, end) = {
        let state = shared.state();
        let found = state.partition(topic, partition)?;
        (found.tp, found.start, found.end)
    };
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let bounds = values![position(tp, middle), position(tp, end)];
        let rows = shared.journal.read(&[Read::new(TIME_OF, bounds)]).map_err(bus_error)?.concat();
        let before = match rows.first() {
            Some(row) => row.int(0).map_err(bus_error)? < time.millis(),
            None => false,
        };
        if before {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
