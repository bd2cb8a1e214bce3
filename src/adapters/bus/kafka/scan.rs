//! Reading whole topics: one consumer fetches all partitions at the same time, each into a queue of its own,
//! so that none waits for who takes another's records. What is next in each is looked at aside, and copied only if
//! it is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;

use super::client::{self, Fleeting, Watched};
use super::errors::bus_error;
use super::read::{READER_AHEAD, copied, reader_config};
use super::{Shared, aside, blocking, outcome};
use crate::domain::Timestamp;
use crate::ports::admin::{Glimpse, Look, Looked, TopicScan};
use crate::ports::bus::BusError;

/// Bytes fetched ahead, of all partitions together; a partition gets its share.
const AHEAD_KIB: usize = 6 << 10;
/// The least that a partition gets: a largest fetch.
const AHEAD_KIB_MIN: usize = 1 << 10;
/// Records fetched ahead: of small ones, what librdkafka notes of each is larger than they are.
const AHEAD: usize = 12_000;

/// Begins to read.
pub(super) async fn scan(
    shared: &Arc<Shared>,
    topic: &str,
    from: &BTreeMap<u32, u64>,
) -> Result<Box<dyn TopicScan>, BusError> {
    for partition in from.keys() {
        shared.checked(topic, *partition).await?;
    }
    let (name, _) = shared.topic(topic).await?;
    let (shared, from) = (Arc::clone(shared), from.clone());
    let reading = blocking(move || Reading::begin(shared, &name, &from)).await?;
    Ok(Box::new(KafkaScan { reading: Arc::new(reading), aside: BTreeMap::new() }))
}

struct KafkaScan {
    reading: Arc<Reading>,
    /// By partition, the look that is taken aside.
    aside: BTreeMap<u32, JoinHandle<Result<Looked, BusError>>>,
}

#[async_trait]
impl TopicScan for KafkaScan {
    async fn next(&mut self, partition: u32, look: &Look) -> Result<Looked, BusError> {
        let mut looked = match self.aside.remove(&partition) {
            Some(taken) => outcome(taken).await?,
            None => Looked::default(),
        };
        if looked.count == 0 {
            let (reading, look) = (Arc::clone(&self.reading), look.clone());
            looked = blocking(move || reading.next(partition, &look)).await?;
        }
        if !looked.end {
            let (reading, look) = (Arc::clone(&self.reading), look.clone());
            self.aside.insert(partition, aside(move || reading.take(partition, &look, false)));
        }
        Ok(looked)
    }
}

struct Reading {
    shared: Arc<Shared>,
    /// Before the consumer, which must outlive them.
    lanes: BTreeMap<u32, Lane>,
    consumer: Fleeting,
    topic: Arc<str>,
}

/// One partition.
struct Lane {
    queue: PartitionQueue<Watched>,
    /// Whether it was read to its end; what comes after is taken without waiting for it.
    at_end: AtomicBool,
}

impl Reading {
    fn begin(
        shared: Arc<Shared>,
        topic: &Arc<str>,
        from: &BTreeMap<u32, u64>,
    ) -> Result<Self, BusError> {
        let failed = |e: KafkaError| bus_error(&e, topic);
        let lanes = from.len().max(1);
        let (kib, records) = (AHEAD_KIB / lanes, AHEAD / lanes);
        let mut config = reader_config(&shared);
        config
            .set("queued.max.messages.kbytes", kib.max(AHEAD_KIB_MIN).to_string())
            .set("queued.min.messages", records.max(READER_AHEAD).to_string());
        let (consumer, outer) = (client::fleeting(&config)?, shared.outer(topic));
        let mut list = TopicPartitionList::with_capacity(from.len());
        for (partition, offset) in from {
            let offset = Offset::Offset(*offset as i64);
            list.add_partition_offset(&outer, *partition as i32, offset).map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        let mut lanes = BTreeMap::new();
        for partition in from.keys() {
            let queue = consumer.0.split_partition_queue(&outer, *partition as i32);
            let queue = queue.ok_or_else(|| BusError::Unknown(format!("{topic}/{partition}")))?;
            lanes.insert(*partition, Lane { queue, at_end: AtomicBool::default() });
        }
        Ok(Self { shared, lanes, consumer, topic: Arc::clone(topic) })
    }

    fn lane(&self, partition: u32) -> Result<&Lane, BusError> {
        let unknown = || BusError::Unknown(format!("{}/{partition}", self.topic));
        self.lanes.get(&partition).ok_or_else(unknown)
    }

    /// Looks at what comes next, for which it waits unless the partition was read to its end. Blocks.
    fn next(&self, partition: u32, look: &Look) -> Result<Looked, BusError> {
        self.listen()?;
        let waits = !self.lane(partition)?.at_end.load(Ordering::Relaxed);
        self.take(partition, look, waits)
    }

    /// Looks at what is here; `waits` for the first, or for the end.
    fn take(&self, partition: u32, look: &Look, waits: bool) -> Result<Looked, BusError> {
        let lane = self.lane(partition)?;
        let what = || format!("{}/{partition}", self.topic);
        let (limit, mut looked, mut bytes) = (self.shared.options.timeout, Looked::default(), 0);
        let give_up = self.shared.clock.elapsed() + limit;
        loop {
            let waits = waits && looked.count == 0;
            match lane.queue.poll(if waits { limit } else { Duration::ZERO }) {
                Some(Ok(message)) => {
                    if looked.count == 0 {
                        lane.at_end.store(false, Ordering::Relaxed);
                    }
                    if message.offset().unsigned_abs() >= look.until {
                        looked.end = true;
                        return Ok(looked);
                    }
                    let copy = || copied(&message, &self.topic);
                    let seen = Seen { message: &message, topic: &self.topic };
                    if !looked.take(look, &seen, copy, &mut bytes) {
                        return Ok(looked);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    lane.at_end.store(true, Ordering::Relaxed);
                    looked.end = true;
                    return Ok(looked);
                }
                Some(Err(e)) => match bus_error(&e, &what()) {
                    // librdkafka connects again by itself
                    BusError::Unavailable(_) if self.shared.clock.elapsed() < give_up => {}
                    e => return Err(e),
                },
                None if waits => {
                    let text = format!("{}: no answer in {limit:?}", what());
                    return Err(BusError::Unavailable(text));
                }
                None => {
                    looked.end = lane.at_end.load(Ordering::Relaxed);
                    return Ok(looked);
                }
            }
        }
    }

    /// Hears what is of no partition; their records come by their queues.
    fn listen(&self) -> Result<(), BusError> {
        while let Some(told) = self.consumer.poll(Duration::ZERO) {
            match told {
                Err(KafkaError::PartitionEOF(partition)) => {
                    let lane = self.lane(partition.unsigned_abs())?;
                    lane.at_end.store(true, Ordering::Relaxed);
                }
                Ok(message) => {
                    let text = format!("{}/{} came astray", self.topic, message.partition());
                    return Err(BusError::Unavailable(text));
                }
                Err(e) => match bus_error(&e, &self.topic) {
                    BusError::Unavailable(_) => {} // it passes, or the queues tell
                    e => return Err(e),
                },
            }
        }
        Ok(())
    }
}

/// A message of librdkafka's.
struct Seen<'a> {
    message: &'a BorrowedMessage<'a>,
    topic: &'a str,
}

impl Glimpse for Seen<'_> {
    fn topic(&self) -> &str {
        self.topic
    }

    fn partition(&self) -> u32 {
        self.message.partition().unsigned_abs()
    }

    fn offset(&self) -> u64 {
        self.message.offset().unsigned_abs()
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.message.timestamp().to_millis().unwrap_or_default())
    }

    fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.message.payload()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let headers = self.message.headers()?;
        let mut newest = (0..headers.count()).rev().map(|n| headers.get(n));
        newest.find(|header| header.key == name).map(|header| header.value.unwrap_or_default())
    }
}
