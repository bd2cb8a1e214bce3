//! Events for the notification service.

use serde::{Deserialize, Serialize};

use crate::domain::closed_set::closed_set;
use crate::domain::{CancelReason, DeclineReason, Email, Money, OrderId, Phone, UserId};

closed_set! {
    /// How an order ended.
    Outcome {
        /// Served.
        Fulfilled = "FULFILLED",
        /// Not served.
        Cancelled = "CANCELLED",
    }
}

/// A shopper should hear how an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// The order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// How it ended.
    pub outcome: Outcome,
    /// Where to write to.
    pub email: Option<Email>,
    /// Where to text to.
    pub phone: Option<Phone>,
    /// What it cost.
    pub total_amount: Money,
    /// Why it was cancelled, if it was.
    #[serde(default)]
    pub reason: Option<CancelReason>,
    /// Why the payment was declined, if that is why.
    #[serde(default)]
    pub decline: Option<DeclineReason>,
}
