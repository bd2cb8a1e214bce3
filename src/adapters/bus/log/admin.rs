//! Looking after topics and groups of the embedded log. It keeps one copy of each record, and its only
//! setting of a topic is how long records are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::partition::position;
use super::{EmbeddedLog, Shared, bus_error, reading, retention};
use crate::ports::admin::{
    self, BusAdmin, ConfigEntry, ConfigOrigin, GroupDescription, Look, Looked, NewTopic,
    PartitionDetail, RETENTION_MS, TopicDescription, TopicScan,
};
use crate::ports::bus::{BusError, EventBus, PartitionInfo, Position};
use crate::ports::store::Read;
use crate::values;

/// Partitions of one topic at most: each is looked at when the log is opened and pruned.
const PARTITIONS_MAX: u32 = 1_000;

/// Records that a scan reads at a time.
const PAGE: usize = 256;

const BYTES: &str = "select coalesce(sum(coalesce(length(record_key), 0) + length(headers)
   + coalesce(length(value), 0)), 0)
 from log_records where position between ?1 and ?2";

#[async_trait]
impl BusAdmin for EmbeddedLog {
    async fn describe_topic(&self, topic: &str) -> Result<TopicDescription, BusError> {
        let (kept, all) = {
            let state = self.shared.state();
            let found = state.topics.get(topic).ok_or_else(|| unknown(topic))?;
            let all: Vec<_> = found.partitions.iter().map(|p| (p.tp, p.start, p.end)).collect();
            (found.retention, all)
        };
        let range = |(tp, start, end): &(u64, u64, u64)| {
            values![position(*tp, *start), position(*tp, *end) - 1]
        };
        let sizes = Read::each(BYTES, all.iter().map(range));
        let sizes = self.shared.journal.read(&[sizes]).map_err(bus_error)?.concat();
        let mut partitions = vec![];
        for ((partition, (_, start, end)), size) in (0..).zip(&all).zip(&sizes) {
            partitions.push(PartitionDetail {
                info: PartitionInfo { partition, start: *start, end: *end },
                copies: None,
                bytes: Some(size.int(0).map_err(bus_error)? as u64),
            });
        }
        let retention = ConfigEntry {
            name: RETENTION_MS.to_owned(),
            value: Some(kept.map_or("-1".to_owned(), |kept| kept.as_millis().to_string())),
            origin: kept.map_or(ConfigOrigin::Default, |_| ConfigOrigin::Topic),
        };
        Ok(TopicDescription { partitions, config: vec![retention] })
    }

    async fn make_topic(&self, topic: &NewTopic) -> Result<(), BusError> {
        let mut wrong = admin::name_problem(&topic.name);
        if !(1..=PARTITIONS_MAX).contains(&topic.partitions) {
            wrong = Some(format!("a topic has 1 to {PARTITIONS_MAX} partitions"));
        }
        if topic.replication.is_some_and(|copies| copies != 1) {
            let text = "the embedded log keeps one copy of each record; more need a Kafka cluster";
            wrong = Some(text.to_owned());
        }
        let mut kept = None;
        for (name, value) in &topic.config {
            match (name.as_str(), admin::retention(value)) {
                (RETENTION_MS, Some(retention)) => kept = retention,
                (RETENTION_MS, None) => {
                    let text =
                        "is no retention; write milliseconds, or -1 to keep records for ever";
                    wrong = Some(format!("{value:?} {text}"));
                }
                _ => {
                    let text = "topics of the embedded log have no setting";
                    wrong = Some(format!("{text} {name:?}; they have {RETENTION_MS}"));
                }
            }
        }
        if let Some(wrong) = wrong {
            return Err(BusError::Invalid(wrong));
        }
        let exists = self.shared.state().topics.contains_key(topic.name.as_str());
        if exists || !self.create_topic(&topic.name, topic.partitions, kept).await? {
            return Err(BusError::Invalid(format!("there is a topic {} already", topic.name)));
        }
        Ok(())
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), BusError> {
        let (name, ends, tps) = {
            let state = self.shared.state();
            let (name, found) = state.topics.get_key_value(topic).ok_or_else(|| unknown(topic))?;
            let ends: BTreeMap<u32, u64> =
                (0..).zip(found.partitions.iter().map(|p| p.end)).collect();
            let tps: Vec<u64> = found.partitions.iter().map(|p| p.tp).collect();
            (Arc::clone(name), ends, tps)
        };
        // What may be much goes step by step; what came meanwhile, and the topic, at once.
        retention::truncate(&self.shared, topic, &ends).await?;
        let gone = Arc::clone(&name);
        let delete = self.shared.change(
            move |tx| {
                for tp in &tps {
                    let range = [position(*tp, 0).into(), (position(*tp + 1, 0) - 1).into()];
                    tx.execute("delete from log_records where position between ?1 and ?2", &range)?;
                }
                let topic = [name.as_ref().into()];
                tx.execute("delete from log_partitions where topic = ?1", &topic)?;
                tx.execute("delete from log_offsets where topic = ?1", &topic)?;
                tx.execute("delete from log_topics where topic = ?1", &topic)
            },
            move |state, _| {
                state.topics.remove(&gone);
                state.groups.forget_topic(&gone);
            },
        );
        delete.await?;
        self.shared.pulse.give();
        Ok(())
    }

    async fn truncate(&self, topic: &str, before: &BTreeMap<u32, u64>) -> Result<(), BusError> {
        for (partition, before) in before {
            let end = self.shared.state().partition(topic, *partition)?.end;
            if *before > end {
                let text = format!("{topic}/{partition} ends at {end}, before {before}");
                return Err(BusError::Invalid(text));
            }
        }
        retention::truncate(&self.shared, topic, before).await
    }

    async fn describe_group(&self, group: &str) -> Result<GroupDescription, BusError> {
        self.shared.state().groups.describe(group).ok_or_else(|| unknown(group))
    }

    async fn delete_group(&self, group: &str) -> Result<(), BusError> {
        {
            let state = self.shared.state();
            let known = state.groups.describe(group).ok_or_else(|| unknown(group))?;
            if !known.members.is_empty() {
                return Err(BusError::GroupActive(group.to_owned()));
            }
        }
        let (name, gone) = (group.to_owned(), group.to_owned());
        let forget = self.shared.change(
            move |tx| {
                tx.execute("delete from log_offsets where group_id = ?1", &[name.as_str().into()])
            },
            move |state, _| state.groups.remove(&gone),
        );
        forget.await.map(drop)
    }

    async fn scan(
        &self,
        topic: &str,
        from: &BTreeMap<u32, u64>,
    ) -> Result<Box<dyn TopicScan>, BusError> {
        let state = self.shared.state();
        for partition in from.keys() {
            state.partition(topic, *partition)?;
        }
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(LogScan { shared, topic: topic.into(), next: from.clone() }))
    }
}

fn unknown(what: &str) -> BusError {
    BusError::Unknown(what.to_owned())
}

/// Reads where it stands; what is ahead is a range of the same table.
struct LogScan {
    shared: Arc<Shared>,
    topic: Arc<str>,
    next: BTreeMap<u32, u64>,
}

#[async_trait]
impl TopicScan for LogScan {
    async fn next(&mut self, partition: u32, look: &Look) -> Result<Looked, BusError> {
        let next = self.next.entry(partition).or_default();
        let (mut looked, mut bytes) = (Looked::default(), 0);
        loop {
            let from = Position { topic: Arc::clone(&self.topic), partition, offset: *next };
            let records = reading::read(&self.shared, &from, PAGE)?;
            let left = records.iter().take_while(|record| record.at.offset < look.until);
            let mut goes_on = false;
            for record in left {
                *next = record.at.offset + 1;
                goes_on = looked.take(look, record.as_ref(), || Arc::clone(record), &mut bytes);
                if !goes_on {
                    return Ok(looked);
                }
            }
            if !goes_on {
                looked.end = true;
                return Ok(looked);
            }
        }
    }
}
