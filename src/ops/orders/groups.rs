//! How far the shop's services have read: whose turn it is, and why they do not take it.

use std::collections::BTreeMap;

use super::WaitReason;
use crate::events::Topic;
use crate::ops::OpsError;
use crate::ports::EventBus;
use crate::ports::bus::{GroupOffset, partition_of};

/// The consumer group of a service.
pub(in crate::ops) fn group_of(service: &str) -> String {
    format!("{service}-service-group")
}

/// All groups, as they stand now.
#[derive(Debug, Clone, Default)]
pub(in crate::ops) struct Readers {
    offsets: Vec<GroupOffset>,
    partitions: BTreeMap<String, u32>,
    running: bool,
}

impl Readers {
    /// How they stand; `running`: whether anybody could be there.
    pub(in crate::ops) async fn look(bus: &dyn EventBus, running: bool) -> Result<Self, OpsError> {
        let topics = bus.topics().await?;
        let count =
            |topic: crate::ports::bus::TopicInfo| (topic.name, topic.partitions.len() as u32);
        let partitions = topics.into_iter().map(count).collect();
        Ok(Self { offsets: bus.groups().await?, partitions, running })
    }

    /// Records that a service has not read where the key's are, if it reads there.
    fn lag(&self, service: &str, topic: Topic, key: &str) -> Option<u64> {
        let partition = partition_of(key.as_bytes(), self.partitions.get(topic.as_str()).copied()?);
        let group = group_of(service);
        let here = |row: &&GroupOffset| {
            row.group == group && row.topic == topic.as_str() && row.partition == partition
        };
        self.offsets.iter().find(here).map(|row| row.lag)
    }

    /// Where a service has records of `topic` to read, and where it reads next.
    pub(in crate::ops) fn behind<'a>(
        &'a self,
        service: &str,
        topic: Topic,
    ) -> impl Iterator<Item = (u32, u64)> + 'a {
        let group = group_of(service);
        let rows = self
            .offsets
            .iter()
            .filter(move |row| row.group == group && row.topic == topic.as_str() && row.lag > 0);
        rows.map(|row| (row.partition, row.committed))
    }

    /// Why a service has not handled an event of `topic` under `key`.
    pub(super) fn why(&self, service: &str, topic: Topic, key: &str) -> (WaitReason, String) {
        let group = group_of(service);
        if !self.running {
            let what = format!("the shop is stopped: {service} handles {topic} when it is started");
            return (WaitReason::Stopped, what);
        }
        if !self.offsets.iter().any(|row| row.group == group && row.active) {
            let what = format!("{service} has to handle {topic}, and {group} has no members");
            return (WaitReason::NoMembers, what);
        }
        match self.lag(service, topic, key) {
            Some(0) => {
                let what = format!("{service} has read past {topic} without handling it");
                (WaitReason::Skipped, what)
            }
            lag => {
                let lag = lag.map_or_else(|| "some".into(), |lag| lag.to_string());
                let what =
                    format!("{service} has to handle {topic}, and has {lag} records of it to read");
                (WaitReason::Lag, what)
            }
        }
    }
}

#[cfg(test)]
impl Readers {
    /// One group that reads everything, with this lag everywhere.
    pub(super) fn all(active: bool, lag: u64, running: bool) -> Self {
        let services = ["order", "payment", "inventory", "notification"];
        let row = |(service, topic): (&str, &Topic)| GroupOffset {
            group: group_of(service),
            topic: topic.as_str().to_owned(),
            partition: 0,
            committed: 0,
            lag,
            active,
        };
        let pairs = services.iter().flat_map(|s| Topic::ALL.iter().map(move |t| (*s, t)));
        let partitions = Topic::ALL.iter().map(|topic| (topic.as_str().to_owned(), 1)).collect();
        Self { offsets: pairs.map(row).collect(), partitions, running }
    }
}
