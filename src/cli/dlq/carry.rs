//! `ecom dlq export` and `import`: dead letters as lines of JSON, byte for byte.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{FilterArgs, letters, tagged};
use crate::cli::exit::WithExit;
use crate::cli::output;
use crate::cli::protect::{self, YesArg};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit};
use crate::ops::dlq::DeadLetterDetail;
use crate::ops::topics::NewRecordView;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom dlq export --error /timeout/ --out letters.jsonl
  ecom dlq export --topic order.created | jq -r .letter.id")]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only in this state: open, replaying, resolved, refailed, discarded, parked.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Write to this file, which must not exist, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) data: DataArg,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Each letter is appended to the topic that it came from when it was exported, as a new letter.

Example:
  ecom dlq import letters.jsonl --to dlq.events"
)]
pub(in crate::cli) struct ImportArgs {
    /// A file that `ecom dlq export` wrote; `-`: standard input.
    file: PathBuf,
    /// Append them all to this topic.
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    #[command(flatten)]
    yes: YesArg,
    #[command(flatten)]
    pub(super) data: DataArg,
}

pub(super) async fn export(reach: &Reach, args: &ExportArgs) -> anyhow::Result<Exit> {
    let mut filter = args.filter.filter(args.state.clone());
    let mut left = filter.limit.unwrap_or(usize::MAX);
    let mut out: Box<dyn Write + Send> = match &args.out {
        Some(path) => {
            let file = std::fs::File::create_new(path);
            let file = file.with_context(|| format!("cannot make {}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let mut count = 0_u64;
    while left > 0 {
        filter.limit = Some(left);
        let page = reach.ops.dead_letters_in_full(&filter).await.map_err(failed)?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.letter.id.clone());
        left -= page.len().min(left);
        for detail in &page {
            writeln!(out, "{}", tagged(detail, "dead_letter_detail")?)?;
            count += 1;
        }
    }
    out.flush()?;
    output::say(format!("{} exported", letters(count)));
    Ok(Exit::Ok)
}

pub(super) async fn import(reach: &Reach, args: &ImportArgs) -> anyhow::Result<Exit> {
    let input: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(&args.file);
        Box::new(file.with_context(|| format!("cannot read {}", args.file.display()))?)
    };
    // All of it is read before anything is appended.
    let mut records = vec![];
    for (n, line) in BufReader::new(input).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let detail: DeadLetterDetail = serde_json::from_str(&line).map_err(|e| {
            let text =
                format!("line {} is no exported dead letter: {e}; nothing was imported", n + 1);
            WithExit(Exit::Usage, text)
        })?;
        let record = detail.record;
        records.push(NewRecordView {
            topic: args.to.clone().unwrap_or(record.topic),
            partition: None,
            key: record.key,
            headers: record.headers,
            value: record.value,
        });
    }
    let count = records.len() as u64;
    protect::mild(reach.protected, &format!("append {}", letters(count)), &args.yes)?;
    for (n, record) in records.into_iter().enumerate() {
        reach.ops.produce(record).await.map_err(|e| {
            output::say(format!("{n} of {} were imported before it failed", letters(count)));
            failed(e)
        })?;
    }
    output::say(format!("{} imported", letters(count)));
    Ok(Exit::Ok)
}
