//! Short holds on stock, taken before money is: soft state over the inventory's durable rows. For
//! every product it knows the durable stock and what is held of it; the difference is free.

use async_trait::async_trait;

use crate::domain::{OrderId, ProductId, Timestamp};
use crate::events::inventory::Units;

/// An order's hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// For which order; a new hold of the same order replaces one of the same or a lower rank.
    pub order_id: OrderId,
    /// All the units, each product once.
    pub units: Vec<Units>,
    /// It lapses then: at that time its units are free.
    pub expires_at: Timestamp,
    /// The version of the cart that it is for, so that a slow tab does not take away what a newer cart
    /// holds; [`Hold::FINAL`] once there is an order.
    pub rank: i64,
}

impl Hold {
    /// The rank of a placed order's hold.
    pub const FINAL: i64 = i64::MAX;
}

/// A product that could not be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// The product.
    pub product_id: ProductId,
    /// Units that were free, or held by the same order.
    pub available: u64,
}

/// What became of a hold: all its units, or none and the products that were short.
pub type Held = Result<(), Vec<Short>>;

/// What is known of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldLevel {
    /// The product.
    pub product_id: ProductId,
    /// Durable stock as the holds know it.
    pub stock: i64,
    /// Units of holds that have not ended; one that has lapsed ends with the next
    /// [`Holds::hold`] or [`Holds::expire`].
    pub held: i64,
}

/// A product's durable stock, put right where the holds have it wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The product.
    pub product_id: ProductId,
    /// What the holds said when it was found to be wrong.
    pub seen: i64,
    /// What is right.
    pub stock: i64,
}

/// Why holds could not be worked on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldsError {
    /// Empty after a loss: the inventory rebuilds them.
    #[error("holds are being rebuilt")]
    NotReady,
    /// Cannot be reached.
    #[error("holds unavailable: {0}")]
    Unavailable(String),
}

impl HoldsError {
    /// Holds only ever fail for now.
    pub const fn is_transient(&self) -> bool {
        true
    }
}

/// Holds on stock, which several processes may share. Every verb takes many at once: one round trip,
/// and each item whole or not at all.
#[async_trait]
pub trait Holds: Send + Sync {
    /// Takes or renews each hold in order; a live hold of the same order is replaced if all units
    /// of the new one are free, and kept if not. Of a product that is unknown nothing is free.
    async fn hold(&self, holds: &[Hold], now: Timestamp) -> Result<Vec<Held>, HoldsError>;

    /// The units of these orders have left the durable stock: it shrinks by them, and the orders'
    /// holds, if still there, end.
    async fn consume(&self, orders: &[(OrderId, Vec<Units>)]) -> Result<(), HoldsError>;

    /// Gives back the holds of these orders, where they are still live; once, however often asked.
    async fn release(&self, orders: &[OrderId]) -> Result<(), HoldsError>;

    /// The durable stock grew (or shrank) by these amounts; an unknown product begins at 0.
    async fn adjust(&self, changes: &[(ProductId, i64)]) -> Result<(), HoldsError>;

    /// Ends the holds that have lapsed by `now`; how many.
    async fn expire(&self, now: Timestamp) -> Result<u64, HoldsError>;

    /// Corrects the durable stock of products, each only where it is still what was seen: of several
    /// who see the same difference, the first one takes it away.
    async fn correct(&self, corrections: &[Correction]) -> Result<(), HoldsError>;

    /// Fills holds that are empty, from the durable stock and the holds that still live, in one step.
    /// Where they are filled already it does nothing: of several that find them empty at the same
    /// time the first one fills them, and what was held since then stays held.
    async fn rebuild(&self, stock: &[(ProductId, i64)], live: &[Hold]) -> Result<(), HoldsError>;

    /// Every product's level, by product.
    async fn levels(&self) -> Result<Vec<HoldLevel>, HoldsError>;
}
