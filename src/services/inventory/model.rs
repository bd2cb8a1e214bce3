//! Stock and what orders do to it. Pure: a [`Shelf`] is loaded, decided on in memory, and written
//! back with one version-checked update per product and per order.

use std::collections::BTreeMap;

use crate::domain::closed_set::closed_set;
use crate::domain::{EventId, Line, Money, OrderId, ProductId, Quantity, Timestamp};
use crate::events::inventory::Units;

closed_set! {
    /// Where an order's units are.
    HoldState {
        /// Held, while the order is being paid.
        Held = "HELD",
        /// Out of the stock for good.
        Reserved = "RESERVED",
        /// Given back.
        Released = "RELEASED",
        /// Could not be had.
        Failed = "FAILED",
        /// The order was cancelled before anything was known of it.
        Tombstone = "TOMBSTONE",
    }
}

/// A product's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub product_id: ProductId,
    /// Its name; empty until the catalogue has told it.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Price of one unit.
    pub price: Money,
    /// Whether it can be bought.
    pub listed: bool,
    /// Units that are there.
    pub stock: i64,
    /// Counts the changes of the row.
    pub version: i64,
    /// The catalogue's version that was seen last; 0 for none.
    pub catalog_version: i64,
    /// When it was first heard of.
    pub created_at: Timestamp,
}

/// The durable side of an order's hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// The order.
    pub order_id: OrderId,
    /// Its units, each product once.
    pub units: Vec<Units>,
    /// Where they are.
    pub state: HoldState,
    /// When the hold lapses.
    pub expires_at: Timestamp,
    /// Counts the changes of the row.
    pub version: i64,
    /// When it was first heard of.
    pub created_at: Timestamp,
}

/// The units of an order's lines, each product once, by product.
pub fn units_of(lines: &[Line]) -> Vec<Units> {
    let mut units: BTreeMap<&ProductId, u32> = BTreeMap::new();
    for line in lines {
        let sum = units.entry(&line.product_id).or_default();
        *sum = sum.saturating_add(line.quantity.get());
    }
    let whole = |(product, sum): (&ProductId, u32)| Units {
        product_id: product.clone(),
        quantity: Quantity::new(sum.min(Quantity::MAX)).unwrap_or(Quantity::ONE),
    };
    units.into_iter().map(whole).collect()
}

/// Units that leave the stock for an order or come back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The order.
    pub order_id: OrderId,
    /// The units.
    pub units: Units,
    /// The event that tells of it.
    pub event_id: EventId,
}

/// A row in hand, and its version in the table; none if it is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked<T> {
    /// The row as it will be.
    pub row: T,
    /// The version in the table.
    pub stored_version: Option<i64>,
    /// Whether it differs from the table.
    pub dirty: bool,
}

impl<T> Tracked<T> {
    /// A row as read.
    pub const fn stored(row: T, version: i64) -> Self {
        Self { row, stored_version: Some(version), dirty: false }
    }

    /// A row that is not in the table yet.
    pub const fn new(row: T) -> Self {
        Self { row, stored_version: None, dirty: true }
    }
}

/// A product in hand, with the stock that it had when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnShelf {
    /// The product.
    pub tracked: Tracked<Product>,
    /// Its stock before.
    pub stock_before: i64,
}

/// Everything that a batch of events touches.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Products, by id: the order in which their rows are written.
    pub products: BTreeMap<ProductId, OnShelf>,
    /// Orders' holds.
    pub holds: BTreeMap<OrderId, Tracked<HoldRow>>,
}

/// How a product's stock fell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fall {
    /// To or below the threshold.
    Low(ProductId, i64),
    /// To nothing.
    Depleted(ProductId),
}

impl Shelf {
    /// Marks a product's row as changed, once per batch: its version counts written changes.
    fn touch(on_shelf: &mut OnShelf) -> &mut Product {
        if !on_shelf.tracked.dirty {
            on_shelf.tracked.dirty = true;
            on_shelf.tracked.row.version += 1;
        }
        &mut on_shelf.tracked.row
    }

    /// The product, to be changed; one that nobody has heard of starts empty.
    pub fn product_mut(&mut self, id: &ProductId, now: Timestamp) -> &mut Product {
        let on_shelf = self.products.entry(id.clone()).or_insert_with(|| OnShelf {
            stock_before: 0,
            tracked: Tracked::new(Product {
                product_id: id.clone(),
                name: String::new(),
                description: String::new(),
                price: Money::ZERO,
                listed: false,
                stock: 0,
                version: 1,
                catalog_version: 0,
                created_at: now,
            }),
        });
        Self::touch(on_shelf)
    }

    /// The units of `wanted` that are not there.
    pub fn short_of(&self, wanted: &[Units]) -> Vec<Units> {
        let there = |units: &&Units| {
            let stock = self.products.get(&units.product_id).map_or(0, |p| p.tracked.row.stock);
            stock < i64::from(units.quantity.get())
        };
        wanted.iter().filter(there).cloned().collect()
    }

    /// Takes units out of the stock. They must be there.
    pub fn take(&mut self, units: &[Units]) {
        for units in units {
            if let Some(on_shelf) = self.products.get_mut(&units.product_id) {
                Self::touch(on_shelf).stock -= i64::from(units.quantity.get());
            }
        }
    }

    /// Puts units back into the stock.
    pub fn put_back(&mut self, units: &[Units]) {
        for units in units {
            if let Some(on_shelf) = self.products.get_mut(&units.product_id) {
                Self::touch(on_shelf).stock += i64::from(units.quantity.get());
            }
        }
    }

    /// The version that a product's row will have when the batch is written.
    pub fn version_of(&self, id: &ProductId) -> i64 {
        self.products.get(id).map_or(0, |p| p.tracked.row.version)
    }

    /// Sets where an order's units are.
    pub fn set_state(&mut self, order_id: &OrderId, state: HoldState) {
        if let Some(tracked) = self.holds.get_mut(order_id) {
            tracked.row.state = state;
            if tracked.stored_version == Some(tracked.row.version) {
                tracked.row.version += 1;
            }
            tracked.dirty = true;
        }
    }

    /// Which products' stock fell through a threshold between the table and now: once per downward
    /// crossing, however many orders crossed it together.
    pub fn falls(&self, threshold: i64) -> Vec<Fall> {
        let mut falls = vec![];
        for (id, on_shelf) in &self.products {
            let (before, after) = (on_shelf.stock_before, on_shelf.tracked.row.stock);
            if before > threshold && after <= threshold {
                falls.push(Fall::Low(id.clone(), after));
            }
            if before > 0 && after <= 0 {
                falls.push(Fall::Depleted(id.clone()));
            }
        }
        falls
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
