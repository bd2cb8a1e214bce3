//! A run in real time: against a shop of our own in this process, or against somebody else's.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::check::{self, Evidence, REQUIRED_OF_RUNS, Sources, Verdict};
use super::lab::wire::{Target, WireClient};
use super::lab::{self, Crowd, Workload};
use super::report::{Backend, Mode, Parts, Report};
use crate::app::embedded::Environment;
use crate::app::folder::{self, ServerNote, ThrowAway};
use crate::app::shop::Listener;
use crate::app::{Backends, DataFolder, Office, Ports, Remains, Settings, Shop, SystemClock};
use crate::http::listen;
use crate::ops::api::Pace;
use crate::ops::local::{Ground, LocalOps};
use crate::ports::store::{Store, query};
use crate::ports::{Clock, EventBus};

/// The clients' history within a data folder.
pub const HISTORY: &str = "history.jsonl";
/// How long the shop may take for nothing at all while it drains.
const DRAIN_PATIENCE: Duration = Duration::from_mins(1);
/// How long an order is followed: past its deadlines, a shopper has given up.
const FOLLOW_MAX: Duration = Duration::from_mins(2);

/// What a run is made of.
pub struct Plan {
    /// How people behave.
    pub workload: Workload,
    /// How the shop is set.
    pub settings: Settings,
    /// Keep the data in this folder; none: a throw-away one.
    pub data: Option<PathBuf>,
    /// Somebody else's shop; none: our own.
    pub target: Option<Target>,
    /// Keep a throw-away folder.
    pub keep: bool,
    /// The command that repeats it.
    pub replay: String,
}

/// What a run is doing, for whoever watches.
#[derive(Clone, Default)]
pub struct Watch {
    inner: Arc<Mutex<Watched>>,
}

#[derive(Default)]
struct Watched {
    phase: &'static str,
    crowd: Option<Arc<Crowd>>,
    waiting: u64,
    folder: Option<PathBuf>,
}

impl Watch {
    fn opened(&self, folder: &Path) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).folder = Some(folder.to_owned());
    }

    /// The folder of the run's own shop, once it is open.
    pub fn folder(&self) -> Option<PathBuf> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).folder.clone()
    }

    fn phase(&self, phase: &'static str) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).phase = phase;
    }

    fn crowd(&self, crowd: &Arc<Crowd>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).crowd = Some(Arc::clone(crowd));
    }

    fn waiting(&self, waiting: u64) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).waiting = waiting;
    }

    /// The phase, the crowd if it is in, and what the shop still has to do.
    pub fn look(&self) -> (&'static str, Option<Arc<Crowd>>, u64) {
        let watched = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (watched.phase, watched.crowd.clone(), watched.waiting)
    }
}

/// Runs, drains, checks and reports.
pub async fn run(plan: Plan, watch: &Watch) -> anyhow::Result<Report> {
    match plan.target.clone() {
        Some(target) => against(plan, target, watch).await,
        None => own(plan, watch).await,
    }
}

async fn own(plan: Plan, watch: &Watch) -> anyhow::Result<Report> {
    watch.phase("starting the shop");
    let mut throw_away = None;
    let path = if let Some(path) = &plan.data {
        path.clone()
    } else {
        let now = SystemClock::default().now().millis();
        let name = format!("ecom-simulate-{}-{now}", std::process::id());
        throw_away.insert(ThrowAway::new(&name)?).path().to_owned()
    };
    let mut settings = plan.settings.clone();
    settings.keep_in(&path);
    let (crowd, duration_ms) = shop_in(&path, &plan, watch).await?;
    watch.phase("checking");
    // After those of earlier runs into the same folder: the orders that they were told of are there.
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path.join(HISTORY));
    file.and_then(|mut file| file.write_all(crowd.history.to_lines().as_bytes()))
        .context("cannot write the history")?;
    let (evidence, verdict) = judge(&settings, &path, REQUIRED_OF_RUNS).await?;
    let parts = Parts {
        mode: Mode::Live,
        backend: Backend::of(&settings),
        workload: Some(plan.workload),
        begun: crowd.history.begun().unwrap_or(i64::MAX),
        duration_ms,
        trace_hash: None,
        replay: plan.replay,
    };
    let mut report = Report::new(parts, &crowd.stats, &evidence, verdict);
    if plan.keep || plan.data.is_some() || !report.passed() {
        report.data = Some(path.display().to_string());
        throw_away.iter_mut().for_each(ThrowAway::keep);
    }
    Ok(report)
}

/// Runs a shop in `path`, lets the crowd in, and waits until nothing is left to do; the crowd and how
/// many milliseconds it took.
async fn shop_in(path: &Path, plan: &Plan, watch: &Watch) -> anyhow::Result<(Arc<Crowd>, u64)> {
    let env = Environment::system();
    let clock = Arc::clone(&env.clock);
    let owned = DataFolder::open(path)?;
    let Backends { ports, embedded, .. } =
        Backends::open(Some(&owned), &plan.settings, env).await?;
    let noted = ports.note_start().await?;
    let shop = Shop::build(&plan.settings, ports.clone(), |ports| ports);
    shop.create_topics().await?;
    shop.start().await?;
    shop.seed_catalogue().await?;
    let bound = listen::bind(std::net::Ipv4Addr::LOCALHOST.into(), 0).await?;
    let address = format!("http://{}", bound.address);
    let token = folder::new_token();
    let ground = Ground::of_shop(shop.ports(), embedded.console.store(), true);
    let office = Office::seeing(&shop, &plan.settings, &embedded);
    let ops = LocalOps::new(ground).with_dials(embedded.dials.clone()).with_office(office);
    let ops = Arc::new(ops);
    let admin = crate::ops::api::routes(ops, token.clone(), Pace::of(&shop));
    shop.listen(Listener::Gateway, bound, admin);
    owned.leave_note(&ServerNote { pid: std::process::id(), address: address.clone(), token })?;
    watch.opened(path);
    settle(&ports, watch).await?;

    let started = clock.elapsed();
    let client = Arc::new(WireClient::new(Target::gateway(&address)));
    let spawn = Arc::clone(&ports.spawn);
    let workload = plan.workload.clone();
    let crowd = Arc::new(Crowd::new(workload, client, Arc::clone(&clock), spawn, FOLLOW_MAX));
    watch.crowd(&crowd);
    watch.phase("shopping");
    lab::run(&crowd).await.map_err(|e| anyhow!("the shop does not answer: {e}"))?;
    watch.phase("draining");
    settle(&ports, watch).await?;
    let duration_ms = clock.elapsed().saturating_sub(started).as_millis() as u64;
    let late = shop.drain(Duration::from_secs(10)).await;
    if !late.is_empty() {
        tracing::warn!(parts = late.join(", "), "not finished in time");
    }
    owned.take_note_away();
    ports.note_end(noted).await?;
    embedded.close();
    Ok((crowd, duration_ms))
}

async fn settle(ports: &Ports, watch: &Watch) -> anyhow::Result<()> {
    let settling = Settling { store: ports.store.as_ref(), bus: Some(ports.bus.as_ref()) };
    settling.wait(ports.clock.as_ref(), DRAIN_PATIENCE, |waiting| watch.waiting(waiting)).await
}

/// Between two looks at what is left to do.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What the shop still has to do: unpublished events, open orders, charges, refunds and mails.
const TO_DO: &str = "select
   (select count(*) from outbox_events where published = 'N'),
   (select count(*) from orders where deadline is not null),
   (select count(*) from checkouts) - (select count(*) from orders),
   (select count(*) from payments where next_attempt_at is not null),
   (select count(*) from notifications where next_attempt_at is not null)";

/// What a shop still has to do, seen in its tables and, where it can be reached, on its bus.
pub struct Settling<'a> {
    /// The tables.
    pub store: &'a dyn Store,
    /// The bus.
    pub bus: Option<&'a dyn EventBus>,
}

impl Settling<'_> {
    async fn to_do(&self) -> anyhow::Result<u64> {
        let rows = query(self.store, TO_DO, vec![]).await?;
        let row = rows.first().context("no answer")?;
        let mut sum = 0;
        for at in 0..5 {
            sum += row.int(at)?.max(0) as u64;
        }
        if let Some(bus) = self.bus {
            sum += bus.groups().await?.iter().map(|group| group.lag).sum::<u64>();
        }
        Ok(sum)
    }

    /// Waits until nothing is left to do; gives up when nothing has moved for `patience`: the checker
    /// will say what is stuck.
    pub async fn wait(
        &self,
        clock: &dyn Clock,
        patience: Duration,
        show: impl Fn(u64),
    ) -> anyhow::Result<()> {
        let mut last = (u64::MAX, clock.elapsed());
        loop {
            // A server that is away now and then has as long as everything else.
            let waiting = self.to_do().await;
            let still = clock.elapsed().saturating_sub(last.1);
            let waiting = match waiting {
                Ok(waiting) => waiting,
                Err(e) if still > patience => return Err(e),
                Err(_) => {
                    clock.sleep(LOOK_AGAIN).await;
                    continue;
                }
            };
            show(waiting);
            if waiting != last.0 {
                last = (waiting, clock.elapsed());
            }
            let still = clock.elapsed().saturating_sub(last.1);
            // Without the bus to ask: offsets are committed a moment after the last change shows.
            let settled = waiting == 0 && (self.bus.is_some() || still > Duration::from_secs(2));
            if settled || still > patience {
                return Ok(());
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }
}

async fn against(plan: Plan, target: Target, watch: &Watch) -> anyhow::Result<Report> {
    let env = Environment::system();
    let started = env.clock.elapsed();
    let client = Arc::new(WireClient::new(target));
    let crowd = Arc::new(Crowd::new(
        plan.workload.clone(),
        client,
        Arc::clone(&env.clock),
        Arc::clone(&env.spawn),
        FOLLOW_MAX,
    ));
    watch.crowd(&crowd);
    watch.phase("shopping");
    lab::run(&crowd).await.map_err(|e| {
        crate::sim::Unreachable(format!(
            "the target does not answer: {e}; is the shop running there?"
        ))
    })?;
    watch.phase("draining");
    let remains = remains(&plan).await?;
    if let Some(remains) = &remains {
        let settling = Settling { store: remains.shop.as_ref(), bus: remains.bus.as_deref() };
        settling.wait(env.clock.as_ref(), DRAIN_PATIENCE, |waiting| watch.waiting(waiting)).await?;
    }
    let duration_ms = env.clock.elapsed().saturating_sub(started).as_millis() as u64;
    watch.phase("checking");
    let entries = crowd.history.entries();
    let backend = if remains.is_some() { Backend::of(&plan.settings) } else { Backend::unknown() };
    let (evidence, verdict) = if let Some(remains) = remains {
        judge_with(remains, Some(entries), REQUIRED_OF_RUNS).await?
    } else {
        let evidence = Evidence::of_history_alone(entries);
        let verdict = check::judge_history_alone(&evidence);
        (evidence, verdict)
    };
    let parts = Parts {
        mode: Mode::Target,
        backend,
        workload: Some(plan.workload),
        begun: crowd.history.begun().unwrap_or(i64::MAX),
        duration_ms,
        trace_hash: None,
        replay: plan.replay,
    };
    Ok(Report::new(parts, &crowd.stats, &evidence, verdict))
}

/// What the target leaves behind, where the plan says how to look into it.
async fn remains(plan: &Plan) -> anyhow::Result<Option<Remains>> {
    let mut settings = plan.settings.clone();
    if let Some(path) = &plan.data {
        settings.keep_in(path);
    }
    if settings.on_servers() {
        return Ok(Some(Remains::of_cluster(&settings, Arc::new(SystemClock::default())).await?));
    }
    Ok(plan.data.as_deref().map(Remains::of_folder).transpose()?)
}

/// Checks what a folder and the servers hold, with the history that lies in the folder.
pub async fn judge(
    settings: &Settings,
    path: &Path,
    required: &[check::Invariant],
) -> anyhow::Result<(Evidence, Verdict)> {
    let file = path.join(HISTORY);
    let history = match std::fs::read_to_string(&file) {
        Ok(text) => Some(
            lab::History::parse_lines(&text)
                .map_err(|e| anyhow!("{} is not a client history: {e}", file.display()))?,
        ),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", file.display())),
    };
    let remains = if settings.on_servers() {
        Remains::of_cluster(settings, Arc::new(SystemClock::default())).await?
    } else {
        Remains::of_folder(path)?
    };
    judge_with(remains, history, required).await
}

async fn judge_with(
    remains: Remains,
    history: Option<Vec<lab::history::Entry>>,
    required: &[check::Invariant],
) -> anyhow::Result<(Evidence, Verdict)> {
    let now = SystemClock::default().now().millis();
    let evidence = Evidence::read(Sources { remains, history, now }).await?;
    let verdict = check::judge(&evidence, required);
    Ok((evidence, verdict))
}
