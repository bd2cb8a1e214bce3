//! Operations: what the command line, the console and the admin API can do with a shop's topics and
//! dead letters. One trait, two ways in with the same answers: directly on the adapters, or through
//! the admin API of a running shop. No command has logic of its own.

pub mod api;
pub mod blob;
pub mod dlq;
mod ledger;
mod letters;
pub mod local;
pub mod remote;
pub mod replay;
pub mod topics;

use async_trait::async_trait;

use crate::ports::GatewayDials;
use dlq::{DeadLetter, DeadLetterDetail, DlqFilter};
use replay::{ReplayReport, ReplayRequest};
use topics::{NewRecordView, RecordView, TailQuery, TailStart, TopicView};

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
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

impl From<crate::ports::BusError> for OpsError {
    fn from(e: crate::ports::BusError) -> Self {
        use crate::ports::BusError as E;
        match e {
            E::Unknown(what) => Self::NotFound(format!("there is no topic or partition {what}")),
            E::TooLarge { .. } => Self::Invalid(e.to_string()),
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

/// What can be done.
#[async_trait]
pub trait Ops: Send + Sync {
    /// All topics, by name.
    async fn topics(&self) -> Result<Vec<TopicView>, OpsError>;

    /// Where in each partition a tail begins.
    async fn tail_start(&self, topic: &str, start: &TailStart) -> Result<TailQuery, OpsError>;

    /// The next records of a tail, oldest first, and where it goes on. None at the end.
    async fn tail(&self, query: &TailQuery) -> Result<(Vec<RecordView>, TailQuery), OpsError>;

    /// Appends a record; where it stands.
    async fn produce(&self, record: NewRecordView) -> Result<String, OpsError>;

    /// Dead letters that match, oldest first.
    async fn dead_letters(&self, filter: &DlqFilter) -> Result<Vec<DeadLetter>, OpsError>;

    /// One dead letter in full.
    async fn dead_letter(&self, id: &str) -> Result<DeadLetterDetail, OpsError>;

    /// Sends dead letters back to where they came from.
    async fn replay(&self, request: &ReplayRequest) -> Result<ReplayReport, OpsError>;

    /// How the simulated payment provider behaves; with `set`, from now on.
    async fn gateway(&self, set: Option<GatewayDials>) -> Result<GatewayDials, OpsError>;
}
