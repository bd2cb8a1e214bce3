//! Events of the catalogue: what sellers do.

use serde::{Deserialize, Serialize};

use crate::domain::{Money, ProductId, Quantity};

/// A product as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductUpserted {
    /// The product.
    pub product_id: ProductId,
    /// Who sells it.
    pub seller_id: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Price of one unit.
    pub price: Money,
    /// Whether it can be bought.
    pub listed: bool,
    /// Counts the changes of this product; a lower version than the known one is stale.
    pub version: i64,
}

/// A seller delivered units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReceived {
    /// The product.
    pub product_id: ProductId,
    /// How many units.
    pub quantity: Quantity,
}
