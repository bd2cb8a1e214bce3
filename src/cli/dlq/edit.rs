//! `ecom dlq edit`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{actor, tagged};
use crate::cli::exit::WithExit;
use crate::cli::output::{self, Format};
use crate::cli::protect::{self, YesArg};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit};
use crate::ops::OpsError;
use crate::ops::blob::Blob;
use crate::ops::dlq::editing::{EditReport, EditRequest};
use crate::tui::editor;

#[derive(Debug, Args)]
pub(in crate::cli) struct EditArgs {
    /// TOPIC/PARTITION/OFFSET, or an event id.
    id: String,
    /// Take the repaired value from this file instead of an editor; `-`: from standard input.
    #[arg(long, value_name = "FILE")]
    value: Option<PathBuf>,
    /// Check the repaired value, and send nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    yes: YesArg,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How the outcome is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) async fn edit(reach: &Reach, args: &EditArgs) -> anyhow::Result<Exit> {
    if !args.dry_run {
        protect::mild(reach.protected, &format!("send a repaired copy of {}", args.id), &args.yes)?;
    }
    let request = |value: &[u8]| EditRequest {
        id: args.id.clone(),
        value: Blob::of(value),
        dry_run: args.dry_run,
        actor: actor(),
    };
    let report = if let Some(path) = &args.value {
        reach.ops.edit(&request(&given(path)?)).await.map_err(failed)?
    } else {
        let detail = reach.ops.dead_letter(&args.id).await.map_err(failed)?;
        let before = detail.payload.and_then(|payload| payload.bytes()).unwrap_or_default();
        let Some((path, after)) = editor::edited(&before)? else {
            output::say("nothing was changed; nothing is sent");
            return Ok(Exit::Ok);
        };
        let done = reach.ops.edit(&request(&after)).await;
        match done {
            Ok(report) => {
                editor::remove(&path);
                report
            }
            // What was typed is not lost.
            Err(e) => return Err(kept(&e, &path, &args.id)),
        }
    };
    match args.output {
        Format::Json => output::line(tagged(&report, "dead_letter_edit")?)?,
        Format::Text => output::line(text(&report))?,
    }
    Ok(Exit::Ok)
}

fn kept(e: &OpsError, path: &Path, id: &str) -> anyhow::Error {
    let again =
        format!("your text is in {0}; try `ecom dlq edit {id} --value {0}`", path.display());
    let exit = if matches!(e, OpsError::Invalid(_)) { Exit::Usage } else { Exit::Failure };
    WithExit(exit, format!("{e}; {again}")).into()
}

fn text(report: &EditReport) -> String {
    let what = report.event_id.as_ref().map_or_else(|| "a copy".into(), |id| format!("event {id}"));
    match &report.at {
        Some(at) => {
            format!("{what} is sent to {at} in place of {}, which is resolved by it", report.id)
        }
        None => format!("dry run: {what} would go to {}; the value is sound", report.topic),
    }
}

fn given(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut value = vec![];
        std::io::stdin().lock().read_to_end(&mut value)?;
        return Ok(value);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
