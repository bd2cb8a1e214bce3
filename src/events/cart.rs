//! Events of the cart service.

use serde::{Deserialize, Serialize};

use crate::domain::{
    CartId, Email, Line, Money, OrderId, Phone, ProductId, Quantity, Timestamp, UserId,
};

/// A line was added, or its quantity raised, by `quantity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemAdded {
    /// Whose cart.
    pub user_id: UserId,
    /// Which cart.
    pub cart_id: CartId,
    /// The product.
    pub product_id: ProductId,
    /// How many units more.
    pub quantity: Quantity,
    /// Price of one unit as shown.
    pub price: Money,
}

/// A line was removed, or its quantity lowered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRemoved {
    /// Whose cart.
    pub user_id: UserId,
    /// Which cart.
    pub cart_id: CartId,
    /// The product.
    pub product_id: ProductId,
    /// How many units less.
    pub quantity: Quantity,
}

/// A cart became an order; stock is held until `hold_expires_at`, unless the holds were out of reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutInitiated {
    /// The order that the cart became.
    pub order_id: OrderId,
    /// The cart.
    pub cart_id: CartId,
    /// Whose.
    pub user_id: UserId,
    /// What was bought, at the prices shown.
    pub items: Vec<Line>,
    /// What it costs.
    pub total_amount: Money,
    /// Where to write to.
    pub email: Option<Email>,
    /// Where to text to.
    pub phone: Option<Phone>,
    /// No charge may start after this.
    pub hold_expires_at: Timestamp,
    /// An order that is still unpaid after this is cancelled.
    pub deadline: Timestamp,
}
