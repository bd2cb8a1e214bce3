//! How people behave, as numbers.

use std::time::Duration;

use serde::Serialize;

/// What a crowd does. Shares are probabilities.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Workload {
    /// Shoppers.
    pub users: usize,
    /// Sellers.
    pub sellers: usize,
    /// Decides everything random.
    pub seed: u64,
    /// Think times are multiplied by this; 1 is life.
    pub think_scale: f64,
    /// Sessions start within this long, at random times.
    #[serde(serialize_with = "as_ms", rename = "arrivals_ms")]
    pub arrivals: Duration,
    /// Behaviour of a shopper.
    pub shopper: ShopperHabits,
    /// Behaviour of a seller.
    pub seller: SellerHabits,
}

/// How a shopper behaves. The defaults are people who came to shop: the funnel of published
/// click-streams (6 to 8 % of sessions with a cart, 70 % of carts abandoned) would make ten thousand
/// users some two hundred orders, too few to find anything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShopperHabits {
    /// Leaves after one page (Berka's click-stream: 0.61).
    pub bounce: f64,
    /// Median number of pages otherwise (the same: 8, mean 16; log-normal).
    pub pages_median: f64,
    /// Mean number of pages.
    pub pages_mean: f64,
    /// Mean of the think time between pages, in ms (TPC-W: exponential, 7 s, cut at ten times that).
    pub think_ms: u64,
    /// Puts the product at hand into the cart.
    pub add: f64,
    /// Takes something out again, per page.
    pub remove: f64,
    /// Changes a quantity, per page.
    pub change: f64,
    /// Checks a filled cart out (Baymard: 0.3).
    pub checkout: f64,
    /// Clicks checkout twice.
    pub double_click: f64,
    /// Cancels an order just placed.
    pub cancel: f64,
    /// Comes back for another session.
    pub come_back: f64,
    /// Gives an e-mail address at checkout.
    pub give_email: f64,
    /// Gives a telephone number at checkout.
    pub give_phone: f64,
    /// Skew of which product is looked at (YCSB's default: 0.99).
    pub zipf: f64,
}

/// How a seller behaves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SellerHabits {
    /// Mean of the time between two actions, in ms.
    pub think_ms: u64,
    /// Weight of changing a price.
    pub reprice: f64,
    /// Weight of delivering units.
    pub restock: f64,
    /// Weight of offering something new.
    pub create: f64,
    /// Weight of taking something off sale.
    pub delist: f64,
}

impl Default for ShopperHabits {
    fn default() -> Self {
        Self {
            bounce: 0.15,
            pages_median: 4.0,
            pages_mean: 5.5,
            think_ms: 7_000,
            add: 0.4,
            remove: 0.05,
            change: 0.05,
            checkout: 0.6,
            double_click: 0.03,
            cancel: 0.03,
            come_back: 0.15,
            give_email: 0.5,
            give_phone: 0.1,
            zipf: 0.99,
        }
    }
}

impl Default for SellerHabits {
    fn default() -> Self {
        Self { think_ms: 60_000, reprice: 0.5, restock: 0.35, create: 0.1, delist: 0.05 }
    }
}

impl Workload {
    /// A crowd of `users` with the usual habits, compressed to a short run.
    pub fn of(users: usize, seed: u64) -> Self {
        Self {
            users,
            sellers: (users / 250).clamp(1, 200),
            seed,
            think_scale: 0.05,
            arrivals: Duration::from_secs(30),
            shopper: ShopperHabits::default(),
            seller: SellerHabits::default(),
        }
    }

    /// Think time as it is lived in this run.
    pub fn scaled(&self, life: Duration) -> Duration {
        life.mul_f64(self.think_scale)
    }
}

fn as_ms<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_millis() as u64)
}
