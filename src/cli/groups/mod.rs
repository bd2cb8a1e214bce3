//! `ecom groups`: how far consumer groups have read, and where they read next.

mod members;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::exit::WithExit;
use super::output::Format;
use super::protect::{self, YesArg};
use super::reach::{Reach, failed, with_reach};
use super::{DataArg, Exit, ListArgs, output};
use crate::app::Settings;
use crate::app::config::Period;
use crate::ops::groups::{LagQuery, LagStatus, ResetRequest, ResetTo, ResetView};
use crate::ops::topics::TailStart;

#[derive(Debug, Subcommand)]
pub(super) enum GroupsCommand {
    /// List all groups, with what they have not read yet.
    List(ListArgs),
    /// Print a group's members, and where it reads, partition by partition.
    Describe(members::DescribeArgs),
    /// Judge whether groups keep up: how many records and seconds each is behind, and whether it comes closer.
    #[command(
        after_help = "Status: ok; slow: it reads, and falls further behind; stalled: it reads nothing;
stopped: nobody is there, and something waits.

Examples:
  ecom groups lag
  ecom groups lag payment-service-group --watch 30s
  ecom groups lag --max-lag 1000 --watch 0s    exit code 6 if any partition has more"
    )]
    Lag(LagArgs),
    /// Set where a group reads next; the group must have no members.
    #[command(after_help = "Exactly one of --dry-run and --execute must be given.

Examples:
  ecom groups reset-offsets billing --to beginning --dry-run
  ecom groups reset-offsets billing --topic order.created --to -1h --execute --out before.json
  ecom groups reset-offsets billing --to file:before.json --execute    takes it back")]
    ResetOffsets(ResetArgs),
    /// Forget a group and where it reads; the group must have no members.
    Delete(members::DeleteArgs),
}

#[derive(Debug, Args)]
pub(super) struct LagArgs {
    /// Only this group.
    group: Option<String>,
    /// How long to look; 0s: once, which tells how far behind a group is, and not where it goes.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    watch: Period,
    /// Exit with 6 if a partition has more records to be read, or is slow, stalled or stopped.
    #[arg(long, value_name = "N")]
    max_lag: Option<u64>,
    #[command(flatten)]
    data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct ResetArgs {
    /// The group.
    group: String,
    /// Only in this topic; without, in all that it has read.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Where: beginning, end, -5m, an RFC 3339 time, an offset, +N or -N records, `group:NAME`, or `file:FILE`.
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    to: String,
    /// Say what would be set, and set nothing.
    #[arg(long, conflicts_with = "execute", required_unless_present = "execute")]
    dry_run: bool,
    /// Set it.
    #[arg(long)]
    execute: bool,
    /// Save the offsets of before in this file, for `--to file:FILE`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    yes: YesArg,
    #[command(flatten)]
    data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

impl GroupsCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::List(args) => &args.data,
            Self::Describe(args) => &args.data,
            Self::Lag(args) => &args.data,
            Self::ResetOffsets(args) => &args.data,
            Self::Delete(args) => &args.data,
        }
    }
}

pub(super) fn run(command: &GroupsCommand, settings: &Settings) -> anyhow::Result<Exit> {
    with_reach(settings, command.data(), async |reach| match command {
        GroupsCommand::List(args) => list(reach, args).await,
        GroupsCommand::Describe(args) => members::describe(reach, args).await,
        GroupsCommand::Lag(args) => lag(reach, args).await,
        GroupsCommand::ResetOffsets(args) => reset(reach, args).await,
        GroupsCommand::Delete(args) => members::delete(reach, args).await,
    })
}

async fn list(reach: &Reach, args: &ListArgs) -> anyhow::Result<Exit> {
    let groups = reach.ops.groups().await.map_err(failed)?;
    if args.output == Format::Json {
        let json = serde_json::json!({ "kind": "groups", "schema_version": 1, "groups": groups });
        output::line(json)?;
        return Ok(Exit::Ok);
    }
    if groups.is_empty() {
        output::say("no consumer groups");
        return Ok(Exit::Ok);
    }
    let mut rows = vec![["GROUP", "MEMBERS", "PARTITIONS", "LAG"].map(str::to_owned).to_vec()];
    for group in groups {
        let members = if group.active { "yes" } else { "none" };
        let (count, lag) = (group.partitions.len().to_string(), group.lag.to_string());
        rows.push(vec![group.group, members.into(), count, lag]);
    }
    output::out(&output::table(&rows))?;
    Ok(Exit::Ok)
}

async fn lag(reach: &Reach, args: &LagArgs) -> anyhow::Result<Exit> {
    let watch_ms = args.watch.0.as_millis() as u64;
    let query = LagQuery { group: args.group.clone(), watch_ms };
    if watch_ms > 0 && output::is_watched() {
        output::say(format!("looking for {}", args.watch));
    }
    let found = reach.ops.lag(&query).await.map_err(failed)?;
    let is_bad = |max: u64| found.iter().any(|p| p.lag > max || p.status != LagStatus::Ok);
    let exit = if args.max_lag.is_some_and(is_bad) { Exit::CheckFailed } else { Exit::Ok };
    if args.output == Format::Json {
        let json = serde_json::json!({ "kind": "lag", "schema_version": 1, "lag": found });
        output::line(json)?;
        return Ok(exit);
    }
    let head = ["GROUP", "TOPIC", "PARTITION", "LAG", "BEHIND", "STATUS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for p in found {
        let behind = seconds(p.behind_ms);
        let (partition, lag, status) =
            (p.partition.to_string(), p.lag.to_string(), p.status.to_string());
        rows.push(vec![p.group, p.topic, partition, lag, behind, status]);
    }
    output::out(&output::table(&rows))?;
    Ok(exit)
}

/// A span as it is told.
fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".into(), |ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100))
}

/// Reads where a group shall read next.
fn place(text: &str) -> anyhow::Result<ResetTo> {
    let wrong = |why: String| WithExit(Exit::Usage, format!("--to {text}: {why}"));
    if let Some(group) = text.strip_prefix("group:") {
        return Ok(ResetTo::Group(group.to_owned()));
    }
    if let Some(file) = text.strip_prefix("file:") {
        let json = std::fs::read(file).map_err(|e| wrong(e.to_string()))?;
        let all: BTreeMap<String, u64> =
            serde_json::from_slice(&json).map_err(|e| wrong(e.to_string()))?;
        return Ok(ResetTo::Offsets(all));
    }
    if text.starts_with(['+', '-'])
        && let Ok(by) = text.parse()
    {
        return Ok(ResetTo::Shift(by));
    }
    TailStart::parse(text).map(ResetTo::Place).map_err(|why| wrong(why).into())
}

async fn reset(reach: &Reach, args: &ResetArgs) -> anyhow::Result<Exit> {
    if args.execute {
        protect::mild(reach.protected, &format!("set where {} reads next", args.group), &args.yes)?;
    }
    let mut request = ResetRequest {
        group: args.group.clone(),
        topic: args.topic.clone(),
        to: place(&args.to)?,
        execute: false,
    };
    let planned = reach.ops.reset_offsets(&request).await.map_err(failed)?;
    // Kept before anything is changed.
    if let Some(file) = &args.out {
        let named =
            |change: &ResetView| (format!("{}/{}", change.topic, change.partition), change.before);
        let before: BTreeMap<String, u64> = planned.iter().map(named).collect();
        std::fs::write(file, serde_json::to_vec_pretty(&before)?)?;
    }
    request.execute = args.execute;
    let changes = if args.execute {
        reach.ops.reset_offsets(&request).await.map_err(failed)?
    } else {
        planned
    };
    if args.output == Format::Json {
        let json = serde_json::json!({
            "kind": "offset_reset", "schema_version": 1, "executed": args.execute, "offsets": changes,
        });
        output::line(json)?;
        return Ok(Exit::Ok);
    }
    let mut rows = vec![["TOPIC", "PARTITION", "BEFORE", "AFTER"].map(str::to_owned).to_vec()];
    for change in changes {
        let numbers = [change.before, change.after].map(|n| n.to_string());
        rows.push([vec![change.topic, change.partition.to_string()], numbers.to_vec()].concat());
    }
    output::out(&output::table(&rows))?;
    if !args.execute {
        output::say("dry run: nothing was set; --execute sets it");
    }
    Ok(Exit::Ok)
}
