//! Dead letters: read from their topic, with what has become of them since from the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::OpsError;
use super::blob::Blob;
use super::topics::RecordView;
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;
use crate::events::Topic;
use crate::ports::bus::{EventBus, Position, Record};
use crate::ports::store::{Read, Store};
use crate::values;

/// Records read at a time.
const BATCH: usize = 500;

closed_set! {
    /// What has become of a dead letter.
    EntryState {
        /// Nothing yet.
        Open = "open",
        /// Sent back; nothing was heard of it yet.
        Replaying = "replaying",
        /// Sent back, and it took effect.
        Resolved = "resolved",
        /// Sent back, and it failed again: see the newer dead letter.
        Refailed = "refailed",
        /// Given up for good.
        Discarded = "discarded",
        /// Sent back too often.
        Parked = "parked",
    }
}

/// A dead letter in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Where it stands: `dlq.events/PARTITION/OFFSET`.
    pub id: String,
    /// What has become of it.
    #[schema(value_type = String)]
    pub state: EntryState,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// The service that gave it up.
    pub service: String,
    /// The consumer group that gave it up.
    pub group: String,
    /// The topic it came from.
    pub original_topic: String,
    /// The event's id.
    pub event_id: String,
    /// Its key.
    pub key: Option<Blob>,
    /// A stable word for why.
    pub error_code: String,
    /// Why.
    pub error_reason: String,
    /// Retries before it was given up.
    pub retry_count: u64,
    /// How often it was sent back before.
    pub replays: u32,
}

/// A dead letter in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterDetail {
    /// What the list says.
    pub letter: DeadLetter,
    /// The record itself, with all headers.
    pub record: RecordView,
    /// The value that could not be processed, byte for byte.
    pub payload: Option<Blob>,
    /// Whether the payload's digest is the one that was noted when it failed.
    pub payload_intact: bool,
    /// What was done about it.
    pub audit: Vec<AuditView>,
}

/// Something that was done about a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What.
    pub action: String,
    /// More of it.
    pub detail: String,
}

/// Which dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DlqFilter {
    /// Only from this topic.
    pub topic: Option<String>,
    /// Only with this error code.
    pub error: Option<String>,
    /// Only with this key.
    pub key: Option<String>,
    /// Only in this state.
    pub state: Option<String>,
    /// Only given up at or after this time.
    pub since: Option<String>,
    /// At most this many.
    pub limit: Option<usize>,
}

impl DlqFilter {
    fn since(&self) -> Result<Option<Timestamp>, OpsError> {
        let parse =
            |text: &String| text.parse().map_err(|e| OpsError::Invalid(format!("since: {e}")));
        self.since.as_ref().map(parse).transpose()
    }

    fn takes(&self, letter: &DeadLetter, since: Option<Timestamp>) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        let key = letter.key.as_ref().map(Blob::shown).unwrap_or_default();
        is(&self.topic, &letter.original_topic)
            && is(&self.error, &letter.error_code)
            && is(&self.key, &key)
            && is(&self.state, letter.state.as_str())
            && since.is_none_or(|since| letter.failed_at >= since)
    }
}

#[derive(Deserialize)]
struct Body {
    original_topic: String,
    event_id: String,
    error_reason: String,
    retry_count: u64,
    timestamp: Timestamp,
    payload: Box<RawValue>,
}

/// A dead letter as read from its topic.
pub(super) struct Letter {
    pub(super) view: DeadLetter,
    pub(super) record: Arc<Record>,
    /// The original value; none for a tombstone.
    pub(super) payload: Option<Bytes>,
    pub(super) intact: bool,
}

/// The dead letter in `record`; none if it is not one of ours.
fn letter(record: &Arc<Record>) -> Option<Letter> {
    let body: Body = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let header = |name: &str| record.header(name).unwrap_or_default().to_owned();
    let payload = match header("ecom-dlq-payload-encoding").as_str() {
        "none" => None,
        "base64" => {
            let text: String = serde_json::from_str(body.payload.get()).ok()?;
            Some(Bytes::from(BASE64.decode(text.as_bytes()).ok()?))
        }
        _ => Some(Bytes::from(body.payload.get().to_owned())),
    };
    let digest = HEXLOWER.encode(&Sha256::digest(payload.as_deref().unwrap_or_default()));
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
    let intact = digest == header("ecom-dlq-payload-sha256");
    Some(Letter { view, record: Arc::clone(record), payload, intact })
}

/// All dead letters below the ends that the topic has now, oldest first, with their states.
pub(super) async fn letters(
    bus: &dyn EventBus,
    store: &dyn Store,
) -> Result<Vec<Letter>, OpsError> {
    let topics = bus.topics().await?;
    let Some(dlq) = topics.iter().find(|topic| topic.name == Topic::DlqEvents.as_str()) else {
        return Ok(vec![]);
    };
    let mut all = vec![];
    for p in &dlq.partitions {
        let mut at =
            Position { topic: dlq.name.as_str().into(), partition: p.partition, offset: p.start };
        while at.offset < p.end {
            let records = bus.read(&at, BATCH).await?;
            let Some(last) = records.last() else { break };
            at.offset = last.at.offset + 1;
            all.extend(records.iter().filter(|r| r.at.offset < p.end).filter_map(letter));
        }
    }
    all.sort_by_key(|l| (l.view.failed_at, l.record.at.partition, l.record.at.offset));
    set_states(store, &mut all).await?;
    Ok(all)
}

/// What has become of each: the ledger's word, brought up to date for those that were sent back.
async fn set_states(store: &dyn Store, letters: &mut [Letter]) -> Result<(), OpsError> {
    const STATES: &str = "select entry_id, state from dlq_entries order by entry_id";
    const PROCESSED: &str =
        "select event_id from processed_events where consumer = ?1 and event_id = ?2";
    let rows = store.read(&[Read::new(STATES, vec![])]).await?.concat();
    let mut states: BTreeMap<String, EntryState> = BTreeMap::new();
    for row in &rows {
        let state = EntryState::parse(row.text(1)?).unwrap_or(EntryState::Open);
        states.insert(row.text(0)?.to_owned(), state);
    }
    let refailed: Vec<String> = letters
        .iter()
        .filter_map(|l| l.record.header("ecom-replay-of").map(str::to_owned))
        .collect();
    for letter in letters {
        letter.view.state = states.get(&letter.view.id).copied().unwrap_or(EntryState::Open);
        if letter.view.state == EntryState::Replaying {
            let row = values![&letter.view.service, &letter.view.event_id];
            let processed = store.read(&[Read::new(PROCESSED, row)]).await?.concat();
            if !processed.is_empty() {
                letter.view.state = EntryState::Resolved;
            } else if refailed.contains(&letter.view.id) {
                letter.view.state = EntryState::Refailed;
            }
        }
    }
    Ok(())
}

pub(super) async fn list(
    bus: &dyn EventBus,
    store: &dyn Store,
    filter: &DlqFilter,
) -> Result<Vec<DeadLetter>, OpsError> {
    let all = letters(bus, store).await?;
    Ok(matching(&all, filter)?.into_iter().map(|letter| letter.view.clone()).collect())
}

/// Those that the filter takes.
pub(super) fn matching<'a>(
    letters: &'a [Letter],
    filter: &DlqFilter,
) -> Result<Vec<&'a Letter>, OpsError> {
    if let Some(state) = &filter.state
        && EntryState::parse(state).is_none()
    {
        let all: Vec<&str> = EntryState::ALL.iter().map(|state| state.as_str()).collect();
        return Err(OpsError::Invalid(format!(
            "there is no state {state}; use one of {}",
            all.join(", ")
        )));
    }
    let since = filter.since()?;
    let wanted = letters.iter().filter(|letter| filter.takes(&letter.view, since));
    Ok(wanted.take(filter.limit.unwrap_or(usize::MAX)).collect())
}

pub(super) async fn show(
    bus: &dyn EventBus,
    store: &dyn Store,
    id: &str,
) -> Result<DeadLetterDetail, OpsError> {
    const AUDIT: &str =
        "select at, actor, action, detail from dlq_audit where entry_id = ?1 order by seq";
    let all = letters(bus, store).await?;
    let letter = find(&all, id)?;
    let rows = store.read(&[Read::new(AUDIT, values![&letter.view.id])]).await?.concat();
    let audit = rows.iter().map(|row| {
        Ok(AuditView {
            at: row.time(0)?,
            actor: row.text(1)?.to_owned(),
            action: row.text(2)?.to_owned(),
            detail: row.text(3)?.to_owned(),
        })
    });
    Ok(DeadLetterDetail {
        letter: letter.view.clone(),
        record: RecordView::from(letter.record.as_ref()),
        payload: letter.payload.as_deref().map(Blob::of),
        payload_intact: letter.intact,
        audit: audit.collect::<Result<_, OpsError>>()?,
    })
}

/// The dead letter with this id, or with this event id if that is unique.
pub(super) fn find<'a>(letters: &'a [Letter], id: &str) -> Result<&'a Letter, OpsError> {
    if let Some(letter) = letters.iter().find(|letter| letter.view.id == id) {
        return Ok(letter);
    }
    let mut of_event = letters.iter().filter(|letter| letter.view.event_id == id);
    match (of_event.next(), of_event.next()) {
        (Some(letter), None) => Ok(letter),
        (Some(_), Some(_)) => {
            let text = format!(
                "several dead letters have the event id {id}; use dlq.events/PARTITION/OFFSET"
            );
            Err(OpsError::Invalid(text))
        }
        (None, _) => {
            Err(OpsError::NotFound(format!("there is no dead letter {id}; see `ecom dlq list`")))
        }
    }
}
