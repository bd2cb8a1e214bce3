//! The copy of a cart in the cache, `cart:{user}`: readable JSON, replaced only by a newer version,
//! forgotten with the cart, never the only place where anything stands.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::model::Cart;
use crate::domain::{Line, Money, Timestamp, UserId, lines_total};
use crate::ports::{Cache, CacheError};

/// How often a copy is tried against others that write it at the same time.
const TRIES: usize = 8;

/// A cart as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CartView {
    /// Whose.
    pub user_id: UserId,
    /// What is in it.
    pub items: Vec<Line>,
    /// What it costs.
    pub total_amount: Money,
    /// Different products in it.
    pub item_count: usize,
}

impl CartView {
    /// A view of these lines.
    pub fn of_lines(user_id: UserId, items: Vec<Line>) -> Self {
        Self { user_id, total_amount: lines_total(&items), item_count: items.len(), items }
    }
}

impl From<&Cart> for CartView {
    fn from(cart: &Cart) -> Self {
        Self::of_lines(cart.user_id.clone(), cart.items.clone())
    }
}

#[derive(Serialize, Deserialize)]
struct Copy {
    user_id: UserId,
    items: Vec<Line>,
    total_amount: Money,
    /// Versions of a cart count from when it was first touched.
    created_at: Timestamp,
    version: i64,
}

fn key(user: &UserId) -> String {
    format!("cart:{user}")
}

fn decode(bytes: &Bytes) -> Option<Copy> {
    serde_json::from_slice(bytes).ok()
}

/// The copy of a user's cart, if there is one.
pub(super) async fn read(cache: &dyn Cache, user: &UserId) -> Result<Option<CartView>, CacheError> {
    let copy = cache.get(&key(user)).await?.as_ref().and_then(decode);
    Ok(copy.map(|copy| CartView::of_lines(copy.user_id, copy.items)))
}

/// Puts `cart` in the place of an older copy, for as long as the cart is kept after `now`.
pub(super) async fn write(
    cache: &dyn Cache,
    cart: &Cart,
    now: Timestamp,
) -> Result<(), CacheError> {
    let ttl = cart.expires_at.since(now);
    let (key, ours) = (key(&cart.user_id), (cart.created_at, cart.version));
    let copy = Copy {
        user_id: cart.user_id.clone(),
        items: cart.items.clone(),
        total_amount: cart.total(),
        created_at: cart.created_at,
        version: cart.version,
    };
    let value = Bytes::from(serde_json::to_vec(&copy).expect("a cart is plain data"));
    for _ in 0..TRIES {
        let there = cache.get(&key).await?;
        if there
            .as_ref()
            .and_then(decode)
            .is_some_and(|copy| (copy.created_at, copy.version) >= ours)
        {
            return Ok(());
        }
        if cache.compare_and_set(&key, there.as_ref(), value.clone(), ttl).await? {
            return Ok(());
        }
    }
    // So busy a cart is better not cached than cached wrongly.
    cache.delete(&key).await
}
