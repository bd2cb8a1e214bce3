//! The event bus on Kafka. Topic names and groups may carry a prefix, so that several shops share a
//! cluster; to the shop they are called as ever. Topics stamp the time of appending.
//!
//! This is the only folder that names `rdkafka`.

mod admin;
mod client;
mod commits;
mod errors;
mod facts;
mod group;
mod groups;
mod patience;
mod publish;
mod read;
mod scan;
mod stall;
mod topics;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::task::JoinHandle;

use crate::domain::Timestamp;
use crate::ports::Clock;
use crate::ports::bus::{
    BusError, EventBus, GroupOffset, NewRecord, Position, Record, Subscription, TopicInfo,
};
use client::Watched;
pub use client::{KafkaOptions, NOISE, Security};
pub use facts::ClusterFacts;

/// A topic, by our name, and one of its partitions.
type Place = (String, u32);
/// An offset of each.
type Offsets = BTreeMap<Place, u64>;

/// The event bus on a Kafka cluster.
#[derive(Clone)]
pub struct KafkaBus {
    shared: Arc<Shared>,
}

struct Shared {
    options: KafkaOptions,
    clock: Arc<dyn Clock>,
    producer: publish::Producer,
    admin: topics::Admin,
    /// For questions that belong to no group.
    inspector: Arc<BaseConsumer<Watched>>,
    /// Partitions of every topic with our prefix, by the shop's names; refreshed when one is unknown.
    known: RwLock<BTreeMap<Arc<str>, u32>>,
    readers: Mutex<Vec<read::Reader>>,
    commits: commits::Commits,
    /// How often members of a group were stalled one after another.
    stalls: Mutex<BTreeMap<String, u32>>,
}

impl KafkaBus {
    /// Connects to a cluster; an error says what is wrong, where, and what to do.
    pub async fn connect(options: KafkaOptions, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        let inspector = Arc::new(client::inspector(&options)?);
        client::answers(&inspector, &options).await?;
        let shared = Shared {
            producer: publish::Producer::new(&options)?,
            admin: topics::Admin::new(&options)?,
            inspector,
            known: RwLock::default(),
            readers: Mutex::default(),
            commits: commits::Commits::default(),
            stalls: Mutex::default(),
            clock,
            options,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether the cluster answers.
    pub async fn answers(&self) -> Result<(), BusError> {
        client::answers(&self.shared.inspector, &self.shared.options).await
    }

    /// What the cluster calls itself.
    pub async fn cluster_id(&self) -> Result<String, BusError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = shared.inspector.client().fetch_cluster_id(shared.options.timeout);
            id.ok_or_else(|| BusError::Unavailable("the cluster does not tell its id".into()))
        })
        .await
    }

    /// Deletes all groups and topics with our prefix; groups that still have members stay.
    pub async fn sweep(&self) -> Result<(), BusError> {
        let prefix = &self.shared.options.prefix;
        if prefix.is_empty() {
            return Err(BusError::Broken(
                "without a kafka.prefix all topics would be deleted".into(),
            ));
        }
        let groups = groups::delete_all(&self.shared).await;
        topics::delete_all(&self.shared).await?;
        groups
    }
}

impl Shared {
    /// The cluster's name of a topic or group of ours.
    fn outer(&self, name: &str) -> String {
        format!("{}{name}", self.options.prefix)
    }

    /// Our name of a topic or group of the cluster, if it is one of ours.
    fn inner<'a>(&self, name: &'a str) -> Option<&'a str> {
        let name = name.strip_prefix(self.options.prefix.as_str())?;
        let ours = &self.options.ours;
        (ours.is_empty() || ours.contains(name)).then_some(name)
    }

    fn partitions(&self, topic: &str) -> Option<(Arc<str>, u32)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get_key_value(topic).map(|(name, count)| (Arc::clone(name), *count))
    }

    /// A topic's shared name and its partitions; asks the cluster if it is not known.
    async fn topic(self: &Arc<Self>, topic: &str) -> Result<(Arc<str>, u32), BusError> {
        if let Some(found) = self.partitions(topic) {
            return Ok(found);
        }
        self.refresh().await?;
        self.partitions(topic).ok_or_else(|| BusError::Unknown(topic.to_owned()))
    }

    async fn checked(self: &Arc<Self>, topic: &str, partition: u32) -> Result<Arc<str>, BusError> {
        let (name, count) = self.topic(topic).await?;
        if partition < count {
            return Ok(name);
        }
        Err(BusError::Unknown(format!("{topic}/{partition}")))
    }
}

/// Runs what blocks its thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    outcome(aside(work)).await
}

/// Begins what blocks its thread.
fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> JoinHandle<Result<T, BusError>> {
    #[expect(clippy::disallowed_methods, reason = "librdkafka's questions block their thread")]
    tokio::task::spawn_blocking(work)
}

async fn outcome<T>(work: JoinHandle<Result<T, BusError>>) -> Result<T, BusError> {
    work.await.unwrap_or_else(|e| Err(BusError::Broken(e.to_string())))
}

#[async_trait]
impl EventBus for KafkaBus {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, BusError> {
        publish::publish(&self.shared, records).await
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<Box<dyn Subscription>, BusError> {
        let mut names = vec![];
        for topic in topics {
            names.push(self.shared.topic(topic).await?.0);
        }
        Ok(Box::new(group::Member::join(&self.shared, group, names)?))
    }

    async fn read(&self, from: &Position, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        read::read(&self.shared, from, max).await
    }

    async fn offset_at(
        &self,
        topic: &str,
        partition: u32,
        time: Timestamp,
    ) -> Result<u64, BusError> {
        read::offset_at(&self.shared, topic, partition, time).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, BusError> {
        topics::list(&self.shared, &|_| true).await
    }

    async fn topics_named(
        &self,
        wanted: &(dyn for<'n> Fn(&'n str) -> bool + Send + Sync),
    ) -> Result<Vec<TopicInfo>, BusError> {
        topics::list(&self.shared, wanted).await
    }

    async fn groups(&self) -> Result<Vec<GroupOffset>, BusError> {
        groups::list(&self.shared).await
    }

    async fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        retention: Option<Duration>,
    ) -> Result<bool, BusError> {
        topics::create(&self.shared, topic, partitions, retention).await
    }

    async fn set_offsets(&self, group: &str, next: &[Position]) -> Result<(), BusError> {
        groups::set_offsets(&self.shared, group, next).await
    }
}
