//! `ecom dlq`: list, show, replay.

use std::fmt::Write;
use std::io::BufRead;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::Format;
use super::reach::{Reach, failed};
use super::{DataArg, Exit, output};
use crate::app::Settings;
use crate::app::SystemClock;
use crate::app::config::Period;
use crate::ops::blob::Blob;
use crate::ops::dlq::{DeadLetterDetail, DlqFilter};
use crate::ops::replay::{ReplayReport, ReplayRequest};
use crate::ports::Clock;

#[derive(Debug, Subcommand)]
pub(super) enum DlqCommand {
    /// List dead letters, oldest first.
    List(ListArgs),
    /// Print one dead letter in full: why it died, its headers, its payload.
    Show(ShowArgs),
    /// Send dead letters back to the topic and the group that they came from.
    #[command(after_help = "Without ids and filters, all open dead letters are sent back.

Examples:
  ecom dlq replay --dry-run
  ecom dlq replay --error order.unknown --rate 20
  ecom dlq list -o name --topic order.created | ecom dlq replay -

Exit codes: 0 done (or nothing to do), 3 some were parked, damaged or failed again, 4 no such id.")]
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
struct FilterArgs {
    /// Only from this topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only with this error code.
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Only with this key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only given up within this long (2h), or since an RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most this many.
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

impl FilterArgs {
    fn filter(&self, state: Option<String>) -> DlqFilter {
        let since = self.since.as_ref().map(|text| match text.parse::<Period>() {
            Ok(period) => (SystemClock::default().now() - period.0).to_string(),
            Err(_) => text.clone(),
        });
        DlqFilter {
            topic: self.topic.clone(),
            error: self.error.clone(),
            key: self.key.clone(),
            state,
            since,
            limit: self.limit,
        }
    }
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ListFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// Ids only, one per line.
    Name,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only in this state: open, replaying, resolved, refailed, discarded, parked.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    #[command(flatten)]
    data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = ListFormat::Text)]
    output: ListFormat,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// dlq.events/PARTITION/OFFSET, or an event id.
    id: String,
    #[command(flatten)]
    data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
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
    /// How long to wait for what becomes of them.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    wait: Period,
    #[command(flatten)]
    data: DataArg,
    /// How the outcome is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

impl DlqCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::List(args) => &args.data,
            Self::Show(args) => &args.data,
            Self::Replay(args) => &args.data,
        }
    }
}

pub(super) fn run(command: &DlqCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let reach = Reach::find(settings, command.data().verbose).await?;
        let done = match command {
            DlqCommand::List(args) => list(&reach, args).await,
            DlqCommand::Show(args) => show(&reach, args).await,
            DlqCommand::Replay(args) => replay(&reach, args).await,
        };
        reach.close();
        done
    })
}

async fn list(reach: &Reach, args: &ListArgs) -> anyhow::Result<Exit> {
    let filter = args.filter.filter(args.state.clone());
    let letters = reach.ops.dead_letters(&filter).await.map_err(failed)?;
    match args.output {
        ListFormat::Json => {
            output::line(
                serde_json::json!({ "kind": "dead_letters", "schema_version": 1, "dead_letters": letters }),
            )?;
        }
        ListFormat::Name => letters.iter().try_for_each(|letter| output::line(&letter.id))?,
        ListFormat::Text if letters.is_empty() => output::say("no dead letters"),
        ListFormat::Text => {
            let mut rows = vec![
                [
                    "ID",
                    "STATE",
                    "FAILED AT",
                    "SERVICE",
                    "TOPIC",
                    "KEY",
                    "RETRIES",
                    "REPLAYS",
                    "WHY",
                ]
                .map(str::to_owned)
                .to_vec(),
            ];
            for l in letters {
                rows.push(vec![
                    l.id,
                    l.state.to_string(),
                    l.failed_at.to_string(),
                    l.service,
                    l.original_topic,
                    l.key.as_ref().map_or_else(|| "-".into(), Blob::shown),
                    l.retry_count.to_string(),
                    l.replays.to_string(),
                    l.error_reason,
                ]);
            }
            output::out(&output::table(&rows))?;
        }
    }
    Ok(Exit::Ok)
}

async fn show(reach: &Reach, args: &ShowArgs) -> anyhow::Result<Exit> {
    let detail = reach.ops.dead_letter(&args.id).await.map_err(failed)?;
    match args.output {
        Format::Json => output::line(tagged(&detail, "dead_letter")?)?,
        Format::Text => output::out(&text(&detail))?,
    }
    Ok(Exit::Ok)
}

/// One JSON object that says what it is.
fn tagged(what: &impl Serialize, kind: &str) -> serde_json::Result<serde_json::Value> {
    let mut json = serde_json::to_value(what)?;
    json["kind"] = kind.into();
    json["schema_version"] = 1.into();
    Ok(json)
}

fn text(detail: &DeadLetterDetail) -> String {
    let l = &detail.letter;
    let pair = |name: &str, value: String| vec![name.to_owned(), value];
    let mut out = output::table(&[
        pair("id", l.id.clone()),
        pair("state", l.state.to_string()),
        pair("why", l.error_reason.clone()),
        pair(
            "given up by",
            format!("{} after {} retries, {}", l.group, l.retry_count, l.failed_at),
        ),
        pair("came from", l.original_topic.clone()),
        pair("event", l.event_id.clone()),
        pair("key", l.key.as_ref().map_or_else(|| "-".into(), Blob::shown)),
        pair("replays", l.replays.to_string()),
    ]);
    out.push_str("\nheaders\n");
    for header in &detail.record.headers {
        let _ = writeln!(out, "  {}: {}", header.name, header.value.shown());
    }
    let intact = if detail.payload_intact { "intact" } else { "NOT the bytes that failed" };
    let _ = write!(out, "\npayload ({intact})\n");
    out.push_str(&detail.payload.as_ref().map_or_else(|| "(none)".into(), Blob::shown));
    out.push('\n');
    if !detail.audit.is_empty() {
        out.push_str("\nhistory\n");
    }
    for step in &detail.audit {
        let _ = writeln!(out, "  {}  {} by {}: {}", step.at, step.action, step.actor, step.detail);
    }
    out
}

async fn replay(reach: &Reach, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let mut ids = vec![];
    for id in &args.ids {
        if id == "-" {
            for line in std::io::stdin().lock().lines() {
                ids.extend(Some(line?.trim().to_owned()).filter(|line| !line.is_empty()));
            }
        } else {
            ids.push(id.clone());
        }
    }
    if ids.is_empty() && !args.ids.is_empty() {
        output::say("no ids on standard input; nothing to do");
        return Ok(Exit::Ok);
    }
    let request = ReplayRequest {
        ids,
        filter: args.filter.filter(None),
        dry_run: args.dry_run,
        rate: args.rate,
        max_replays: args.max_replays,
        wait_ms: args.wait.0.as_millis() as u64,
        actor: actor(),
    };
    let report = reach.ops.replay(&request).await.map_err(failed)?;
    match args.output {
        Format::Json => {
            output::line(tagged(&report, "replay_report")?)?;
        }
        Format::Text => told(&report, args.dry_run, reach.running)?,
    }
    Ok(if report.is_partial() { Exit::Partial } else { Exit::Ok })
}

fn told(report: &ReplayReport, dry_run: bool, running: bool) -> std::io::Result<()> {
    if report.skipped > 0 {
        output::say(format!("{} are done with already and were left alone", report.skipped));
    }
    if report.selected == 0 {
        output::say("no open dead letters; nothing to do");
        return Ok(());
    }
    let all = |counts: &std::collections::BTreeMap<String, u64>| {
        let parts: Vec<String> = counts.iter().map(|(name, n)| format!("{n} × {name}")).collect();
        parts.join(", ")
    };
    output::line(format!("{} dead letters: {}", report.selected, all(&report.by_error)))?;
    output::line(format!("back to {}", all(&report.by_topic)))?;
    if dry_run {
        return output::line("dry run: nothing was sent");
    }
    output::line(format!(
        "{} sent: {} resolved, {} failed again, {} not heard of yet",
        report.replayed, report.resolved, report.refailed, report.pending
    ))?;
    if report.parked > 0 {
        output::line(format!("{} parked: sent back too often before", report.parked))?;
    }
    if report.damaged > 0 {
        output::line(format!(
            "{} not sent: their bytes are not those that failed",
            report.damaged
        ))?;
    }
    if report.refailed > 0 {
        output::say("see `ecom dlq list --state open` for those that failed again");
    }
    if !running {
        output::say("the shop is stopped: they are taken up when it starts");
    }
    Ok(())
}

/// Who runs this command.
fn actor() -> String {
    let name = std::env::vars_os().find(|(name, _)| name == "USER").map(|(_, value)| value);
    name.and_then(|name| name.into_string().ok()).unwrap_or_else(|| "unknown".into())
}
