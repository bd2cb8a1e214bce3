//! Orders through the whole saga, by calls or through sockets: checkout to FULFILLED and the mail sent,
//! from carts that were filled beforehand. Every answer waits until it is on disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ground::{Ground, user_id};
use super::round;
use crate::domain::OrderId;
use crate::ports::spawn::Task;
use crate::services::cart::Contact;
use crate::sim::figures::{Percentiles, micros_histogram};
use crate::sim::lab::client::{Call, Client};
use crate::sim::lab::wire::{Target, WireClient};

/// How a run is made.
#[derive(Debug, Clone, Serialize)]
pub struct SagaPlan {
    /// How long orders are placed, in seconds.
    pub seconds: u64,
    /// Orders per second offered; none: as many as go.
    pub rate: Option<u64>,
    /// Orders under way at most.
    pub in_flight: usize,
    /// Carts filled beforehand.
    pub carts: usize,
    /// The number of the first shopper.
    pub first_user: usize,
    /// How checkouts reach the shop.
    pub via: Via,
}

/// Carts that are checked out in a second at most, to fill enough of them.
const CARTS_PER_SECOND: usize = 6_000;
/// The same on real servers.
const CARTS_PER_SECOND_SERVERS: usize = 2_500;

impl SagaPlan {
    /// As many orders as go for that long.
    pub fn new(seconds: u64, in_flight: usize, servers: bool) -> Self {
        let per_second = if servers { CARTS_PER_SECOND_SERVERS } else { CARTS_PER_SECOND };
        let carts = seconds as usize * per_second;
        Self { seconds, rate: None, in_flight, carts, first_user: 0, via: Via::Calls }
    }
}

/// How checkouts reach the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By a call in this process.
    Calls,
    /// By HTTP/1.1 over loopback, on connections that are kept.
    Sockets,
}

/// What a run measured.
#[derive(Debug, Clone, Serialize)]
pub struct SagaFigures {
    /// Orders fulfilled, their mail sent.
    pub orders: u64,
    /// From the first checkout to the last mail, in seconds.
    pub seconds: f64,
    /// Orders per second, over that time.
    pub orders_per_s: f64,
    /// Rows written per order, by all services, the log, the provider and the mailbox; on real servers
    /// nobody counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_order: Option<f64>,
    /// Fsyncs per order, of all databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsyncs_per_order: Option<f64>,
    /// Median of an fsync, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsync_ms_p50: Option<f64>,
    /// From the call to the answer on disk, in ms.
    pub checkout_ms: Percentiles,
    /// From the call to FULFILLED, in ms.
    pub fulfilled_ms: Percentiles,
}

#[derive(Default)]
struct Underway {
    started: BTreeMap<OrderId, (Duration, OwnedSemaphorePermit)>,
    /// Fulfilled before the checkout call returned.
    early: BTreeMap<OrderId, Duration>,
}

struct Run {
    ground: Arc<Ground>,
    client: Option<WireClient>,
    placed: AtomicU64,
    /// Checkouts that were asked for and not answered yet.
    asking: AtomicU64,
    underway: Mutex<Underway>,
    checkout: Mutex<Histogram<u64>>,
    fulfilled: Mutex<Histogram<u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    fn now(&self) -> Duration {
        self.ground.backends.ports.clock.elapsed()
    }

    /// Checks the cart of shopper `n` out; `intended` is when that should have happened.
    async fn checkout(&self, n: usize, intended: Duration, permit: OwnedSemaphorePermit) {
        let answered = match &self.client {
            None => self.call(n).await,
            Some(client) => ask(client, n).await,
        };
        let order_id = match answered {
            Ok(order_id) => order_id,
            Err(error) => return tracing::error!(error, "a checkout was not accepted"),
        };
        self.placed.fetch_add(1, Ordering::Relaxed);
        record(&self.checkout, self.now().saturating_sub(intended));
        let mut underway = lock(&self.underway);
        if let Some(at) = underway.early.remove(&order_id) {
            record(&self.fulfilled, at.saturating_sub(intended));
        } else {
            underway.started.insert(order_id, (intended, permit));
        }
    }

    async fn call(&self, n: usize) -> Result<OrderId, String> {
        let carts = &self.ground.shop.services.carts;
        let done = carts.checkout(&user_id(n), &Contact::default(), &|_, _| {}).await;
        let done = done.map_err(|e| format!("{e:?}"))?;
        self.ground.backends.ports.store.durable().await.map_err(|e| e.to_string())?;
        Ok(done.order_id)
    }

    /// Follows the orders' statuses until it is dropped.
    async fn follow(&self) {
        let mut changes = self.ground.shop.order_changes();
        loop {
            match changes.recv().await {
                Ok(change) if change.status == "FULFILLED" => {
                    let now = self.now();
                    let mut underway = lock(&self.underway);
                    match underway.started.remove(&change.order_id) {
                        Some((started, _permit)) => {
                            record(&self.fulfilled, now.saturating_sub(started));
                        }
                        None => drop(underway.early.insert(change.order_id, now)),
                    }
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the measurement was too slow to follow all orders");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }
}

async fn ask(client: &WireClient, n: usize) -> Result<OrderId, String> {
    let call = Call::new("POST", format!("/cart/{}/checkout", user_id(n)));
    let reply = client.call(&call).await.map_err(|e| e.to_string())?;
    let body = reply.json();
    let order = body["order_id"].as_str().filter(|_| reply.status == 202);
    let order = order.ok_or_else(|| format!("{}: {body}", reply.status))?;
    order.parse().map_err(|_| format!("{order} is no order id"))
}

fn record(histogram: &Mutex<Histogram<u64>>, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    lock(histogram).saturating_record(micros);
}

/// Measures.
pub async fn measure(ground: Arc<Ground>, plan: &SagaPlan) -> anyhow::Result<SagaFigures> {
    ground.fill_carts(plan.first_user..plan.first_user + plan.carts).await?;
    let client = match plan.via {
        Via::Calls => None,
        Via::Sockets => Some(WireClient::new(Target::gateway(&ground.listen().await?))),
    };
    let before = figures(&ground);
    let run = Arc::new(Run {
        ground: Arc::clone(&ground),
        client,
        placed: AtomicU64::new(0),
        asking: AtomicU64::new(0),
        underway: Mutex::default(),
        checkout: Mutex::new(micros_histogram()),
        fulfilled: Mutex::new(micros_histogram()),
    });
    let spawn = Arc::clone(&ground.backends.ports.spawn);
    let follower = {
        let run = Arc::clone(&run);
        Task::start(spawn.as_ref(), Box::pin(async move { run.follow().await }))
    };
    let started = run.now();
    place(&run, plan, started).await;
    let orders = wait_for_mail(&run).await?;
    let seconds = run.now().saturating_sub(started).as_secs_f64();
    follower.abort();
    let after = figures(&ground);
    let embedded = ground.backends.ports.one_journal;
    let per_order = |n: u64| embedded.then(|| round(n as f64 / orders.max(1) as f64));
    let mut syncs = ground.backends.embedded.journal.figures().micros;
    syncs.sort_unstable();
    let fsync_ms_p50 = syncs.get(syncs.len() / 2).filter(|_| embedded);
    let figures = SagaFigures {
        orders,
        seconds: round(seconds),
        orders_per_s: round(orders as f64 / seconds),
        rows_per_order: per_order(after.0 - before.0),
        fsyncs_per_order: per_order(after.1 - before.1),
        fsync_ms_p50: fsync_ms_p50.map(|micros| f64::from(*micros) / 1_000.0),
        checkout_ms: Percentiles::of(&lock(&run.checkout)),
        fulfilled_ms: Percentiles::of(&lock(&run.fulfilled)),
    };
    Ok(figures)
}

/// Rows and fsyncs so far, of both databases.
fn figures(ground: &Ground) -> (u64, u64) {
    let embedded = &ground.backends.embedded;
    let (shop, outside) = (embedded.journal.figures(), embedded.outside.figures());
    (shop.rows + outside.rows, shop.syncs + outside.syncs)
}

async fn place(run: &Arc<Run>, plan: &SagaPlan, started: Duration) {
    let ports = &run.ground.backends.ports;
    let free = Arc::new(Semaphore::new(plan.in_flight));
    for n in 0..plan.carts {
        let user = plan.first_user + n;
        if let Some(rate) = plan.rate {
            let at = started + Duration::from_secs_f64(n as f64 / rate as f64);
            let rest = at.saturating_sub(run.now());
            if !rest.is_zero() {
                ports.clock.sleep(rest).await;
            }
        }
        let intended = match plan.rate {
            Some(rate) => started + Duration::from_secs_f64(n as f64 / rate as f64),
            None => run.now(),
        };
        if run.now().saturating_sub(started) > Duration::from_secs(plan.seconds) {
            break;
        }
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { break };
        let intended = if plan.rate.is_some() { intended } else { run.now() };
        let ours = Arc::clone(run);
        run.asking.fetch_add(1, Ordering::SeqCst);
        ports.spawn.spawn(Box::pin(async move {
            ours.checkout(user, intended, permit).await;
            ours.asking.fetch_sub(1, Ordering::SeqCst);
        }));
    }
}

/// Waits until every order is fulfilled and every mail sent; how many. Looks only at what is still to
/// be done, which partial indexes know, so that the wait costs the same however old the shop is.
async fn wait_for_mail(run: &Run) -> anyhow::Result<u64> {
    let ports = &run.ground.backends.ports;
    loop {
        if run.asking.load(Ordering::SeqCst) > 0 {
            ports.clock.sleep(Duration::from_millis(5)).await;
            continue;
        }
        let left = crate::ports::store::query(
            ports.store.as_ref(),
            "select exists (select 1 from outbox_events where published = 'N'),
               exists (select 1 from orders where deadline is not null),
               exists (select 1 from notifications where next_attempt_at is not null)",
            vec![],
        );
        let left = left.await?;
        let unread: u64 = ports.bus.groups().await?.iter().map(|group| group.lag).sum();
        if (left[0].int(0)?, left[0].int(1)?, left[0].int(2)?, unread) == (0, 0, 0, 0) {
            ports.store.durable().await?;
            return Ok(run.placed.load(Ordering::Relaxed));
        }
        ports.clock.sleep(Duration::from_millis(20)).await;
    }
}
