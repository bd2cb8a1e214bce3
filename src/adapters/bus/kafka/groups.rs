//! Groups: how far each has read, and setting where one reads next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::groups::{GroupInfo, GroupMemberInfo};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, Watched};
use super::errors::bus_error;
use super::patience::passes;
use super::topics::edges;
use super::{Shared, blocking};
use crate::ports::admin::{GroupDescription, GroupState, MemberInfo};
use crate::ports::bus::{BusError, GroupOffset, Position};

type Place = (String, u32);

/// Groups for which a client is kept: each has a thread for every broker.
const CLIENTS_MAX: usize = 16;

/// All groups with our prefix, as far as they have read topics with our prefix.
pub(super) async fn list(shared: &Arc<Shared>) -> Result<Vec<GroupOffset>, BusError> {
    shared.refresh().await?;
    let shared = Arc::clone(shared);
    blocking(move || {
        let limit = shared.options.timeout;
        let groups = shared
            .ask(|| shared.inspector.fetch_group_list(None, limit))
            .map_err(|e| bus_error(&e, "groups"))?;
        let known = shared.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let all = known.iter().flat_map(|(name, count)| (0..*count).map(move |p| (&**name, p)));
        let all: Vec<(&str, u32)> = all.collect();
        let mut rows = vec![];
        let there: BTreeSet<&str> = groups.groups().iter().map(GroupInfo::name).collect();
        shared.keep_clients(&there);
        for group in groups.groups() {
            if let Some(name) = shared.inner(group.name()) {
                rows.extend(rows_of(&shared, name, group, &all)?);
            }
        }
        // After what was committed: a group is never ahead of the end.
        let starts = edges(&shared, &all, Offset::Beginning)?;
        let ends = edges(&shared, &all, Offset::End)?;
        for row in &mut rows {
            let place = (row.topic.clone(), row.partition);
            let edge =
                |edges: &BTreeMap<Place, u64>| edges.get(&place).copied().unwrap_or_default();
            row.lag = edge(&ends).saturating_sub(row.committed.max(edge(&starts)));
        }
        rows.sort_by(|a, b| {
            (&a.group, &a.topic, a.partition).cmp(&(&b.group, &b.topic, b.partition))
        });
        Ok(rows)
    })
    .await
}

fn rows_of(
    shared: &Shared,
    name: &str,
    group: &GroupInfo,
    all: &[(&str, u32)],
) -> Result<Vec<GroupOffset>, BusError> {
    let mut places = committed(shared, name, all)?;
    for member in group.members() {
        for place in assigned(shared, member.assignment().unwrap_or_default()) {
            places.entry(place).or_insert(0);
        }
    }
    let active = !group.members().is_empty();
    let row = |((topic, partition), committed)| GroupOffset {
        group: name.to_owned(),
        topic,
        partition,
        committed,
        lag: 0,
        active,
    };
    Ok(places.into_iter().map(row).collect())
}

/// What a group has committed.
fn committed(
    shared: &Shared,
    group: &str,
    all: &[(&str, u32)],
) -> Result<BTreeMap<Place, u64>, BusError> {
    let mut list = TopicPartitionList::with_capacity(all.len());
    for (topic, partition) in all {
        list.add_partition(&shared.outer(topic), *partition as i32);
    }
    let client = shared.group_client(group)?;
    let ask = || {
        let found = client.committed_offsets(list.clone(), shared.options.timeout)?;
        let failed = found.elements().iter().filter_map(|e| e.error().err()).find(passes);
        failed.map_or(Ok(found), Err)
    };
    let found = shared.ask(ask).map_err(|e| bus_error(&e, group));
    client::listen(&client);
    let found = found?;
    let mut committed = BTreeMap::new();
    for e in found.elements() {
        if let (Some(topic), Offset::Offset(offset)) = (shared.inner(e.topic()), e.offset()) {
            let place = (topic.to_owned(), e.partition().unsigned_abs());
            committed.insert(place, offset.unsigned_abs());
        }
    }
    Ok(committed)
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

impl Shared {
    /// Lets the clients of all but these groups go.
    fn keep_clients(&self, there: &BTreeSet<&str>) {
        let mut clients = self.group_clients.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = |group: &str| !there.contains(&*self.outer(group));
        let left: Vec<_> = clients.extract_if(.., |group, _| gone(group)).collect();
        drop(clients);
        // To end one takes its time.
        drop(left);
    }

    /// A client that speaks for a group without joining it.
    fn group_client(&self, group: &str) -> Result<Arc<BaseConsumer<Watched>>, BusError> {
        let mut clients = self.group_clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(group) {
            return Ok(Arc::clone(known));
        }
        let mut config = self.options.config();
        config.set("group.id", self.outer(group)).set("enable.auto.commit", "false");
        let client: Arc<BaseConsumer<Watched>> =
            Arc::new(client::create(&config, Watched::default())?);
        // Who asks again and again finds them there; a cluster may have thousands of groups, though.
        if clients.len() < CLIENTS_MAX {
            clients.insert(group.to_owned(), Arc::clone(&client));
        }
        Ok(client)
    }
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
