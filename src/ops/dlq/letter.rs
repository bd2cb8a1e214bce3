//! A dead letter, read from its record: one of ours by its body and headers, others' by their headers.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::families::{Family, Told};
use crate::domain::Timestamp;
use crate::events::Topic;
use crate::ops::pages::bytes_of;
use crate::ports::bus::{Position, Record};

/// Longest reason and code that are kept, in characters: a stack trace is for who looks at the letter.
const TEXT_MAX: usize = 512;

/// A dead letter without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) at: Position,
    pub(super) failed_at: Timestamp,
    pub(super) family: Family,
    pub(super) service: String,
    pub(super) group: String,
    pub(super) original_topic: String,
    pub(super) original_partition: Option<u32>,
    pub(super) original_offset: Option<u64>,
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) key: Option<Bytes>,
    pub(super) error_code: String,
    pub(super) error_reason: String,
    pub(super) retry_count: u64,
    pub(super) replays: u32,
    /// The earlier dead letter whose replay became this one.
    pub(super) replay_of: Option<String>,
    pub(super) bytes: usize,
}

/// What a dead letter is about.
pub(in crate::ops) struct Content {
    pub(in crate::ops) record: Arc<Record>,
    /// The original value; none for a tombstone.
    pub(in crate::ops) payload: Option<Bytes>,
    /// Whether the value is the one that failed; none where nobody noted a digest of it.
    pub(in crate::ops) intact: Option<bool>,
}

#[derive(Deserialize)]
struct Body<'a> {
    original_topic: String,
    event_id: String,
    error_reason: String,
    retry_count: u64,
    timestamp: Timestamp,
    #[serde(borrow)]
    payload: &'a RawValue,
}

fn body(record: &Record) -> Option<Body<'_>> {
    serde_json::from_slice(record.value.as_deref()?).ok()
}

/// Whether a topic is for dead letters, by its name: the shop's own, and what Spring, Connect and others
/// call theirs.
pub(in crate::ops) fn is_for_dead_letters(topic: &str) -> bool {
    let topic = topic.to_ascii_lowercase();
    let mut words = topic.split(['.', '-', '_']);
    topic == Topic::DlqEvents.as_str()
        || words.any(|word| matches!(word, "dlq" | "dlt" | "deadletter" | "deadletters"))
        || topic.replace(['.', '_'], "-").contains("dead-letter")
        || topic.ends_with(".poison")
        || topic.ends_with("-poison")
}

impl Letter {
    /// The dead letter in `record`, whatever it is.
    pub(super) fn of(record: &Record) -> Self {
        let (body, told) = (body(record), Told::of(record));
        let header = |name: &str| record.header(name).filter(|text| !text.is_empty());
        let ours = body.is_some() || header("ecom-dlq-error-code").is_some();
        let family = if ours { Family::Ecom } else { told.family.unwrap_or(Family::Unrecognised) };
        let reason = body.as_ref().map(|body| body.error_reason.clone());
        let reason = reason.or(told.reason).unwrap_or_default();
        let code = header("ecom-dlq-error-code").map(str::to_owned).or(told.code);
        let code = code.unwrap_or_else(|| {
            let word = if ours { reason.split(':').next().unwrap_or_default() } else { "" };
            if word.is_empty() { family.as_str().to_owned() } else { word.to_owned() }
        });
        let topic = body.as_ref().map(|body| body.original_topic.clone()).or(told.topic);
        let original_topic = topic.unwrap_or_default();
        let event_id = body.as_ref().map(|body| body.event_id.clone());
        let event_id = event_id
            .or_else(|| header("event_id").or_else(|| header("ce_id")).map(str::to_owned))
            .unwrap_or_else(|| match (told.partition, told.offset) {
                (Some(partition), Some(offset)) => format!("{original_topic}:{partition}:{offset}"),
                _ => format!("{}:{}:{}", record.at.topic, record.at.partition, record.at.offset),
            });
        let event_type = ["ecom-dlq-event-type", "event_type", "ce_type", "__TypeId__"];
        let event_type = event_type.iter().find_map(|name| header(name)).unwrap_or_default();
        let retries = body.as_ref().map(|body| body.retry_count);
        Self {
            at: record.at.clone(),
            failed_at: body.map_or(record.timestamp, |body| body.timestamp),
            family,
            service: short(header("ecom-dlq-service").map_or(told.service, |s| Some(s.to_owned()))),
            group: short(header("ecom-dlq-group").map_or(told.group, |g| Some(g.to_owned()))),
            original_topic,
            original_partition: told.partition,
            original_offset: told.offset,
            event_id: short(Some(event_id)),
            event_type: short(Some(event_type.to_owned())),
            key: record.key.clone(),
            error_code: short(Some(code)),
            error_reason: short(Some(reason)),
            retry_count: retries.or(told.attempts.map(|n| n.saturating_sub(1))).unwrap_or(0),
            replays: header("ecom-replay-count").and_then(|n| n.parse().ok()).unwrap_or(0),
            replay_of: header("ecom-replay-of").map(str::to_owned),
            bytes: bytes_of(record),
        }
    }
}

/// Text as the index keeps it: one line, not too long, and nothing that a terminal obeys.
fn short(text: Option<String>) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.unwrap_or_default().chars().map(plain).take(TEXT_MAX).collect()
}

/// What the dead letter in `record` is about.
pub(in crate::ops) fn content(record: &Arc<Record>) -> Content {
    let header = |name: &str| record.header(name);
    let whole = |payload, intact| Content { record: Arc::clone(record), payload, intact };
    let (Some(value), Some(body)) = (&record.value, body(record)) else {
        // Somebody else's: the value is the original's. One of ours whose body is unreadable is damaged.
        let damaged = header("ecom-dlq-payload-sha256").map(|_| false);
        return whole(record.value.clone(), damaged);
    };
    let raw = body.payload.get();
    let payload = match header("ecom-dlq-payload-encoding") {
        Some("none") => None,
        Some("base64") => {
            let text: Option<String> = serde_json::from_str(raw).ok();
            let bytes = text.and_then(|text| BASE64.decode(text.as_bytes()).ok()).map(Bytes::from);
            if bytes.is_none() {
                return whole(None, Some(false));
            }
            bytes
        }
        _ => Some(value.slice_ref(raw.as_bytes())),
    };
    let digest = HEXLOWER.encode(&Sha256::digest(payload.as_deref().unwrap_or_default()));
    let intact = header("ecom-dlq-payload-sha256").map(|noted| noted == digest);
    whole(payload, intact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_for_dead_letters_are_known_by_their_names() {
        for yes in [
            "dlq.events",
            "orders-dlt",
            "orders.DLT",
            "orders.DLQ",
            "dlq-jdbc-sink",
            "dead-letter-topic-orders",
            "orders_dead_letters",
            "orders.deadletter",
            "orders.poison",
        ] {
            assert!(is_for_dead_letters(yes), "{yes}");
        }
        for no in ["order.created", "adult.orders", "dltx", "poison.control.events", "deadlines"] {
            assert!(!is_for_dead_letters(no), "{no}");
        }
    }

    #[test]
    fn a_record_of_nobody_is_a_letter_too() {
        let record = Record {
            at: Position { topic: "orders-dlt".into(), partition: 1, offset: 4 },
            timestamp: Timestamp::from_millis(5_000),
            key: Some(Bytes::from_static(b"\xff")),
            headers: vec![],
            value: Some(Bytes::from_static(b"\x00what")),
        };
        let letter = Letter::of(&record);
        assert_eq!(
            (letter.family, letter.error_code.as_str()),
            (Family::Unrecognised, "unrecognised")
        );
        assert_eq!(letter.event_id, "orders-dlt:1:4");
        let content = content(&Arc::new(record));
        assert_eq!((content.payload.as_deref(), content.intact), (Some(&b"\x00what"[..]), None));
    }
}
