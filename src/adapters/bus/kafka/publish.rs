//! Publishing: an idempotent producer, every copy in sync before an answer.
//!
//! Order is kept by never letting a later record survive an earlier one that is lost: records do not
//! expire one by one. If the cluster is silent for too long, all that wait are thrown away at once,
//! and whoever published them publishes them again. A producer that cannot go on (its numbers and the
//! cluster's do not fit, or a right is missing) is replaced by a new one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::OwnedDeliveryResult;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _, PurgeConfig};

use super::Shared;
use super::client::{self, KafkaOptions};
use super::errors::bus_error;
use crate::events::Topic;
use crate::ports::bus::{BusError, DEAD_LETTER_BYTES_MAX, NewRecord, Position, RECORD_BYTES_MAX};
use crate::ports::clock::timeout;

/// A producer that was silent so often is replaced: a cluster may be slow now and then.
const SILENCES_MAX: u32 = 3;
/// How long a look takes at most whether a topic that confirms nothing is still there.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// Pause before a topic that is not there is looked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The context of the producer: its log goes where all logs go.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        client::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

/// The producer of a process. A shop's is there from its start; who only looks at a cluster has none, which
/// would wake ten times a second.
pub(super) struct Producer {
    current: RwLock<Option<Arc<Line>>>,
}

/// A producer until it cannot go on.
struct Line {
    producer: FutureProducer<Quiet>,
    /// How often nothing was confirmed by a cluster that answers.
    silences: AtomicU32,
}

impl Producer {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, BusError> {
        let producer = Self { current: RwLock::default() };
        if options.instance.is_some() {
            producer.current(options)?;
        }
        Ok(producer)
    }

    fn current(&self, options: &KafkaOptions) -> Result<Arc<Line>, BusError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(line) = current {
            return Ok(line);
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = current.as_ref() {
            return Ok(Arc::clone(line));
        }
        let line = Arc::new(Line::new(options)?);
        *current = Some(Arc::clone(&line));
        Ok(line)
    }

    /// Replaces `dead`, unless somebody else has done so; why it could not go on.
    fn replace(&self, dead: &Arc<Line>, options: &KafkaOptions) -> Result<BusError, BusError> {
        dead.give_up();
        let fatal = dead.producer.client().fatal_error();
        let why = fatal.map_or_else(|| "nothing is confirmed".to_owned(), |(_, why)| why);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|line| Arc::ptr_eq(line, dead)) {
            *current = Some(Arc::new(Line::new(options)?));
        }
        let place = &options.bootstrap;
        Ok(BusError::Unavailable(format!("Kafka at {place}: {why}; publishing begins anew")))
    }
}

impl Line {
    fn new(options: &KafkaOptions) -> Result<Self, BusError> {
        let mut config = options.config();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0")
            .set("compression.type", "none")
            // Longer than anybody waits: see above.
            .set("message.timeout.ms", "2147483647")
            .set("request.timeout.ms", options.timeout.as_millis().to_string());
        Ok(Self { producer: client::create(&config, Quiet)?, silences: AtomicU32::new(0) })
    }

    /// Whether it cannot go on. librdkafka may go on asking a broker that does not lead a partition any more
    /// (<https://github.com/confluentinc/librdkafka/pull/5593>), and only a new client helps.
    fn is_dead(&self) -> bool {
        let silences = self.silences.load(Ordering::Relaxed);
        silences >= SILENCES_MAX || self.producer.client().fatal_error().is_some()
    }

    /// Throws away what waits for the cluster. What it has got already it may keep: of each partition
    /// the first of them.
    fn give_up(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight().non_blocking());
    }
}

struct Routed {
    topic: Arc<str>,
    outer: String,
    record: NewRecord,
}

pub(super) async fn publish(
    shared: &Arc<Shared>,
    records: Vec<NewRecord>,
) -> Result<Vec<Position>, BusError> {
    let mut routed = Vec::with_capacity(records.len());
    for record in records {
        fits(&record)?;
        let topic = match record.partition {
            Some(partition) => shared.checked(&record.topic, partition).await?,
            None => shared.topic(&record.topic).await?.0,
        };
        routed.push(Routed { outer: shared.outer(&topic), topic, record });
    }
    let (line, limit) = (shared.producer.current(&shared.options)?, shared.options.timeout);
    let sent = timeout(shared.clock.as_ref(), limit, send(&line, &routed)).await;
    let sent = if let Some(sent) = sent {
        sent
    } else {
        line.give_up();
        Err(unconfirmed(shared, &line, &routed).await)
    };
    match sent {
        Ok(positions) => {
            line.silences.store(0, Ordering::Relaxed);
            Ok(positions)
        }
        Err(_) if line.is_dead() => Err(shared.producer.replace(&line, &shared.options)?),
        Err(e) => Err(e),
    }
}

/// Why nothing was confirmed in time: librdkafka waits for a topic that was deleted, too.
async fn unconfirmed(shared: &Arc<Shared>, line: &Line, routed: &[Routed]) -> BusError {
    let (place, limit) = (&shared.options.bootstrap, shared.options.timeout);
    let clock = shared.clock.as_ref();
    match timeout(clock, LOOK_MAX, gone(shared, routed)).await {
        Some(Ok(Some(topic))) => return BusError::Unknown(topic.to_string()),
        Some(Ok(None)) => {
            line.silences.fetch_add(1, Ordering::Relaxed);
        }
        // The cluster does not answer either.
        Some(Err(_)) | None => {}
    }
    BusError::Unavailable(format!("Kafka at {place} has not confirmed within {limit:?}"))
}

/// A topic that is gone. A broker that has just begun may not know all of them: two must agree.
async fn gone(shared: &Arc<Shared>, routed: &[Routed]) -> Result<Option<Arc<str>>, BusError> {
    let mut missing = None;
    for pause in [Duration::ZERO, AGAIN_AFTER] {
        shared.clock.sleep(pause).await;
        shared.refresh().await?;
        let mut topics = routed.iter().map(|one| &one.topic);
        missing = topics.find(|topic| shared.partitions(topic).is_none()).cloned();
        if missing.is_none() {
            break;
        }
    }
    Ok(missing)
}

async fn send(line: &Line, routed: &[Routed]) -> Result<Vec<Position>, BusError> {
    let mut waiting: VecDeque<(DeliveryFuture, &Routed)> = VecDeque::new();
    let largest = routed.iter().map(|one| size(&one.record)).max().unwrap_or_default();
    let positions = Vec::with_capacity(routed.len());
    let mut confirmed = Confirmed { positions, largest, failed: None };
    for one in routed {
        let mut record = Some(future_record(one));
        while let Some(next) = record.take() {
            match line.producer.send_result(next) {
                Ok(delivery) => waiting.push_back((delivery, one)),
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) => {
                    // Room comes with the next confirmation; ours, or those of somebody else.
                    match waiting.pop_front() {
                        Some((delivery, one)) => confirmed.note(delivery.await.ok(), one),
                        None => {
                            return Err(BusError::Unavailable(
                                "the producer's queue is full".into(),
                            ));
                        }
                    }
                    record = Some(back);
                }
                Err((e, _)) => confirmed.fail(bus_error(&e, &one.record.topic)),
            }
        }
    }
    for (delivery, one) in waiting {
        confirmed.note(delivery.await.ok(), one);
    }
    confirmed.failed.map_or(Ok(confirmed.positions), Err)
}

struct Confirmed {
    positions: Vec<Position>,
    /// Bytes of the largest record.
    largest: usize,
    failed: Option<BusError>,
}

impl Confirmed {
    fn note(&mut self, delivered: Option<OwnedDeliveryResult>, one: &Routed) {
        match delivered {
            Some(Ok(at)) => self.positions.push(Position {
                topic: Arc::clone(&one.topic),
                partition: at.partition.unsigned_abs(),
                offset: at.offset.unsigned_abs(),
            }),
            Some(Err((KafkaError::MessageProduction(Code::MessageSizeTooLarge), _))) => {
                // By the topic itself, which refuses together what was sent together.
                self.fail(BusError::Broken(format!(
                    "topic {} takes no batch with a record of {} bytes: raise its max.message.bytes",
                    one.outer, self.largest
                )));
            }
            Some(Err((e, _))) => self.fail(bus_error(&e, &one.record.topic)),
            None => self.fail(BusError::Unavailable("the producer has ended".into())),
        }
    }

    /// What can never work says more than what may work later.
    fn fail(&mut self, e: BusError) {
        if self.failed.as_ref().is_none_or(BusError::is_transient) {
            self.failed = Some(e);
        }
    }
}

fn future_record(one: &Routed) -> FutureRecord<'_, [u8], [u8]> {
    let record = &one.record;
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: Some(value.as_ref()) });
    }
    FutureRecord {
        topic: &one.outer,
        partition: record.partition.map(|partition| partition as i32),
        payload: record.value.as_deref(),
        key: record.key.as_deref(),
        timestamp: None,
        headers: (!record.headers.is_empty()).then_some(headers),
    }
}

fn size(record: &NewRecord) -> usize {
    let headers: usize = record.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
    headers
        + record.key.as_ref().map_or(0, bytes::Bytes::len)
        + record.value.as_ref().map_or(0, bytes::Bytes::len)
}

fn fits(record: &NewRecord) -> Result<(), BusError> {
    let size = size(record);
    let dead_letter = record.topic == Topic::DlqEvents.as_str();
    let max = if dead_letter { DEAD_LETTER_BYTES_MAX } else { RECORD_BYTES_MAX };
    if size > max { Err(BusError::TooLarge { size, max }) } else { Ok(()) }
}
