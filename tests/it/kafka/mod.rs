//! The event bus on Kafka, beyond the contract of its port: what becomes of records and groups when
//! brokers fall silent or die, and when members come and go in the middle of their work.

mod admin;
mod console;
mod groups;
mod losses;
mod members;
mod orders;
mod others;
mod refuses;
mod shared;
mod silence;
mod stalls;
mod story;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ecom::adapters::bus::KafkaBus;
use ecom::adapters::bus::kafka::KafkaOptions;
use ecom::ports::bus::{EventBus, NewRecord, Position, Record};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::contract::env::Env;
use crate::harness::stack::{self, unique};

/// Longer than a cluster needs to do without one of its brokers.
const LONG: Duration = Duration::from_mins(1);
/// Keys of the records that are counted.
const KEYS: u64 = 12;
/// Records that are published together.
const BATCH: u64 = 48;

/// How a case reaches `bootstrap`, with names of its own.
fn options(bootstrap: &str) -> KafkaOptions {
    KafkaOptions { timeout: LONG, ..stack::kafka(bootstrap, &unique("kafka")) }
}

async fn connect(env: &Env, options: &KafkaOptions) -> Arc<KafkaBus> {
    let bus = KafkaBus::connect(options.clone(), Arc::clone(&env.clock)).await;
    Arc::new(bus.unwrap())
}

fn keyed(topic: &str, key: impl Into<Bytes>, value: impl Into<Bytes>) -> NewRecord {
    let (key, value) = (Some(key.into()), Some(value.into()));
    NewRecord { topic: topic.to_owned(), partition: None, key, headers: vec![], value }
}

/// The `n`th of the records that are counted.
fn counted(topic: &str, n: u64) -> NewRecord {
    keyed(topic, format!("k{}", n % KEYS), n.to_string())
}

fn number(record: &Record) -> u64 {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

/// Publishes as the relay does: what was not taken, again, and nothing after it before.
async fn publish(env: &Env, bus: &KafkaBus, records: Vec<NewRecord>) {
    let again = async {
        loop {
            match bus.publish(records.clone()).await {
                Ok(_) => return,
                Err(e) => assert!(e.is_transient(), "{e}"),
            }
            env.pass(1).await;
        }
    };
    ecom::ports::clock::timeout(env.clock.as_ref(), LONG * 2, again).await.expect("in time");
}

/// A producer that goes on until it is told to stop.
struct Producer {
    /// Records that the cluster has confirmed.
    confirmed: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
    done: futures::channel::oneshot::Receiver<()>,
}

impl Producer {
    fn start(env: &Env, bus: &Arc<KafkaBus>, topic: &'static str) -> Self {
        let (confirmed, enough) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (bus, of_env) = (Arc::clone(bus), env.clone());
        let (counter, end) = (Arc::clone(&confirmed), Arc::clone(&enough));
        let done = env.spawn(async move {
            while !end.load(Ordering::SeqCst) {
                let from = counter.load(Ordering::SeqCst);
                let records = (from..from + BATCH).map(|n| counted(topic, n)).collect();
                publish(&of_env, &bus, records).await;
                counter.store(from + BATCH, Ordering::SeqCst);
            }
        });
        Self { confirmed, enough, done }
    }

    /// Waits until it has published so many batches more.
    async fn gets_on(&self, env: &Env, batches: u64) {
        let aim = self.confirmed.load(Ordering::SeqCst) + batches * BATCH;
        until(env, || self.confirmed.load(Ordering::SeqCst) >= aim).await;
    }

    /// How many records it has published.
    async fn stop(self) -> u64 {
        self.enough.store(true, Ordering::SeqCst);
        self.done.await.unwrap();
        self.confirmed.load(Ordering::SeqCst)
    }
}

async fn until(env: &Env, holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            env.pass(1).await;
        }
    };
    ecom::ports::clock::timeout(env.clock.as_ref(), LONG, looking).await.expect("in time");
}

/// All records of a topic, partition by partition.
async fn all(bus: &KafkaBus, topic: &str) -> Vec<Arc<Record>> {
    let topics = bus.topics().await.unwrap();
    let info = topics.into_iter().find(|info| info.name == topic).unwrap();
    let mut records: Vec<Arc<Record>> = vec![];
    for partition in info.partitions {
        let mut at = Position { topic: topic.into(), partition: partition.partition, offset: 0 };
        while at.offset < partition.end {
            let page = bus.read(&at, 10_000).await.unwrap();
            at.offset = page.last().unwrap().at.offset + 1;
            records.extend(page);
        }
    }
    records
}

/// The numbers of each key, in the order of the log.
fn by_key(records: &[Arc<Record>]) -> BTreeMap<Bytes, Vec<u64>> {
    let mut found: BTreeMap<Bytes, Vec<u64>> = BTreeMap::new();
    for record in records {
        found.entry(record.key.clone().unwrap()).or_default().push(number(record));
    }
    found
}

/// What each key must have when `count` records were published.
fn expected(count: u64) -> BTreeMap<Bytes, Vec<u64>> {
    let mut all: BTreeMap<Bytes, Vec<u64>> = BTreeMap::new();
    for n in 0..count {
        all.entry(Bytes::from(format!("k{}", n % KEYS))).or_default().push(n);
    }
    all
}

/// Without repeats, of which only the first counts.
fn firsts(numbers: &BTreeMap<Bytes, Vec<u64>>) -> BTreeMap<Bytes, Vec<u64>> {
    let first = |numbers: &Vec<u64>| {
        let mut seen = std::collections::BTreeSet::new();
        numbers.iter().copied().filter(|n| seen.insert(*n)).collect()
    };
    numbers.iter().map(|(key, numbers)| (key.clone(), first(numbers))).collect()
}

/// The broker that leads a partition, by the cluster's name of its topic.
fn leader(bootstrap: &str, topic: &str, partition: i32) -> u16 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(20)).unwrap();
    let found = metadata.topics()[0].partitions().iter().find(|p| p.id() == partition);
    u16::try_from(found.unwrap().leader()).unwrap()
}
