//! The event bus: partitioned, durable, ordered per key, at least once. Topics are open text here,
//! so that the console can work on any cluster; the shop's own are in [`crate::events::Topic`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Timestamp;

/// A header of a record: a name and bytes, kept exactly and in order.
pub type RecordHeader = (String, Bytes);

/// A record to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Where to.
    pub topic: String,
    /// A fixed partition, or none to let the key choose.
    pub partition: Option<u32>,
    /// Records with one key go to one partition and keep their order.
    pub key: Option<Bytes>,
    /// Headers.
    pub headers: Vec<RecordHeader>,
    /// The payload; none is a tombstone.
    pub value: Option<Bytes>,
}

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub at: Position,
    /// When it was appended.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<RecordHeader>,
    /// Its payload.
    pub value: Option<Bytes>,
}

impl Record {
    /// The last header called `name`, as text if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let bytes = &self.headers.iter().rev().find(|(n, _)| n == name)?.1;
        std::str::from_utf8(bytes).ok()
    }
}

/// A place in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition, from 0.
    pub partition: u32,
    /// The offset, from 0.
    pub offset: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Which, from 0.
    pub partition: u32,
    /// The first offset that can still be read.
    pub start: u64,
    /// The offset that the next record will get.
    pub end: u64,
}

/// A topic and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionInfo>,
}

/// How far a group has read one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset it will read next.
    pub committed: u64,
    /// Records it has not read yet.
    pub lag: u64,
    /// Whether a member is subscribed now.
    pub active: bool,
}

/// Why the bus did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The bus cannot be reached, or the outcome is unknown. The same again later is right.
    #[error("event bus unavailable: {0}")]
    Unavailable(String),
    /// No room left.
    #[error("no space left for the event log: {0}")]
    Full(String),
    /// There is no such topic or partition.
    #[error("no such topic or partition: {0}")]
    Unknown(String),
    /// A record is larger than the bus takes.
    #[error("record of {size} bytes is larger than the {max} bytes allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The most allowed.
        max: usize,
    },
    /// The partition belongs to another member of the group by now, or has since the last poll.
    #[error("partition {0} is no longer assigned to this member")]
    Fenced(String),
    /// Offsets of a group with members cannot be changed.
    #[error("group {0} has active members")]
    GroupActive(String),
    /// It cannot be done as it was asked for.
    #[error("{0}")]
    Invalid(String),
    /// Damaged data or a bug.
    #[error("event bus error: {0}")]
    Broken(String),
}

impl BusError {
    /// Whether doing the same again later can succeed.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::Fenced(_))
    }
}

/// The largest record, key and headers included: 1 MiB and room for the headers, as Kafka's default.
pub const RECORD_BYTES_MAX: usize = 1_048_588;
/// The largest dead letter: a largest record in base64, and what is said about it.
pub const DEAD_LETTER_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

/// A partitioned log.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Appends all of `records`, keeping their order per partition, and returns where each stands,
    /// in their order. On an error some may have been appended; one that is too large never is.
    async fn publish(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, BusError>;

    /// Joins `group` for `topics`. Each partition is read by one of the members that subscribed to
    /// its topic; dropping the subscription leaves. A group that never committed starts at the
    /// beginning.
    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<Box<dyn Subscription>, BusError>;

    /// Reads up to `max` records of one partition from `from` on, without a group; from the first
    /// that is left, where those before it were removed. Fewer, or none, at the end and past it.
    async fn read(&self, from: &Position, max: usize) -> Result<Vec<Arc<Record>>, BusError>;

    /// The first offset whose record was appended at or after `time`; the end if none was.
    async fn offset_at(
        &self,
        topic: &str,
        partition: u32,
        time: Timestamp,
    ) -> Result<u64, BusError>;

    /// All topics, by name.
    async fn topics(&self) -> Result<Vec<TopicInfo>, BusError>;

    /// Those topics whose names are `wanted`, by name.
    async fn topics_named(
        &self,
        wanted: &(dyn for<'n> Fn(&'n str) -> bool + Send + Sync),
    ) -> Result<Vec<TopicInfo>, BusError> {
        let mut topics = self.topics().await?;
        topics.retain(|topic| wanted(&topic.name));
        Ok(topics)
    }

    /// All groups' offsets, by group, topic and partition.
    async fn groups(&self) -> Result<Vec<GroupOffset>, BusError>;

    /// Creates a topic with that many partitions; records older than `retention` may be removed
    /// (none: kept for ever). False if it exists already with as many, an error if with other.
    async fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        retention: Option<Duration>,
    ) -> Result<bool, BusError>;

    /// Sets where an inactive group, known or not, reads next.
    async fn set_offsets(&self, group: &str, next: &[Position]) -> Result<(), BusError>;
}

/// A member of a consumer group.
#[async_trait]
pub trait Subscription: Send + Sync {
    /// Up to `max` records after those already polled, in order per partition. Waits until there is
    /// at least one; dropping the future loses nothing. Records of a partition that comes from
    /// another member begin where the group has committed.
    async fn poll(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError>;

    /// Commits, for each partition, the offset to read next after a restart; never a lower one than
    /// before. It takes effect within a second, and before a partition goes or the member leaves: who
    /// dies may have its last commits forgotten. If any partition was not this member's all the time
    /// since its last poll, the answer is [`BusError::Fenced`] and none is committed.
    async fn commit(&mut self, next: &[Position]) -> Result<(), BusError>;
}

/// The partition of `key` among `partitions`: Kafka's default partitioner, murmur2 of the key.
/// Source: `org.apache.kafka.common.utils.Utils.murmur2` and `BuiltInPartitioner`.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h: u32 = 0x9747_b28c ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    for (i, byte) in rest.iter().enumerate().rev() {
        h ^= u32::from(*byte) << (8 * i);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_kafkas_own_test_vectors() {
        // org.apache.kafka.common.utils.UtilsTest.testMurmur2
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, hash) in cases {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }

    #[test]
    fn a_key_always_has_the_same_partition_in_range() {
        for n in 1..7 {
            assert!(partition_of(b"ORD-1", n) < n);
            assert_eq!(partition_of(b"ORD-1", n), partition_of(b"ORD-1", n));
        }
    }
}
