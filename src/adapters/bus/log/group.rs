//! Consumer groups: who reads which partition, and how far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::{Shared, commit, reading};
use crate::ports::admin::{GroupDescription, GroupState, MemberInfo};
use crate::ports::bus::{BusError, GroupOffset, Position, Record, Subscription};

type PartitionKey = (Arc<str>, u32);

/// All groups that ever committed or have members.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<String, Group>,
    next_member: u64,
}

#[derive(Default)]
struct Group {
    /// Subscribed topics with their partition counts, by member.
    members: BTreeMap<u64, Vec<(Arc<str>, u32)>>,
    /// All topics that a member subscribed to since this process began.
    subscribed: BTreeSet<Arc<str>>,
    /// Counts changes of membership.
    generation: u64,
    owners: BTreeMap<PartitionKey, Owner>,
    committed: BTreeMap<PartitionKey, u64>,
}

/// Who reads a partition, and since which generation without a break.
#[derive(Clone, Copy)]
struct Owner {
    member: u64,
    since: u64,
}

impl Group {
    /// Every partition goes to one of the members that subscribed to its topic, in turn.
    fn rebalance(&mut self) {
        self.generation += 1;
        let mut sharing: BTreeMap<(Arc<str>, u32), Vec<u64>> = BTreeMap::new();
        for (member, topics) in &self.members {
            for topic in topics {
                sharing.entry(topic.clone()).or_default().push(*member);
            }
        }
        let before = std::mem::take(&mut self.owners);
        for ((topic, count), members) in sharing {
            for partition in 0..count {
                let key = (Arc::clone(&topic), partition);
                let member = members[partition as usize % members.len()];
                let same = before.get(&key).filter(|owner| owner.member == member);
                let since = same.map_or(self.generation, |owner| owner.since);
                self.owners.insert(key, Owner { member, since });
            }
        }
    }
}

impl Group {
    /// Takes up that a topic has so many partitions now, if anybody subscribed to it.
    fn recount(&mut self, topic: &str, partitions: u32) {
        let known = self.members.values_mut().flatten().filter(|(known, _)| **known == *topic);
        let mut changed = false;
        for (_, count) in known {
            *count = partitions;
            changed = true;
        }
        if changed {
            self.rebalance();
        }
    }
}

/// What a member is told when it joins.
#[derive(Clone, Copy)]
pub(super) struct Joined {
    member: u64,
    generation: u64,
}

impl Groups {
    /// Takes up a committed offset.
    pub(super) fn restore(&mut self, group: &str, topic: &str, partition: u32, committed: u64) {
        let group = self.groups.entry(group.to_owned()).or_default();
        group.committed.insert((topic.into(), partition), committed);
    }

    pub(super) fn join(&mut self, group: &str, topics: Vec<(Arc<str>, u32)>) -> Joined {
        self.next_member += 1;
        let group = self.groups.entry(group.to_owned()).or_default();
        group.subscribed.extend(topics.iter().map(|(topic, _)| Arc::clone(topic)));
        group.members.insert(self.next_member, topics);
        group.rebalance();
        Joined { member: self.next_member, generation: group.generation }
    }

    fn leave(&mut self, group: &str, member: u64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.members.remove(&member);
            group.rebalance();
        }
    }

    pub(super) fn is_active(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|group| !group.members.is_empty())
    }

    /// Forgets a topic that is gone; members that subscribed to it have none of its partitions.
    pub(super) fn forget_topic(&mut self, topic: &Arc<str>) {
        for group in self.groups.values_mut() {
            group.committed.retain(|(known, _), _| known != topic);
            group.recount(topic, 0);
        }
        self.groups.retain(|_, group| !group.members.is_empty() || !group.committed.is_empty());
    }

    /// Shares the partitions of a topic that was made anew among the members that subscribed to it.
    pub(super) fn topic_made(&mut self, topic: &str, partitions: u32) {
        self.groups.values_mut().for_each(|group| group.recount(topic, partitions));
    }

    /// A group and its members.
    pub(super) fn describe(&self, group: &str) -> Option<GroupDescription> {
        let group = self.groups.get(group)?;
        let member = |id: &u64| {
            let its = group.owners.iter().filter(|(_, owner)| owner.member == *id);
            MemberInfo {
                id: format!("member-{id}"),
                client: None,
                host: None,
                partitions: its.map(|((topic, p), _)| (topic.to_string(), *p)).collect(),
            }
        };
        let members: Vec<MemberInfo> = group.members.keys().map(member).collect();
        let state = if members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        Some(GroupDescription { state, protocol: None, members })
    }

    /// Forgets a group; of one that has members by now only what it had committed.
    pub(super) fn remove(&mut self, group: &str) {
        if self.is_active(group) {
            self.groups.entry(group.to_owned()).or_default().committed.clear();
        } else {
            self.groups.remove(group);
        }
    }

    /// The lowest committed offset of the groups that have read this topic in this process: one whose
    /// members are all being started again still wants its records.
    pub(super) fn slowest(&self, topic: &Arc<str>, partition: u32) -> Option<u64> {
        let reads = |group: &&Group| group.subscribed.contains(topic);
        let key = (Arc::clone(topic), partition);
        let committed = |group: &Group| group.committed.get(&key).copied().unwrap_or(0);
        self.groups.values().filter(reads).map(committed).min()
    }

    /// How far every group is; `unread` counts a partition's records from an offset on.
    pub(super) fn offsets(&self, unread: impl Fn(&str, u32, u64) -> u64) -> Vec<GroupOffset> {
        let mut all = vec![];
        for (name, group) in &self.groups {
            let mut offsets = group.committed.clone();
            for (topic, count) in group.members.values().flatten() {
                for partition in 0..*count {
                    offsets.entry((Arc::clone(topic), partition)).or_insert(0);
                }
            }
            all.extend(offsets.into_iter().map(|((topic, partition), committed)| GroupOffset {
                group: name.clone(),
                partition,
                committed,
                lag: unread(&topic, partition, committed),
                active: !group.members.is_empty(),
                topic: topic.to_string(),
            }));
        }
        all
    }
}

/// A member of a group.
pub(super) struct Member {
    shared: Arc<Shared>,
    group: String,
    id: u64,
    /// The change of membership that was taken up last.
    generation: u64,
    /// The next offset to hand out, of each partition that is ours.
    cursors: BTreeMap<PartitionKey, u64>,
    /// Where the next poll looks first, so that no partition starves.
    turn: usize,
}

impl Member {
    pub(super) fn new(shared: Arc<Shared>, group: String, joined: Joined) -> Self {
        let Joined { member: id, generation } = joined;
        let mut member = Self { shared, group, id, generation, cursors: BTreeMap::new(), turn: 0 };
        member.take_up();
        member
    }

    /// Takes up the assignment: what was ours all the time goes on, the rest starts where the group
    /// committed.
    fn take_up(&mut self) {
        let state = self.shared.state();
        let Some(group) = state.groups.groups.get(&self.group) else { return };
        let mut cursors = BTreeMap::new();
        for (key, owner) in group.owners.iter().filter(|(_, owner)| owner.member == self.id) {
            let start = group.committed.get(key).copied().unwrap_or(0);
            let at = self.cursors.get(key).copied().filter(|_| owner.since <= self.generation);
            cursors.insert(key.clone(), at.unwrap_or(start));
        }
        self.generation = group.generation;
        self.cursors = cursors;
    }

    fn refresh(&mut self) {
        let state = self.shared.state();
        let newest = state.groups.groups.get(&self.group).map(|group| group.generation);
        drop(state);
        if newest != Some(self.generation) {
            self.take_up();
        }
    }

    /// Whether the partition is ours, and has been since the last poll.
    fn owns(&self, at: &Position) -> bool {
        let key = (Arc::clone(&at.topic), at.partition);
        let state = self.shared.state();
        let owner = state.groups.groups.get(&self.group).and_then(|group| group.owners.get(&key));
        owner.is_some_and(|owner| owner.member == self.id && owner.since <= self.generation)
    }

    fn take(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        self.refresh();
        let keys: Vec<PartitionKey> = self.cursors.keys().cloned().collect();
        let mut taken = vec![];
        for i in 0..keys.len() {
            let key = &keys[(i + self.turn) % keys.len()];
            let offset = self.cursors[key];
            let from = Position { topic: Arc::clone(&key.0), partition: key.1, offset };
            let records = reading::read(&self.shared, &from, max - taken.len())?;
            if let Some(last) = records.last() {
                self.cursors.insert(key.clone(), last.at.offset + 1);
            }
            taken.extend(records);
            if taken.len() >= max {
                self.turn = self.turn.wrapping_add(i + 1);
                break;
            }
        }
        Ok(taken)
    }
}

#[async_trait]
impl Subscription for Member {
    async fn poll(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        let mut pulse = self.shared.pulse.waiter();
        loop {
            pulse.catch_up();
            let records = self.take(max.max(1))?;
            if !records.is_empty() {
                return Ok(records);
            }
            pulse.wait().await;
        }
    }

    async fn commit(&mut self, next: &[Position]) -> Result<(), BusError> {
        if let Some(lost) = next.iter().find(|at| !self.owns(at)) {
            return Err(BusError::Fenced(format!("{}/{}", lost.topic, lost.partition)));
        }
        commit(&self.shared, &self.group, next).await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.state().groups.leave(&self.group, self.id);
        self.shared.pulse.give();
    }
}
