//! A cart, and what its owner may do with it. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{
    CartId, Invalid, Line, Money, OrderId, ProductId, Quantity, Timestamp, UserId, lines_total,
};

/// Lines in one cart at most: with the largest price and quantity the total still fits.
pub const LINES_MAX: usize = 100;

/// A cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// Whose.
    pub user_id: UserId,
    /// Named with its first line; none while it is empty.
    pub cart_id: Option<CartId>,
    /// What is in it, in the order it was put there.
    pub items: Vec<Line>,
    /// Counts the changes, from 0 for a cart that was never touched.
    pub version: i64,
    /// What the cart before this one became.
    pub last_order_id: Option<OrderId>,
    /// When it was first touched.
    pub created_at: Timestamp,
    /// When it is forgotten, unless it is touched again.
    pub expires_at: Timestamp,
}

impl Cart {
    /// A cart that nobody has touched.
    pub fn untouched(user_id: UserId, now: Timestamp) -> Self {
        Self {
            user_id,
            cart_id: None,
            items: vec![],
            version: 0,
            last_order_id: None,
            created_at: now,
            expires_at: now,
        }
    }

    /// What is in it costs so much.
    pub fn total(&self) -> Money {
        lines_total(&self.items)
    }

    /// Adds units of a product at the price that was shown; the whole line takes that price.
    /// `fresh` names the cart if this is its first line.
    pub fn add(&mut self, line: Line, fresh: CartId) -> Result<CartId, Invalid> {
        let full = self.items.len() >= LINES_MAX;
        match self.items.iter_mut().find(|l| l.product_id == line.product_id) {
            Some(there) => {
                there.quantity = there.quantity.plus(line.quantity)?;
                there.price = line.price;
                there.name = line.name;
            }
            None if full => {
                return Err(Invalid::new("a cart holds at most 100 different products"));
            }
            None => self.items.push(line),
        }
        self.version += 1;
        Ok(*self.cart_id.get_or_insert(fresh))
    }

    /// Sets the quantity of a line that is there; what it was before.
    pub fn set_quantity(&mut self, product: &ProductId, quantity: Quantity) -> Option<Quantity> {
        let line = self.items.iter_mut().find(|line| line.product_id == *product)?;
        self.version += 1;
        Some(std::mem::replace(&mut line.quantity, quantity))
    }

    /// Takes a line out; the line.
    pub fn remove(&mut self, product: &ProductId) -> Option<Line> {
        let at = self.items.iter().position(|line| line.product_id == *product)?;
        self.version += 1;
        Some(self.items.remove(at))
    }

    /// Holds the lines against what the products cost now. Repriced lines take today's price,
    /// delisted ones go; the products that were touched.
    pub fn refresh(&mut self, prices: &[PriceTag]) -> Vec<ProductId> {
        let mut touched = vec![];
        self.items.retain_mut(|line| {
            let tag = prices.iter().find(|tag| tag.product_id == line.product_id);
            let Some(tag) = tag.filter(|tag| tag.listed) else {
                touched.push(line.product_id.clone());
                return false;
            };
            if tag.price != line.price {
                touched.push(line.product_id.clone());
                line.price = tag.price;
            }
            true
        });
        if !touched.is_empty() {
            self.version += 1;
        }
        touched
    }

    /// The cart became `order`: it is empty again, and the next line starts another cart.
    pub fn checked_out(&mut self, order: OrderId) {
        self.items.clear();
        self.cart_id = None;
        self.last_order_id = Some(order);
        self.version += 1;
    }
}

/// A price that a product had, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierPrice {
    /// The price.
    pub price: Money,
    /// When it ended.
    pub until: Timestamp,
}

/// What a product costs, as the cart knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTag {
    /// The product.
    pub product_id: ProductId,
    /// Its name.
    pub name: String,
    /// Today's price.
    pub price: Money,
    /// Whether it can be bought.
    pub listed: bool,
    /// The catalogue's version of this.
    pub version: i64,
    /// What it cost a moment ago.
    pub previous: Vec<EarlierPrice>,
}

impl PriceTag {
    /// Whether a shopper may have been shown `price` within the last `grace`.
    pub fn accepts(&self, price: Money, now: Timestamp, grace: Duration) -> bool {
        price == self.price
            || self
                .previous
                .iter()
                .any(|earlier| earlier.price == price && now <= earlier.until + grace)
    }

    /// Takes up the catalogue's newer word; what it cost before is remembered for `grace`.
    pub fn replace(&mut self, newer: Self, now: Timestamp, grace: Duration) {
        let mut previous = std::mem::take(&mut self.previous);
        previous.retain(|earlier| now <= earlier.until + grace);
        if self.price != newer.price {
            previous.push(EarlierPrice { price: self.price, until: now });
        }
        *self = Self { previous, ..newer };
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
