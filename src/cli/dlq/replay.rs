//! `ecom dlq replay`.

use std::collections::BTreeMap;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{FilterArgs, actor, ids, letters, tagged};
use crate::app::SystemClock;
use crate::app::config::Period;
use crate::cli::output::{self, Format};
use crate::cli::protect::{self, YesArg};
use crate::cli::reach::{Reach, failed};
use crate::cli::signals::Signals;
use crate::cli::{DataArg, Exit};
use crate::ops::dlq::replay::{JobState, JobView, Order, OrderChange, ReplayReport, ReplayRequest};
use crate::ops::dlq::routing::Route;
use crate::ports::Clock;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// These; `-` reads ids from standard input.
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Records per second at most; 0 is as fast as it goes.
    #[arg(long, default_value_t = 100, value_name = "N")]
    rate: u32,
    /// Park what was sent back this often already.
    #[arg(long, default_value_t = 2, value_name = "N")]
    max_replays: u32,
    /// To this topic, instead of the one that each came from.
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    /// To which partition: original (the one that each came from), key (the one of its key), or a number; without
    /// it, its key's, and without a key, the original one.
    #[arg(long, value_name = "WHICH", default_value_t = Route::Auto, hide_default_value = true)]
    partition: Route,
    /// key: the letters of one key in the order of their topic, each when the one before it took effect or was
    /// given up again.
    #[arg(long, value_name = "ORDER", value_parser = ordered(), default_value_t = Order::None)]
    ordered: Order,
    /// Send this many first, and the others only if these took effect.
    #[arg(long, default_value_t = 0, value_name = "N")]
    canary: u32,
    /// Stop when more than so many per cent failed again.
    #[arg(long, value_name = "PERCENT")]
    stop_on_failure: Option<u32>,
    /// How long to wait for what becomes of them.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    wait: Period,
    #[command(flatten)]
    yes: YesArg,
    /// Exit with 4 if there is nothing to send back.
    #[arg(long)]
    fail_if_empty: bool,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How the outcome is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) async fn replay(reach: &Reach, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let ids = ids(&args.ids)?;
    let nothing = if args.fail_if_empty { Exit::NotFound } else { Exit::Ok };
    if ids.is_empty() && !args.ids.is_empty() {
        output::say("no ids on standard input; nothing to do");
        return Ok(nothing);
    }
    let request = ReplayRequest {
        ids,
        filter: args.filter.filter(None),
        below: BTreeMap::new(),
        dry_run: args.dry_run,
        rate: args.rate,
        max_replays: args.max_replays,
        to: args.to.clone(),
        partition: args.partition,
        ordered: args.ordered,
        canary: args.canary,
        stop_on_failure: args.stop_on_failure,
        wait_ms: args.wait.0.as_millis() as u64,
        actor: actor(),
    };
    if !args.dry_run {
        agreed(reach, &request, &args.yes).await?;
    }
    let mut report = reach.ops.replay(&request).await.map_err(failed)?;
    let mut ended = Exit::Ok;
    if let Some(job) = report.job.clone() {
        let view = finished(reach, &job).await?;
        ended = match view.state {
            JobState::Failed => Exit::Failure,
            JobState::Cancelled => Exit::Interrupted,
            _ => Exit::Ok,
        };
        report = view.report;
    }
    match args.output {
        Format::Json => output::line(tagged(&report, "replay_report")?)?,
        Format::Text => told(&report, args.dry_run, reach.running)?,
    }
    Ok(match ended {
        Exit::Ok if report.is_partial() && !args.dry_run => Exit::Partial,
        Exit::Ok if report.selected == 0 => nothing,
        ended => ended,
    })
}

/// Makes sure that it is meant: a person is shown the plan, and asked if it is about more than one letter.
async fn agreed(reach: &Reach, request: &ReplayRequest, yes: &YesArg) -> anyhow::Result<()> {
    if yes.yes || !protect::is_person() {
        return protect::mild(reach.protected, "send dead letters back", yes);
    }
    let plan = ReplayRequest { dry_run: true, ..request.clone() };
    let report = reach.ops.replay(&plan).await.map_err(failed)?;
    if report.selected == 0 || (report.selected == 1 && !reach.protected) {
        return Ok(());
    }
    report.warnings.iter().for_each(output::say);
    let what = format!("send {} back to {}", letters(report.selected), all(&report.by_topic));
    protect::moderate(reach.protected, &what, yes)
}

fn all(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(name, n)| format!("{n} × {name}")).collect();
    parts.join(", ")
}

/// Reads an order.
fn ordered() -> impl TypedValueParser<Value = Order> {
    PossibleValuesParser::new(Order::ALL.iter().map(|order| order.as_str()))
        .map(|text| Order::parse(&text).expect("one of them"))
}

/// Waits until a job has ended. Ctrl-C ends one that runs in this process, and leaves another alone.
pub(in crate::cli) async fn finished(reach: &Reach, job: &str) -> anyhow::Result<JobView> {
    let (clock, mut signals) = (SystemClock::default(), Signals::listen()?);
    let mut asked = false;
    loop {
        let view = reach.ops.job(job).await.map_err(failed)?;
        if view.state != JobState::Running {
            return Ok(view);
        }
        tokio::select! {
            () = clock.sleep(super::LOOK_EVERY) => {}
            _ = signals.next(), if !asked => {
                asked = true;
                if reach.elsewhere {
                    output::say(format!("{job} goes on in the shop; see `ecom dlq jobs show {job}`"));
                    return Ok(view);
                }
                output::say(ending(job));
                reach.ops.cancel(job).await.map_err(failed)?;
            }
        }
    }
}

/// What is said when a job is told to end.
pub(in crate::cli) fn ending(job: &str) -> String {
    format!("ending {job} after its current step; `ecom dlq jobs resume {job}` goes on with it")
}

/// Of letters that cannot be sent back.
const NOWHERE: &str =
    "cannot be sent: nothing tells where they came from, or that is gone; name a topic with --to";

/// Says what a replay did, or would do.
pub(super) fn told(report: &ReplayReport, dry_run: bool, running: bool) -> std::io::Result<()> {
    if report.skipped > 0 {
        output::say(format!("{} are done with already and were left alone", report.skipped));
    }
    report.warnings.iter().for_each(output::say);
    if report.selected == 0 {
        output::say("no open dead letters; nothing to do");
        return Ok(());
    }
    output::line(format!("{}: {}", letters(report.selected), all(&report.by_error)))?;
    output::line(format!("back to {}", all(&report.by_topic)))?;
    if dry_run {
        for (place, count) in &report.by_partition {
            output::line(format!("  {place}: {count}"))?;
        }
        if report.unroutable > 0 {
            output::line(format!("{} {NOWHERE}", report.unroutable))?;
        }
        return output::line("dry run: nothing was sent");
    }
    output::line(format!(
        "{} sent: {} resolved, {} failed again, {} not heard of yet",
        report.replayed, report.resolved, report.refailed, report.pending
    ))?;
    let lines = [
        (report.duplicates, "had taken effect before: dropped by who reads them again"),
        (report.parked, "parked: sent back too often before"),
        (report.damaged, "not sent: their bytes are not those that failed, or are gone"),
        (
            report.held,
            "not sent: of the letter of the same key before them nothing was heard in time",
        ),
        (report.unroutable, NOWHERE),
    ];
    for (count, what) in lines.iter().filter(|(count, _)| *count > 0) {
        output::line(format!("{count} {what}"))?;
    }
    let known = |order: &&OrderChange| order.before.is_some() || order.after.is_some();
    for order in report.orders.iter().filter(known) {
        let status = |status: &Option<String>| status.clone().unwrap_or_else(|| "none".into());
        let (before, after) = (status(&order.before), status(&order.after));
        output::line(format!("order {}: {before} → {after}", order.order_id))?;
    }
    if let Some(note) = &report.note {
        output::say(note);
    }
    if report.refailed > 0 {
        output::say("see `ecom dlq list --state open` for those that failed again");
    }
    if !running {
        output::say("the shop is stopped: they are taken up when it starts");
    }
    Ok(())
}
