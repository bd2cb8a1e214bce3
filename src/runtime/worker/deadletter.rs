//! A record that cannot be processed, as a dead letter: the original shop's six-field body, and the
//! headers that let it be understood, grouped and replayed byte for byte.

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::domain::Timestamp;
use crate::events::Topic;
use crate::ports::bus::{NewRecord, Record, RecordHeader};

/// Longest `error_reason`, in characters.
const REASON_MAX: usize = 512;
/// Headers of earlier failures: replaced, never piled up.
const FAMILIES: [&str; 3] = ["ecom-dlq-", "__dlq.errors.", "kafka_dlt-"];

/// Where processing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its bytes are no event.
    Decode,
    /// Its handler did not take effect.
    Handle,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Handle => "handle",
        }
    }
}

/// Why a record is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The consumer group that gave up.
    pub group: String,
    /// Its service.
    pub service: &'static str,
    /// Where it failed.
    pub stage: Stage,
    /// A stable word to group by.
    pub code: String,
    /// What happened.
    pub text: String,
    /// Retries after the first delivery.
    pub retries: u32,
    /// When the first delivery had failed.
    pub first_tried_at: Timestamp,
    /// When.
    pub at: Timestamp,
}

#[derive(Serialize)]
struct Body<'a> {
    original_topic: &'a str,
    event_id: &'a str,
    error_reason: &'a str,
    retry_count: u32,
    timestamp: Timestamp,
    payload: &'a RawValue,
}

/// The dead letter of `record`. It goes to the partition of the same number if there are that many.
pub fn dead_letter(record: &Record, cause: &Cause, dlq_partitions: u32) -> NewRecord {
    let reason = reason(cause);
    let event_id = event_id(record);
    let (payload, encoding) = payload(record.value.as_ref());
    let body = Body {
        original_topic: &record.at.topic,
        event_id: &event_id,
        error_reason: &reason,
        retry_count: cause.retries,
        timestamp: cause.at,
        payload: &payload,
    };
    let value = serde_json::to_vec(&body).expect("a dead letter holds plain data");
    NewRecord {
        topic: Topic::DlqEvents.as_str().to_owned(),
        partition: Some(record.at.partition).filter(|p| *p < dlq_partitions),
        key: record.key.clone(),
        headers: headers(record, cause, &reason, encoding),
        value: Some(value.into()),
    }
}

fn reason(cause: &Cause) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    format!("{}: {}", cause.code, cause.text).chars().map(printable).take(REASON_MAX).collect()
}

/// The event's own id; where the bytes are no event, the place where they stand, which a second
/// reading repeats.
fn event_id(record: &Record) -> String {
    #[derive(serde::Deserialize)]
    struct Id {
        event_id: String,
    }
    let value = record.value.as_deref().unwrap_or_default();
    let own = serde_json::from_slice::<Id>(value).ok().map(|id| id.event_id);
    let short = own.filter(|id| !id.is_empty() && id.len() <= 128);
    let at = &record.at;
    short.unwrap_or_else(|| format!("{}:{}:{}", at.topic, at.partition, at.offset))
}

/// The value as JSON if it is JSON to the last byte, else as base64.
fn payload(value: Option<&Bytes>) -> (Box<RawValue>, &'static str) {
    let raw = |json: String| RawValue::from_string(json).ok();
    let null = || raw("null".into()).expect("null is JSON");
    let Some(value) = value else { return (null(), "none") };
    let text = std::str::from_utf8(value).ok();
    if let Some(json) = text.and_then(|text| raw(text.to_owned()).filter(|r| r.get() == text)) {
        return (json, "json");
    }
    let quoted = raw(format!("\"{}\"", BASE64.encode(value)));
    (quoted.unwrap_or_else(null), "base64")
}

fn headers(
    record: &Record,
    cause: &Cause,
    reason: &str,
    encoding: &'static str,
) -> Vec<RecordHeader> {
    let ours = |name: &str| FAMILIES.iter().any(|family| name.starts_with(family));
    let first_failed_at = record
        .header("ecom-dlq-first-failed-at")
        .map_or_else(|| cause.at.to_string(), str::to_owned);
    let original_type = record.header("event_type").unwrap_or(&record.at.topic).to_owned();
    let at = &record.at;
    let digest = HEXLOWER.encode(&Sha256::digest(record.value.as_deref().unwrap_or_default()));
    let mut headers: Vec<RecordHeader> =
        record.headers.iter().filter(|(name, _)| !ours(name)).cloned().collect();
    let deliveries = (cause.retries + 1).to_string();
    let added: [(&str, String); 23] = [
        ("__dlq.errors.topic", at.topic.to_string()),
        ("__dlq.errors.partition", at.partition.to_string()),
        ("__dlq.errors.offset", at.offset.to_string()),
        ("__dlq.errors.group", cause.group.clone()),
        ("__dlq.errors.delivery.count", deliveries),
        ("__dlq.errors.message", reason.to_owned()),
        ("kafka_dlt-original-topic", at.topic.to_string()),
        ("kafka_dlt-exception-fqcn", cause.code.clone()),
        ("kafka_dlt-exception-message", reason.to_owned()),
        ("ecom-dlq-schema", "1".to_owned()),
        ("ecom-dlq-id", at.to_string()),
        ("ecom-dlq-error-code", cause.code.clone()),
        ("ecom-dlq-stage", cause.stage.as_str().to_owned()),
        ("ecom-dlq-service", cause.service.to_owned()),
        ("ecom-dlq-group", cause.group.clone()),
        ("ecom-dlq-retryable", (cause.retries > 0).to_string()),
        ("ecom-dlq-event-type", original_type),
        ("ecom-dlq-original-timestamp", record.timestamp.millis().to_string()),
        ("ecom-dlq-payload-sha256", digest),
        ("ecom-dlq-payload-encoding", encoding.to_owned()),
        ("ecom-dlq-first-failed-at", first_failed_at),
        ("ecom-dlq-first-tried-at", cause.first_tried_at.to_string()),
        ("ecom-dlq-failed-at", cause.at.to_string()),
    ];
    headers.extend(added.map(|(name, value)| (name.to_owned(), value.into())));
    headers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ports::bus::Position;

    fn record(value: Option<&[u8]>) -> Record {
        Record {
            at: Position { topic: "order.created".into(), partition: 2, offset: 41 },
            timestamp: Timestamp::from_millis(5),
            key: Some(Bytes::from_static(b"\x00\xffkey")),
            headers: vec![
                ("traceparent".into(), Bytes::from_static(b"00-1")),
                ("ecom-dlq-error-code".into(), Bytes::from_static(b"an.earlier.one")),
                (
                    "ecom-dlq-first-failed-at".into(),
                    Bytes::from_static(b"2026-01-01T00:00:00.000Z"),
                ),
            ],
            value: value.map(Bytes::copy_from_slice),
        }
    }

    fn cause() -> Cause {
        Cause {
            group: "order-service-group".into(),
            service: "order",
            stage: Stage::Handle,
            code: "order.unknown".into(),
            text: "no\nsuch order".into(),
            retries: 3,
            first_tried_at: Timestamp::from_millis(1_769_860_797_123),
            at: Timestamp::from_millis(1_769_860_800_123),
        }
    }

    fn body(letter: &NewRecord) -> serde_json::Value {
        serde_json::from_slice(letter.value.as_ref().unwrap()).unwrap()
    }

    #[test]
    fn the_body_has_the_original_shops_six_fields_in_order() {
        let letter = dead_letter(&record(Some(br#"{"event_id":"evt-123","n":1.50}"#)), &cause(), 3);
        let text = String::from_utf8(letter.value.clone().unwrap().to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{"original_topic":"order.created","event_id":"evt-123","error_reason":"order.unknown: no such order","retry_count":3,"timestamp":"2026-01-31T12:00:00.123Z","payload":{"event_id":"evt-123","n":1.50}}"#
        );
        assert_eq!((letter.partition, letter.key), (Some(2), record(None).key));
    }

    #[test]
    fn what_is_not_json_to_the_byte_travels_as_base64() {
        for bytes in [&b"\xff\xfe"[..], b"not json", b"{\"a\":1} ", b"\xef\xbb\xbf{}", b""] {
            let letter = dead_letter(&record(Some(bytes)), &cause(), 3);
            let payload = body(&letter)["payload"].as_str().unwrap().to_owned();
            assert_eq!(BASE64.decode(payload.as_bytes()).unwrap(), bytes);
            let encoding = letter.headers.iter().find(|(n, _)| n == "ecom-dlq-payload-encoding");
            assert_eq!(encoding.unwrap().1, "base64");
        }
        let tombstone = dead_letter(&record(None), &cause(), 3);
        assert!(body(&tombstone)["payload"].is_null());
    }

    #[test]
    fn an_undecodable_record_is_named_by_its_place() {
        assert_eq!(
            body(&dead_letter(&record(Some(b"{}")), &cause(), 3))["event_id"],
            "order.created:2:41"
        );
    }

    #[test]
    fn headers_of_earlier_failures_do_not_pile_up_but_the_first_time_stays() {
        let letter = dead_letter(&record(Some(b"{}")), &cause(), 3);
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        letter.headers.iter().for_each(|(name, _)| *seen.entry(name.as_str()).or_default() += 1);
        assert!(seen.values().all(|n| *n == 1), "{seen:?}");
        let get = |name: &str| letter.headers.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(get("ecom-dlq-error-code"), "order.unknown");
        assert_eq!(get("ecom-dlq-first-failed-at"), "2026-01-01T00:00:00.000Z");
        assert_eq!(get("ecom-dlq-first-tried-at"), "2026-01-31T11:59:57.123Z");
        assert_eq!(get("traceparent"), "00-1");
    }

    #[test]
    fn a_smaller_dead_letter_topic_lets_the_key_choose() {
        assert_eq!(dead_letter(&record(None), &cause(), 2).partition, None);
    }
}
