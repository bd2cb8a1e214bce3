//! `ecom dlq tail` and `watch`: dead letters as they come.

use std::collections::BTreeMap;

use clap::Args;

use super::list::{line, one_line};
use super::{FilterArgs, letters, tagged};
use crate::app::SystemClock;
use crate::app::config::Period;
use crate::cli::output::{self, Format};
use crate::cli::reach::{Reach, failed};
use crate::cli::signals::Signals;
use crate::cli::{DataArg, Exit};
use crate::ops::dlq::{EntryState, GroupBy};
use crate::ports::Clock;

#[derive(Debug, Args)]
pub(in crate::cli) struct TailArgs {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// One line per letter for people, or as JSON.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WatchArgs {
    /// End with exit code 6 as soon as more letters than this are open.
    #[arg(long, value_name = "N")]
    max_depth: Option<u64>,
    /// Pause between two looks.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    every: Period,
    /// Look once.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// One line per look for people, or as JSON.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Prints letters from now on, until told to stop.
pub(super) async fn tail(reach: &Reach, args: &TailArgs) -> anyhow::Result<Exit> {
    let (clock, mut signals) = (SystemClock::default(), Signals::listen()?);
    let mut filter = args.filter.filter(None);
    let begun = clock.now();
    let mut left = filter.limit.take().unwrap_or(usize::MAX);
    filter.since.get_or_insert_with(|| begun.to_string());
    // The first look starts at the beginning of the time asked for; the next ones where it ended.
    let print = async {
        while left > 0 {
            let page = reach.ops.dead_letters(&filter).await.map_err(failed)?;
            for letter in page.iter().take(left) {
                match args.output {
                    Format::Json => output::line(tagged(letter, "dead_letter")?)?,
                    Format::Text => output::line(one_line(letter))?,
                }
            }
            left -= page.len().min(left);
            if let Some(newest) = page.last() {
                filter.after = Some(newest.id.clone());
            } else {
                clock.sleep(super::LOOK_EVERY).await;
            }
        }
        anyhow::Ok(Exit::Ok)
    };
    tokio::select! {
        biased;
        done = print => done,
        stopped = signals.next() => Ok(stopped),
    }
}

/// Prints how many letters are open whenever that changes, until it is too many.
pub(super) async fn watch(reach: &Reach, args: &WatchArgs) -> anyhow::Result<Exit> {
    let (clock, mut signals) = (SystemClock::default(), Signals::listen()?);
    let filter = args.filter.filter(None);
    let look = async {
        let mut before = None;
        loop {
            let groups = reach.ops.dlq_summary(&filter, GroupBy::Error).await.map_err(failed)?;
            let count = |group: &crate::ops::dlq::Group| {
                let open = group.states.get(&EntryState::Open).copied().unwrap_or(0);
                (group.value.clone(), open)
            };
            let open: BTreeMap<String, u64> =
                groups.iter().map(count).filter(|(_, open)| *open > 0).collect();
            let depth: u64 = open.values().sum();
            if before.as_ref() != Some(&open) {
                match args.output {
                    Format::Json => output::line(serde_json::json!({
                        "kind": "dead_letter_depth", "schema_version": 1,
                        "at": clock.now(), "open": depth, "by_error": open,
                    }))?,
                    Format::Text => output::line(line(clock.now(), depth, &open))?,
                }
            }
            before = Some(open);
            if args.max_depth.is_some_and(|max| depth > max) {
                output::say(format!("open: {}; see `ecom dlq summary`", letters(depth)));
                return anyhow::Ok(Exit::CheckFailed);
            }
            if args.once {
                return Ok(Exit::Ok);
            }
            clock.sleep(args.every.0).await;
        }
    };
    tokio::select! {
        biased;
        done = look => done,
        stopped = signals.next() => Ok(stopped),
    }
}
