//! How everything is right now: what a dashboard asks for once a second.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dlq::{EntryState, Group};
use super::groups::GroupView;
use super::topics::TopicView;
use crate::domain::Timestamp;

/// How everything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pulse {
    /// When it was looked at.
    pub at: Timestamp,
    /// Topics, by name.
    pub topics: Vec<TopicPulse>,
    /// Consumer groups, by name.
    pub groups: Vec<GroupPulse>,
    /// Dead letters by error, the most first.
    pub letters: Vec<LetterPulse>,
    /// Orders under way; none where there is no shop.
    pub open_orders: Option<u64>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicPulse {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Records that can be read.
    pub records: u64,
    /// Records that were ever appended: the sum of the partitions' ends.
    pub appended: u64,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupPulse {
    /// Its name.
    pub group: String,
    /// Whether it has members.
    pub active: bool,
    /// Records that it has not read yet.
    pub lag: u64,
}

/// Dead letters with one error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LetterPulse {
    /// The error.
    pub error_code: String,
    /// Letters with which nothing was done yet.
    pub open: u64,
    /// All of them.
    pub total: u64,
    /// When the last was given up.
    pub last_at: Timestamp,
}

impl Pulse {
    pub(super) fn of(
        at: Timestamp,
        topics: Vec<TopicView>,
        groups: Vec<GroupView>,
        letters: Vec<Group>,
        open_orders: Option<u64>,
    ) -> Self {
        let topic = |topic: TopicView| TopicPulse {
            partitions: topic.partitions.len() as u32,
            records: topic.records,
            appended: topic.partitions.iter().map(|p| p.end).sum(),
            name: topic.name,
        };
        let group = |group: GroupView| GroupPulse {
            group: group.group,
            active: group.active,
            lag: group.lag,
        };
        let letter = |group: Group| LetterPulse {
            open: count(&group.states, EntryState::Open),
            error_code: group.value,
            total: group.total,
            last_at: group.last_at,
        };
        Self {
            at,
            topics: topics.into_iter().map(topic).collect(),
            groups: groups.into_iter().map(group).collect(),
            letters: letters.into_iter().map(letter).collect(),
            open_orders,
        }
    }
}

fn count(states: &BTreeMap<EntryState, u64>, state: EntryState) -> u64 {
    states.get(&state).copied().unwrap_or(0)
}

/// A line of the log, as a program tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its number, from 1; those between two numbers were dropped.
    pub n: u64,
    /// When.
    pub at: Timestamp,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// What.
    pub text: String,
}
