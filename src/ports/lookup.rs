//! Questions one service may ask about another's data: read-only, one row, no join. In one process
//! they are calls; between processes they are HTTP.

use async_trait::async_trait;

use crate::domain::{Line, Money, OrderId, ProductId, Timestamp, UserId};
use crate::ports::StoreError;

/// A product as the catalogue has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The product.
    pub product_id: ProductId,
    /// Its name.
    pub name: String,
    /// Today's price.
    pub price: Money,
    /// Whether it can be bought.
    pub listed: bool,
    /// Counts its changes.
    pub version: i64,
}

/// The catalogue, asked by the cart for a product that it has not heard of yet.
#[async_trait]
pub trait CatalogLookup: Send + Sync {
    /// The product, if it exists.
    async fn product(&self, id: &ProductId) -> Result<Option<CatalogEntry>, StoreError>;
}

/// A checkout that was answered with 202.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutEntry {
    /// The order it becomes.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// What was bought.
    pub items: Vec<Line>,
    /// What it costs.
    pub total: Money,
    /// When.
    pub created_at: Timestamp,
}

/// The cart's checkouts, asked by the order service so that an id which checkout has answered is
/// never unknown.
#[async_trait]
pub trait CheckoutLookup: Send + Sync {
    /// The checkout that made this order, if there was one.
    async fn checkout(&self, id: &OrderId) -> Result<Option<CheckoutEntry>, StoreError>;

    /// The newest checkout of a user, if it is not long ago.
    async fn last_checkout_of(&self, user: &UserId) -> Result<Option<CheckoutEntry>, StoreError>;
}
