//! Dead letters as they stand on their topic, read a page at a time. What is kept of each is what a list
//! shows; its payload is read again, by its position, when it is shown or sent back.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::OpsError;
use super::blob::Blob;
use super::dlq::{DeadLetter, EntryState};
use crate::domain::Timestamp;
use crate::events::Topic;
use crate::ports::bus::{EventBus, Position, Record};

/// Records read at a time: 32 MiB of the largest.
const PAGE: usize = 16;

/// The next offset of each partition that was read.
pub(super) type Ends = BTreeMap<u32, u64>;

/// A dead letter without its payload.
pub(super) struct Letter {
    pub(super) view: DeadLetter,
    pub(super) at: Position,
    /// The earlier dead letter whose replay became this one.
    pub(super) replay_of: Option<String>,
}

/// What a dead letter is about.
pub(super) struct Content {
    pub(super) record: Arc<Record>,
    /// The original value; none for a tombstone.
    pub(super) payload: Option<Bytes>,
    /// Whether the value is the one that failed.
    pub(super) intact: bool,
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

/// Dead letters from `start` on (where it names no end, from the first that is left), below the ends
/// that the topic has now, oldest first; and these ends.
pub(super) async fn since(
    bus: &dyn EventBus,
    start: &Ends,
) -> Result<(Vec<Letter>, Ends), OpsError> {
    let topics = bus.topics().await?;
    let dlq = topics.iter().find(|topic| topic.name == Topic::DlqEvents.as_str());
    let (mut all, mut ends) = (vec![], Ends::new());
    for p in dlq.iter().flat_map(|dlq| &dlq.partitions) {
        let mut at = Position {
            topic: Topic::DlqEvents.as_str().into(),
            partition: p.partition,
            offset: start.get(&p.partition).copied().unwrap_or(p.start),
        };
        while at.offset < p.end {
            let page = bus.read(&at, PAGE).await?;
            let Some(last) = page.last() else { break };
            at.offset = last.at.offset + 1;
            all.extend(page.iter().filter(|r| r.at.offset < p.end).filter_map(|r| letter(r)));
            // Reading may not wait for anything: between two pages it is the others' turn.
            tokio::task::yield_now().await;
        }
        ends.insert(p.partition, p.end);
    }
    all.sort_by_key(|l| (l.view.failed_at, l.at.partition, l.at.offset));
    Ok((all, ends))
}

/// The dead letter in `record`; none if it is not one of ours.
fn letter(record: &Record) -> Option<Letter> {
    let body: Body<'_> = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let header = |name: &str| record.header(name).unwrap_or_default().to_owned();
    let code = match header("ecom-dlq-error-code") {
        code if code.is_empty() => {
            body.error_reason.split(':').next().unwrap_or_default().to_owned()
        }
        code => code,
    };
    let view = DeadLetter {
        id: record.at.to_string(),
        state: EntryState::Open,
        failed_at: body.timestamp,
        service: header("ecom-dlq-service"),
        group: header("ecom-dlq-group"),
        original_topic: body.original_topic,
        event_id: body.event_id,
        key: record.key.as_deref().map(Blob::of),
        error_code: code,
        error_reason: body.error_reason,
        retry_count: body.retry_count,
        replays: header("ecom-replay-count").parse().unwrap_or(0),
    };
    let replay_of = record.header("ecom-replay-of").map(str::to_owned);
    Some(Letter { view, at: record.at.clone(), replay_of })
}

/// What the dead letter at `at` is about; none if it was removed by now.
pub(super) async fn content(
    bus: &dyn EventBus,
    at: &Position,
) -> Result<Option<Content>, OpsError> {
    let record = bus.read(at, 1).await?.pop().filter(|record| record.at == *at);
    Ok(record.and_then(|record| opened(&record)))
}

fn opened(record: &Arc<Record>) -> Option<Content> {
    let value = record.value.as_ref()?;
    let body: Body<'_> = serde_json::from_slice(value).ok()?;
    let raw = body.payload.get();
    let header = |name: &str| record.header(name).unwrap_or_default();
    let (payload, readable) = match header("ecom-dlq-payload-encoding") {
        "none" => (None, true),
        "base64" => {
            let text: Option<String> = serde_json::from_str(raw).ok();
            let bytes = text.and_then(|text| BASE64.decode(text.as_bytes()).ok()).map(Bytes::from);
            let readable = bytes.is_some();
            (bytes, readable)
        }
        _ => (Some(value.slice_ref(raw.as_bytes())), true),
    };
    let digest = HEXLOWER.encode(&Sha256::digest(payload.as_deref().unwrap_or_default()));
    let intact = readable && digest == header("ecom-dlq-payload-sha256");
    Some(Content { record: Arc::clone(record), payload, intact })
}
