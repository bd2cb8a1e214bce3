//! What a run says in the end: one object, published as `schemas/simulation_report.json`.

mod text;

use serde::Serialize;

use super::check::{Evidence, OrderCounts, Outcome, Verdict, timeline};
use super::lab::Workload;
use super::lab::stats::{Load, Stats};
use crate::app::Settings;
use crate::domain::closed_set::closed_set;
use crate::sim::figures::Percentiles;

/// The version of the report's shape.
pub const SCHEMA_VERSION: u32 = 1;

closed_set! {
    /// How a run was made.
    Mode {
        /// A shop of its own, over sockets, in real time.
        Live = "live",
        /// Virtual time, from a seed.
        Virtual = "virtual",
        /// Somebody else's running shop.
        Target = "target",
        /// No run: a folder was looked at.
        Verify = "verify",
    }
}

/// What the shop ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backend {
    /// The event bus.
    pub bus: String,
    /// The tables.
    pub store: String,
    /// Copies of carts.
    pub cache: String,
}

impl Backend {
    /// Everything embedded.
    pub fn embedded() -> Self {
        Self { bus: "embedded".into(), store: "sqlite".into(), cache: "memory".into() }
    }

    /// What these settings name.
    pub fn of(settings: &Settings) -> Self {
        let named = |server: &str, url: &str, embedded: &str| {
            if url.is_empty() { embedded.to_owned() } else { server.to_owned() }
        };
        Self {
            bus: named("kafka", &settings.kafka.bootstrap, "embedded"),
            store: named("postgres", &settings.postgres.url, "sqlite"),
            cache: named("redis", &settings.redis.url, "memory"),
        }
    }

    /// Whatever the target runs on.
    pub fn unknown() -> Self {
        Self { bus: "unknown".into(), store: "unknown".into(), cache: "unknown".into() }
    }
}

/// How much went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Throughput {
    /// Orders that became final, per second of the run.
    pub orders_per_s: f64,
    /// Records appended to the log since the first checkout, per second of the run.
    pub events_per_s: f64,
}

/// How long things took, in ms, from the time they were meant to start. What was given up counts with
/// the age it had.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Latencies {
    /// From the click to the answer.
    pub checkout_http: Percentiles,
    /// From the click until the shopper saw the order final.
    pub checkout_to_terminal: Percentiles,
}

/// An order that went wrong, told from all sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The order.
    pub order: String,
    /// Everything that is known of it, in the order of time.
    pub moments: Vec<timeline::Moment>,
}

/// What a run says in the end.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `simulation_report`.
    pub kind: &'static str,
    /// The version of this shape.
    pub schema_version: u32,
    /// The seed; none where nothing was random.
    pub seed: Option<u64>,
    /// How the run was made.
    pub mode: Mode,
    /// What the shop ran on.
    pub backend: Backend,
    /// Shoppers.
    pub users: u64,
    /// How people behaved; none where nobody did.
    pub workload: Option<Workload>,
    /// Milliseconds of the run, the drain included; virtual ones in a virtual run.
    pub duration_ms: u64,
    /// What was asked of the shop.
    pub load: Load,
    /// What became of the orders.
    pub orders: OrderCounts,
    /// How much went through.
    pub throughput: Throughput,
    /// How long it took.
    pub latency_ms: Latencies,
    /// What the checker says.
    pub verdict: Verdict,
    /// The orders that went wrong, if any did.
    pub stories: Vec<Story>,
    /// Same seed, same hash; virtual runs only.
    pub trace_hash: Option<String>,
    /// Where the run's data is, if it was kept.
    pub data: Option<String>,
    /// The command that repeats it.
    pub replay: String,
}

/// Stories told in one report.
const STORIES_MAX: usize = 3;

/// What a report is made of.
pub struct Parts {
    /// How the run was made.
    pub mode: Mode,
    /// What the shop ran on.
    pub backend: Backend,
    /// How people behaved.
    pub workload: Option<Workload>,
    /// When it began, in ms since the epoch: what is older is not counted.
    pub begun: i64,
    /// Milliseconds of the run.
    pub duration_ms: u64,
    /// Same seed, same hash.
    pub trace_hash: Option<String>,
    /// The command that repeats it.
    pub replay: String,
}

impl Report {
    /// A report over `evidence` and its `verdict`.
    pub fn new(parts: Parts, stats: &Stats, evidence: &Evidence, verdict: Verdict) -> Self {
        let (load, _) = stats.snapshot();
        let (checkout, terminal) = stats.histograms();
        let orders = evidence.order_counts(parts.begun);
        let seconds = parts.duration_ms.max(1) as f64 / 1_000.0;
        let rate = |n: u64| (n as f64 / seconds * 10.0).round() / 10.0;
        let throughput = Throughput {
            orders_per_s: rate(orders.fulfilled + orders.cancelled),
            events_per_s: rate(evidence.log_len(parts.begun)),
        };
        Self {
            kind: "simulation_report",
            schema_version: SCHEMA_VERSION,
            seed: parts.workload.as_ref().map(|workload| workload.seed),
            mode: parts.mode,
            backend: parts.backend,
            users: parts.workload.as_ref().map_or(0, |workload| workload.users as u64),
            workload: parts.workload,
            duration_ms: parts.duration_ms,
            load,
            orders,
            throughput,
            latency_ms: Latencies {
                checkout_http: Percentiles::of(&checkout),
                checkout_to_terminal: Percentiles::of(&terminal),
            },
            stories: stories(evidence, &verdict),
            verdict,
            trace_hash: parts.trace_hash,
            data: None,
            replay: parts.replay,
        }
    }

    /// For people.
    pub fn to_text(&self) -> String {
        text::render(self)
    }

    /// Whether all was well.
    pub fn passed(&self) -> bool {
        self.verdict.result == Outcome::Pass
    }
}

fn stories(evidence: &Evidence, verdict: &Verdict) -> Vec<Story> {
    let mut stories: Vec<Story> = vec![];
    for violation in verdict.failed().flat_map(|check| &check.examples) {
        let told = stories.iter().any(|story| story.order == violation.subject);
        if told || !violation.subject.starts_with("ORD-") || stories.len() >= STORIES_MAX {
            continue;
        }
        let moments = timeline::of_order(evidence, &violation.subject);
        stories.push(Story { order: violation.subject.clone(), moments });
    }
    stories
}
