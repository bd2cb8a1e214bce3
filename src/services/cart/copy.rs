//! The copy of a cart in the cache, `cart:{user}`: readable JSON, replaced only by a newer version,
//! forgotten with the cart, never the only place where anything stands. A cache that cannot be reached
//! costs time: whoever could not replace a copy reads the store until it is replaced. What a process
//! still owed the cache when it died is made good with the next change of the cart, or ends with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::model::Cart;
use crate::domain::{Line, Money, Timestamp, UserId, lines_total};
use crate::ports::{Cache, CacheError, Clock};

/// How often a copy is tried against others that write it at the same time.
const TRIES: usize = 8;
/// Copies written at the same time.
const AT_A_TIME: usize = 64;
/// Users remembered whose copies are behind: more than change carts in any outage, and a few MB.
const BEHIND_MAX: usize = 100_000;

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

impl From<Copy> for CartView {
    fn from(copy: Copy) -> Self {
        Self::of_lines(copy.user_id, copy.items)
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

/// The version of a cart that a copy is of; versions count from when the cart was first touched.
type Version = (Timestamp, i64);

/// The copies in the cache, and whose could not be brought up to date while it was out of reach: these
/// are not shown until they are.
pub(super) struct Copies {
    cache: Arc<dyn Cache>,
    behind: Mutex<BTreeMap<UserId, Version>>,
}

impl Copies {
    pub(super) fn new(cache: Arc<dyn Cache>) -> Self {
        Self { cache, behind: Mutex::default() }
    }

    /// The copy of a user's cart, if there is one that can be relied on.
    pub(super) async fn read(&self, user: &UserId) -> Option<CartView> {
        if self.lock().contains_key(user) {
            return None;
        }
        match self.cache.get(&key(user)).await {
            Ok(copy) => copy.as_ref().and_then(decode).map(CartView::from),
            Err(error) => {
                tracing::debug!(%error, "cart read from the store");
                None
            }
        }
    }

    /// Puts `cart` in the place of an older copy, for as long as the cart is kept after `now`. Whether
    /// that worked; if not, the user's copy is behind until it does.
    pub(super) async fn refresh(&self, cart: &Cart, now: Timestamp) -> bool {
        let ours = (cart.created_at, cart.version);
        let written = write(self.cache.as_ref(), cart, now).await;
        let mut behind = self.lock();
        match written {
            Ok(()) => {
                if behind.get(&cart.user_id).is_some_and(|missing| *missing <= ours) {
                    behind.remove(&cart.user_id);
                }
                true
            }
            Err(error) => {
                tracing::debug!(%error, user_id = %cart.user_id, "cart not cached");
                let known = behind.contains_key(&cart.user_id);
                if known || behind.len() < BEHIND_MAX {
                    let missing = behind.entry(cart.user_id.clone()).or_insert(ours);
                    *missing = ours.max(*missing);
                }
                false
            }
        }
    }

    /// The same for many carts, some of them at a time.
    pub(super) async fn refresh_all(&self, carts: &[Cart], clock: &dyn Clock) {
        for some in carts.chunks(AT_A_TIME) {
            let now = clock.now();
            join_all(some.iter().map(|cart| self.refresh(cart, now))).await;
        }
    }

    /// Up to `max` users whose copies are behind.
    pub(super) fn behind(&self, max: usize) -> Vec<UserId> {
        self.lock().keys().take(max).cloned().collect()
    }

    /// The user's cart has ended, and every copy of it with it.
    pub(super) fn forget(&self, user: &UserId) {
        self.lock().remove(user);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<UserId, Version>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(cache: &dyn Cache, cart: &Cart, now: Timestamp) -> Result<(), CacheError> {
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
