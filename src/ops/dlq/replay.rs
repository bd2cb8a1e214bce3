//! Jobs that send dead letters back: what is asked for, and what was done.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::DlqFilter;
use super::routing::Route;
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;

/// A running job of another process that wrote nothing for so long is one that broke off.
pub(in crate::ops) const SILENT_FOR: Duration = Duration::from_secs(10);

closed_set! {
    /// How a job stands.
    JobState {
        /// It sends, or waits for what becomes of what it sent.
        Running = "running",
        /// It came to its end, and nothing is left for a person.
        Done = "done",
        /// It came to its end, and some letters were parked, damaged or failed again.
        Partial = "partial",
        /// It stopped before its end.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// Its process ended; it can be resumed.
        Interrupted = "interrupted",
    }
}

closed_set! {
    /// In which order letters are sent back.
    Order {
        /// As they were given up; none waits for another.
        None = "none",
        /// The letters of one key in the order in which they stood in their topic, each when the one before
        /// it took effect or was given up again.
        Key = "key",
    }
}

/// Which dead letters, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayRequest {
    /// These; without any, all that match the filter and are open.
    pub ids: Vec<String>,
    /// Which, where no ids are given.
    pub filter: DlqFilter,
    /// Only below these offsets, by `TOPIC/PARTITION`; what there is at the beginning, where nothing is said.
    pub below: BTreeMap<String, u64>,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Records per second at most; 0 is as fast as it goes.
    pub rate: u32,
    /// A letter that was sent back this often is parked instead.
    pub max_replays: u32,
    /// To this topic, instead of the one that each came from.
    pub to: Option<String>,
    /// To which partition: `auto`, `original`, `key`, or a number.
    #[schema(value_type = String)]
    pub partition: Route,
    /// In which order: `none` or `key`.
    #[schema(value_type = String)]
    pub ordered: Order,
    /// Send this many first, and the others only if these took effect; 0: all at once.
    pub canary: u32,
    /// Stop when more than so many of a hundred letters failed again; none: go on.
    pub stop_on_failure: Option<u32>,
    /// How long to wait for what becomes of them, in ms; at most 300000.
    pub wait_ms: u64,
    /// Who asks.
    pub actor: String,
}

impl Default for ReplayRequest {
    fn default() -> Self {
        Self {
            ids: vec![],
            filter: DlqFilter::default(),
            below: BTreeMap::new(),
            dry_run: false,
            rate: 100,
            max_replays: 2,
            to: None,
            partition: Route::Auto,
            ordered: Order::None,
            canary: 0,
            stop_on_failure: None,
            wait_ms: 10_000,
            actor: "unknown".into(),
        }
    }
}

/// What a replay did so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ReplayReport {
    /// Its name; none for a dry run.
    pub job: Option<String>,
    /// Letters that were asked for and could be sent back.
    pub selected: u64,
    /// By topic they go back to.
    pub by_topic: BTreeMap<String, u64>,
    /// By partition they go to, `TOPIC/PARTITION`; `TOPIC/any` without a key.
    pub by_partition: BTreeMap<String, u64>,
    /// By error code.
    pub by_error: BTreeMap<String, u64>,
    /// Sent back.
    pub replayed: u64,
    /// Sent back too often before, and parked.
    pub parked: u64,
    /// Not sent back: their bytes are not those that failed, or are gone.
    pub damaged: u64,
    /// Not sent back: nothing tells where they came from, or that is gone, or they would come back to where
    /// they lie.
    pub unroutable: u64,
    /// Asked for, but resolved, discarded or parked already.
    pub skipped: u64,
    /// Sent back although they had taken effect already: whoever reads them again drops them.
    pub duplicates: u64,
    /// Sent back, and they took effect.
    pub resolved: u64,
    /// Sent back, and they failed again.
    pub refailed: u64,
    /// Sent back; nothing was heard of them in the time given.
    pub pending: u64,
    /// Not sent back: of the letter of the same key before them nothing was heard in the time given.
    pub held: u64,
    /// What is to be known before they are sent.
    pub warnings: Vec<String>,
    /// Orders that the letters are about, the first of them.
    pub orders: Vec<OrderChange>,
    /// Why it ended before its end.
    pub note: Option<String>,
    /// Letters that are being sent: who resumes the job sends them again.
    pub under_way: Vec<String>,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderChange {
    /// The order.
    pub order_id: String,
    /// Its status when the job began; none: there was no such order.
    pub before: Option<String>,
    /// Its status when the job ended.
    pub after: Option<String>,
}

impl ReplayReport {
    /// Whether something was left that needs a person.
    pub const fn is_partial(&self) -> bool {
        self.parked > 0
            || self.damaged > 0
            || self.unroutable > 0
            || self.refailed > 0
            || self.held > 0
    }

    /// Letters that it came to.
    pub(super) const fn handled(&self) -> u64 {
        self.replayed + self.parked + self.damaged + self.unroutable
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its name.
    pub job: String,
    /// How it stands.
    #[schema(value_type = String)]
    pub state: JobState,
    /// What was asked for.
    pub request: ReplayRequest,
    /// What it did so far.
    pub report: ReplayReport,
    /// Who asked.
    pub actor: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last wrote something down.
    pub updated_at: Timestamp,
}
