//! Consumer groups: how far each has read, whether it keeps up, and setting where one reads next.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use super::topics::TailStart;
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;
use crate::ports::bus::{BusError, EventBus, GroupOffset, PartitionInfo, Position};

closed_set! {
    /// Whether a partition's reader keeps up, judged by several looks (Burrow's rules).
    LagStatus {
        /// It has read all at least once in the time looked at, or comes closer.
        Ok = "ok",
        /// It reads, and falls further behind all the time.
        Slow = "slow",
        /// It is there, has something to read, and reads nothing.
        Stalled = "stalled",
        /// Nobody is there, and something waits.
        Stopped = "stopped",
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    /// Its name.
    pub group: String,
    /// Whether it has members now.
    pub active: bool,
    /// Records that it has not read yet.
    pub lag: u64,
    /// The partitions that it reads.
    pub partitions: Vec<GroupPartition>,
}

/// A partition as a group has read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupPartition {
    /// Its topic.
    pub topic: String,
    /// Which.
    pub partition: u32,
    /// The offset that is read next.
    pub committed: u64,
    /// Records that are not read yet.
    pub lag: u64,
}

/// Which groups are judged, and for how long they are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LagQuery {
    /// Only this group.
    pub group: Option<String>,
    /// For how long, in ms; at most 60000; 0: one look.
    pub watch_ms: u64,
}

impl LagQuery {
    pub(super) fn check(&self) -> Result<(), OpsError> {
        const WATCH_MS_MAX: u64 = 60_000;
        if self.watch_ms > WATCH_MS_MAX {
            return Err(OpsError::Invalid(format!("watch_ms must be at most {WATCH_MS_MAX}")));
        }
        Ok(())
    }
}

/// How far a group is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LagView {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Records that are not read yet.
    pub lag: u64,
    /// How long ago the next record to be read was appended, in ms; none if there is none.
    pub behind_ms: Option<u64>,
    /// Whether the group keeps up.
    #[schema(value_type = String)]
    pub status: LagStatus,
}

/// Where a group shall read next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetTo {
    /// At a place of the topic.
    Place(TailStart),
    /// So many records further on, or back.
    Shift(i64),
    /// Where another group reads.
    Group(String),
    /// Exactly there, by `TOPIC/PARTITION`.
    Offsets(BTreeMap<String, u64>),
}

/// What is set, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// The group.
    pub group: String,
    /// Only in this topic.
    pub topic: Option<String>,
    /// Where it shall read next.
    pub to: ResetTo,
    /// Set it; without, only say what would be set.
    pub execute: bool,
}

/// An offset before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetView {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Where the group reads next now.
    pub before: u64,
    /// Where it reads next then.
    pub after: u64,
}

pub(super) async fn list(bus: &dyn EventBus) -> Result<Vec<GroupView>, OpsError> {
    let mut groups: BTreeMap<String, GroupView> = BTreeMap::new();
    for row in bus.groups().await? {
        let GroupOffset { group, topic, partition, committed, lag, active } = row;
        let view = groups.entry(group.clone()).or_insert_with(|| GroupView {
            group,
            active: false,
            lag: 0,
            partitions: vec![],
        });
        view.active |= active;
        view.lag += lag;
        view.partitions.push(GroupPartition { topic, partition, committed, lag });
    }
    Ok(groups.into_values().collect())
}

/// How far `group` is behind, or every group, judged by `looks`, the oldest first.
pub(super) async fn lag(
    bus: &dyn EventBus,
    looks: &[Vec<GroupView>],
    now: Timestamp,
) -> Result<Vec<LagView>, OpsError> {
    let mut all = vec![];
    for group in looks.last().into_iter().flatten() {
        for p in &group.partitions {
            let same = |look: &Vec<GroupView>| {
                let then = look.iter().find(|other| other.group == group.group)?;
                let at = |q: &&GroupPartition| q.topic == p.topic && q.partition == p.partition;
                then.partitions.iter().find(at).map(|q| (q.committed, q.lag))
            };
            let seen: Vec<(u64, u64)> = looks.iter().filter_map(same).collect();
            let behind_ms = behind(bus, p, now).await?;
            all.push(LagView {
                group: group.group.clone(),
                topic: p.topic.clone(),
                partition: p.partition,
                lag: p.lag,
                behind_ms,
                status: judged(&seen, group.active),
            });
        }
    }
    Ok(all)
}

/// How long ago the next record that a group will read was appended; none if there is none.
pub(super) async fn behind(
    bus: &dyn EventBus,
    p: &GroupPartition,
    now: Timestamp,
) -> Result<Option<u64>, OpsError> {
    if p.lag == 0 {
        return Ok(None);
    }
    let at =
        Position { topic: p.topic.as_str().into(), partition: p.partition, offset: p.committed };
    let next = bus.read(&at, 1).await?.pop();
    Ok(next.map(|record| now.since(record.timestamp).as_millis() as u64))
}

/// Judges committed offsets and lags of one partition, the oldest first. Source: the evaluation rules of
/// Burrow's wiki ("Consumer Lag Evaluation Rules"), with a group without members told apart.
fn judged(seen: &[(u64, u64)], active: bool) -> LagStatus {
    let Some((last, lag)) = seen.last() else { return LagStatus::Ok };
    if seen.iter().any(|(_, lag)| *lag == 0) {
        return LagStatus::Ok;
    }
    if !active {
        return LagStatus::Stopped;
    }
    let first = seen[0];
    if seen.len() > 1 && *last == first.0 && *lag >= first.1 {
        return LagStatus::Stalled;
    }
    let grows = seen.windows(2).all(|pair| pair[1].1 >= pair[0].1) && *lag > first.1;
    if seen.len() > 1 && grows { LagStatus::Slow } else { LagStatus::Ok }
}

pub(super) async fn reset(
    bus: &dyn EventBus,
    request: &ResetRequest,
    now: Timestamp,
) -> Result<Vec<ResetView>, OpsError> {
    let (groups, topics) = (list(bus).await?, bus.topics().await?);
    let known = groups.iter().find(|group| group.group == request.group);
    if known.is_some_and(|group| group.active) {
        return Err(active(&request.group));
    }
    let places = |group: &GroupView| {
        let places = group.partitions.iter().map(|p| ((p.topic.clone(), p.partition), p.committed));
        places.collect::<BTreeMap<(String, u32), u64>>()
    };
    let mut before = known.map(places).unwrap_or_default();
    if let Some(topic) = &request.topic {
        // A topic that it has not read yet may be named.
        before.retain(|(known, _), _| known == topic);
        let named = topics.iter().find(|known| known.name == *topic);
        let named =
            named.ok_or_else(|| OpsError::NotFound(format!("there is no topic {topic}")))?;
        for p in &named.partitions {
            before.entry((topic.clone(), p.partition)).or_insert(p.start);
        }
    }
    if before.is_empty() {
        let text =
            format!("the group {} has read nothing; name a topic with --topic", request.group);
        return Err(OpsError::NotFound(text));
    }
    let other = match &request.to {
        ResetTo::Group(name) => {
            let found = groups.iter().find(|group| group.group == *name);
            places(found.ok_or_else(|| OpsError::NotFound(format!("there is no group {name}")))?)
        }
        _ => BTreeMap::new(),
    };
    let mut changes = vec![];
    for ((topic, partition), before) in before {
        let info = topics.iter().find(|known| known.name == topic);
        let info = info.and_then(|t| t.partitions.iter().find(|p| p.partition == partition));
        let Some(info) = info else { continue };
        let place = (topic, partition);
        let after = target(bus, &request.to, &place, before, info, &other, now).await?;
        let after = after.clamp(info.start, info.end);
        changes.push(ResetView { topic: place.0, partition, before, after });
    }
    if request.execute {
        let next: Vec<Position> = changes
            .iter()
            .map(|change| Position {
                topic: change.topic.as_str().into(),
                partition: change.partition,
                offset: change.after,
            })
            .collect();
        bus.set_offsets(&request.group, &next).await.map_err(|e| match e {
            BusError::GroupActive(group) => active(&group),
            e => e.into(),
        })?;
    }
    Ok(changes)
}

fn active(group: &str) -> OpsError {
    OpsError::Refused(format!(
        "the group {group} has members: stop them first, or they would go on where they are"
    ))
}

async fn target(
    bus: &dyn EventBus,
    to: &ResetTo,
    place: &(String, u32),
    before: u64,
    info: &PartitionInfo,
    other: &BTreeMap<(String, u32), u64>,
    now: Timestamp,
) -> Result<u64, OpsError> {
    let at_time = async |time: Timestamp| bus.offset_at(&place.0, place.1, time).await;
    Ok(match to {
        ResetTo::Place(TailStart::Beginning) => info.start,
        ResetTo::Place(TailStart::End) => info.end,
        ResetTo::Place(TailStart::Last(count)) => info.end.saturating_sub(*count),
        ResetTo::Place(TailStart::Offset(offset)) => *offset,
        ResetTo::Place(TailStart::Time(time)) => at_time(*time).await?,
        ResetTo::Place(TailStart::Ago(ms)) => at_time(now - Duration::from_millis(*ms)).await?,
        ResetTo::Shift(by) => before.saturating_add_signed(*by),
        ResetTo::Group(_) => other.get(place).copied().unwrap_or(before),
        ResetTo::Offsets(all) => {
            all.get(&format!("{}/{}", place.0, place.1)).copied().unwrap_or(before)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_judged_by_several_looks() {
        use LagStatus::{Ok, Slow, Stalled, Stopped};
        type Seen = &'static [(u64, u64)];
        let cases: [(Seen, bool, LagStatus); 9] = [
            (&[], true, Ok),
            (&[(5, 0)], false, Ok),
            (&[(5, 3)], false, Stopped),
            (&[(5, 3)], true, Ok), // one look tells nothing
            (&[(5, 3), (5, 3)], true, Stalled),
            (&[(5, 3), (5, 9)], true, Stalled),
            (&[(5, 3), (6, 4), (7, 6)], true, Slow),
            (&[(5, 3), (9, 0), (9, 4)], true, Ok), // it had read all once
            (&[(5, 9), (8, 7), (9, 8)], true, Ok),
        ];
        for (seen, active, status) in cases {
            assert_eq!(judged(seen, active), status, "{seen:?} {active}");
        }
    }
}
