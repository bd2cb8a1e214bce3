//! What `ecom` costs as a process of its own: time, memory, and what it burns when nothing happens.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Bar, Bench, Measured};
use crate::app::embedded::Environment;
use crate::app::folder::ThrowAway;
use crate::app::{DataFolder, Embedded, Settings, Shop, SystemClock};
use crate::ports::Clock;
use crate::ports::bus::NewRecord;

/// How long an idle shop is watched, after it has come to rest.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// A shop comes to rest within this after its start.
const REST_AFTER: Duration = Duration::from_secs(3);

/// This program.
pub(super) fn ecom() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe().context("where is this program?")?))
}

/// `VmHWM` or `VmRSS` of a process, in MiB; none once it has ended.
fn memory_mib(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 102.4).round() / 10.0)
}

/// CPU time of a process so far: clock ticks of user and system together, 100 per second on Linux.
fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let field =
        |n: usize| after_name.split_whitespace().nth(n).and_then(|ticks| ticks.parse::<f64>().ok());
    let ticks = field(11).zip(field(12)).map(|(user, system)| user + system);
    Ok(ticks.context("the kernel does not say")? / 100.0)
}

/// What a run took.
pub(super) struct RunFigures {
    /// From start to exit, in seconds.
    pub(super) seconds: f64,
    /// The most memory, in MiB.
    pub(super) memory_mib_max: f64,
    /// The JSON that it printed.
    pub(super) printed: Json,
}

#[derive(Debug, Serialize)]
struct SimulationFigures {
    /// From start to exit, in seconds.
    seconds: f64,
    /// The most memory, in MiB.
    memory_mib_max: f64,
    /// What the run says of itself.
    report: Json,
}

impl From<RunFigures> for SimulationFigures {
    fn from(run: RunFigures) -> Self {
        let RunFigures { seconds, memory_mib_max, printed } = run;
        let report = json!({
            "orders": printed["orders"], "latency_ms": printed["latency_ms"],
            "verdict": printed["verdict"]["result"], "throughput": printed["throughput"],
            "trace_hash": printed["trace_hash"],
        });
        Self { seconds, memory_mib_max, report }
    }
}

/// Runs `ecom` with these arguments and variables to its end and watches its memory.
pub(super) fn watched(args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<RunFigures> {
    let clock = SystemClock::default();
    let mut command = ecom()?;
    command.args(args).envs(env.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let pid = child.id();
    let ended = Arc::new(AtomicBool::new(false));
    let watch = {
        let ended = Arc::clone(&ended);
        std::thread::Builder::new().spawn(move || {
            let mut most = 0.0_f64;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(memory_mib(pid, "VmHWM").unwrap_or(0.0));
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        })?
    };
    let mut text = String::new();
    child.stdout.take().context("no stdout")?.read_to_string(&mut text)?;
    ended.store(true, Ordering::Relaxed);
    let memory_mib_max = watch.join().map_err(|_| anyhow!("the watch failed"))?;
    let status = child.wait()?;
    let seconds = (clock.elapsed().as_secs_f64() * 100.0).round() / 100.0;
    ensure!(status.success(), "`ecom {}` ended with {status}", args.join(" "));
    let printed = serde_json::from_str(&text).context("no report")?;
    Ok(RunFigures { seconds, memory_mib_max, printed })
}

pub(super) fn simulate() -> anyhow::Result<Measured> {
    let args = ["simulate", "--users", "10000", "-o", "json"];
    let figures = SimulationFigures::from(watched(&args, &[])?);
    let bars = vec![
        Bar::at_most("seconds", "s", figures.seconds, 90.0),
        Bar::at_most("memory_mib_max", "MiB", figures.memory_mib_max, 500.0),
    ];
    Ok(Measured::new(Bench::Simulate, &args, &figures, bars))
}

pub(super) fn virtual_hour() -> anyhow::Result<Measured> {
    let args = [
        "simulate",
        "--virtual",
        "--users",
        "10000",
        "--duration",
        "1h",
        "--think-scale",
        "1",
        "-o",
        "json",
    ];
    let figures = SimulationFigures::from(watched(&args, &[])?);
    let bar = Bar::at_most("seconds", "s", figures.seconds, 60.0);
    Ok(Measured::new(Bench::Virtual, &args, &figures, vec![bar]))
}

/// A served shop that is killed when dropped.
struct Serving(Child);

impl Serving {
    /// Starts it; how long until it said that it is ready.
    fn start(data: &Path) -> anyhow::Result<(Self, Duration)> {
        let clock = SystemClock::default();
        let child = ecom()?
            .args(["serve", "--port-base", "0", "--log-level", "error", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut serving = Self(child);
        let mut line = String::new();
        let stdout = serving.0.stdout.take().context("no stdout")?;
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.contains("http://"), "the shop did not get ready");
        Ok((serving, clock.elapsed()))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Serialize)]
struct IdleFigures {
    /// Share of one core, in percent.
    cpu_percent: f64,
    memory_mib: f64,
}

pub(super) fn idle() -> anyhow::Result<Measured> {
    let folder = ThrowAway::new(&format!("ecom-bench-idle-{}", std::process::id()))?;
    let (serving, _) = Serving::start(folder.path())?;
    let pid = serving.0.id();
    std::thread::sleep(REST_AFTER);
    let (cpu, clock) = (cpu_seconds(pid)?, SystemClock::default());
    std::thread::sleep(IDLE_FOR);
    let cpu = cpu_seconds(pid)? - cpu;
    let figures = IdleFigures {
        cpu_percent: (cpu / clock.elapsed().as_secs_f64() * 10_000.0).round() / 100.0,
        memory_mib: memory_mib(pid, "VmRSS").context("the shop has ended")?,
    };
    let bars = vec![
        Bar::at_most("cpu_percent", "%", figures.cpu_percent, 1.0),
        Bar::at_most("memory_mib", "MiB", figures.memory_mib, 100.0),
    ];
    Ok(Measured::new(Bench::Idle, &json!({ "seconds": IDLE_FOR.as_secs() }), &figures, bars))
}

#[derive(Serialize)]
struct StartFigures {
    /// From start to the ready line, in seconds.
    ready_s: f64,
    disk_mib: u64,
}

/// A folder with that many events on a topic that nobody reads, and a start on it.
pub(super) async fn start(settings: &Settings, events: usize) -> anyhow::Result<Measured> {
    let folder = ThrowAway::new(&format!("ecom-bench-start-{}", std::process::id()))?;
    fill(settings, folder.path(), events).await?;
    let size =
        |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |meta| meta.len());
    let disk_mib = (size("shop.db") + size("shop.db-wal")) >> 20;
    let (_serving, ready) = Serving::start(folder.path())?;
    let figures =
        StartFigures { ready_s: (ready.as_secs_f64() * 1_000.0).round() / 1_000.0, disk_mib };
    let bar = Bar::at_most("ready_s", "s", figures.ready_s, 2.0);
    Ok(Measured::new(Bench::Start, &json!({ "events": events }), &figures, vec![bar]))
}

async fn fill(settings: &Settings, folder: &Path, events: usize) -> anyhow::Result<()> {
    let owned = DataFolder::open(folder)?;
    let embedded = Embedded::open(&owned, settings, Environment::system())?;
    let shop = Shop::build(settings, embedded.ports.clone(), |ports| ports);
    shop.create_topics().await?;
    let body = format!(r#"{{"event_type":"user.interaction","filler":"{}"}}"#, "x".repeat(350));
    for batch in 0..events.div_ceil(1_000) {
        let record = |n: usize| NewRecord {
            topic: "user.interaction".into(),
            partition: None,
            key: Some(format!("user-{}", batch * 1_000 + n).into()),
            headers: vec![],
            value: Some(body.clone().into()),
        };
        embedded.ports.bus.publish((0..1_000).map(record).collect()).await?;
    }
    embedded.ports.store.durable().await?;
    embedded.close();
    Ok(())
}
