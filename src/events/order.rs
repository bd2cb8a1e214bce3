//! Events of the order service.

use serde::{Deserialize, Serialize};

use crate::domain::{
    CancelReason, DeclineReason, Line, Money, OrderId, PaymentId, Timestamp, UserId,
};

/// An order exists and waits for its payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// What was bought.
    pub items: Vec<Line>,
    /// What it costs.
    pub total_amount: Money,
    /// No charge may start after this; the stock is held until then.
    pub hold_expires_at: Timestamp,
    /// The order is cancelled if still unpaid after this.
    pub deadline: Timestamp,
}

/// An order is paid; its stock shall be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// The payment.
    pub payment_id: PaymentId,
    /// What was bought; repeated here because `order.created` may be seen later.
    pub items: Vec<Line>,
    /// What was paid.
    pub total_amount: Money,
}

/// An order will not be served: holds, reservations and money are given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// The order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// Why.
    pub reason: CancelReason,
    /// Why the payment was declined, if that is why.
    #[serde(default)]
    pub decline: Option<DeclineReason>,
}
