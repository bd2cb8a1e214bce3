//! Topics: in full, made, emptied and deleted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::events::Topic;
use crate::ops::OpsError;
use crate::ops::tail::places;
use crate::ops::topics::{TailStart, partitions, unknown};
use crate::ports::admin::{
    self, BusAdmin, ConfigEntry, ConfigOrigin, Copies, NewTopic, PartitionDetail, RETENTION_MS,
};
use crate::ports::bus::{BusError, EventBus, PartitionInfo};

/// A topic in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicDetail {
    /// Its name.
    pub name: String,
    /// Records that can be read.
    pub records: u64,
    /// Bytes of them, keys and headers included; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Records older than this may be removed, in ms; null: none are. Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "known")]
    #[schema(value_type = Option<u64>)]
    pub retention_ms: Option<Option<u64>>,
    /// Its partitions.
    pub partitions: Vec<PartitionView>,
    /// Its settings, by name.
    pub config: Vec<ConfigView>,
}

/// A number that may be null, in a field that may be absent.
mod known {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, clippy::option_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Option<u64>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.flatten().serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "as serde calls it")]
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<u64>>, D::Error> {
        Option::<u64>::deserialize(deserializer).map(Some)
    }
}

/// A partition in full. Where the log keeps one copy there are no fields about copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionView {
    /// Which.
    pub partition: u32,
    /// The first offset that can be read.
    pub start: u64,
    /// The offset that the next record will get.
    pub end: u64,
    /// The broker that is read from and written to; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<i32>,
    /// All brokers that shall have a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<i32>>,
    /// Those of them whose copy is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_sync: Option<Vec<i32>>,
    /// Bytes of its records; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigView {
    /// Its name.
    pub name: String,
    /// Its value; null if it is secret.
    pub value: Option<String>,
    /// Where that comes from: `topic`, `broker`, `cluster`, `broker_file`, `default` or `unknown`.
    #[schema(value_type = String)]
    pub origin: ConfigOrigin,
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTopicRequest {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: u32,
    /// Copies of each record; without, as many as the shop's topics have.
    #[serde(default)]
    pub replication: Option<u32>,
    /// Settings, by name.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// Which records are deleted from a topic's beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TruncateRequest {
    /// The topic.
    pub topic: String,
    /// Only of this partition.
    #[serde(default)]
    pub partition: Option<u32>,
    /// Those before this place; `end` for all.
    pub before: TailStart,
    /// Delete them; without, only say what would be deleted.
    #[serde(default)]
    pub execute: bool,
}

/// A topic to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicRemovalRequest {
    /// The topic.
    pub topic: String,
    /// Also one that the shop itself needs.
    #[serde(default)]
    pub force: bool,
    /// Delete it; without, only say what would be deleted.
    #[serde(default)]
    pub execute: bool,
}

/// What was deleted, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicRemoval {
    /// The topic.
    pub topic: String,
    /// Whether it was done.
    pub executed: bool,
    /// Records that are deleted.
    pub records: u64,
    /// The same, by partition.
    pub partitions: Vec<PartitionRemoval>,
    /// Groups that read the topic.
    pub readers: Vec<Reader>,
}

/// What is deleted of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionRemoval {
    /// Which.
    pub partition: u32,
    /// The first record that goes.
    pub from: u64,
    /// The first that stays, or would be next.
    pub to: u64,
}

/// A group that reads a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reader {
    /// Its name.
    pub group: String,
    /// Whether it has members now.
    pub active: bool,
    /// Records that are deleted before it has read them.
    pub unread: u64,
}

/// A topic in full.
pub(in crate::ops) async fn describe(
    admin: &dyn BusAdmin,
    topic: &str,
) -> Result<TopicDetail, OpsError> {
    let found = admin.describe_topic(topic).await.map_err(|e| no_topic(e, topic))?;
    let partition = |p: PartitionDetail| {
        let (leader, replicas, in_sync) = match p.copies {
            Some(Copies { leader, replicas, in_sync }) => (leader, Some(replicas), Some(in_sync)),
            None => (None, None, None),
        };
        let PartitionInfo { partition, start, end } = p.info;
        PartitionView { partition, start, end, leader, replicas, in_sync, bytes: p.bytes }
    };
    let partitions: Vec<PartitionView> = found.partitions.into_iter().map(partition).collect();
    let kept = found.config.iter().find(|entry| entry.name == RETENTION_MS);
    let kept = kept.and_then(|entry| admin::retention(entry.value.as_deref()?));
    let config = found.config.into_iter().map(|ConfigEntry { name, value, origin }| ConfigView {
        name,
        value,
        origin,
    });
    Ok(TopicDetail {
        name: topic.to_owned(),
        records: partitions.iter().map(|p| p.end - p.start).sum(),
        bytes: partitions.iter().map(|p| p.bytes).sum(),
        retention_ms: kept.map(|kept| kept.map(|kept| kept.as_millis() as u64)),
        config: config.collect(),
        partitions,
    })
}

/// Makes a topic.
pub(in crate::ops) async fn create(
    admin: &dyn BusAdmin,
    request: &NewTopicRequest,
) -> Result<(), OpsError> {
    let NewTopicRequest { name, partitions, replication, config } = request.clone();
    if partitions == 0 {
        return Err(OpsError::Invalid("a topic has at least one partition".into()));
    }
    Ok(admin.make_topic(&NewTopic { name, partitions, replication, config }).await?)
}

/// What a truncation deletes.
pub(in crate::ops) async fn plan_truncate(
    bus: &dyn EventBus,
    request: &TruncateRequest,
    now: Timestamp,
) -> Result<TopicRemoval, OpsError> {
    let TruncateRequest { topic, partition, before, .. } = request;
    let mut partitions = partitions(bus, topic).await?;
    if let Some(wanted) = partition {
        partitions.retain(|p| p.partition == *wanted);
        if partitions.is_empty() {
            return Err(OpsError::NotFound(format!("{topic} has no partition {wanted}")));
        }
    }
    let to = places(bus, topic, &partitions, before, now).await?;
    plan(bus, topic, &partitions, &to).await
}

/// What is deleted with a topic; refused if the shop that has it needs it.
pub(in crate::ops) async fn plan_delete(
    bus: &dyn EventBus,
    request: &TopicRemovalRequest,
    of_shop: bool,
) -> Result<TopicRemoval, OpsError> {
    let TopicRemovalRequest { topic, force, .. } = request;
    let partitions = partitions(bus, topic).await?;
    if of_shop && !force && Topic::parse(topic).is_some() {
        return Err(OpsError::Refused(format!(
            "the shop needs {topic}: without it its events go nowhere, until the shop makes it anew when it starts; `ecom topics truncate {topic}` empties it, --force deletes it all the same"
        )));
    }
    let to = partitions.iter().map(|p| (p.partition, p.end)).collect();
    plan(bus, topic, &partitions, &to).await
}

async fn plan(
    bus: &dyn EventBus,
    topic: &str,
    partitions: &[PartitionInfo],
    to: &BTreeMap<u32, u64>,
) -> Result<TopicRemoval, OpsError> {
    let removal = |p: &PartitionInfo| {
        let to = to.get(&p.partition).copied().unwrap_or(p.start).clamp(p.start, p.end);
        PartitionRemoval { partition: p.partition, from: p.start, to }
    };
    let partitions: Vec<PartitionRemoval> = partitions.iter().map(removal).collect();
    let mut readers: BTreeMap<String, Reader> = BTreeMap::new();
    for row in bus.groups().await?.into_iter().filter(|row| row.topic == *topic) {
        let Some(p) = partitions.iter().find(|p| p.partition == row.partition) else { continue };
        let reader = readers.entry(row.group.clone()).or_insert_with(|| Reader {
            group: row.group,
            active: false,
            unread: 0,
        });
        reader.active |= row.active;
        reader.unread += p.to.saturating_sub(p.from.max(row.committed));
    }
    Ok(TopicRemoval {
        topic: topic.to_owned(),
        executed: false,
        records: partitions.iter().map(|p| p.to - p.from).sum(),
        partitions,
        readers: readers.into_values().collect(),
    })
}

/// Deletes the records of a plan.
pub(in crate::ops) async fn truncate(
    admin: &dyn BusAdmin,
    plan: &mut TopicRemoval,
) -> Result<(), OpsError> {
    let before = plan.partitions.iter().filter(|p| p.to > p.from);
    let before = before.map(|p| (p.partition, p.to)).collect();
    admin.truncate(&plan.topic, &before).await.map_err(|e| no_topic(e, &plan.topic))?;
    plan.executed = true;
    Ok(())
}

/// Deletes the topic of a plan.
pub(in crate::ops) async fn delete(
    admin: &dyn BusAdmin,
    plan: &mut TopicRemoval,
) -> Result<(), OpsError> {
    admin.delete_topic(&plan.topic).await.map_err(|e| no_topic(e, &plan.topic))?;
    plan.executed = true;
    Ok(())
}

fn no_topic(e: BusError, topic: &str) -> OpsError {
    match e {
        BusError::Unknown(_) => unknown(topic, []),
        e => e.into(),
    }
}
