//! One partition: its bounds, and its newest records in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::ports::bus::Record;

/// Bits of an offset within a position.
const OFFSET_BITS: u32 = 40;
/// Bytes of records kept in memory per partition.
const TAIL_BYTES_MAX: usize = 1 << 20;

/// A partition's place in the table of records.
pub(super) fn position(tp: u64, offset: u64) -> i64 {
    ((tp << OFFSET_BITS) | offset) as i64
}

/// The offset within a position.
pub(super) fn offset(position: i64) -> u64 {
    position as u64 & ((1 << OFFSET_BITS) - 1)
}

pub(super) struct Partition {
    /// Names it in positions.
    pub(super) tp: u64,
    /// The first offset that is still there.
    pub(super) start: u64,
    /// The next offset.
    pub(super) end: u64,
    tail: VecDeque<Arc<Record>>,
    tail_bytes: usize,
}

impl Partition {
    pub(super) fn load(tp: u64, start: u64, last_position: Option<u64>) -> Self {
        let end = last_position.map_or(start, |p| start.max(offset(p as i64) + 1));
        Self { tp, start, end, tail: VecDeque::new(), tail_bytes: 0 }
    }

    /// Takes up a record that was just committed.
    pub(super) fn push(&mut self, record: Arc<Record>) {
        self.end = record.at.offset + 1;
        self.tail_bytes += bytes(&record);
        self.tail.push_back(record);
        while self.tail_bytes > TAIL_BYTES_MAX
            && let Some(oldest) = self.tail.pop_front()
        {
            self.tail_bytes -= bytes(&oldest);
        }
    }

    /// Up to `max` records from `from` on, if they are all in memory.
    pub(super) fn tail_from(&self, from: u64, max: usize) -> Option<Vec<Arc<Record>>> {
        let first = self.tail.front()?.at.offset;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        Some(self.tail.iter().skip(skip).take(max).cloned().collect())
    }
}

fn bytes(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(n, v)| n.len() + v.len() + 64).sum();
    let payload = record.key.as_ref().map_or(0, bytes::Bytes::len)
        + record.value.as_ref().map_or(0, bytes::Bytes::len);
    payload + headers + 128
}
