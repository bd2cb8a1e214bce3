//! Dead letters: found on whatever topics are for them, understood whoever wrote them, listed, summed up,
//! shown, and sent back with a note of each step.

pub mod editing;
mod families;
pub(super) mod index;
pub(super) mod ledger;
mod letter;
mod newer;
mod ordered;
mod planning;
mod reading;
pub mod replay;
pub mod routing;
pub(super) mod running;
pub(super) mod scan;
mod sending;
pub mod trend;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::OpsError;
use super::blob::Blob;
use super::topics::RecordView;
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;
pub use families::Family;
use index::Checked;

pub(super) use letter::{content, is_for_dead_letters};
pub(super) use reading::records_of;
pub use scan::Progress;

closed_set! {
    /// What dead letters are summed up by.
    GroupBy {
        /// Why they died.
        Error = "error",
        /// Where they came from.
        Topic = "topic",
        /// What kind of event they are.
        Type = "type",
        /// Who gave them up.
        Service = "service",
        /// The topic on which they lie.
        Dlq = "dlq",
    }
}

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
    /// Where it stands: `TOPIC/PARTITION/OFFSET`.
    pub id: String,
    /// What has become of it.
    #[schema(value_type = String)]
    pub state: EntryState,
    /// Who wrote it, as far as its headers tell.
    #[schema(value_type = String)]
    pub family: Family,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// The service that gave it up.
    pub service: String,
    /// The consumer group that gave it up.
    pub group: String,
    /// The topic it came from; empty if nothing tells.
    pub original_topic: String,
    /// Its partition there.
    pub original_partition: Option<u32>,
    /// Its offset there, if anything tells.
    #[serde(default)]
    pub original_offset: Option<u64>,
    /// The event's id; where there is none, the place where it stood.
    pub event_id: String,
    /// What kind of event it is; empty if nothing tells.
    pub event_type: String,
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
    /// How large the record is that tells of it, about.
    #[serde(default)]
    pub bytes: u64,
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
    /// Whether the payload's digest is the one that was noted when it failed; none where nobody noted one.
    pub payload_intact: Option<bool>,
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
    /// Only on this topic of dead letters.
    pub dlq: Option<String>,
    /// Only from this topic.
    pub topic: Option<String>,
    /// Only with this error code, or with a code or reason that this `/pattern/` matches.
    pub error: Option<String>,
    /// Only of this event type.
    pub event_type: Option<String>,
    /// Only given up by this service.
    pub service: Option<String>,
    /// Only with this key.
    pub key: Option<String>,
    /// Only in this state.
    pub state: Option<String>,
    /// Only given up at or after this time.
    pub since: Option<String>,
    /// Only given up before this time.
    pub until: Option<String>,
    /// At most this many.
    pub limit: Option<usize>,
    /// Only after the letter with this id, in the order of a list.
    pub after: Option<String>,
}

impl GroupBy {
    /// What a letter is summed up under.
    pub fn of(self, letter: &DeadLetter) -> &str {
        match self {
            Self::Error => &letter.error_code,
            Self::Topic => &letter.original_topic,
            Self::Type => &letter.event_type,
            Self::Service => &letter.service,
            Self::Dlq => letter.id.split('/').next().unwrap_or_default(),
        }
    }
}

impl DlqFilter {
    /// Whether it asks only for what whole groups have in common.
    pub(super) fn is_of_groups(&self) -> bool {
        let pattern = self.error.as_ref().is_some_and(|error| error.starts_with('/'));
        let Self { key, state, since, until, limit, after, .. } = self;
        !pattern
            && [key, state, since, until, after].iter().all(|word| word.is_none())
            && limit.is_none()
    }

    /// Reads its words; an error says which is wrong.
    pub(super) fn checked(&self) -> Result<Checked<'_>, OpsError> {
        let time = |name: &str, text: &Option<String>| {
            let parse =
                |text: &String| text.parse().map_err(|e| OpsError::Invalid(format!("{name}: {e}")));
            text.as_ref().map(parse).transpose()
        };
        if let Some(state) = &self.state
            && EntryState::parse(state).is_none()
        {
            let all: Vec<&str> = EntryState::ALL.iter().map(|state| state.as_str()).collect();
            let text = format!("there is no state {state}; use one of {}", all.join(", "));
            return Err(OpsError::Invalid(text));
        }
        let pattern = self.error.as_ref().and_then(|e| e.strip_prefix('/')?.strip_suffix('/'));
        let error = pattern.map(|pattern| {
            regex::Regex::new(pattern).map_err(|e| OpsError::Invalid(format!("error: {e}")))
        });
        Ok(Checked {
            filter: self,
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
            error: error.transpose()?,
        })
    }
}

/// Dead letters that have something in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// What they have in common; empty if nothing tells.
    pub value: String,
    /// How many there are.
    pub total: u64,
    /// How many in each state.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub states: BTreeMap<EntryState, u64>,
    /// When the first was given up.
    pub first_at: Timestamp,
    /// When the last was given up.
    pub last_at: Timestamp,
    /// How many were given up in each of at most twelve equal times, from the first letter of all groups to the
    /// last.
    #[serde(default)]
    pub over_time: Vec<u64>,
}

pub(super) fn unknown(id: &str) -> OpsError {
    OpsError::NotFound(format!("there is no dead letter {id}; see `ecom dlq list`"))
}
