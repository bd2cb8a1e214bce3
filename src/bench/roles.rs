//! The shop as six processes on real servers: how long one order takes through all of them, and how long
//! they need after all were killed at once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use futures::future::join_all;
use serde::Serialize;
use serde_json::json;

use super::process::ecom;
use super::{Bar, Bench, Measured, round};
use crate::app::embedded::Environment;
use crate::app::folder::ThrowAway;
use crate::app::{Corner, Settings, backends};
use crate::ports::bus::EventBus;
use crate::ports::spawn::Task;
use crate::sim::figures::{Percentiles, micros_histogram};
use crate::sim::lab::client::{Call, Client};
use crate::sim::lab::wire::{Target, WireClient};

/// What each process does; the first makes topics and tables.
const EACH: [&str; 6] =
    ["gateway,catalog", "cart", "order", "payment", "inventory", "notification"];
/// Products that are bought in turns: more units of each than are wanted.
const PRODUCTS: usize = 100;
/// Where a fulfilled order is told of.
const TOLD: &str = "notification.send";
/// Orders before those that are measured.
const WARM_UP: usize = 100;
/// Orders that are measured.
const ORDERS: usize = 300;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);
/// A look at what the bus has told.
const LOOK: Duration = Duration::from_millis(1);

/// Six processes in a corner of their own, all killed when dropped.
struct Fleet {
    members: Vec<Child>,
    env: Vec<(&'static str, String)>,
    folder: ThrowAway,
    gateway: String,
    world: Environment,
    fulfilled: Arc<Mutex<BTreeMap<String, Duration>>>,
    follower: Option<Task>,
}

impl Fleet {
    /// Starts it; the corner is to be swept afterwards.
    async fn start(settings: &Settings) -> anyhow::Result<(Self, Corner)> {
        ensure!(
            !settings.kafka.bootstrap.is_empty() && !settings.postgres.url.is_empty(),
            "processes share real servers: name them with --kafka and --postgres"
        );
        let world = Environment::system();
        let name = format!("ecom-roles-{}-{}", std::process::id(), world.clock.now().millis());
        let folder = ThrowAway::new(&name)?;
        let mut settings = settings.clone();
        let corner = Corner::claim(&mut settings, &name, world.clock.as_ref()).await?;
        let env = [
            ("ECOM_KAFKA_BOOTSTRAP", settings.kafka.bootstrap.clone()),
            ("ECOM_KAFKA_PREFIX", settings.kafka.prefix.clone()),
            ("ECOM_POSTGRES_URL", settings.postgres.url.to_string()),
            ("ECOM_REDIS_URL", settings.redis.url.to_string()),
            ("ECOM_REDIS_PREFIX", settings.redis.prefix.clone()),
            ("ECOM_POSTGRES_CONNECTIONS", "6".into()),
            ("ECOM_SERVE_PRODUCTS", PRODUCTS.to_string()),
            // A provider that takes every charge at once.
            ("ECOM_GATEWAY_SUCCESS", "1".into()),
            ("ECOM_GATEWAY_AMBIGUOUS", "0".into()),
            ("ECOM_GATEWAY_LATENCY_MS_P50", "0".into()),
            ("ECOM_GATEWAY_LATENCY_MS_P99", "0".into()),
            ("ECOM_LOG_LEVEL", "error".into()),
        ];
        let mut fleet = Self {
            members: vec![],
            env: env.into(),
            folder,
            gateway: String::new(),
            world,
            fulfilled: Arc::default(),
            follower: None,
        };
        let ran = fleet.begin(&settings).await;
        if let Err(e) = ran {
            fleet.kill();
            let _ = corner.sweep(Arc::clone(&fleet.world.clock)).await;
            return Err(e);
        }
        Ok((fleet, corner))
    }

    async fn begin(&mut self, settings: &Settings) -> anyhow::Result<()> {
        self.launch(&EACH[..1])?;
        self.launch(&EACH[1..])?;
        let bus = backends::kafka(settings, Arc::clone(&self.world.clock)).await?;
        let mut told = bus.subscribe("ecom-bench", &[TOLD]).await?;
        let (fulfilled, clock) = (Arc::clone(&self.fulfilled), Arc::clone(&self.world.clock));
        let follow = async move {
            while let Ok(records) = told.poll(1_000).await {
                let now = clock.elapsed();
                let mut fulfilled = lock(&fulfilled);
                for record in records {
                    let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
                    fulfilled.entry(key.into_owned()).or_insert(now);
                }
            }
        };
        self.follower = Some(Task::start(self.world.spawn.as_ref(), Box::pin(follow)));
        let (client, began) = (self.client(), self.now());
        while fill_cart(&client, usize::MAX).await.is_err() {
            ensure!(self.now() < began + PATIENCE, "nothing comes on sale");
            self.world.clock.sleep(LOOK * 100).await;
        }
        Ok(())
    }

    /// Starts these, and waits until each says that it is ready.
    fn launch(&mut self, each: &[&str]) -> anyhow::Result<()> {
        let mut fresh = vec![];
        for roles in each {
            let mut child = ecom()?
                .args(["serve", "--port-base", "0", "--only", roles, "--data"])
                .arg(self.folder.path().join(roles))
                .envs(self.env.iter().map(|(name, value)| (*name, value.as_str())))
                .env("ECOM_SERVE_INSTANCE", roles)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            fresh.push((child.stdout.take(), roles));
            self.members.push(child);
        }
        for (stdout, roles) in fresh {
            let mut line = String::new();
            BufReader::new(stdout.context("no stdout")?).read_line(&mut line)?;
            ensure!(line.contains("is ready"), "`ecom serve --only {roles}` did not get ready");
            if *roles == EACH[0] {
                let address = line.split_whitespace().find(|word| word.starts_with("http://"));
                address.context("a gateway has an address")?.clone_into(&mut self.gateway);
            }
        }
        Ok(())
    }

    /// `kill -9` of every process.
    fn kill(&mut self) {
        for child in &mut self.members {
            let _ = child.kill();
        }
        for mut child in self.members.drain(..) {
            let _ = child.wait();
        }
    }

    fn client(&self) -> WireClient {
        WireClient::new(Target::gateway(&self.gateway))
    }

    fn now(&self) -> Duration {
        self.world.clock.elapsed()
    }

    /// Waits until this order is fulfilled; when it was.
    async fn fulfilled(&self, order: &str) -> anyhow::Result<Duration> {
        let began = self.now();
        loop {
            if let Some(at) = lock(&self.fulfilled).get(order) {
                return Ok(*at);
            }
            ensure!(self.now() < began + PATIENCE, "order {order} is not fulfilled");
            self.world.clock.sleep(LOOK).await;
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.kill();
        self.follower.iter().for_each(Task::abort);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What shopper `n` buys, in the cart.
async fn fill_cart(client: &WireClient, n: usize) -> anyhow::Result<()> {
    let shelf = client.call(&Call::get(format!("/products?limit={PRODUCTS}"))).await?.json();
    let shelf = shelf["products"].as_array().or_else(|| shelf.as_array()).cloned();
    let shelf = shelf.filter(|all| !all.is_empty()).context("nothing is on sale")?;
    let item = json!({ "product_id": shelf[n % shelf.len()]["product_id"], "quantity": 1 });
    let reply =
        client.call(&Call::new("POST", format!("/cart/bench-{n}/items")).json(&item)).await?;
    ensure!(reply.is_ok(), "{}: {}", reply.status, reply.json());
    Ok(())
}

/// Checks the cart of shopper `n` out; the order.
async fn check_out(client: &WireClient, n: usize) -> anyhow::Result<String> {
    let reply = client.call(&Call::new("POST", format!("/cart/bench-{n}/checkout"))).await?;
    let body = reply.json();
    let order = body["order_id"].as_str().filter(|_| reply.is_ok());
    Ok(order.ok_or_else(|| anyhow!("{}: {body}", reply.status))?.to_owned())
}

#[derive(Serialize)]
struct OrderFigures {
    /// From the call to the answer, in ms.
    checkout_ms: Percentiles,
    /// From the call until the bus tells that the order is fulfilled, in ms.
    fulfilled_ms: Percentiles,
}

/// One order after the other through all processes.
pub(super) async fn order(settings: &Settings) -> anyhow::Result<Measured> {
    let (fleet, corner) = Fleet::start(settings).await?;
    let clock = Arc::clone(&fleet.world.clock);
    let figures = one_by_one(&fleet).await;
    drop(fleet);
    corner.sweep(clock).await?;
    let figures = figures?;
    let bar = Bar::at_most("fulfilled_ms.p50", "ms", figures.fulfilled_ms.p50, 40.0);
    let plan = json!({ "processes": EACH, "orders": ORDERS, "warm_up": WARM_UP });
    Ok(Measured::new(Bench::Roles, &plan, &figures, vec![bar]))
}

async fn one_by_one(fleet: &Fleet) -> anyhow::Result<OrderFigures> {
    let client = fleet.client();
    let (mut checkout, mut fulfilled) = (micros_histogram(), micros_histogram());
    for n in 0..WARM_UP + ORDERS {
        fill_cart(&client, n).await?;
        let began = fleet.now();
        let order = check_out(&client, n).await?;
        let answered = fleet.now().saturating_sub(began);
        let told = fleet.fulfilled(&order).await?.saturating_sub(began);
        if n >= WARM_UP {
            checkout.saturating_record(answered.as_micros() as u64);
            fulfilled.saturating_record(told.as_micros() as u64);
        }
    }
    let (checkout_ms, fulfilled_ms) = (Percentiles::of(&checkout), Percentiles::of(&fulfilled));
    Ok(OrderFigures { checkout_ms, fulfilled_ms })
}

/// Orders per second during `recovery`.
const RATE: u32 = 50;
/// How long all is well before the kill.
const BEFORE: Duration = Duration::from_secs(15);
/// The first orders of a shop that has just begun tell nothing.
const SETTLING: Duration = Duration::from_secs(5);
/// How long nobody is there.
const DOWN: Duration = Duration::from_secs(1);
/// How long orders come after all processes are started again.
const AFTER: Duration = Duration::from_secs(20);
/// An order is late from this many times the slowest of before on.
const LATE: u32 = 2;

#[derive(Serialize)]
struct RecoveryFigures {
    /// The slowest order before the kill, in ms.
    before_ms_max: f64,
    /// From the start of the last process until it said that it is ready, in seconds.
    ready_s: f64,
    /// From the start of the last process until the last order was refused, or was fulfilled late, in
    /// seconds.
    recovery_s: f64,
    /// Orders accepted, all of them fulfilled.
    orders: usize,
    /// Checkouts that came to nothing, while nobody was there.
    refused: usize,
}

/// An order that was tried.
struct Tried {
    asked: Duration,
    answered: Duration,
    /// None: it was not accepted.
    order: Option<String>,
}

/// All processes killed at once under steady load, and started again.
pub(super) async fn recovery(settings: &Settings) -> anyhow::Result<Measured> {
    let (mut fleet, corner) = Fleet::start(settings).await?;
    let clock = Arc::clone(&fleet.world.clock);
    let figures = kill_and_restart(&mut fleet).await;
    drop(fleet);
    corner.sweep(clock).await?;
    let figures = figures?;
    let bar = Bar::at_most("recovery_s", "s", figures.recovery_s, 10.0);
    let plan = json!({ "processes": EACH, "orders_per_s": RATE, "down_s": DOWN.as_secs() });
    Ok(Measured::new(Bench::Recovery, &plan, &figures, vec![bar]))
}

async fn kill_and_restart(fleet: &mut Fleet) -> anyhow::Result<RecoveryFigures> {
    let began = fleet.now();
    let mut tried = steady(fleet, 0, BEFORE).await;
    fleet.kill();
    let killed = fleet.now();
    tried.extend(steady(fleet, tried.len(), DOWN).await);
    let started = fleet.now();
    fleet.launch(&EACH)?;
    let ready = fleet.now();
    tried.extend(steady(fleet, tried.len(), AFTER).await);
    let (mut slowest, mut last, mut refused) = (Duration::ZERO, ready, 0);
    for Tried { asked, answered, order } in &tried {
        let (ended, accepted) = match order {
            Some(order) => (fleet.fulfilled(order).await?, true),
            None => (*answered, false),
        };
        let took = ended.saturating_sub(*asked);
        if ended < killed && *asked > began + SETTLING {
            slowest = slowest.max(took);
        } else if *asked > began + SETTLING && (!accepted || took > slowest * LATE) {
            last = last.max(ended);
        }
        refused += usize::from(!accepted);
    }
    let since_start = |at: Duration| round(at.saturating_sub(started).as_secs_f64());
    Ok(RecoveryFigures {
        before_ms_max: round(slowest.as_secs_f64() * 1_000.0),
        ready_s: since_start(ready),
        recovery_s: since_start(last),
        orders: tried.len() - refused,
        refused,
    })
}

/// Tries orders at a steady rate, from shopper `first` on, until each was answered.
async fn steady(fleet: &Fleet, first: usize, how_long: Duration) -> Vec<Tried> {
    let (client, began) = (fleet.client(), fleet.now());
    let count = (how_long.as_secs() * u64::from(RATE)) as usize;
    let one = |n: usize| {
        let client = &client;
        async move {
            let due = began + Duration::from_secs(1) * n as u32 / RATE;
            fleet.world.clock.sleep(due.saturating_sub(fleet.now())).await;
            let filled = fill_cart(client, first + n).await;
            let asked = fleet.now();
            let order = match filled {
                Ok(()) => check_out(client, first + n).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &order {
                tracing::debug!(%error, "not taken");
            }
            Tried { asked, answered: fleet.now(), order: order.ok() }
        }
    };
    join_all((0..count).map(one)).await
}
