//! Events of the payment service.

use serde::{Deserialize, Serialize};

use crate::domain::{DeclineReason, Money, OrderId, PaymentId, UserId};

/// Money was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processed {
    /// The payment.
    pub payment_id: PaymentId,
    /// The order it pays.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
    /// How it was paid (`card`).
    pub method: String,
}

/// No money was taken, and none will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The payment.
    pub payment_id: PaymentId,
    /// The order it should have paid.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// Why.
    pub reason: DeclineReason,
}

/// All the money taken for a cancelled order was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded {
    /// The payment.
    pub payment_id: PaymentId,
    /// The cancelled order.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
}
