//! `ecom dlq discard` and `restore`.

use clap::Args;
use serde_json::json;

use super::{actor, ids, letters};
use crate::cli::output::{self, Format};
use crate::cli::protect::{self, YesArg};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit};

#[derive(Debug, Args)]
pub(in crate::cli) struct DiscardArgs {
    /// These; `-` reads ids from standard input.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    yes: YesArg,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How the outcome is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
    /// These; `-` reads ids from standard input.
    #[arg(required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    yes: YesArg,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How the outcome is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) async fn discard(reach: &Reach, args: &DiscardArgs) -> anyhow::Result<Exit> {
    let ids = ids(&args.ids)?;
    protect::moderate(
        reach.protected,
        &format!("discard {}", letters(ids.len() as u64)),
        &args.yes,
    )?;
    let done = reach.ops.discard(&ids, &actor(), &args.reason).await.map_err(failed)?;
    let rest = match done {
        0 => "what is done with cannot be discarded: see `ecom dlq show`",
        _ => "`ecom dlq restore` takes it back",
    };
    let text = format!("{done} of {} discarded; {rest}", ids.len());
    told(args.output, "discarded", (ids.len(), done), text)
}

pub(super) async fn restore(reach: &Reach, args: &RestoreArgs) -> anyhow::Result<Exit> {
    let ids = ids(&args.ids)?;
    protect::mild(
        reach.protected,
        &format!("open {} again", letters(ids.len() as u64)),
        &args.yes,
    )?;
    let done = reach.ops.restore(&ids, &actor()).await.map_err(failed)?;
    let rest = if done == 0 { ": only what was discarded or parked is opened again" } else { "" };
    let text = format!("{done} of {} are open again{rest}", ids.len());
    told(args.output, "open", (ids.len(), done), text)
}

fn told(
    format: Format,
    state: &str,
    (asked, changed): (usize, u64),
    text: String,
) -> anyhow::Result<Exit> {
    match format {
        Format::Json => output::line(json!({
            "kind": "dead_letters_marked", "schema_version": 1,
            "state": state, "asked": asked, "changed": changed,
        }))?,
        Format::Text => output::line(text)?,
    }
    Ok(Exit::Ok)
}
