//! `ecom topics`: topics and their records.

mod admin;
mod format;
mod tail;

use std::io::Read;

use clap::{Args, Subcommand};

use super::exit::WithExit;
use super::output::Format;
use super::protect::{self, YesArg};
use super::reach::{Reach, failed, with_reach};
use super::{DataArg, Exit, ListArgs, output};
use crate::app::Settings;
use crate::ops::blob::Blob;
use crate::ops::topics::{HeaderView, NewRecordView};
use crate::ports::bus::RECORD_BYTES_MAX;

#[derive(Debug, Subcommand)]
pub(super) enum TopicsCommand {
    /// List all topics.
    List(ListArgs),
    /// Print a topic's partitions and settings.
    Describe(admin::DescribeArgs),
    /// Print a topic's records, all or some, and go on with new ones.
    Tail(tail::TailArgs),
    /// Append a record; its value is read from standard input, byte for byte.
    Produce(ProduceArgs),
    /// Make a topic.
    Create(admin::CreateArgs),
    /// Delete a topic's records, or its oldest.
    Truncate(admin::TruncateArgs),
    /// Delete a topic.
    Delete(admin::DeleteArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  echo -n '{\"broken\":' | ecom topics produce order.created --key ORD-1 --header source=test")]
pub(super) struct ProduceArgs {
    /// The topic.
    topic: String,
    /// The record's key; without it, the record has none.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A header, NAME=VALUE; may be given several times.
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// A fixed partition, instead of the key's.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// A record without a value, instead of reading one.
    #[arg(long)]
    tombstone: bool,
    #[command(flatten)]
    yes: YesArg,
    #[command(flatten)]
    data: DataArg,
}

impl TopicsCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::List(args) => &args.data,
            Self::Describe(args) => &args.data,
            Self::Create(args) => &args.data,
            Self::Truncate(args) => &args.data,
            Self::Delete(args) => &args.data,
            Self::Tail(args) => &args.data,
            Self::Produce(args) => &args.data,
        }
    }
}

pub(super) fn run(command: &TopicsCommand, settings: &Settings) -> anyhow::Result<Exit> {
    with_reach(settings, command.data(), async |reach| match command {
        TopicsCommand::List(args) => list(reach, args).await,
        TopicsCommand::Describe(args) => admin::describe(reach, args).await,
        TopicsCommand::Tail(args) => tail::tail(reach, args).await,
        TopicsCommand::Create(args) => admin::create(reach, args).await,
        TopicsCommand::Truncate(args) => admin::truncate(reach, args).await,
        TopicsCommand::Delete(args) => admin::delete(reach, args).await,
        TopicsCommand::Produce(args) => produce(reach, args).await,
    })
}

async fn list(reach: &Reach, args: &ListArgs) -> anyhow::Result<Exit> {
    let topics = reach.ops.topics().await.map_err(failed)?;
    if args.output == Format::Json {
        let json = serde_json::json!({ "kind": "topics", "schema_version": 1, "topics": topics });
        output::line(json)?;
        return Ok(Exit::Ok);
    }
    let mut rows =
        vec![["TOPIC", "PARTITIONS", "RECORDS", "FIRST", "NEXT"].map(str::to_owned).to_vec()];
    for topic in topics {
        let all = |of: fn(&crate::ops::topics::PartitionView) -> u64| {
            let offsets: Vec<String> = topic.partitions.iter().map(|p| of(p).to_string()).collect();
            offsets.join(",")
        };
        let (first, next) = (all(|p| p.start), all(|p| p.end));
        let (count, records) = (topic.partitions.len().to_string(), topic.records.to_string());
        rows.push(vec![topic.name, count, records, first, next]);
    }
    output::out(&output::table(&rows))?;
    Ok(Exit::Ok)
}

async fn produce(reach: &Reach, args: &ProduceArgs) -> anyhow::Result<Exit> {
    let mut headers = vec![];
    for header in &args.headers {
        let (name, value) = header
            .split_once('=')
            .ok_or_else(|| WithExit(Exit::Usage, format!("--header {header}: write NAME=VALUE")))?;
        headers.push(HeaderView { name: name.to_owned(), value: Blob::Text(value.to_owned()) });
    }
    protect::mild(reach.protected, &format!("append a record to {}", args.topic), &args.yes)?;
    let value = if args.tombstone {
        None
    } else {
        let mut bytes = vec![];
        let one_more = RECORD_BYTES_MAX as u64 + 1;
        std::io::stdin().lock().take(one_more).read_to_end(&mut bytes)?;
        if bytes.len() > RECORD_BYTES_MAX {
            let text = format!(
                "the value is larger than the {RECORD_BYTES_MAX} bytes that a record may have"
            );
            return Err(WithExit(Exit::Usage, text).into());
        }
        Some(Blob::of(&bytes))
    };
    let record = NewRecordView {
        topic: args.topic.clone(),
        partition: args.partition,
        key: args.key.clone().map(Blob::Text),
        headers,
        value,
    };
    output::line(reach.ops.produce(record).await.map_err(failed)?)?;
    Ok(Exit::Ok)
}
