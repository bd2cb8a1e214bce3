//! `ecom dlq`: find out why events died, and send them back.

mod carry;
mod edit;
mod follow;
mod jobs;
mod list;
mod mark;
pub(super) mod replay;

use std::time::Duration;

use clap::{Args, Subcommand};

use super::output::tagged;
use super::reach::{Reach, failed, with_reach};
use super::when::When;
use super::{DataArg, Exit};
use crate::app::Settings;
use crate::app::variables::variable;
use crate::ops::dlq::{DeadLetter, DlqFilter};

/// Pause between two looks at what changes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum DlqCommand {
    /// List dead letters, oldest first.
    List(list::ListArgs),
    /// Sum dead letters up by why they died, where they came from, what they are, or who gave them up.
    #[command(after_help = "Examples:
  ecom dlq summary
  ecom dlq summary --by topic --since 2h
  ecom dlq summary --kafka localhost:9092")]
    Summary(list::SummaryArgs),
    /// Print dead letters as they come.
    Tail(follow::TailArgs),
    /// Print how many are open whenever that changes, and end when they are too many.
    #[command(after_help = "Example:
  ecom dlq watch --max-depth 100 --once    exit code 6 if more are open")]
    Watch(follow::WatchArgs),
    /// Print one dead letter in full: why it died, its headers, its payload.
    Show(list::ShowArgs),
    /// Repair a dead letter in an editor, and send the repaired copy to the group that gave it up.
    #[command(
        after_help = "The copy keeps topic, key and group, and has an event id of its own. A value of one of the
shop's topics must be a sound event.

Examples:
  ecom dlq edit dlq.events/1/0
  ecom dlq edit dlq.events/1/0 --value repaired.json --dry-run"
    )]
    Edit(edit::EditArgs),
    /// Send dead letters back to the topic and the group that they came from.
    #[command(after_help = "Without ids and filters, all open dead letters are sent back.

Examples:
  ecom dlq replay --dry-run
  ecom dlq replay --error order.unknown --rate 20
  ecom dlq replay --error '/timeout/' --canary 10 --stop-on-failure 5
  ecom dlq replay --topic order.created --ordered key
  ecom dlq list -o name --topic order.created | ecom dlq replay -

Exit codes: 0 done (or nothing to do), 3 some were parked, damaged or failed again, 4 no such id,
7 another replay is under way, or it must be confirmed.")]
    Replay(replay::ReplayArgs),
    /// Give dead letters up for good: they stay where they are, and are sent back no more.
    #[command(
        after_help = "Their records stay until their topic's retention removes them: single records cannot be
deleted from a log.

Example:
  ecom dlq list -o name --error order.unknown | ecom dlq discard - --reason 'test data' --yes"
    )]
    Discard(mark::DiscardArgs),
    /// Take back that dead letters were discarded or parked.
    Restore(mark::RestoreArgs),
    /// Write dead letters to a file, one per line, with all that is known of them.
    Export(carry::ExportArgs),
    /// Append exported dead letters to their topics again.
    Import(carry::ImportArgs),
    /// Replays: list them, look at one, end one, go on with one that broke off.
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
}

/// Which dead letters.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Only on this topic of dead letters.
    #[arg(long, value_name = "TOPIC")]
    dlq: Option<String>,
    /// Only from this topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only with this error code; /PATTERN/ looks at code and reason.
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Only of this event type.
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only given up by this service.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Only with this key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only given up within this long (2h), or since an RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only given up before this long ago, or before an RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// At most this many.
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

impl FilterArgs {
    fn filter(&self, state: Option<String>) -> DlqFilter {
        let time = |when: When| when.time().to_string();
        DlqFilter {
            dlq: self.dlq.clone(),
            topic: self.topic.clone(),
            error: self.error.clone(),
            event_type: self.event_type.clone(),
            service: self.service.clone(),
            key: self.key.clone(),
            state,
            since: self.since.map(time),
            until: self.until.map(time),
            limit: self.limit,
            after: None,
        }
    }
}

impl DlqCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::List(args) => &args.data,
            Self::Summary(args) => &args.data,
            Self::Tail(args) => &args.data,
            Self::Watch(args) => &args.data,
            Self::Export(args) => &args.data,
            Self::Import(args) => &args.data,
            Self::Show(args) => &args.data,
            Self::Edit(args) => &args.data,
            Self::Replay(args) => &args.data,
            Self::Discard(args) => &args.data,
            Self::Restore(args) => &args.data,
            Self::Jobs(command) => command.data(),
        }
    }
}

pub(super) fn run(command: &DlqCommand, settings: &Settings) -> anyhow::Result<Exit> {
    with_reach(settings, command.data(), async |reach| match command {
        DlqCommand::List(args) => list::list(reach, args).await,
        DlqCommand::Summary(args) => list::summary(reach, args).await,
        DlqCommand::Tail(args) => follow::tail(reach, args).await,
        DlqCommand::Watch(args) => follow::watch(reach, args).await,
        DlqCommand::Export(args) => carry::export(reach, args).await,
        DlqCommand::Import(args) => carry::import(reach, args).await,
        DlqCommand::Show(args) => list::show(reach, args).await,
        DlqCommand::Edit(args) => edit::edit(reach, args).await,
        DlqCommand::Replay(args) => replay::replay(reach, args).await,
        DlqCommand::Discard(args) => mark::discard(reach, args).await,
        DlqCommand::Restore(args) => mark::restore(reach, args).await,
        DlqCommand::Jobs(command) => jobs::run(reach, command).await,
    })
}

/// Letters that match a filter, a page at a time.
struct Pages {
    filter: DlqFilter,
    left: usize,
}

impl Pages {
    fn of(filter: DlqFilter) -> Self {
        let left = filter.limit.unwrap_or(usize::MAX);
        Self { filter, left }
    }

    /// The next page; none at the end.
    async fn next(&mut self, reach: &Reach) -> anyhow::Result<Option<Vec<DeadLetter>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.filter.limit = Some(self.left);
        let page = reach.ops.dead_letters(&self.filter).await.map_err(failed)?;
        let Some(last) = page.last() else { return Ok(None) };
        self.filter.after = Some(last.id.clone());
        self.left -= page.len().min(self.left);
        Ok(Some(page))
    }
}

/// Ids as they were given; `-` reads more from standard input.
pub(super) fn ids(given: &[String]) -> std::io::Result<Vec<String>> {
    let mut ids = vec![];
    for id in given {
        if id == "-" {
            for line in std::io::stdin().lines() {
                ids.extend(Some(line?.trim().to_owned()).filter(|line| !line.is_empty()));
            }
        } else {
            ids.push(id.clone());
        }
    }
    Ok(ids)
}

/// Who runs this command.
pub(super) fn actor() -> String {
    let name = ["USER", "LOGNAME"].into_iter().find_map(variable);
    name.and_then(|name| name.into_string().ok()).unwrap_or_else(|| "unknown".into())
}

/// So many dead letters, in words.
fn letters(count: u64) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}
