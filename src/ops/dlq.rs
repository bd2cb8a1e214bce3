//! Dead letters as they are listed, chosen and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::OpsError;
use super::blob::Blob;
use super::ledger::Ledger;
use super::letters::{self, Ends, Letter};
use super::topics::RecordView;
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;
use crate::ports::bus::EventBus;

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

/// All dead letters that there are now, oldest first, with what has become of them; and where they end.
pub(super) async fn letters(
    bus: &dyn EventBus,
    ledger: &Ledger<'_>,
) -> Result<(Vec<Letter>, Ends), OpsError> {
    let (mut all, ends) = letters::since(bus, &Ends::new()).await?;
    ledger.bring_up_to_date(&mut all).await?;
    Ok((all, ends))
}

pub(super) async fn list(
    bus: &dyn EventBus,
    ledger: &Ledger<'_>,
    filter: &DlqFilter,
) -> Result<Vec<DeadLetter>, OpsError> {
    let (all, _) = letters(bus, ledger).await?;
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
    ledger: &Ledger<'_>,
    id: &str,
) -> Result<DeadLetterDetail, OpsError> {
    let (all, _) = letters(bus, ledger).await?;
    let letter = Index::of(&all).find(id)?;
    let content = letters::content(bus, &letter.at).await?.ok_or_else(|| unknown(id))?;
    Ok(DeadLetterDetail {
        letter: letter.view.clone(),
        record: RecordView::from(content.record.as_ref()),
        payload: content.payload.as_deref().map(Blob::of),
        payload_intact: content.intact,
        audit: ledger.audit(&letter.view.id).await?,
    })
}

/// Dead letters by their ids, and by those of their events.
pub(super) struct Index<'a> {
    by_id: BTreeMap<&'a str, &'a Letter>,
    by_event: BTreeMap<&'a str, Vec<&'a Letter>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(letters: &'a [Letter]) -> Self {
        let mut by_event: BTreeMap<&str, Vec<&Letter>> = BTreeMap::new();
        for letter in letters {
            by_event.entry(&letter.view.event_id).or_default().push(letter);
        }
        let by_id = letters.iter().map(|letter| (letter.view.id.as_str(), letter)).collect();
        Self { by_id, by_event }
    }

    /// The dead letter with this id, or with this event id if that is unique.
    pub(super) fn find(&self, id: &str) -> Result<&'a Letter, OpsError> {
        if let Some(letter) = self.by_id.get(id) {
            return Ok(letter);
        }
        match self.by_event.get(id).map_or(&[][..], Vec::as_slice) {
            [] => Err(unknown(id)),
            [letter] => Ok(letter),
            _ => {
                let text = format!(
                    "several dead letters have the event id {id}; use dlq.events/PARTITION/OFFSET"
                );
                Err(OpsError::Invalid(text))
            }
        }
    }
}

fn unknown(id: &str) -> OpsError {
    OpsError::NotFound(format!("there is no dead letter {id}; see `ecom dlq list`"))
}
