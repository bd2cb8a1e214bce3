//! Letting everybody in: sessions arrive at random times whatever the shop does (open), and within a
//! session the next click waits for the last (closed).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::client::NoAnswer;
use super::shelf::Shelf;
use super::{Client, History, Stats, Workload, chance, seller, shopper};
use crate::ports::{Clock, Randomness, Signal, Spawn};

/// Sessions under way at most; more are counted as dropped.
const SESSIONS_MAX: usize = 50_000;

/// Everybody, and what they share.
pub struct Crowd {
    /// How they behave.
    pub workload: Workload,
    /// How they reach the shop.
    pub client: Arc<dyn Client>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
    /// Their luck.
    pub randomness: Randomness,
    /// What happened.
    pub stats: Stats,
    /// What they asked for and were told.
    pub history: History,
    /// How long an order is followed before its shopper gives up.
    pub follow_max: Duration,
    /// When it was called together, in ms since the epoch.
    pub begun: i64,
    /// Nobody begins anything new.
    pub closed: AtomicBool,
    pub(super) underway: AtomicUsize,
    pub(super) left: Signal,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(
        workload: Workload,
        client: Arc<dyn Client>,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
        follow_max: Duration,
    ) -> Self {
        Self {
            randomness: Randomness::seeded(workload.seed),
            begun: clock.now().millis(),
            workload,
            client,
            clock,
            spawn,
            stats: Stats::default(),
            history: History::default(),
            follow_max,
            closed: AtomicBool::new(false),
            underway: AtomicUsize::new(0),
            left: Signal::default(),
        }
    }

    /// Whether people should wind up.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn leave(&self) {
        self.underway.fetch_sub(1, Ordering::SeqCst);
        self.left.give();
    }
}

/// A shop that has just begun may have nothing on sale for so long.
const OPENS_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at an empty shelf.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Lets everybody in, and returns when the last has left.
pub async fn run(crowd: &Arc<Crowd>) -> Result<(), NoAnswer> {
    let skew = crowd.workload.shopper.zipf;
    let opens = crowd.clock.elapsed() + OPENS_WITHIN;
    let mut shelf = Shelf::fetch(crowd.client.as_ref(), skew).await?;
    while shelf.is_empty() && crowd.clock.elapsed() < opens {
        crowd.clock.sleep(LOOK_AGAIN).await;
        shelf = Shelf::fetch(crowd.client.as_ref(), skew).await?;
    }
    let shelf = Arc::new(shelf);
    let sellers_done = start_sellers(crowd, &shelf);
    let started = crowd.clock.elapsed();
    for (n, at) in arrivals(crowd).into_iter().enumerate() {
        if crowd.is_closed() {
            break;
        }
        let intended = started + at;
        let rest = intended.saturating_sub(crowd.clock.elapsed());
        if !rest.is_zero() {
            crowd.clock.sleep(rest).await;
        }
        let lag = crowd.clock.elapsed().saturating_sub(intended).as_millis() as u64;
        let full = crowd.underway.load(Ordering::SeqCst) >= SESSIONS_MAX;
        crowd.stats.load(|load| {
            load.offered += 1;
            load.lag_ms_max = load.lag_ms_max.max(lag);
            load.dropped += u64::from(full);
        });
        if !full {
            enter(crowd, &shelf, n, intended);
        }
    }
    let mut left = crowd.left.waiter();
    while crowd.underway.load(Ordering::SeqCst) > 0 {
        left.wait().await;
    }
    sellers_done.store(true, Ordering::SeqCst);
    Ok(())
}

/// When each session should start, counted from the first: uniform in the window, which is a Poisson
/// stream seen with its number known.
fn arrivals(crowd: &Crowd) -> Vec<Duration> {
    let mut dice = crowd.randomness.stream("arrivals");
    let window = crowd.workload.arrivals;
    let mut times: Vec<Duration> =
        (0..crowd.workload.users).map(|_| window.mul_f64(dice.unit())).collect();
    times.sort_unstable();
    times
}

fn enter(crowd: &Arc<Crowd>, shelf: &Arc<Shelf>, n: usize, intended: Duration) {
    crowd.underway.fetch_add(1, Ordering::SeqCst);
    let (ours, shelf) = (Arc::clone(crowd), Arc::clone(shelf));
    crowd.spawn.spawn(Box::pin(async move {
        let mut shopper = shopper::Shopper::new(Arc::clone(&ours), shelf, n);
        shopper.visit(intended).await;
        ours.leave();
    }));
}

/// Sellers work until the returned flag is set.
fn start_sellers(crowd: &Arc<Crowd>, shelf: &Arc<Shelf>) -> Arc<AtomicBool> {
    let done = Arc::new(AtomicBool::new(false));
    if !crowd.client.serves_sellers() {
        return done;
    }
    for n in 0..crowd.workload.sellers {
        let (ours, shelf, done) = (Arc::clone(crowd), Arc::clone(shelf), Arc::clone(&done));
        crowd.spawn.spawn(Box::pin(async move {
            let mut seller = seller::Seller::new(ours, shelf, n);
            seller.work(&done).await;
        }));
    }
    done
}

impl Crowd {
    /// A think time with this mean, as lived in this run.
    pub(super) fn think(&self, dice: &mut crate::ports::Dice, mean_ms: u64) -> Duration {
        let life = chance::exponential(dice, Duration::from_millis(mean_ms));
        self.workload.scaled(life)
    }
}
