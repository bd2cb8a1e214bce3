//! Measuring the shop: what the bars of the project are held against. Not for tests.

pub mod bus;
pub mod floor;
pub mod ground;
pub mod growth;
pub mod letters;
pub mod process;
pub mod roles;
pub mod saga;

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::app::Settings;
use crate::domain::closed_set::closed_set;
use ground::Ground;
use saga::{SagaFigures, SagaPlan, Via};

closed_set! {
    /// What can be measured.
    Bench {
        /// What the machine itself can do.
        Floor = "floor",
        /// Orders per second through the whole saga, in this process.
        Saga = "saga",
        /// The same through HTTP sockets.
        Http = "http",
        /// How long one order takes at 300 orders per second; on real servers at 50.
        Latency = "latency",
        /// A thousand orders at once.
        Burst = "burst",
        /// The event bus alone.
        Bus = "bus",
        /// Whether the millionth order is as fast as the first.
        Growth = "growth",
        /// `ecom simulate --users 10000`.
        Simulate = "simulate",
        /// An hour of 10,000 shoppers in virtual time.
        Virtual = "virtual",
        /// What a shop without customers costs.
        Idle = "idle",
        /// How long a shop with a million events takes to be ready.
        Start = "start",
        /// One order through six processes on real servers.
        Roles = "roles",
        /// The same six, all killed at once, until orders go through as before.
        Recovery = "recovery",
        /// A million dead letters on a cluster, summed up and sent back.
        Dlq = "dlq",
    }
}

impl Bench {
    /// Those that are run when none is named: all that need no servers and take a minute or two.
    pub fn usual() -> impl Iterator<Item = Self> {
        let unusual = [Self::Growth, Self::Roles, Self::Recovery, Self::Dlq];
        Self::ALL.iter().copied().filter(move |bench| !unusual.contains(bench))
    }
}

/// Orders of a burst.
const BURST: usize = 1_000;

/// How much is done.
#[derive(Debug, Clone, Serialize)]
pub struct Options {
    /// How long orders are placed, in seconds.
    pub seconds: u64,
    /// Orders under way at most.
    pub in_flight: usize,
    /// Orders of `growth`.
    pub orders: usize,
    /// Events in the folder of `start`; letters of `dlq`.
    pub events: usize,
}

/// What a figure must be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// In words.
    pub text: String,
    /// The figure.
    pub value: f64,
    /// Whether it is what it must be.
    pub met: bool,
}

impl Bar {
    fn at_least(what: &str, unit: &str, value: f64, bar: f64) -> Self {
        Self { text: format!("{what} ≥ {bar} {unit}"), value: round(value), met: value >= bar }
    }

    fn at_most(what: &str, unit: &str, value: f64, bar: f64) -> Self {
        Self { text: format!("{what} ≤ {bar} {unit}"), value: round(value), met: value <= bar }
    }
}

/// To three digits after the point.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Which.
    pub name: Bench,
    /// How it was made.
    pub settings: Json,
    /// What came out.
    pub figures: Json,
    /// What that must be.
    pub bars: Vec<Bar>,
}

impl Measured {
    fn new(
        name: Bench,
        settings: &impl Serialize,
        figures: &impl Serialize,
        bars: Vec<Bar>,
    ) -> Self {
        let json = |value: serde_json::Result<Json>| value.expect("figures are plain data");
        let (settings, figures) = (serde_json::to_value(settings), serde_json::to_value(figures));
        Self { name, settings: json(settings), figures: json(figures), bars }
    }
}

/// Measures one thing.
pub async fn run(bench: Bench, settings: &Settings, options: &Options) -> anyhow::Result<Measured> {
    let servers = !(settings.kafka.bootstrap.is_empty() && settings.postgres.url.is_empty());
    let mut plan = SagaPlan::new(options.seconds, options.in_flight, servers);
    Ok(match bench {
        Bench::Floor => {
            let figures = floor::measure(settings).await?;
            Measured::new(bench, &json!({}), &figures, vec![])
        }
        Bench::Saga => {
            let figures = on_ground(settings, &plan).await?;
            let bar = if servers { 1_000.0 } else { 3_000.0 };
            let bar = Bar::at_least("orders_per_s", "orders/s", figures.orders_per_s, bar);
            Measured::new(bench, &plan, &figures, vec![bar])
        }
        Bench::Http => {
            plan.via = Via::Sockets;
            plan.in_flight = plan.in_flight.min(256);
            let figures = on_ground(settings, &plan).await?;
            let bar = Bar::at_least("orders_per_s", "orders/s", figures.orders_per_s, 1_500.0);
            Measured::new(bench, &plan, &figures, vec![bar])
        }
        Bench::Latency => {
            let rate = if servers { 50 } else { 300 };
            plan.rate = Some(rate);
            plan.carts = (rate * options.seconds) as usize;
            let figures = on_ground(settings, &plan).await?;
            let allowed = figures.fsync_ms_p50.map_or(150.0, |fsync| (25.0 * fsync).max(60.0));
            let bar = Bar::at_most("fulfilled_ms.p99", "ms", figures.fulfilled_ms.p99, allowed);
            Measured::new(bench, &plan, &figures, vec![bar])
        }
        Bench::Burst => {
            (plan.carts, plan.in_flight) = (BURST, BURST);
            let figures = on_ground(settings, &plan).await?;
            let bar = Bar::at_most("seconds", "s", figures.seconds, 2.0);
            Measured::new(bench, &plan, &figures, vec![bar])
        }
        Bench::Bus => {
            let figures = bus::measure(settings).await?;
            Measured::new(bench, &json!({ "record_bytes": bus::RECORD_BYTES }), &figures, vec![])
        }
        Bench::Growth => growth::measure(settings, options).await?,
        Bench::Simulate => process::simulate()?,
        Bench::Virtual => process::virtual_hour()?,
        Bench::Idle => process::idle()?,
        Bench::Start => process::start(settings, options.events).await?,
        Bench::Roles => roles::order(settings).await?,
        Bench::Recovery => roles::recovery(settings).await?,
        Bench::Dlq => letters::measure(settings, options.events).await?,
    })
}

async fn on_ground(settings: &Settings, plan: &SagaPlan) -> anyhow::Result<SagaFigures> {
    let ground = Arc::new(Ground::prepare(settings.clone()).await?);
    let figures = saga::measure(Arc::clone(&ground), plan).await;
    ground.sweep().await?;
    figures
}
