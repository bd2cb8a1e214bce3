//! A world in virtual time: a shop in memory, a crowd, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use utoipa_axum::router::OpenApiRouter;

use super::clock::VirtualClock;
use super::executor::Executor;
use super::routes::RouterClient;
use super::sched::{self, Scheduler};
use super::trace::{Difference, Trace};
use crate::app::embedded::Environment;
use crate::app::shop::Listener;
use crate::app::{Embedded, Ports, Settings, Shop};
use crate::ports::{Clock, Randomness};
use crate::sim::check::{self, Evidence, REQUIRED_OF_RUNS, Sources};
use crate::sim::lab::{self, Crowd, Workload};
use crate::sim::live::Settling;
use crate::sim::report::{Backend, Mode, Parts, Report};

/// How long an order is followed, in virtual time: past all deadlines.
const FOLLOW_MAX: Duration = Duration::from_mins(30);

/// What a run is made of.
#[derive(Clone)]
pub struct Plan {
    /// How people behave; its seed decides everything.
    pub workload: Workload,
    /// How the shop is set.
    pub settings: Settings,
    /// The command that repeats it.
    pub replay: String,
}

/// What came of a run.
pub struct Ran {
    /// The report.
    pub report: Report,
    /// What happened.
    pub trace: Trace,
}

/// A world: its time, its tasks, and the databases that survive a crash of the shop.
pub struct World {
    /// Its tasks.
    pub executor: Executor,
    /// Its time.
    pub clock: VirtualClock,
    /// The adapters.
    pub embedded: Arc<Embedded>,
    /// Who runs when.
    pub scheduler: Scheduler,
    /// What happened.
    pub trace: Trace,
    settings: Settings,
}

impl World {
    /// An empty world.
    pub fn new(settings: &Settings, seed: u64, trace: Trace) -> anyhow::Result<Self> {
        let randomness = Randomness::seeded(seed);
        let clock = VirtualClock::default();
        let executor = Executor::new(clock.clone(), randomness.stream("executor"), trace.clone());
        let env = Environment {
            clock: Arc::new(clock.clone()),
            randomness: randomness.clone(),
            spawn: executor.spawner(),
        };
        let embedded = Arc::new(Embedded::in_memory(settings, env)?);
        let scheduler = Scheduler::new(randomness.stream("scheduler"));
        Ok(Self { executor, clock, embedded, scheduler, trace, settings: settings.clone() })
    }

    /// A shop in this world that is not running yet; `wrap` puts more decorators around its ports.
    pub fn shop(&self, wrap: impl FnOnce(Ports) -> Ports) -> Arc<Shop> {
        let ports = self.embedded.ports.clone();
        let (scheduler, trace) = (&self.scheduler, &self.trace);
        Arc::new(Shop::build(&self.settings, ports, |ports| {
            wrap(sched::wrap(ports, scheduler, trace))
        }))
    }

    /// A client of `shop`.
    pub fn client(&self, shop: &Shop) -> Arc<RouterClient> {
        let router = shop.router(Listener::Gateway, OpenApiRouter::new());
        Arc::new(RouterClient::new(router, self.scheduler.clone(), self.trace.clone()))
    }

    /// Runs `work` in this world; an error if everything stands still before it is done.
    pub fn run<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let done = self.executor.run(work);
        done.ok_or_else(|| anyhow!("everybody waits for somebody else, and nobody for a time"))
    }

    /// Waits until the shop has nothing left to do.
    pub async fn settle(embedded: Arc<Embedded>) -> anyhow::Result<()> {
        let settling = Settling {
            store: embedded.ports.store.as_ref(),
            bus: Some(embedded.ports.bus.as_ref()),
        };
        settling.wait(embedded.ports.clock.as_ref(), Duration::from_hours(1), |_| {}).await
    }

    /// Everything that is left behind.
    pub async fn evidence(
        embedded: Arc<Embedded>,
        history: Option<Vec<lab::history::Entry>>,
    ) -> anyhow::Result<Evidence> {
        let now = embedded.ports.clock.now().millis();
        Evidence::read(Sources { remains: embedded.remains(), history, now }).await
    }
}

/// Runs, drains, checks and reports.
pub fn run(plan: Plan, trace: Trace) -> anyhow::Result<Ran> {
    let mut world = World::new(&plan.settings, plan.workload.seed, trace.clone())?;
    let shop = world.shop(|ports| ports);
    let client = world.client(&shop);
    let (embedded, clock) = (Arc::clone(&world.embedded), Arc::new(world.clock.clone()));
    let spawn = world.executor.spawner();
    let workload = plan.workload.clone();
    let (crowd, evidence, duration_ms) = world.run(async move {
        let noted = embedded.ports.note_start().await?;
        shop.create_topics().await?;
        shop.start().await?;
        shop.seed_catalogue().await?;
        World::settle(Arc::clone(&embedded)).await?;
        let started = clock.elapsed();
        let crowd =
            Arc::new(Crowd::new(workload, client, Arc::clone(&clock) as _, spawn, FOLLOW_MAX));
        lab::run(&crowd).await.context("the shop does not answer")?;
        World::settle(Arc::clone(&embedded)).await?;
        let duration_ms = clock.elapsed().saturating_sub(started).as_millis() as u64;
        embedded.ports.note_end(noted).await?;
        let evidence = World::evidence(embedded, Some(crowd.history.entries())).await?;
        anyhow::Ok((crowd, evidence, duration_ms))
    })??;
    let verdict = check::judge(&evidence, REQUIRED_OF_RUNS);
    let parts = Parts {
        mode: Mode::Virtual,
        backend: Backend {
            bus: "embedded".into(),
            store: "sqlite in memory".into(),
            cache: "memory".into(),
        },
        workload: Some(plan.workload),
        begun: crowd.history.begun().unwrap_or(i64::MAX),
        duration_ms,
        trace_hash: Some(trace.hash()),
        replay: plan.replay,
    };
    let report = Report::new(parts, &crowd.stats, &evidence, verdict);
    Ok(Ran { report, trace })
}

/// Runs twice; the first run, and where the second differs, if it does.
pub fn compare(plan: &Plan) -> anyhow::Result<(Ran, Option<Difference>)> {
    let first = run(plan.clone(), Trace::keeping())?;
    let second = run(plan.clone(), Trace::keeping())?;
    let difference = first.trace.difference(&second.trace);
    if difference.is_none() && first.trace.hash() != second.trace.hash() {
        bail!("two runs have other hashes, but the same steps");
    }
    Ok((first, difference))
}
