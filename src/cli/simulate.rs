//! `ecom simulate`: shoppers, sellers, failing payments, and a verdict.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::exit::WithExit;
use super::output::Format;
use super::signals::Signals;
use super::tui::{LookArgs, keymap};
use super::{Exit, FlagValues, ServerArgs, output, progress, share, watched};
use crate::app::Settings;
use crate::app::config::Period;
use crate::app::system_randomness;
use crate::ports::GatewayDials;
use crate::sim::check::{Outcome, Verdict};
use crate::sim::lab::Workload;
use crate::sim::lab::wire::Target;
use crate::sim::live::{self, Plan, Watch};
use crate::sim::report::Report;
use crate::sim::virtual_time::{self, Trace};
use crate::tui::remap::Keymap;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom simulate --users 10000                     a shop of its own, half a minute of shoppers
  ecom simulate --virtual --users 10000 --duration 1h --think-scale 1 --seed 7
  ecom simulate --target http://127.0.0.1:8000 --data ~/.local/share/ecom

Exit codes: 0 PASS, 6 --max-p99 exceeded, 20 a safety invariant violated, 21 a liveness invariant
violated, 22 not deterministic, 30 nothing violated, but too little happened to tell.")]
pub(super) struct SimulateArgs {
    /// Shoppers.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    users: u64,
    /// Sellers; without it, one per 250 shoppers.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=100_000))]
    sellers: Option<u64>,
    /// Sessions start within this long.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    duration: Period,
    /// Sessions that start per second, instead of --duration.
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    rate: Option<f64>,
    /// Think times are multiplied by this; 1 is life.
    #[arg(long, default_value_t = 0.05, value_name = "FACTOR")]
    think_scale: f64,
    /// Decides everything random; without it, a new one.
    #[arg(long)]
    seed: Option<u64>,
    /// Share of payments that succeed.
    #[arg(long, default_value_t = 0.8, value_name = "SHARE", value_parser = share, conflicts_with = "target")]
    payment_success: f64,
    /// Share of payments whose answer never comes; half of those were captured.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE", value_parser = share, conflicts_with = "target")]
    ambiguous: f64,
    /// Products in the catalogue.
    #[arg(long, default_value_t = 500, value_name = "N", conflicts_with = "target")]
    products: usize,
    /// Use a running shop: http://HOST:PORT of a gateway, or seed:HOST for five services on 8001-8005.
    #[arg(long, value_name = "URL", conflicts_with_all = ["virtual_time", "check_determinism"])]
    target: Option<String>,
    /// Keep the data in this folder; with --target, the running shop's own folder, to look into.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["virtual_time", "check_determinism"])]
    data: Option<PathBuf>,
    /// Keep the throw-away folder.
    #[arg(long, conflicts_with_all = ["virtual_time", "check_determinism"])]
    keep: bool,
    /// Virtual time: the same seed gives the same run.
    #[arg(long = "virtual")]
    virtual_time: bool,
    /// Run twice in virtual time and compare.
    #[arg(long)]
    check_determinism: bool,
    /// Fail with exit code 6 if the 99th percentile of checkouts takes longer.
    #[arg(long, value_name = "TIME")]
    max_p99: Option<Period>,
    /// How the report is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Write the JSON report to this file as well.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
    /// Show the run and its shop on a full screen; anywhere but on a terminal, this changes nothing.
    #[arg(long, conflicts_with_all = ["virtual_time", "check_determinism", "quiet"])]
    tui: bool,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    servers: ServerArgs,
}

impl SimulateArgs {
    pub(super) fn flags(&self) -> FlagValues {
        let mut flags = self.servers.flags();
        flags.push(("products", "serve.products", self.products.to_string()));
        flags
    }

    fn workload(&self, seed: u64) -> Result<Workload, WithExit> {
        let usage = |text: &str| WithExit(Exit::Usage, text.to_owned());
        if !(self.think_scale.is_finite() && (0.0..=1_000.0).contains(&self.think_scale)) {
            return Err(usage("--think-scale must be between 0 and 1000"));
        }
        let arrivals = match self.rate {
            Some(rate) if rate.is_finite() && rate > 0.0 => {
                Duration::try_from_secs_f64(self.users as f64 / rate)
                    .map_err(|_| usage("--rate is too low for that many shoppers"))?
            }
            Some(_) => return Err(usage("--rate must be above 0")),
            None => self.duration.0,
        };
        let mut workload = Workload::of(self.users as usize, seed);
        workload.sellers = self.sellers.map_or(workload.sellers, |sellers| sellers as usize);
        workload.think_scale = self.think_scale;
        workload.arrivals = arrivals;
        Ok(workload)
    }

    fn settings(&self, settings: &Settings, seed: u64) -> Result<Settings, WithExit> {
        let dials = GatewayDials {
            success: self.payment_success,
            ambiguous: self.ambiguous,
            ..settings.dials()
        };
        dials.check().map_err(|e| WithExit(Exit::Usage, format!("payments: {e}")))?;
        let mut settings = settings.clone();
        settings.set_dials(&dials);
        settings.gateway.seed = seed.max(1);
        // Its ports are any free ones, which are no name.
        settings.serve.instance = format!("simulate-{}", std::process::id());
        Ok(settings)
    }

    /// The command that repeats this run.
    fn replay(&self, seed: u64) -> String {
        use std::fmt::Write;
        let mut line = format!("ecom simulate --users {} --seed {seed}", self.users);
        let mut add = |flag: &str, value: String| {
            let _ = write!(line, " --{flag} {value}");
        };
        if let Some(sellers) = self.sellers {
            add("sellers", sellers.to_string());
        }
        match self.rate {
            Some(rate) => add("rate", rate.to_string()),
            None => add("duration", format!("{}ms", self.duration.0.as_millis())),
        }
        add("think-scale", self.think_scale.to_string());
        if let Some(target) = &self.target {
            add("target", target.clone());
        } else {
            // Somebody else's shop has its own; `ecom gateway set` turns them.
            add("payment-success", self.payment_success.to_string());
            add("ambiguous", self.ambiguous.to_string());
            add("products", self.products.to_string());
        }
        if let Some(data) = &self.data {
            add("data", data.display().to_string());
        }
        if self.virtual_time || self.check_determinism {
            line.push_str(" --virtual");
        }
        line
    }
}

pub(super) fn run(args: &SimulateArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if let Some(file) = &args.out {
        // Better now than after a long run.
        write(file, "")?;
    }
    let seed = args.seed.unwrap_or_else(|| system_randomness().stream("seed").below(1 << 32));
    let workload = args.workload(seed)?;
    let keys = keymap(settings)?;
    let settings = args.settings(settings, seed)?;
    if args.virtual_time || args.check_determinism {
        return in_virtual_time(
            args,
            virtual_time::Plan { workload, settings, replay: args.replay(seed) },
        );
    }
    let target = args.target.as_deref().map(Target::parse).transpose();
    let target = target.map_err(|text| WithExit(Exit::Usage, text))?;
    let plan = Plan {
        workload,
        settings,
        data: args.data.clone(),
        target,
        keep: args.keep,
        replay: args.replay(seed),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(live(args, keys, plan))?;
    match report {
        Some(report) => finish(args, &report),
        None => Ok(Exit::Interrupted),
    }
}

fn in_virtual_time(args: &SimulateArgs, plan: virtual_time::Plan) -> anyhow::Result<Exit> {
    if !args.check_determinism {
        let ran = virtual_time::run(plan, Trace::default())?;
        return finish(args, &ran.report);
    }
    let (ran, difference) = virtual_time::compare(&plan)?;
    if let Some(difference) = difference {
        output::say(format!(
            "NOT DETERMINISTIC: the runs part at step {}\n  first:  {}\n  second: {}",
            difference.step, difference.first, difference.second
        ));
        return Ok(Exit::Nondeterminism);
    }
    output::say(format!("deterministic: two runs of {} steps are the same", ran.trace.steps()));
    finish(args, &ran.report)
}

/// The report, or none if somebody lost patience.
async fn live(args: &SimulateArgs, keys: Keymap, plan: Plan) -> anyhow::Result<Option<Report>> {
    if args.tui && crate::tui::app::has_terminal() {
        return Box::pin(watched::run(plan, &args.look, keys)).await;
    }
    let mut signals = Signals::listen()?;
    let watch = Watch::default();
    let shown = progress::show(watch.clone(), args.users, args.quiet);
    tokio::select! {
        biased;
        report = live::run(plan, &watch) => report.map(Some),
        _ = signals.next() => {
            output::say("stopped; nothing was checked");
            Ok(None)
        }
        () = shown => Ok(None),
    }
}

fn finish(args: &SimulateArgs, report: &Report) -> anyhow::Result<Exit> {
    let json = serde_json::to_string(report)?;
    if let Some(file) = &args.out {
        write(file, &format!("{json}\n"))?;
    }
    match args.output {
        Format::Text => output::out(&report.to_text())?,
        Format::Json => output::line(json)?,
    }
    let exit = exit_of(&report.verdict);
    let p99 = report.latency_ms.checkout_http.p99;
    match args.max_p99 {
        Some(limit) if exit == Exit::Ok && p99 > limit.0.as_secs_f64() * 1_000.0 => {
            output::say(format!("checkout p99 is {p99} ms, more than {} ms", limit.0.as_millis()));
            Ok(Exit::CheckFailed)
        }
        _ => Ok(exit),
    }
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// How a command ends with this verdict.
pub(super) fn exit_of(verdict: &Verdict) -> Exit {
    match verdict.result {
        Outcome::Pass => Exit::Ok,
        Outcome::Inconclusive => Exit::Inconclusive,
        Outcome::Fail if verdict.safety_failed() => Exit::Safety,
        Outcome::Fail => Exit::Liveness,
    }
}
