//! Reading without a group: from an offset on, and from a time on.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::client::{self, Fleeting};
use super::errors::bus_error;
use super::{Shared, blocking};
use crate::domain::Timestamp;
use crate::ports::bus::{BusError, Position, Record};

/// Readers kept for the next who reads.
const READERS_MAX: usize = 4;
/// KiB that a reader fetches ahead; one that is put aside keeps them.
const AHEAD_KIB: usize = 2 * 1024;
/// Records that a reader fetches ahead.
pub(super) const READER_AHEAD: usize = 1_000;

/// A consumer that is nobody's now, and the record it would read next.
pub(super) struct Reader {
    consumer: Fleeting,
    next: Option<(String, i32, u64)>,
}

/// Up to `max` records from `from` on.
pub(super) async fn read(
    shared: &Arc<Shared>,
    from: &Position,
    max: usize,
) -> Result<Vec<Arc<Record>>, BusError> {
    let topic = shared.checked(&from.topic, from.partition).await?;
    if max == 0 {
        return Ok(vec![]);
    }
    let (shared, from) = (Arc::clone(shared), from.clone());
    blocking(move || {
        let place = (shared.outer(&topic), from.partition as i32, from.offset);
        let mut reader = take(&shared, &place)?;
        let topics = [(place.0.clone(), topic)].into();
        let records = reader.read(&shared, place, &topics, max)?;
        // One that failed is not kept.
        let mut readers = shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_MAX {
            readers.push(reader);
        }
        Ok(records)
    })
    .await
}

/// The reader that stands at `place`, or any other.
fn take(shared: &Shared, place: &(String, i32, u64)) -> Result<Reader, BusError> {
    let mut readers = shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
    let there = readers.iter().position(|reader| reader.next.as_ref() == Some(place));
    if let Some(at) = there {
        return Ok(readers.swap_remove(at));
    }
    if let Some(reader) = readers.pop() {
        return Ok(reader);
    }
    drop(readers);
    let consumer = client::fleeting(&reader_config(shared))?;
    Ok(Reader { consumer, next: None })
}

/// The settings of who reads without a group, from places of its own.
pub(super) fn reader_config(shared: &Shared) -> ClientConfig {
    let mut config = shared.options.config();
    config
        .set("group.id", shared.outer("ecom-reader")) // never joined, never committed
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", AHEAD_KIB.to_string())
        .set("queued.min.messages", READER_AHEAD.to_string());
    config
}

impl Reader {
    fn read(
        &mut self,
        shared: &Shared,
        place: (String, i32, u64),
        topics: &BTreeMap<String, Arc<str>>,
        max: usize,
    ) -> Result<Vec<Arc<Record>>, BusError> {
        let what = format!("{}/{}", place.0, place.1);
        let failed = |e: &KafkaError| bus_error(e, &what);
        let limit = shared.options.timeout;
        let (start, end) = shared
            .ask(|| self.consumer.fetch_watermarks(&place.0, place.1, limit))
            .map_err(|e| failed(&e))?;
        let from = place.2.max(start.unsigned_abs());
        if from >= end.unsigned_abs() {
            self.next = None;
            return Ok(vec![]);
        }
        if self.next.as_ref() != Some(&place) {
            let mut list = TopicPartitionList::new();
            let offset = Offset::Offset(from as i64);
            list.add_partition_offset(&place.0, place.1, offset).map_err(|e| failed(&e))?;
            self.consumer.assign(&list).map_err(|e| failed(&e))?;
        }
        let mut records: Vec<Arc<Record>> = vec![];
        while records.len() < max {
            match self.consumer.poll(limit) {
                Some(Ok(message)) => records.extend(record(&message, topics)),
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(e)) => match failed(&e) {
                    BusError::Unavailable(_) => {} // librdkafka connects again by itself
                    e => return Err(e),
                },
                None => {
                    return Err(BusError::Unavailable(format!("{what}: no answer in {limit:?}")));
                }
            }
        }
        let next = records.last().map_or(from, |last| last.at.offset + 1);
        self.next = Some((place.0, place.1, next));
        Ok(records)
    }
}

/// A record as the shop sees it; none of a topic that is not asked for.
pub(super) fn record(
    message: &BorrowedMessage<'_>,
    topics: &BTreeMap<String, Arc<str>>,
) -> Option<Arc<Record>> {
    Some(copied(message, topics.get(message.topic())?))
}

/// A record of this topic of ours.
pub(super) fn copied(message: &BorrowedMessage<'_>, topic: &Arc<str>) -> Arc<Record> {
    let headers = message.headers().map(|headers| {
        let header = |h: rdkafka::message::Header<'_, &[u8]>| {
            (h.key.to_owned(), Bytes::copy_from_slice(h.value.unwrap_or_default()))
        };
        headers.iter().map(header).collect()
    });
    Arc::new(Record {
        at: Position {
            topic: Arc::clone(topic),
            partition: message.partition().unsigned_abs(),
            offset: message.offset().unsigned_abs(),
        },
        timestamp: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or_default()),
        key: message.key().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
        value: message.payload().map(Bytes::copy_from_slice),
    })
}

/// The first offset whose record was appended at or after `time`.
pub(super) async fn offset_at(
    shared: &Arc<Shared>,
    topic: &str,
    partition: u32,
    time: Timestamp,
) -> Result<u64, BusError> {
    let topic = shared.checked(topic, partition).await?;
    let shared = Arc::clone(shared);
    blocking(move || {
        let (outer, limit) = (shared.outer(&topic), shared.options.timeout);
        let failed = |e: KafkaError| bus_error(&e, &topic);
        let mut list = TopicPartitionList::new();
        // Negative numbers mean the ends.
        let millis = Offset::Offset(time.millis().max(0));
        list.add_partition_offset(&outer, partition as i32, millis).map_err(failed)?;
        let ask = || {
            let found = shared.inspector.offsets_for_times(list.clone(), limit)?;
            let first = found.elements().into_iter().next();
            first.map(|e| e.error().map(|()| e.offset())).transpose()
        };
        if let Some(Offset::Offset(offset)) = shared.ask(ask).map_err(failed)? {
            return Ok(offset.unsigned_abs());
        }
        let ask = || shared.inspector.fetch_watermarks(&outer, partition as i32, limit);
        Ok(shared.ask(ask).map_err(failed)?.1.unsigned_abs())
    })
    .await
}
