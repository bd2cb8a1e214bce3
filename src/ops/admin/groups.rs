//! Groups: in full, and forgotten.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::ops::OpsError;
use crate::ops::groups::{self, GroupPartition, GroupView};
use crate::ports::admin::{BusAdmin, GroupState, MemberInfo};
use crate::ports::bus::{BusError, EventBus};

/// A group in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupDetail {
    /// Its name.
    pub group: String,
    /// What it is doing: `stable`, `empty`, `preparing_rebalance`, `completing_rebalance`, `dead` or `unknown`.
    #[schema(value_type = String)]
    pub state: GroupState,
    /// How its members share partitions; absent while it has none, and where there is one way only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Whether it has members now.
    pub active: bool,
    /// Records that it has not read yet.
    pub lag: u64,
    /// Its members.
    pub members: Vec<MemberView>,
    /// The partitions that it reads, or has read.
    pub partitions: Vec<PartitionLag>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// What the log calls it.
    pub member: String,
    /// What its client calls itself; absent where clients have no names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Where it is; absent where all are in the shop's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The partitions that it reads: `TOPIC/PARTITION`.
    pub partitions: Vec<String>,
}

/// A partition as a group has read it, and who does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionLag {
    /// Its topic.
    pub topic: String,
    /// Which.
    pub partition: u32,
    /// The offset that is read next.
    pub committed: u64,
    /// Records that are not read yet.
    pub lag: u64,
    /// How long ago the next record to be read was appended, in ms; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_ms: Option<u64>,
    /// The member that reads it now; absent if nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// A group to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRemovalRequest {
    /// The group.
    pub group: String,
    /// Forget it; without, only say what would be forgotten.
    #[serde(default)]
    pub execute: bool,
}

/// What was forgotten, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupRemoval {
    /// The group.
    pub group: String,
    /// Whether it was done.
    pub executed: bool,
    /// Where it would have read next.
    pub partitions: Vec<GroupPartition>,
}

/// A group in full.
pub(in crate::ops) async fn describe(
    bus: &dyn EventBus,
    admin: &dyn BusAdmin,
    group: &str,
    now: Timestamp,
) -> Result<GroupDetail, OpsError> {
    let found = admin.describe_group(group).await.map_err(|e| no_group(e, group))?;
    let view = view(bus, group).await?;
    let mut member_of: BTreeMap<(&str, u32), &str> = BTreeMap::new();
    for member in &found.members {
        for (topic, partition) in &member.partitions {
            member_of.insert((topic, *partition), &member.id);
        }
    }
    let mut partitions = vec![];
    for p in &view.partitions {
        partitions.push(PartitionLag {
            behind_ms: groups::behind(bus, p, now).await?,
            member: member_of.get(&(p.topic.as_str(), p.partition)).map(|id| (*id).to_owned()),
            topic: p.topic.clone(),
            partition: p.partition,
            committed: p.committed,
            lag: p.lag,
        });
    }
    let member = |MemberInfo { id, client, host, partitions }: MemberInfo| MemberView {
        member: id,
        client,
        host,
        partitions: partitions.iter().map(|(topic, p)| format!("{topic}/{p}")).collect(),
    };
    Ok(GroupDetail {
        group: group.to_owned(),
        state: found.state,
        protocol: found.protocol,
        active: !found.members.is_empty(),
        lag: view.lag,
        partitions,
        members: found.members.into_iter().map(member).collect(),
    })
}

/// What is forgotten with a group; refused if it has members.
pub(in crate::ops) async fn plan_delete(
    bus: &dyn EventBus,
    admin: &dyn BusAdmin,
    group: &str,
) -> Result<GroupRemoval, OpsError> {
    let found = admin.describe_group(group).await.map_err(|e| no_group(e, group))?;
    if !found.members.is_empty() {
        return Err(no_group(BusError::GroupActive(group.to_owned()), group));
    }
    let partitions = view(bus, group).await?.partitions;
    Ok(GroupRemoval { group: group.to_owned(), executed: false, partitions })
}

/// Forgets the group of a plan.
pub(in crate::ops) async fn delete(
    admin: &dyn BusAdmin,
    plan: &mut GroupRemoval,
) -> Result<(), OpsError> {
    admin.delete_group(&plan.group).await.map_err(|e| no_group(e, &plan.group))?;
    plan.executed = true;
    Ok(())
}

/// How far it has read; one that has committed nothing has read nothing.
async fn view(bus: &dyn EventBus, group: &str) -> Result<GroupView, OpsError> {
    let known = groups::list(bus).await?.into_iter().find(|known| known.group == group);
    let nothing =
        || GroupView { group: group.to_owned(), active: false, lag: 0, partitions: vec![] };
    Ok(known.unwrap_or_else(nothing))
}

fn no_group(e: BusError, group: &str) -> OpsError {
    match e {
        BusError::Unknown(_) => {
            OpsError::NotFound(format!("there is no group {group}; see `ecom groups list`"))
        }
        BusError::GroupActive(_) => OpsError::Refused(format!(
            "the group {group} has members: stop them first, or they would go on where they are"
        )),
        e => e.into(),
    }
}
