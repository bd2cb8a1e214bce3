//! Everything that happened to one order, wherever it is written down, each step with what led to it.

pub(super) mod building;
pub(super) mod finding;
pub(super) mod log;
mod standing;
pub(super) mod steps;
pub mod telling;
pub mod tree;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::orders::{OrderState, Waiting};
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;

closed_set! {
    /// What a step is.
    StepKind {
        /// A cart was checked out.
        Checkout = "checkout",
        /// An event was published.
        Event = "event",
        /// An event was published once more, by who did not know that it was.
        Repeat = "repeat",
        /// A dead letter was sent back.
        Replay = "replay",
        /// A repaired copy of a dead letter was sent.
        Edit = "edit",
        /// A service has handled an event.
        Handled = "handled",
        /// The order took a state.
        State = "state",
        /// A row of another service, as it is now.
        Row = "row",
        /// Units left the stock, or came back.
        Stock = "stock",
        /// An event is written, and not published yet.
        Unsent = "unsent",
        /// A service gave an event up.
        DeadLetter = "dead_letter",
        /// Somebody did something about a dead letter, or about the order.
        Action = "action",
        /// The payment provider decided a charge.
        Charge = "charge",
        /// The payment provider gave money back.
        Refund = "refund",
        /// A message arrived.
        Mail = "mail",
    }
}

closed_set! {
    /// Where a step is written down.
    StepSource {
        /// The event log.
        Log = "log",
        /// The shop's tables.
        Tables = "tables",
        /// Topics of dead letters, and the ledger of what was done about them.
        Letters = "dead_letters",
        /// The payment provider's own books.
        Provider = "provider",
        /// The mailbox.
        Mailbox = "mailbox",
    }
}

/// Which order is traced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceQuery {
    /// An order, a payment, an event, a cart, a record or dead letter (`TOPIC/PARTITION/OFFSET`), or a shopper with
    /// one order.
    pub id: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Names it within the trace.
    pub id: String,
    /// The step that led to it; none: nothing that is known.
    pub cause: Option<String>,
    /// What it is.
    #[schema(value_type = String)]
    pub kind: StepKind,
    /// When.
    pub at: Timestamp,
    /// Where it is written down.
    #[schema(value_type = String)]
    pub source: StepSource,
    /// In words.
    pub what: String,
    /// The service that did it.
    pub service: Option<String>,
    /// The event that it is, or is about.
    pub event_id: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
    /// The record: `TOPIC/PARTITION/OFFSET`.
    pub record: Option<String>,
    /// The state that it leads to, or has.
    pub state: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// More of it.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
}

/// All that is known of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// The order.
    pub order_id: String,
    /// Whose.
    pub user_id: Option<String>,
    /// Where it stands; none where the tables are out of reach, or the order is not taken up yet.
    #[schema(value_type = Option<String>)]
    pub state: Option<OrderState>,
    /// What happened, in the order of time; of the same millisecond, causes first.
    pub steps: Vec<Step>,
    /// What it waits for; empty: nothing that is known.
    pub waiting: Vec<Waiting>,
    /// What could not be looked at, or is not there any more.
    pub notes: Vec<String>,
}
