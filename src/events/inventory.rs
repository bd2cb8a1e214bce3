//! Events of the inventory service.

use serde::{Deserialize, Serialize};

use crate::domain::{OrderId, ProductId, Quantity};

/// Units of one product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Units {
    /// The product.
    pub product_id: ProductId,
    /// How many.
    pub quantity: Quantity,
}

/// All units of an order left the stock for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The order.
    pub order_id: OrderId,
    /// All of its units.
    pub items: Vec<Units>,
}

/// A cancelled order's hold or reservation was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The order.
    pub order_id: OrderId,
    /// All of its units.
    pub items: Vec<Units>,
}

/// A paid order's units could not be reserved; none of them are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationFailed {
    /// The order.
    pub order_id: OrderId,
    /// The units that were short.
    pub short: Vec<Units>,
}

/// A product's stock fell to or below its threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Low {
    /// The product.
    pub product_id: ProductId,
    /// Units left.
    pub current_stock: u64,
    /// The threshold it crossed.
    pub threshold: u64,
}

/// A product's stock fell to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depleted {
    /// The product.
    pub product_id: ProductId,
}
