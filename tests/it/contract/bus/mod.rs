//! The contract of the event bus.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ecom::adapters::bus::{EmbeddedLog, KafkaBus};
use ecom::adapters::sqlite::Schema;
use ecom::ports::BusAdmin;
use ecom::ports::bus::{
    EventBus, GroupOffset, NewRecord, PartitionInfo, Position, Record, Subscription,
};

use super::env::{self, Env};
use super::journal::Place;
use crate::harness::stack::{self, Server};

/// Makes a test of every case on every event bus.
macro_rules! on_every_bus {
    ($($case:ident),+ $(,)?) => {
        suite! {
            in_a_folder: crate::contract::bus::in_a_folder,
            in_memory: crate::contract::bus::in_memory,
            on_kafka: crate::contract::bus::on_kafka;
            { $($case),+ }
        }
    };
}

mod admin;
mod embedded;
mod groups;
mod members;
mod offsets;
mod records;
mod topics;

fn in_a_folder<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::live(|env| case(Rig::embedded(env, Place::folder(Schema::SHOP))));
}

fn in_memory<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::simulated(|env| case(Rig::embedded(env, Place::memory(Schema::SHOP))));
}

fn on_kafka<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| case(Rig::kafka(env, &bootstrap)));
}

/// A bus, and how to open it again.
struct Rig {
    bus: Arc<dyn EventBus>,
    admin: Arc<dyn BusAdmin>,
    env: Env,
    open: Box<dyn Fn() -> Sides + Send + Sync>,
}

/// The two sides of one bus.
type Sides = (Arc<dyn EventBus>, Arc<dyn BusAdmin>);

impl Rig {
    /// Looks at the rows of a group that have a commit until `seen` of them is `wanted`: a commit takes
    /// effect a moment later.
    async fn comes<T: PartialEq + std::fmt::Debug>(
        &self,
        group: &str,
        wanted: T,
        seen: impl Fn(Vec<GroupOffset>) -> T,
    ) {
        let clock = &self.env.clock;
        let give_up = clock.elapsed() + Duration::from_secs(10);
        loop {
            let mut rows = self.bus.groups().await.unwrap();
            rows.retain(|row| row.group == group && row.committed > 0);
            let found = seen(rows);
            if found == wanted {
                return;
            }
            assert!(clock.elapsed() < give_up, "{found:?}, not {wanted:?}");
            clock.sleep(Duration::from_millis(20)).await;
        }
    }

    fn embedded(env: Env, place: Place) -> Self {
        let clock = Arc::clone(&env.clock);
        Self::new(env, move || {
            Arc::new(EmbeddedLog::open(place.open(), Arc::clone(&clock)).unwrap())
        })
    }

    /// On a cluster, with topics and groups of its own.
    fn kafka(env: Env, bootstrap: &str) -> Self {
        // A group takes its time to share its partitions.
        let env = Env { tick: Duration::from_millis(250), ..env };
        let options = stack::kafka(bootstrap, &stack::unique("bus"));
        let clock = Arc::clone(&env.clock);
        Self::new(env, move || {
            let connect = KafkaBus::connect(options.clone(), Arc::clone(&clock));
            let connect = || tokio::runtime::Handle::current().block_on(connect);
            Arc::new(tokio::task::block_in_place(connect).unwrap())
        })
    }

    fn new<B: EventBus + BusAdmin + 'static>(
        env: Env,
        open: impl Fn() -> Arc<B> + Send + Sync + 'static,
    ) -> Self {
        let open = move || -> Sides {
            let bus = open();
            (Arc::clone(&bus) as _, bus)
        };
        let (bus, admin) = open();
        Self { bus, admin, env, open: Box::new(open) }
    }

    /// The same bus in the next process. All subscriptions must be gone.
    fn restarted(self) -> Self {
        let Self { bus, admin, env, open } = self;
        drop((bus, admin));
        let (bus, admin) = open();
        Self { bus, admin, env, open }
    }

    /// A topic that no other case uses.
    async fn topic(&self, name: &'static str, partitions: u32) -> &'static str {
        assert!(self.bus.create_topic(name, partitions, None).await.unwrap());
        name
    }

    async fn publish(&self, records: Vec<NewRecord>) -> Vec<Position> {
        self.env.patiently(self.bus.publish(records)).await.unwrap()
    }

    /// Publishes the numbers to one partition, in one batch.
    async fn publish_numbers(
        &self,
        topic: &str,
        partition: u32,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Vec<Position> {
        let record = |n| fixed(topic, partition, n);
        self.publish(numbers.into_iter().map(record).collect()).await
    }

    async fn subscribe(&self, group: &str, topics: &[&str]) -> Box<dyn Subscription> {
        self.env.patiently(self.bus.subscribe(group, topics)).await.unwrap()
    }

    /// The next `count` records, however many polls they take.
    async fn next(&self, reader: &mut dyn Subscription, count: usize) -> Vec<Arc<Record>> {
        let mut records = vec![];
        while records.len() < count {
            let missing = count - records.len();
            let polled = self.env.patiently(reader.poll(missing)).await.unwrap();
            assert!((1..=missing).contains(&polled.len()), "{} of {missing}", polled.len());
            records.extend(polled);
        }
        records
    }

    /// All records of a partition from `offset` on, in pages.
    async fn all_from(&self, topic: &str, partition: u32, offset: u64) -> Vec<Arc<Record>> {
        let mut records: Vec<Arc<Record>> = vec![];
        loop {
            let next = records.last().map_or(offset, |record| record.at.offset + 1);
            let page = self.bus.read(&at(topic, partition, next), 1_000).await.unwrap();
            if page.is_empty() {
                return records;
            }
            records.extend(page);
        }
    }

    async fn partition(&self, topic: &str, partition: u32) -> PartitionInfo {
        let topics = self.bus.topics().await.unwrap();
        let topic = topics.into_iter().find(|info| info.name == topic).unwrap();
        topic.partitions.into_iter().find(|info| info.partition == partition).unwrap()
    }
}

fn at(topic: &str, partition: u32, offset: u64) -> Position {
    Position { topic: topic.into(), partition, offset }
}

/// The position after a record: what is committed once it is done.
pub(crate) fn after(record: &Record) -> Position {
    Position { offset: record.at.offset + 1, ..record.at.clone() }
}

fn keyed(topic: &str, key: impl Into<Bytes>, value: impl Into<Bytes>) -> NewRecord {
    let (key, value) = (Some(key.into()), Some(value.into()));
    NewRecord { topic: topic.to_owned(), partition: None, key, headers: vec![], value }
}

/// A record in a fixed partition whose value is a number.
fn fixed(topic: &str, partition: u32, number: u64) -> NewRecord {
    NewRecord { partition: Some(partition), ..keyed(topic, "k", number.to_string()) }
}

/// The numbers that these records carry.
fn numbers(records: &[Arc<Record>]) -> Vec<u64> {
    let number = |record: &Arc<Record>| {
        std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap()
    };
    records.iter().map(number).collect()
}
