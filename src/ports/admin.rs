//! What is done with topics and groups themselves, and reading a whole topic: for those who look after a
//! bus. The shop works without.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::bus::{BusError, PartitionInfo, Record};
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;

/// The longest name that a topic may have, in bytes.
pub const TOPIC_NAME_MAX: usize = 249;
/// The setting that says how long records are kept.
pub const RETENTION_MS: &str = "retention.ms";

closed_set! {
    /// Where the value of a topic's setting comes from.
    ConfigOrigin {
        /// It was set for this topic.
        Topic = "topic",
        /// It was set for the broker that leads it, while it ran.
        Broker = "broker",
        /// It was set for all brokers, while they ran.
        Cluster = "cluster",
        /// It stands in the broker's file.
        BrokerFile = "broker_file",
        /// Nobody set it.
        Default = "default",
        /// It is not told.
        Unknown = "unknown",
    }
}

closed_set! {
    /// What a group is doing.
    GroupState {
        /// It has members, each with its partitions.
        Stable = "stable",
        /// It has no members.
        Empty = "empty",
        /// Members come or go.
        PreparingRebalance = "preparing_rebalance",
        /// Members wait to be told their partitions.
        CompletingRebalance = "completing_rebalance",
        /// It is being removed, or is not there.
        Dead = "dead",
        /// Something else.
        Unknown = "unknown",
    }
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; none if it may not be told.
    pub value: Option<String>,
    /// Where that comes from.
    pub origin: ConfigOrigin,
}

/// A partition in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDetail {
    /// Its records.
    pub info: PartitionInfo,
    /// Where copies of it are; none where there are no copies.
    pub copies: Option<Copies>,
    /// Bytes of its records, keys and headers included; none where that is not known.
    pub bytes: Option<u64>,
}

/// Who has copies of a partition, by the brokers' ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// Who is written to and read from; none while there is nobody.
    pub leader: Option<i32>,
    /// All that shall have a copy.
    pub replicas: Vec<i32>,
    /// Those of them whose copy is complete.
    pub in_sync: Vec<i32>,
}

/// A topic in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its partitions, in order.
    pub partitions: Vec<PartitionDetail>,
    /// Its settings, by name.
    pub config: Vec<ConfigEntry>,
}

/// A topic to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its partitions, 1 or more.
    pub partitions: u32,
    /// Copies of each record; none: as many as the bus makes of the shop's.
    pub replication: Option<u32>,
    /// Settings that differ from the default, by name.
    pub config: BTreeMap<String, String>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// What the bus calls it.
    pub id: String,
    /// What its client calls itself; none where clients have no names.
    pub client: Option<String>,
    /// Where it is; none where all are in one process.
    pub host: Option<String>,
    /// The topics and partitions that it reads.
    pub partitions: Vec<(String, u32)>,
}

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// What it is doing.
    pub state: GroupState,
    /// How its members share partitions; none while it has none.
    pub protocol: Option<String>,
    /// Its members, by id.
    pub members: Vec<MemberInfo>,
}

/// Looking after a bus.
#[async_trait]
pub trait BusAdmin: Send + Sync {
    /// A topic in full.
    async fn describe_topic(&self, topic: &str) -> Result<TopicDescription, BusError>;

    /// Makes a topic; [`BusError::Invalid`] if there is one of that name, or it cannot be made so.
    async fn make_topic(&self, topic: &NewTopic) -> Result<(), BusError>;

    /// Deletes a topic with its records, and forgets how far groups have read it. Of a topic that is made
    /// anew under its name, members that are still subscribed read all.
    async fn delete_topic(&self, topic: &str) -> Result<(), BusError>;

    /// Deletes the records before these offsets, by partition, of which none may lie past its partition's end.
    /// Offsets of what is left stay. Who would read what is gone goes on with what is left.
    async fn truncate(&self, topic: &str, before: &BTreeMap<u32, u64>) -> Result<(), BusError>;

    /// A group and its members.
    async fn describe_group(&self, group: &str) -> Result<GroupDescription, BusError>;

    /// Forgets a group; [`BusError::GroupActive`] if it has members.
    async fn delete_group(&self, group: &str) -> Result<(), BusError>;

    /// Begins to read partitions of a topic at these offsets, all at the same time, without a group.
    async fn scan(
        &self,
        topic: &str,
        from: &BTreeMap<u32, u64>,
    ) -> Result<Box<dyn TopicScan>, BusError>;
}

/// Reading partitions of one topic, ahead of who asks for their records.
#[async_trait]
pub trait TopicScan: Send {
    /// Looks at records of a partition that follow those already looked at, from the first that is left.
    /// Every call must come with the same choice.
    async fn next(&mut self, partition: u32, look: &Look) -> Result<Looked, BusError>;
}

/// A record while it is looked at, before anything of it is copied.
pub trait Glimpse {
    /// Its topic.
    fn topic(&self) -> &str;
    /// Its partition.
    fn partition(&self) -> u32;
    /// Its offset.
    fn offset(&self) -> u64;
    /// When it was appended.
    fn timestamp(&self) -> Timestamp;
    /// Its key.
    fn key(&self) -> Option<&[u8]>;
    /// Its payload.
    fn value(&self) -> Option<&[u8]>;
    /// The last header of that name.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

impl Glimpse for Record {
    fn topic(&self) -> &str {
        &self.at.topic
    }

    fn partition(&self) -> u32 {
        self.at.partition
    }

    fn offset(&self) -> u64 {
        self.at.offset
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// Which records are wanted.
pub type Choice = Arc<dyn Fn(&dyn Glimpse) -> bool + Send + Sync>;

/// How far is looked, and for what.
#[derive(Clone)]
pub struct Look {
    /// The first offset that is not looked at.
    pub until: u64,
    /// Records that are looked at, at most; 1 or more.
    pub records: usize,
    /// Bytes of wanted records after which it is enough.
    pub bytes: usize,
    /// Which are wanted.
    pub choice: Choice,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Looked {
    /// Records that are wanted.
    pub records: Vec<Arc<Record>>,
    /// Records that were looked at.
    pub count: u64,
    /// Offset and time of the last of them.
    pub last: Option<(u64, Timestamp)>,
    /// Whether nothing is left: up to where it ends, or to the partition's end, after which another call looks
    /// again.
    pub end: bool,
}

impl Looked {
    /// Takes up that a record was looked at; `copy` makes it if it is wanted. Whether the look goes on.
    pub fn take(
        &mut self,
        look: &Look,
        seen: &dyn Glimpse,
        copy: impl FnOnce() -> Arc<Record>,
        bytes: &mut usize,
    ) -> bool {
        self.count += 1;
        self.last = Some((seen.offset(), seen.timestamp()));
        if (look.choice)(seen) {
            let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
            *bytes += RECORD_BYTES_ABOUT + len(seen.key()) + len(seen.value());
            self.records.push(copy());
        }
        self.end = seen.offset() + 1 >= look.until;
        !self.end && self.count < look.records as u64 && *bytes < look.bytes
    }
}

/// What a record takes beside its key and value.
const RECORD_BYTES_ABOUT: usize = 256;

/// Why a topic cannot be called so, if it cannot.
pub fn name_problem(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name == "." || name == ".." || !name.chars().all(plain) {
        return Some(format!(
            "a topic cannot be called {name:?}: names have letters, digits, '.', '_' and '-'"
        ));
    }
    if name.len() > TOPIC_NAME_MAX {
        return Some(format!("a topic's name has at most {TOPIC_NAME_MAX} characters"));
    }
    name.starts_with("__").then(|| "names that begin with __ are the cluster's own".to_owned())
}

/// How long records are kept by this value of [`RETENTION_MS`]: for ever if it is -1. None if it is no such
/// value.
pub fn retention(value: &str) -> Option<Option<Duration>> {
    match value.parse::<i64>().ok()? {
        -1 => Some(None),
        ms => Some(Some(Duration::from_millis(u64::try_from(ms).ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kafka_takes() {
        for good in ["a", "order.created", "orders-dlt", "A_1", &"x".repeat(TOPIC_NAME_MAX)] {
            assert_eq!(name_problem(good), None, "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "gr\u{fc}n", "__x", &"x".repeat(250)] {
            assert!(name_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_retention_is_a_number_of_milliseconds_or_for_ever() {
        assert_eq!(retention("-1"), Some(None));
        assert_eq!(retention("60000"), Some(Some(Duration::from_mins(1))));
        for bad in ["", "-2", "7d", "1.5"] {
            assert_eq!(retention(bad), None, "{bad}");
        }
    }
}
