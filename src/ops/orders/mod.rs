//! Orders, as an operator looks at them: a list, one in full, those that do not go on and why, and making
//! them go on or end. Nothing is written but through the services that own it.

pub(super) mod groups;
pub(super) mod list;
pub(super) mod resuming;
pub(super) mod rows;
pub mod waiting;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use crate::domain::closed_set::closed_set;
use crate::domain::{OrderId, Timestamp};
pub use waiting::{WaitReason, Waiting};

/// Orders in one answer at most.
pub const LIST_MAX: usize = 1_000;
/// Orders in one answer, unless asked otherwise.
pub const LIST: usize = 50;

closed_set! {
    /// Where an order stands.
    OrderState {
        /// It waits for its payment.
        Pending = "PENDING",
        /// It is paid, and waits for its stock.
        Paid = "PAID",
        /// It was served. Final.
        Fulfilled = "FULFILLED",
        /// It is not served. Final.
        Cancelled = "CANCELLED",
    }
}

/// Which orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrderQuery {
    /// Only in this state.
    pub state: Option<String>,
    /// Only of this shopper.
    pub user: Option<String>,
    /// Only made at or after this time.
    pub since: Option<Timestamp>,
    /// Only made before this time.
    pub until: Option<Timestamp>,
    /// At most this many, the newest; 50 unless asked otherwise, at most 1000.
    pub limit: Option<usize>,
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderSummary {
    /// The order.
    pub order_id: String,
    /// Whose.
    pub user_id: String,
    /// Where it stands.
    #[schema(value_type = String)]
    pub state: OrderState,
    /// What it costs, in minor units.
    pub total_minor: i64,
    /// Units in it.
    pub units: u64,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// The product.
    pub product_id: String,
    /// Its name.
    pub name: String,
    /// Units.
    pub quantity: u64,
    /// The price of one, in minor units.
    pub price_minor: i64,
}

/// A state that an order took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateView {
    /// Which.
    #[schema(value_type = String)]
    pub state: OrderState,
    /// Why, if it was cancelled.
    pub reason: Option<String>,
    /// The event that told of it.
    pub event_id: String,
    /// When.
    pub at: Timestamp,
}

/// The payment of an order, as the shop knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentView {
    /// The payment.
    pub payment_id: String,
    /// Where it stands: `PENDING`, `SUCCEEDED`, `FAILED`, `CANCELLED`, `REFUND_DUE`, `REFUNDED` or `REFUND_FAILED`.
    pub state: String,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Why no money was taken, or why it is not given back.
    pub reason: Option<String>,
    /// Attempts of what is due that had no clear answer.
    pub attempts: i64,
    /// When the provider is asked next; none when nothing is due.
    pub next_attempt_at: Option<Timestamp>,
    /// When it came up.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The stock of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockView {
    /// Where it stands: `HELD`, `RESERVED`, `RELEASED`, `FAILED` or `TOMBSTONE` (cancelled before it came up).
    pub state: String,
    /// Until when it is held.
    pub expires_at: Timestamp,
    /// When it came up.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A message about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    /// Its name, which every attempt repeats.
    pub message_id: String,
    /// `email` or `sms`.
    pub channel: String,
    /// To whom.
    pub recipient: String,
    /// Where it stands: `PENDING`, `SENT` or `FAILED`.
    pub state: String,
    /// Why it is not sent.
    pub reason: Option<String>,
    /// Attempts so far that failed.
    pub attempts: i64,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// When it came up.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Something that an operator did about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoteView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Why, in their words.
    pub detail: String,
}

/// An order in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderDetail {
    /// The order.
    pub order_id: String,
    /// Whose.
    pub user_id: String,
    /// Where it stands; none: checked out, and not taken up by the order service yet.
    #[schema(value_type = Option<String>)]
    pub state: Option<OrderState>,
    /// What was bought.
    pub items: Vec<LineView>,
    /// What it costs, in minor units.
    pub total_minor: i64,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// Why the payment was declined.
    pub decline: Option<String>,
    /// When it expires; none once it cannot.
    pub deadline: Option<Timestamp>,
    /// When it was checked out.
    pub created_at: Timestamp,
    /// The states it had, oldest first.
    pub history: Vec<StateView>,
    /// Its payment.
    pub payment: Option<PaymentView>,
    /// Its stock.
    pub stock: Option<StockView>,
    /// Messages about it.
    pub messages: Vec<MessageView>,
    /// What operators did about it.
    pub notes: Vec<NoteView>,
    /// Ids of dead letters about it that nobody is done with.
    pub dead_letters: Vec<String>,
    /// What it waits for; empty: nothing, it has come to its end.
    pub waiting: Vec<Waiting>,
}

/// Which orders count as stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StuckQuery {
    /// Those that have waited for longer than this, in ms.
    pub older_than_ms: u64,
    /// At most this many.
    pub limit: Option<usize>,
}

impl Default for StuckQuery {
    fn default() -> Self {
        Self { older_than_ms: 300_000, limit: None }
    }
}

/// An order that does not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StuckOrder {
    /// The order.
    pub order_id: String,
    /// Whose.
    pub user_id: String,
    /// Where it stands; none: checked out, and not taken up yet.
    #[schema(value_type = Option<String>)]
    pub state: Option<OrderState>,
    /// Since when nothing has happened to it.
    pub since: Timestamp,
    /// What it waits for.
    pub waiting: Vec<Waiting>,
}

/// An order, and who asks for something to be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// The order, or its payment.
    pub order: String,
    /// Who asks.
    pub actor: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What was done about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderReport {
    /// The order.
    pub order_id: String,
    /// Where it stands now.
    pub state: String,
    /// Whether anything was done.
    pub changed: bool,
    /// What was done, or why nothing was, one line each.
    pub told: Vec<String>,
    /// The job that sends its dead letters back.
    pub job: Option<String>,
    /// What it still waits for, that nothing was done about.
    pub waiting: Vec<Waiting>,
}

impl OrderQuery {
    /// How many are asked for.
    pub(super) fn checked(&self) -> Result<usize, OpsError> {
        if let Some(state) = &self.state
            && OrderState::parse(state).is_none()
        {
            let all: Vec<&str> = OrderState::ALL.iter().map(|state| state.as_str()).collect();
            let text = format!("there is no state {state}; use one of {}", all.join(", "));
            return Err(OpsError::Invalid(text));
        }
        limited(self.limit)
    }
}

pub(super) fn limited(limit: Option<usize>) -> Result<usize, OpsError> {
    match limit.unwrap_or(LIST) {
        0 => Err(OpsError::Invalid("the limit must be at least 1".into())),
        limit if limit > LIST_MAX => {
            Err(OpsError::Invalid(format!("the limit must be at most {LIST_MAX}")))
        }
        limit => Ok(limit),
    }
}

/// The order that `text` names: by its own id, or its payment's.
pub(super) fn order_of(text: &str) -> Result<OrderId, OpsError> {
    let own = text.strip_prefix("PAY-").map_or_else(|| text.to_owned(), |id| format!("ORD-{id}"));
    own.parse().map_err(|e| OpsError::Invalid(format!("{text} is no order: {e}")))
}

pub(super) fn unknown(order: &OrderId) -> OpsError {
    OpsError::NotFound(format!("there is no order {order}; see `ecom orders list`"))
}

/// Said where the shop's tables are out of reach.
pub(super) fn no_tables() -> OpsError {
    let text = "orders are in the shop's tables: name them with --postgres, beside --kafka";
    OpsError::Invalid(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_named_by_its_own_id_or_its_payments() {
        for text in ["ORD-AAAA", "PAY-AAAA"] {
            assert_eq!(order_of(text).unwrap().as_str(), "ORD-AAAA");
        }
        for wrong in ["", "ORD-", "PAY-", "AAAA", "ord-aaaa", "ORD-a b"] {
            assert!(order_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn questions_without_sense_are_refused() {
        let query = |state: Option<&str>, limit| OrderQuery {
            state: state.map(str::to_owned),
            limit,
            ..OrderQuery::default()
        };
        assert_eq!(query(None, None).checked(), Ok(LIST));
        assert_eq!(query(Some("PAID"), Some(LIST_MAX)).checked(), Ok(LIST_MAX));
        for wrong in [query(Some("paid"), None), query(None, Some(0)), query(None, Some(1_001))] {
            assert!(matches!(wrong.checked(), Err(OpsError::Invalid(_))), "{wrong:?}");
        }
    }
}
