//! Groups: how far each has read, and setting where one reads next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::groups::{GroupInfo, GroupMemberInfo};
use rdkafka::{Offset, TopicPartitionList};

use super::errors::{bus_error, of_code};
use super::topics::{self, edges};
use super::{Offsets, Place, Shared, blocking};
use crate::ports::admin::{GroupDescription, GroupState, MemberInfo};
use crate::ports::bus::{BusError, GroupOffset, Position};

/// A group that the cluster lists.
struct Listed {
    active: bool,
    assigned: BTreeSet<Place>,
}

/// All groups with our prefix, as far as they have read topics with our prefix.
pub(super) async fn list(shared: &Arc<Shared>) -> Result<Vec<GroupOffset>, BusError> {
    shared.refresh().await?;
    let known = shared.known.read().unwrap_or_else(PoisonError::into_inner).clone();
    let all = known.iter().flat_map(|(name, count)| (0..*count).map(|p| (name.to_string(), p)));
    let all: Vec<Place> = all.collect();
    let asker = Arc::clone(shared);
    let listed = blocking(move || listed(&asker)).await?;
    let names: BTreeSet<&str> = listed.keys().map(String::as_str).collect();
    let mut committed = shared.committed(&names, all.clone()).await?;
    let shared = Arc::clone(shared);
    blocking(move || {
        let all: Vec<(&str, u32)> = all.iter().map(|(topic, p)| (topic.as_str(), *p)).collect();
        // After what was committed: a group is never ahead of the end.
        let starts = edges(&shared, &all, Offset::Beginning)?;
        let ends = edges(&shared, &all, Offset::End)?;
        let mut rows = vec![];
        for (group, Listed { active, assigned }) in listed {
            let mut places = committed.remove(&group).unwrap_or_default();
            for place in assigned {
                places.entry(place).or_insert(0);
            }
            // In order: groups by name, places by topic and partition.
            rows.extend(places.into_iter().map(|(place, committed)| {
                let edge = |edges: &Offsets| edges.get(&place).copied().unwrap_or_default();
                let lag = edge(&ends).saturating_sub(committed.max(edge(&starts)));
                let (topic, partition) = place;
                GroupOffset { group: group.clone(), topic, partition, committed, lag, active }
            }));
        }
        Ok(rows)
    })
    .await
}

/// The groups with our prefix. Blocks.
fn listed(shared: &Shared) -> Result<BTreeMap<String, Listed>, BusError> {
    let groups = shared
        .ask(|| shared.inspector.fetch_group_list(None, shared.options.timeout))
        .map_err(|e| bus_error(&e, "groups"))?;
    let one = |group: &GroupInfo| {
        let members = group.members();
        let all = members.iter().map(|member| member.assignment().unwrap_or_default());
        let assigned = all.flat_map(|bytes| assigned(shared, bytes)).collect();
        let name = shared.inner(group.name())?.to_owned();
        Some((name, Listed { active: !members.is_empty(), assigned }))
    };
    Ok(groups.groups().iter().filter_map(one).collect())
}

/// A group and its members.
pub(super) async fn describe(
    shared: &Arc<Shared>,
    group: &str,
) -> Result<GroupDescription, BusError> {
    let (shared, group) = (Arc::clone(shared), group.to_owned());
    blocking(move || {
        let (outer, limit) = (shared.outer(&group), shared.options.timeout);
        let found = shared
            .ask(|| shared.inspector.fetch_group_list(Some(&outer), limit))
            .map_err(|e| bus_error(&e, &group))?;
        let found = found.groups().iter().find(|found| found.name() == outer);
        let Some(found) = found.filter(|_| shared.inner(&outer).is_some()) else {
            return Err(BusError::Unknown(group));
        };
        let member = |member: &GroupMemberInfo| MemberInfo {
            id: member.id().to_owned(),
            client: Some(member.client_id().to_owned()),
            // As Java writes an address that it did not look up.
            host: Some(member.client_host().trim_start_matches('/').to_owned()),
            partitions: assigned(&shared, member.assignment().unwrap_or_default())
                .into_iter()
                .collect(),
        };
        let mut members: Vec<MemberInfo> = found.members().iter().map(member).collect();
        members.sort_by(|a, b| a.id.cmp(&b.id));
        let state = match found.state() {
            "Stable" => GroupState::Stable,
            "Empty" => GroupState::Empty,
            "PreparingRebalance" => GroupState::PreparingRebalance,
            "CompletingRebalance" | "AwaitingSync" => GroupState::CompletingRebalance,
            "Dead" => GroupState::Dead,
            _ => GroupState::Unknown,
        };
        let protocol = Some(found.protocol().to_owned()).filter(|name| !name.is_empty());
        Ok(GroupDescription { state, protocol, members })
    })
    .await
}

/// The partitions in a member's assignment. Format: `ConsumerProtocolAssignment.json` of Kafka: a
/// version, then topics, each with its partitions.
fn assigned(shared: &Shared, mut bytes: &[u8]) -> BTreeSet<Place> {
    fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = bytes.split_at_checked(n)?;
        *bytes = rest;
        Some(taken)
    }
    fn number(bytes: &mut &[u8]) -> Option<i32> {
        take(bytes, 4).and_then(|b| Some(i32::from_be_bytes(b.try_into().ok()?)))
    }
    let mut places = BTreeSet::new();
    let mut read = || {
        take(&mut bytes, 2)?;
        for _ in 0..number(&mut bytes)? {
            let length = take(&mut bytes, 2)?;
            let length = u16::from_be_bytes(length.try_into().ok()?);
            let topic = std::str::from_utf8(take(&mut bytes, length.into())?).ok()?;
            for _ in 0..number(&mut bytes)? {
                let partition = number(&mut bytes)?.unsigned_abs();
                places.extend(shared.inner(topic).map(|topic| (topic.to_owned(), partition)));
            }
        }
        Some(())
    };
    read();
    places
}

/// Deletes every group with our prefix that has no members.
pub(super) async fn delete_all(shared: &Arc<Shared>) -> Result<(), BusError> {
    let asker = Arc::clone(shared);
    let names = blocking(move || Ok(listed(&asker)?.into_keys().collect::<Vec<_>>())).await?;
    let outer: Vec<String> = names.iter().map(|name| shared.outer(name)).collect();
    let outer: Vec<&str> = outer.iter().map(String::as_str).collect();
    if outer.is_empty() {
        return Ok(());
    }
    let options = topics::options(shared);
    let delete = || shared.admin().delete_groups(&outer, &options);
    for result in shared.demand(delete).await.map_err(|e| bus_error(&e, "deleting groups"))? {
        match result {
            Ok(_) | Err((_, Code::NonEmptyGroup | Code::GroupIdNotFound)) => {}
            Err((group, code)) => return Err(of_code(code, &format!("deleting group {group}"))),
        }
    }
    Ok(())
}

/// Sets where an inactive group reads next.
pub(super) async fn set_offsets(
    shared: &Arc<Shared>,
    group: &str,
    next: &[Position],
) -> Result<(), BusError> {
    let mut list = TopicPartitionList::with_capacity(next.len());
    for at in next {
        shared.checked(&at.topic, at.partition).await?;
        let offset = Offset::Offset(at.offset as i64);
        list.add_partition_offset(&shared.outer(&at.topic), at.partition as i32, offset)
            .map_err(|e| bus_error(&e, &at.topic))?;
    }
    let (shared, group) = (Arc::clone(shared), group.to_owned());
    blocking(move || {
        let limit = shared.options.timeout;
        let outer = shared.outer(&group);
        let found = shared
            .ask(|| shared.inspector.fetch_group_list(Some(&outer), limit))
            .map_err(|e| bus_error(&e, &group))?;
        if found.groups().iter().any(|found| !found.members().is_empty()) {
            return Err(BusError::GroupActive(group));
        }
        let client = shared.group_client(&group)?;
        match shared.ask(|| client.commit(&list, CommitMode::Sync)) {
            Ok(()) => Ok(()),
            Err(KafkaError::ConsumerCommit(Code::UnknownMemberId | Code::RebalanceInProgress)) => {
                Err(BusError::GroupActive(group))
            }
            Err(e) => Err(bus_error(&e, &group)),
        }
    })
    .await
}
