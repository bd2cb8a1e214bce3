//! Looking after topics and groups of a cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use rdkafka::admin::{ConfigSource, ResourceSpecifier};
use rdkafka::admin::{NewTopic as Wanted, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};

use super::commits::let_go;
use super::errors::bus_error;
use super::patience::code_of;
use super::topics::{self, edges};
use super::{KafkaBus, Shared, blocking, groups, scan};
use crate::ports::admin::{
    self, BusAdmin, ConfigEntry, ConfigOrigin, Copies, GroupDescription, NewTopic, PartitionDetail,
    TopicDescription, TopicScan,
};
use crate::ports::bus::{BusError, PartitionInfo};

#[async_trait]
impl BusAdmin for KafkaBus {
    async fn describe_topic(&self, topic: &str) -> Result<TopicDescription, BusError> {
        let shared = &self.shared;
        shared.refresh().await?;
        let (_, count) =
            shared.partitions(topic).ok_or_else(|| BusError::Unknown(topic.to_owned()))?;
        let (asker, name) = (Arc::clone(shared), topic.to_owned());
        let partitions = blocking(move || partitions(&asker, &name, count)).await?;
        Ok(TopicDescription { partitions, config: config(shared, topic).await? })
    }

    async fn make_topic(&self, topic: &NewTopic) -> Result<(), BusError> {
        let shared = &self.shared;
        let outer = shared.outer(&topic.name);
        if let Some(wrong) =
            admin::name_problem(&topic.name).or_else(|| admin::name_problem(&outer))
        {
            return Err(BusError::Invalid(wrong));
        }
        if shared.inner(&outer).is_none() {
            let text =
                "is not one of the shop's topics, which are all that this process looks after";
            return Err(BusError::Invalid(format!("{} {text}", topic.name)));
        }
        let brokers = shared.refresh().await?;
        let there = || BusError::Invalid(format!("there is a topic {} already", topic.name));
        if shared.partitions(&topic.name).is_some() {
            return Err(there());
        }
        let replication = match topic.replication {
            None => topics::replication(shared, brokers)?,
            Some(copies) if (1..=brokers as u32).contains(&copies) => copies as usize,
            Some(copies) => {
                let text = format!("{copies} copies need as many brokers, and there are {brokers}");
                return Err(BusError::Invalid(text));
            }
        };
        let copies = TopicReplication::Fixed(replication as i32);
        let count = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
        let mut wanted = Wanted::new(&outer, count, copies);
        for (name, value) in &topic.config {
            wanted = wanted.set(name, value);
        }
        let make = || async {
            let made = shared.admin().create_topics([&wanted], &topics::options(shared)).await?;
            first(made)
        };
        match shared.demand(make).await {
            Ok(()) => topics::spread(shared, &topic.name, topic.partitions).await,
            Err(KafkaError::AdminOp(Code::TopicAlreadyExists)) => Err(there()),
            Err(e) => Err(refused(&e, &format!("topic {}", topic.name), &topic.config)),
        }
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), BusError> {
        let shared = &self.shared;
        let (_, outer) = (shared.topic(topic).await?, shared.outer(topic));
        let delete = || async {
            let deleted = shared.admin().delete_topics(&[&outer], &topics::options(shared)).await?;
            first(deleted)
        };
        shared.demand(delete).await.map_err(|e| refused(&e, topic, &BTreeMap::new()))?;
        // They may stand in the topic that is gone.
        let_go(std::mem::take(&mut *shared.readers.lock().unwrap_or_else(PoisonError::into_inner)));
        let give_up = shared.clock.elapsed() + shared.options.timeout;
        loop {
            shared.refresh().await?;
            if shared.partitions(topic).is_none() || shared.clock.elapsed() >= give_up {
                return Ok(());
            }
            shared.clock.sleep(topics::SPREAD_LOOK_EVERY).await;
        }
    }

    async fn truncate(&self, topic: &str, before: &BTreeMap<u32, u64>) -> Result<(), BusError> {
        let shared = &self.shared;
        let mut list = TopicPartitionList::with_capacity(before.len());
        for (partition, offset) in before {
            shared.checked(topic, *partition).await?;
            let offset = Offset::Offset(*offset as i64);
            list.add_partition_offset(&shared.outer(topic), *partition as i32, offset)
                .map_err(|e| bus_error(&e, topic))?;
        }
        if before.is_empty() {
            return Ok(());
        }
        let delete = || async {
            let done = shared.admin().delete_records(&list, &topics::options(shared)).await?;
            let failed = done.elements().iter().find_map(|e| e.error().err());
            failed.map_or(Ok(()), Err)
        };
        shared.demand(delete).await.map_err(|e| match code_of(&e) {
            Some(Code::OffsetOutOfRange) => {
                BusError::Invalid(format!("{topic} ends before one of these offsets"))
            }
            Some(Code::PolicyViolation) => BusError::Invalid(format!(
                "{topic} is compacted (cleanup.policy): only a topic with cleanup.policy=delete can be truncated"
            )),
            _ => bus_error(&e, topic),
        })
    }

    async fn describe_group(&self, group: &str) -> Result<GroupDescription, BusError> {
        groups::describe(&self.shared, group).await
    }

    async fn delete_group(&self, group: &str) -> Result<(), BusError> {
        let shared = &self.shared;
        let outer = shared.outer(group);
        let delete = || async {
            let deleted = shared.admin().delete_groups(&[&outer], &topics::options(shared)).await?;
            first(deleted)
        };
        shared.demand(delete).await.map_err(|e| match code_of(&e) {
            Some(Code::NonEmptyGroup) => BusError::GroupActive(group.to_owned()),
            Some(Code::GroupIdNotFound) => BusError::Unknown(group.to_owned()),
            _ => bus_error(&e, group),
        })?;
        shared.commits.forget(group);
        Ok(())
    }

    async fn scan(
        &self,
        topic: &str,
        from: &BTreeMap<u32, u64>,
    ) -> Result<Box<dyn TopicScan>, BusError> {
        scan::scan(&self.shared, topic, from).await
    }
}

/// The answer about the one thing that was asked for.
fn first(results: Vec<Result<String, (String, Code)>>) -> Result<(), KafkaError> {
    match results.into_iter().next() {
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
        _ => Ok(()),
    }
}

/// Why the cluster does not want a topic so.
fn refused(e: &KafkaError, what: &str, config: &BTreeMap<String, String>) -> BusError {
    let settings: Vec<&str> = config.keys().map(String::as_str).collect();
    match code_of(e) {
        Some(code @ Code::InvalidConfig) => {
            let text = format!("{what}: {code}; check the settings {}", settings.join(", "));
            BusError::Invalid(text)
        }
        Some(
            code @ (Code::InvalidReplicationFactor
            | Code::InvalidPartitions
            | Code::PolicyViolation
            | Code::TopicDeletionDisabled
            | Code::InvalidTopic),
        ) => BusError::Invalid(format!("{what}: {code}")),
        _ => bus_error(e, what),
    }
}

/// Every partition, and who has it. Blocks.
fn partitions(shared: &Shared, topic: &str, count: u32) -> Result<Vec<PartitionDetail>, BusError> {
    let failed = |e: &KafkaError| bus_error(e, topic);
    let (outer, limit) = (shared.outer(topic), shared.options.timeout);
    let metadata = shared.ask(|| shared.inspector.fetch_metadata(Some(&outer), limit));
    let metadata = metadata.map_err(|e| failed(&e))?;
    let all: Vec<(&str, u32)> = (0..count).map(|partition| (topic, partition)).collect();
    let starts = edges(shared, &all, Offset::Beginning)?;
    let ends = edges(shared, &all, Offset::End)?;
    let known = metadata.topics().first().map(MetadataTopic::partitions).unwrap_or_default();
    let partition = |partition: u32| {
        let place = (topic.to_owned(), partition);
        let start = starts.get(&place).copied().unwrap_or_default();
        let end = ends.get(&place).copied().unwrap_or(start);
        let copies = known.iter().find(|p| p.id().unsigned_abs() == partition).map(|p| Copies {
            leader: Some(p.leader()).filter(|id| *id >= 0),
            replicas: p.replicas().to_vec(),
            in_sync: p.isr().to_vec(),
        });
        PartitionDetail { info: PartitionInfo { partition, start, end }, copies, bytes: None }
    };
    Ok((0..count).map(partition).collect())
}

async fn config(shared: &Arc<Shared>, topic: &str) -> Result<Vec<ConfigEntry>, BusError> {
    let outer = shared.outer(topic);
    let resource = ResourceSpecifier::Topic(&outer);
    let describe = || async {
        let told = shared.admin().describe_configs([&resource], &topics::options(shared)).await?;
        let first = told.into_iter().next().ok_or(KafkaError::Canceled)?;
        first.map_err(KafkaError::AdminOp)
    };
    let told = shared.demand(describe).await.map_err(|e| bus_error(&e, topic))?;
    let entry = |entry: rdkafka::admin::ConfigEntry| ConfigEntry {
        name: entry.name,
        value: entry.value.filter(|_| !entry.is_sensitive),
        origin: match entry.source {
            ConfigSource::DynamicTopic => ConfigOrigin::Topic,
            ConfigSource::DynamicBroker => ConfigOrigin::Broker,
            ConfigSource::DynamicDefaultBroker => ConfigOrigin::Cluster,
            ConfigSource::StaticBroker => ConfigOrigin::BrokerFile,
            ConfigSource::Default => ConfigOrigin::Default,
            ConfigSource::Unknown => ConfigOrigin::Unknown,
        },
    };
    let mut entries: Vec<ConfigEntry> = told.entries.into_iter().map(entry).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
