//! Operations: what the command line, the console and the admin API can do with a shop's topics and
//! dead letters. One trait, two ways in with the same answers: directly on the adapters, or through
//! the admin API of a running shop. No command has logic of its own.

pub mod admin;
pub mod api;
pub mod backup;
pub mod blob;
pub mod clean;
pub mod dlq;
pub mod doctor;
pub mod filter;
pub mod groups;
pub mod live;
pub mod local;
pub mod orders;
mod pages;
pub mod queries;
pub mod remote;
pub mod tail;
mod tails;
pub mod topics;
pub mod trace;

use async_trait::async_trait;

use crate::ports::GatewayDials;
use admin::AdminOps;
use dlq::editing::{EditReport, EditRequest};
use dlq::replay::{JobView, ReplayReport, ReplayRequest};
use dlq::{DeadLetter, DeadLetterDetail, DlqFilter, Group, GroupBy};
use groups::{GroupView, LagQuery, LagView, ResetRequest, ResetView};
use live::{LogLine, Pulse};
use orders::{
    OrderDetail, OrderQuery, OrderReport, OrderRequest, OrderSummary, StuckOrder, StuckQuery,
};
use queries::{QueryRequest, QueryView};
use tail::{TailFrom, TailPage, TailQuery};
use topics::{NewRecordView, TopicView};
use trace::{Trace, TraceQuery};

/// Why an operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpsError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It makes no sense as asked.
    #[error("{0}")]
    Invalid(String),
    /// The shop cannot be reached, or cannot do it now.
    #[error("{0}")]
    Unavailable(String),
    /// Not now: something else is under way.
    #[error("{0}")]
    Refused(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

impl From<crate::ports::BusError> for OpsError {
    fn from(e: crate::ports::BusError) -> Self {
        use crate::ports::BusError as E;
        match e {
            E::Unknown(what) => Self::NotFound(format!("there is no topic or partition {what}")),
            E::TooLarge { .. } | E::Invalid(_) => Self::Invalid(e.to_string()),
            E::GroupActive(_) => Self::Refused(e.to_string()),
            e if e.is_transient() => Self::Unavailable(e.to_string()),
            e => Self::Failed(e.to_string()),
        }
    }
}

impl From<crate::ports::StoreError> for OpsError {
    fn from(e: crate::ports::StoreError) -> Self {
        if e.is_transient() {
            Self::Unavailable(e.to_string())
        } else {
            Self::Failed(e.to_string())
        }
    }
}

/// What can be done with topics.
#[async_trait]
pub trait TopicOps: Send + Sync {
    /// All topics, by name.
    async fn topics(&self) -> Result<Vec<TopicView>, OpsError>;

    /// Where in each partition a tail begins, or ends.
    async fn tail_start(&self, from: &TailFrom) -> Result<TailQuery, OpsError>;

    /// The next records of a tail, oldest first, and where it goes on. An answer may have none, and not be the
    /// end: it comes when enough was looked at.
    async fn tail(&self, query: &TailQuery) -> Result<TailPage, OpsError>;

    /// Appends a record; where it stands.
    async fn produce(&self, record: NewRecordView) -> Result<String, OpsError>;
}

/// What can be done with consumer groups.
#[async_trait]
pub trait GroupOps: Send + Sync {
    /// All groups, by name.
    async fn groups(&self) -> Result<Vec<GroupView>, OpsError>;

    /// How far groups are behind, and whether they keep up.
    async fn lag(&self, query: &LagQuery) -> Result<Vec<LagView>, OpsError>;

    /// Sets where a group without members reads next, or says what would be set.
    async fn reset_offsets(&self, request: &ResetRequest) -> Result<Vec<ResetView>, OpsError>;
}

/// What can be done with dead letters.
#[async_trait]
pub trait DlqOps: Send + Sync {
    /// Dead letters that match, oldest first: a page of them; the next begins after the last of it. The topics are
    /// looked at for the first page, and again when there is no next one.
    async fn dead_letters(&self, filter: &DlqFilter) -> Result<Vec<DeadLetter>, OpsError>;

    /// The same, in full: a page of what a few megabytes hold.
    async fn dead_letters_in_full(
        &self,
        filter: &DlqFilter,
    ) -> Result<Vec<DeadLetterDetail>, OpsError>;

    /// One dead letter in full.
    async fn dead_letter(&self, id: &str) -> Result<DeadLetterDetail, OpsError>;

    /// Dead letters that match by what they have in common, the largest group first.
    async fn dlq_summary(&self, filter: &DlqFilter, by: GroupBy) -> Result<Vec<Group>, OpsError>;

    /// Gives these letters up for good; how many of them were not done with yet.
    async fn discard(&self, ids: &[String], actor: &str, why: &str) -> Result<u64, OpsError>;

    /// Takes back that these letters were given up or parked; how many were.
    async fn restore(&self, ids: &[String], actor: &str) -> Result<u64, OpsError>;

    /// Sends a repaired copy of a dead letter to the group that gave it up; the letter is resolved by it.
    async fn edit(&self, request: &EditRequest) -> Result<EditReport, OpsError>;

    /// Begins to send dead letters back to where they came from, or says what that would do; a job's name
    /// is in the report if there is anything to do.
    async fn replay(&self, request: &ReplayRequest) -> Result<ReplayReport, OpsError>;

    /// The newest jobs first.
    async fn jobs(&self) -> Result<Vec<JobView>, OpsError>;

    /// One job.
    async fn job(&self, id: &str) -> Result<JobView, OpsError>;

    /// Ends a job after its current step.
    async fn cancel(&self, job: &str) -> Result<JobView, OpsError>;

    /// Goes on with a job that ended before its end.
    async fn resume(&self, job: &str) -> Result<JobView, OpsError>;
}

/// What goes on right now.
#[async_trait]
pub trait LiveOps: Send + Sync {
    /// How everything is.
    async fn pulse(&self) -> Result<Pulse, OpsError>;

    /// Lines of the log after the one with this number, the oldest first, as far as they are kept: of the
    /// process that does the work, not of the whole cluster.
    async fn logs(&self, after: u64) -> Result<Vec<LogLine>, OpsError>;
}

/// What can be done with orders. All of it needs the shop's tables.
#[async_trait]
pub trait OrderOps: Send + Sync {
    /// The newest orders that match, newest first.
    async fn orders(&self, query: &OrderQuery) -> Result<Vec<OrderSummary>, OpsError>;

    /// One order in full, by its id or its payment's.
    async fn order(&self, id: &str) -> Result<OrderDetail, OpsError>;

    /// Orders that have not gone on for a while, the longest first, each with why.
    async fn stuck_orders(&self, query: &StuckQuery) -> Result<Vec<StuckOrder>, OpsError>;

    /// Cancels an order that is not fulfilled; what was paid is given back.
    async fn cancel_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError>;

    /// Has the money of an order given back, as far as it is owed.
    async fn refund_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError>;

    /// Makes an order go on, by whatever it is that it waits for.
    async fn resume_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError>;
}

/// What can be found out about one order's way.
#[async_trait]
pub trait TraceOps: Send + Sync {
    /// Everything that happened to an order. Works without the shop's tables, on what the log tells.
    async fn trace(&self, query: &TraceQuery) -> Result<Trace, OpsError>;
}

/// What can be asked of a shop's tables.
#[async_trait]
pub trait QueryOps: Send + Sync {
    /// What they say to a question in SQL; nothing can be changed by it.
    async fn query(&self, request: &QueryRequest) -> Result<QueryView, OpsError>;
}

/// All that can be done.
#[async_trait]
pub trait Ops:
    TopicOps
    + GroupOps
    + DlqOps
    + AdminOps
    + OrderOps
    + TraceOps
    + QueryOps
    + LiveOps
    + backup::BackupOps
{
    /// How the simulated payment provider behaves; with `set`, from now on.
    async fn gateway(&self, set: Option<GatewayDials>) -> Result<GatewayDials, OpsError>;
}
