//! Consumer groups: who reads which partition, and how far.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Shared, commit, reading};
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
    /// Counts changes of membership.
    generation: u64,
    committed: BTreeMap<PartitionKey, u64>,
}

impl Group {
    /// Every partition goes to one of the members that subscribed to its topic, in turn.
    fn assignment(&self, member: u64) -> Vec<PartitionKey> {
        let mut mine = vec![];
        for (topic, count) in self.members.get(&member).into_iter().flatten() {
            let subscribed = |topics: &Vec<(Arc<str>, u32)>| topics.iter().any(|(t, _)| t == topic);
            let sharing: Vec<u64> = self
                .members
                .iter()
                .filter(|(_, topics)| subscribed(topics))
                .map(|(id, _)| *id)
                .collect();
            let owner = |partition: u32| sharing[partition as usize % sharing.len()];
            let owned = (0..*count).filter(|p| owner(*p) == member);
            mine.extend(owned.map(|p| (Arc::clone(topic), p)));
        }
        mine
    }
}

impl Groups {
    /// Takes up a committed offset.
    pub(super) fn restore(&mut self, group: &str, topic: &str, partition: u32, committed: u64) {
        let group = self.groups.entry(group.to_owned()).or_default();
        group.committed.insert((topic.into(), partition), committed);
    }

    pub(super) fn join(&mut self, group: &str, topics: Vec<(Arc<str>, u32)>) -> u64 {
        self.next_member += 1;
        let group = self.groups.entry(group.to_owned()).or_default();
        group.members.insert(self.next_member, topics);
        group.generation += 1;
        self.next_member
    }

    fn leave(&mut self, group: &str, member: u64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.members.remove(&member);
            group.generation += 1;
        }
    }

    pub(super) fn is_active(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|group| !group.members.is_empty())
    }

    /// The lowest committed offset of the groups that read this partition now.
    pub(super) fn slowest(&self, topic: &Arc<str>, partition: u32) -> Option<u64> {
        let reads = |group: &&Group| {
            group.members.values().flatten().any(|(subscribed, _)| subscribed == topic)
        };
        let key = (Arc::clone(topic), partition);
        let committed = |group: &Group| group.committed.get(&key).copied().unwrap_or(0);
        self.groups.values().filter(reads).map(committed).min()
    }

    pub(super) fn offsets(&self, end: impl Fn(&str, u32) -> Option<u64>) -> Vec<GroupOffset> {
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
                lag: end(&topic, partition).unwrap_or(committed).saturating_sub(committed),
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
    generation: u64,
    /// The next offset to hand out, of each partition that is ours.
    cursors: BTreeMap<PartitionKey, u64>,
    /// Where the next poll looks first, so that no partition starves.
    turn: usize,
}

impl Member {
    pub(super) fn new(shared: Arc<Shared>, group: String, id: u64) -> Self {
        Self { shared, group, id, generation: 0, cursors: BTreeMap::new(), turn: 0 }
    }

    /// Takes up a change of membership: new partitions start where the group committed.
    fn refresh(&mut self) {
        let state = self.shared.state();
        let Some(group) = state.groups.groups.get(&self.group) else { return };
        if group.generation == self.generation {
            return;
        }
        self.generation = group.generation;
        let mut cursors = BTreeMap::new();
        for key in group.assignment(self.id) {
            let start = group.committed.get(&key).copied().unwrap_or(0);
            let at = self.cursors.get(&key).copied().unwrap_or(start);
            cursors.insert(key, at);
        }
        self.cursors = cursors;
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
        self.refresh();
        let ours =
            |at: &&Position| self.cursors.contains_key(&(Arc::clone(&at.topic), at.partition));
        if let Some(lost) = next.iter().find(|at| !ours(at)) {
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
