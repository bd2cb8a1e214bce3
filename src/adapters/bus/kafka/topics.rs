//! Topics: which there are, and making one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, ALWAYS_THERE, FRAMING_MAX, KafkaOptions, Watched};
use super::errors::{bus_error, of_code};
use super::{Offsets, Shared, blocking};
use crate::events::Topic;
use crate::ports::bus::{
    BusError, DEAD_LETTER_BYTES_MAX, PartitionInfo, RECORD_BYTES_MAX, TopicInfo,
};

/// Copies of each record where there are brokers enough.
const REPLICATION: usize = 3;
/// Pause before the cluster is asked again whether a new topic is everywhere.
pub(super) const SPREAD_LOOK_EVERY: Duration = Duration::from_millis(50);

/// Who makes topics.
pub(super) struct Admin(pub(super) AdminClient<Watched>);

impl Admin {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, BusError> {
        Ok(Self(client::create(&options.config(), Watched::default())?))
    }
}

impl Shared {
    pub(super) fn admin(&self) -> &AdminClient<Watched> {
        &self.admin.0
    }

    /// Asks the cluster for its topics; how many brokers it has.
    pub(super) async fn refresh(self: &Arc<Self>) -> Result<usize, BusError> {
        let shared = Arc::clone(self);
        blocking(move || {
            let limit = shared.options.timeout;
            let metadata = shared
                .ask(|| shared.inspector.fetch_metadata(None, limit))
                .map_err(|e| bus_error(&e, "topics"))?;
            let mut known: BTreeMap<Arc<str>, u32> = BTreeMap::new();
            for topic in metadata.topics() {
                let partitions = topic.partitions().len() as u32;
                if topic.name() == ALWAYS_THERE {
                    shared.commits.are_spread_over(partitions);
                }
                let internal = topic.name().starts_with("__");
                if let (Some(name), false) = (shared.inner(topic.name()), internal) {
                    known.insert(Arc::from(name), partitions);
                }
            }
            *shared.known.write().unwrap_or_else(PoisonError::into_inner) = known;
            client::listen(&shared.inspector);
            Ok(metadata.brokers().len())
        })
        .await
    }
}

/// Those topics with our prefix whose names are `wanted`; only their edges are asked for.
pub(super) async fn list(
    shared: &Arc<Shared>,
    wanted: &(dyn for<'n> Fn(&'n str) -> bool + Send + Sync),
) -> Result<Vec<TopicInfo>, BusError> {
    shared.refresh().await?;
    let mut known = shared.known.read().unwrap_or_else(PoisonError::into_inner).clone();
    known.retain(|name, _| wanted(name));
    let shared = Arc::clone(shared);
    blocking(move || {
        let all = known.iter().flat_map(|(name, count)| (0..*count).map(move |p| (&**name, p)));
        let all: Vec<(&str, u32)> = all.collect();
        let starts = edges(&shared, &all, Offset::Beginning)?;
        let ends = edges(&shared, &all, Offset::End)?;
        let info = |(name, count): (&Arc<str>, &u32)| {
            let partition = |partition| {
                let place = (name.to_string(), partition);
                let start = starts.get(&place).copied().unwrap_or_default();
                PartitionInfo { partition, start, end: ends.get(&place).copied().unwrap_or(start) }
            };
            TopicInfo { name: name.to_string(), partitions: (0..*count).map(partition).collect() }
        };
        Ok(known.iter().map(info).collect())
    })
    .await
}

/// The first or the next offset of each partition. Blocks.
pub(super) fn edges(
    shared: &Shared,
    partitions: &[(&str, u32)],
    edge: Offset,
) -> Result<Offsets, BusError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition_offset(&shared.outer(topic), *partition as i32, edge)
            .map_err(|e| bus_error(&e, topic))?;
    }
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let inspector: &BaseConsumer<Watched> = &shared.inspector;
    let mut asked = "offsets".to_owned();
    let ask = || {
        let found = inspector.offsets_for_times(list.clone(), shared.options.timeout)?;
        for e in found.elements() {
            e.topic().clone_into(&mut asked);
            e.error()?;
        }
        Ok(found)
    };
    let found = shared.ask(ask).map_err(|e| bus_error(&e, &asked))?;
    let mut edges = Offsets::new();
    for e in found.elements() {
        if let (Some(topic), Offset::Offset(offset)) = (shared.inner(e.topic()), e.offset()) {
            edges.insert((topic.to_owned(), e.partition().unsigned_abs()), offset.unsigned_abs());
        }
    }
    Ok(edges)
}

/// Makes a topic; false if it is there already, as it should be.
pub(super) async fn create(
    shared: &Arc<Shared>,
    topic: &str,
    partitions: u32,
    retention: Option<Duration>,
) -> Result<bool, BusError> {
    let brokers = shared.refresh().await?;
    if shared.partitions(topic).is_some() {
        return matches(shared, topic, partitions).map(|()| false);
    }
    let replication = replication(shared, brokers)?;
    let retention = retention.map_or("-1".to_owned(), |time| time.as_millis().to_string());
    let largest =
        if topic == Topic::DlqEvents.as_str() { DEAD_LETTER_BYTES_MAX } else { RECORD_BYTES_MAX };
    let largest = (largest + FRAMING_MAX).to_string();
    let outer = shared.outer(topic);
    let new = NewTopic::new(&outer, partitions as i32, TopicReplication::Fixed(replication as i32))
        .set("retention.ms", &retention)
        .set("message.timestamp.type", "LogAppendTime")
        .set("max.message.bytes", &largest)
        .set("min.insync.replicas", if replication >= REPLICATION { "2" } else { "1" });
    let made = shared.admin().create_topics([&new], &options(shared)).await;
    let made = made.map_err(|e| bus_error(&e, topic))?;
    let created = match made.into_iter().next() {
        Some(Err((_, Code::TopicAlreadyExists))) => false,
        Some(Err((_, code))) => {
            let place = &shared.options.bootstrap;
            return Err(of_code(code, &format!("Kafka at {place}: creating topic {outer}")));
        }
        _ => true,
    };
    spread(shared, topic, partitions).await?;
    matches(shared, topic, partitions)?;
    Ok(created)
}

/// Copies of each record of a topic of ours, on that many brokers.
pub(super) fn replication(shared: &Shared, brokers: usize) -> Result<usize, BusError> {
    match shared.options.replication as usize {
        0 => Ok(REPLICATION.min(brokers.max(1))),
        n if n > brokers => {
            let there = if brokers == 1 { "is 1".to_owned() } else { format!("are {brokers}") };
            Err(BusError::Broken(format!(
                "Kafka at {}: kafka.replication = {n} needs as many brokers, and there {there}: set it to 0, or start more",
                shared.options.bootstrap
            )))
        }
        n => Ok(n),
    }
}

/// Deletes every topic with our prefix.
pub(super) async fn delete_all(shared: &Arc<Shared>) -> Result<(), BusError> {
    shared.refresh().await?;
    let known = shared.known.read().unwrap_or_else(PoisonError::into_inner).clone();
    let names: Vec<String> = known.keys().map(|name| shared.outer(name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    let deleted = shared.admin().delete_topics(&names, &options(shared)).await;
    for result in deleted.map_err(|e| bus_error(&e, "deleting topics"))? {
        match result {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition | Code::UnknownTopic)) => {}
            Err((topic, code)) => return Err(of_code(code, &format!("deleting topic {topic}"))),
        }
    }
    Ok(())
}

pub(super) fn options(shared: &Shared) -> AdminOptions {
    let limit = Some(shared.options.timeout);
    AdminOptions::new().request_timeout(limit).operation_timeout(limit)
}

/// Waits until every partition of a new topic has a leader who answers.
pub(super) async fn spread(
    shared: &Arc<Shared>,
    topic: &str,
    partitions: u32,
) -> Result<(), BusError> {
    let give_up = shared.clock.elapsed() + shared.options.timeout;
    loop {
        shared.refresh().await?;
        let (asker, name) = (Arc::clone(shared), topic.to_owned());
        let there = blocking(move || {
            let all: Vec<(&str, u32)> = (0..partitions).map(|p| (name.as_str(), p)).collect();
            let ends = edges(&asker, &all, Offset::End);
            Ok(ends.is_ok_and(|ends| ends.len() == all.len()))
        });
        if there.await? && shared.partitions(topic).is_some() {
            return Ok(());
        }
        if shared.clock.elapsed() >= give_up {
            let text = format!("topic {topic} was created, but has no leaders yet");
            return Err(BusError::Unavailable(text));
        }
        shared.clock.sleep(SPREAD_LOOK_EVERY).await;
    }
}

fn matches(shared: &Shared, topic: &str, wanted: u32) -> Result<(), BusError> {
    match shared.partitions(topic) {
        Some((_, found)) if found == wanted => Ok(()),
        Some((_, found)) => Err(BusError::Broken(format!(
            "Kafka at {}: topic {} has {found} partitions, not {wanted}: set delivery.partitions = {found}, or another kafka.prefix",
            shared.options.bootstrap,
            shared.outer(topic)
        ))),
        None => Err(BusError::Unknown(topic.to_owned())),
    }
}
