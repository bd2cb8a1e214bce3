//! Reading the outbox and the raw log, record by record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Evidence, Letter, LogEvent, LogRecord, OutRow, each, fingerprint, id, ms};
use crate::app::SystemClock;
use crate::domain::Timestamp;
use crate::ports::bus::{BusError, PartitionInfo, Position, Record};
use crate::ports::store::{Row, Store, Value};
use crate::ports::{Clock, EventBus};
use crate::sim::check::facts;

const SELECT_OUTBOX: &str =
    "select seq, id, event_type, record_key, order_id, event_data, published, created_at
 from outbox_events where seq > ?1 order by seq limit 5000";
const SELECT_PARTITIONS: &str =
    "select tp, topic, partition, start_offset from log_partitions order by topic, partition";
const SELECT_LOG: &str =
    "select position, timestamp_ms, record_key, headers, value from log_records
 where position between ?1 and ?2 order by position limit 5000";

/// Records per page.
const PAGE: usize = 5_000;
/// How long a bus that is away for the moment is asked again.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(200);

impl Evidence {
    pub(super) async fn read_outbox(&mut self, shop: &dyn Store) -> anyhow::Result<()> {
        let topics: BTreeMap<&str, Arc<str>> =
            facts::FROM_OUTBOX.iter().map(|topic| (*topic, Arc::from(*topic))).collect();
        let mut after = 0;
        loop {
            let rows = each(shop, SELECT_OUTBOX, vec![Value::Int(after)]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            if after == 0 {
                let first = rows[0].int(0)?;
                if first > 1 {
                    self.since = self.since.max(ms(&rows[0], 7)?);
                }
            }
            after = last.int(0)?;
            for row in &rows {
                let topic = row.text(2)?;
                let fresh = OutRow {
                    seq: row.int(0)?,
                    topic: topics.get(topic).cloned().unwrap_or_else(|| Arc::from(topic)),
                    key: row.text(3)?.to_owned(),
                    order: row.text_opt(4)?.map(str::to_owned),
                    bytes: fingerprint(row.text(5)?.as_bytes()),
                    published: row.text(6)? == "Y",
                    created_at: ms(row, 7)?,
                    rows: 0,
                };
                self.outbox.entry(id(row.text(1)?)?).or_insert(fresh).rows += 1;
            }
        }
    }

    pub(super) async fn read_log(&mut self, shop: &dyn Store, now: i64) -> anyhow::Result<()> {
        let partitions = each(shop, SELECT_PARTITIONS, vec![]).await?;
        for row in &partitions {
            let (tp, topic, partition) =
                (row.int(0)?, Arc::<str>::from(row.text(1)?), row.int(2)? as u32);
            let start = row.int(3)? as u64;
            let mut next = start;
            let mut first_at = None;
            loop {
                let bounds =
                    vec![Value::Int((tp << 40) + next as i64), Value::Int(((tp + 1) << 40) - 1)];
                let rows = each(shop, SELECT_LOG, bounds).await?;
                if rows.is_empty() {
                    break;
                }
                for row in &rows {
                    let record = log_record(&topic, partition, row)?;
                    first_at.get_or_insert(record.at);
                    next = record.offset + 1;
                    self.log.push(record);
                }
            }
            if start > 0 {
                self.since = self.since.max(first_at.unwrap_or(now));
            }
            self.ends.insert((topic.to_string(), partition), next);
        }
        Ok(())
    }

    /// Reads the log, and how far everybody has read it, from a bus.
    pub(super) async fn read_bus(&mut self, bus: &dyn EventBus, now: i64) -> anyhow::Result<()> {
        let mut patience = Patience { clock: SystemClock::default(), away_since: None };
        let mut groups = bus.groups().await;
        while patience.again(&groups).await {
            groups = bus.groups().await;
        }
        let mut topics = bus.topics().await;
        while patience.again(&topics).await {
            topics = bus.topics().await;
        }
        for group in groups.context("reading the groups")? {
            self.offsets.insert((group.group, group.topic, group.partition), group.committed);
        }
        for topic in topics.context("reading the topics")? {
            let name: Arc<str> = Arc::from(topic.name);
            for PartitionInfo { partition, start, end } in topic.partitions {
                let mut at = Position { topic: Arc::clone(&name), partition, offset: start };
                let mut first_at = None;
                loop {
                    let mut records = bus.read(&at, PAGE).await;
                    while patience.again(&records).await {
                        records = bus.read(&at, PAGE).await;
                    }
                    let records = records.context("reading the log")?;
                    let Some(last) = records.last() else { break };
                    at.offset = last.at.offset + 1;
                    first_at.get_or_insert(records[0].timestamp.millis());
                    self.log.extend(records.iter().map(|record| of_bus(&name, record)));
                }
                if start > 0 {
                    self.since = self.since.max(first_at.unwrap_or(now));
                }
                self.ends.insert((name.to_string(), partition), end.max(at.offset));
            }
        }
        Ok(())
    }
}

/// For how much longer a bus that is away for the moment is asked again.
struct Patience {
    clock: SystemClock,
    away_since: Option<Duration>,
}

impl Patience {
    /// Whether to ask once more; waits before that.
    async fn again<T>(&mut self, answer: &Result<T, BusError>) -> bool {
        if !answer.as_ref().is_err_and(BusError::is_transient) {
            self.away_since = None;
            return false;
        }
        let now = self.clock.elapsed();
        if now > *self.away_since.get_or_insert(now) + PATIENCE {
            return false;
        }
        self.clock.sleep(ASK_AGAIN).await;
        true
    }
}

fn of_bus(topic: &Arc<str>, record: &Record) -> LogRecord {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let raw = Raw {
        offset: record.at.offset,
        at: record.timestamp.millis(),
        key: record.key.clone().unwrap_or_default(),
        headers,
        value: record.value.clone().unwrap_or_default(),
    };
    raw.record(topic, record.at.partition)
}

/// A record before it is understood.
struct Raw {
    offset: u64,
    at: i64,
    key: Bytes,
    headers: BTreeMap<String, String>,
    value: Bytes,
}

impl Raw {
    fn record(self, topic: &Arc<str>, partition: u32) -> LogRecord {
        let Self { offset, at, key, headers, value } = self;
        let letter = (&**topic == facts::DEAD_LETTERS).then(|| Box::new(letter(&headers, &value)));
        LogRecord {
            topic: Arc::clone(topic),
            partition,
            offset,
            at,
            key: String::from_utf8_lossy(&key).into_owned(),
            event: event(topic, &value),
            bytes: fingerprint(&value),
            replay_group: headers.get("ecom-replay-group").cloned(),
            repair_of: headers.get("ecom-edit-of").cloned(),
            letter,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event_id: &'a str,
    event_type: &'a str,
    timestamp: &'a str,
    #[serde(default)]
    causation_id: Option<&'a str>,
    #[serde(default)]
    order_id: Option<&'a str>,
    #[serde(default)]
    product_id: Option<&'a str>,
    #[serde(default)]
    hold_expires_at: Option<&'a str>,
}

fn log_record(topic: &Arc<str>, partition: u32, row: &Row) -> anyhow::Result<LogRecord> {
    let bytes = |at: usize| match row.0.get(at) {
        Some(Value::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let raw = Raw {
        offset: (row.int(0)? & ((1 << 40) - 1)) as u64,
        at: row.int(1)?,
        key: bytes(2).unwrap_or_default(),
        headers: headers(&bytes(3).unwrap_or_default()),
        value: bytes(4).unwrap_or_default(),
    };
    Ok(raw.record(topic, partition))
}

fn event(topic: &str, value: &[u8]) -> Option<LogEvent> {
    let envelope: Envelope<'_> = serde_json::from_slice(value).ok()?;
    let time = |text: &str| text.parse().ok().map(Timestamp::millis);
    if envelope.event_type != topic {
        return None;
    }
    Some(LogEvent {
        id: id(envelope.event_id).ok()?,
        cause: envelope.causation_id.and_then(|cause| id(cause).ok()),
        order: envelope.order_id.map(str::to_owned),
        product: envelope.product_id.map(str::to_owned),
        hold_expires_at: envelope.hold_expires_at.and_then(time),
        timestamp: time(envelope.timestamp)?,
    })
}

fn headers(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let mut take = || {
        let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let text = String::from_utf8_lossy(bytes.get(4..4 + length)?).into_owned();
        bytes = &bytes[4 + length..];
        Some(text)
    };
    while let Some(name) = take()
        && let Some(value) = take()
    {
        headers.insert(name, value);
    }
    headers
}

fn letter(headers: &BTreeMap<String, String>, value: &[u8]) -> Letter {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(rename = "original_topic")]
        _original_topic: String,
        #[serde(rename = "event_id")]
        _event_id: String,
        #[serde(rename = "error_reason")]
        _error_reason: String,
        retry_count: u64,
        #[serde(rename = "timestamp")]
        _timestamp: Timestamp,
        payload: Box<serde_json::value::RawValue>,
    }
    let text = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let number = |name: &str| text(name).parse::<u64>().unwrap_or(u64::MAX);
    let body: Option<Body> = serde_json::from_slice(value).ok();
    let payload =
        body.as_ref().and_then(|body| original(&body.payload, &text("ecom-dlq-payload-encoding")));
    let digest = payload.map(|bytes| data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)));
    let time = |name: &str| text(name).parse().ok().map(Timestamp::millis);
    Letter {
        group: text("__dlq.errors.group"),
        place: (
            text("__dlq.errors.topic"),
            number("__dlq.errors.partition") as u32,
            number("__dlq.errors.offset"),
        ),
        retries: body.as_ref().map_or(u64::MAX, |body| body.retry_count),
        original_timestamp: text("ecom-dlq-original-timestamp").parse().unwrap_or(i64::MAX),
        first_tried_at: time("ecom-dlq-first-tried-at"),
        failed_at: time("ecom-dlq-failed-at").unwrap_or(i64::MIN),
        well_formed: body.is_some(),
        sha256_matches: digest.is_some_and(|digest| digest == text("ecom-dlq-payload-sha256")),
    }
}

fn original(payload: &serde_json::value::RawValue, encoding: &str) -> Option<Vec<u8>> {
    match encoding {
        "json" => Some(payload.get().as_bytes().to_vec()),
        "none" => Some(vec![]),
        "base64" => {
            let text: String = serde_json::from_str(payload.get()).ok()?;
            data_encoding::BASE64.decode(text.as_bytes()).ok()
        }
        _ => None,
    }
}
