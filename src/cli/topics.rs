//! `ecom topics`: list, tail, produce.

use std::io::Read;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::exit::WithExit;
use super::output::Format;
use super::reach::{Reach, failed};
use super::signals::Signals;
use super::{DataArg, Exit, output};
use crate::app::Settings;
use crate::app::SystemClock;
use crate::ops::blob::Blob;
use crate::ops::topics::{HeaderView, NewRecordView, RecordView, TailStart};
use crate::ports::Clock;
use crate::ports::bus::RECORD_BYTES_MAX;

/// Pause before a tail at the end looks again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum TopicsCommand {
    /// List all topics.
    List(ListArgs),
    /// Print a topic's records, and go on with new ones.
    Tail(TailArgs),
    /// Append a record; its value is read from standard input, byte for byte.
    Produce(ProduceArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom topics tail order.created -n 5 --exit
  ecom topics tail dlq.events --from -10m -o json")]
pub(super) struct TailArgs {
    /// The topic.
    topic: String,
    /// Begin this many records before the end.
    #[arg(short = 'n', value_name = "N", conflicts_with = "from")]
    last: Option<u64>,
    /// Begin at: beginning, end, -5m, an offset, or an RFC 3339 time.
    #[arg(long, value_name = "START", allow_hyphen_values = true)]
    from: Option<String>,
    /// End at the end, instead of waiting for more.
    #[arg(long)]
    exit: bool,
    #[command(flatten)]
    data: DataArg,
    /// One line per record for people, or as JSON.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
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
    data: DataArg,
}

impl TopicsCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::List(args) => &args.data,
            Self::Tail(args) => &args.data,
            Self::Produce(args) => &args.data,
        }
    }
}

pub(super) fn run(command: &TopicsCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let reach = Reach::find(settings, command.data().verbose).await?;
        let done = match command {
            TopicsCommand::List(args) => list(&reach, args).await,
            TopicsCommand::Tail(args) => tail(&reach, args).await,
            TopicsCommand::Produce(args) => produce(&reach, args).await,
        };
        reach.close();
        done
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

async fn tail(reach: &Reach, args: &TailArgs) -> anyhow::Result<Exit> {
    let start = match (&args.from, args.last) {
        (Some(text), _) => TailStart::parse(text).map_err(|e| WithExit(Exit::Usage, e))?,
        (None, Some(count)) => TailStart::Last(count),
        (None, None) => TailStart::Last(10),
    };
    let mut query = reach.ops.tail_start(&args.topic, &start).await.map_err(failed)?;
    let (clock, mut signals) = (SystemClock::default(), Signals::listen()?);
    let print = async {
        loop {
            let (records, next) = reach.ops.tail(&query).await.map_err(failed)?;
            query = next;
            for record in &records {
                output::line(match args.output {
                    Format::Json => serde_json::to_string(record)?,
                    Format::Text => text(record),
                })?;
            }
            if records.is_empty() {
                // Nobody appends to a stopped shop.
                if args.exit || !reach.running {
                    return anyhow::Ok(Exit::Ok);
                }
                clock.sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::select! {
        biased;
        done = print => done,
        stopped = signals.next() => Ok(stopped),
    }
}

fn text(record: &RecordView) -> String {
    let shown = |blob: &Option<Blob>| blob.as_ref().map_or_else(|| "-".to_owned(), Blob::shown);
    format!(
        "{}/{}/{}  {}  {}  {}",
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        shown(&record.key),
        shown(&record.value)
    )
}

async fn produce(reach: &Reach, args: &ProduceArgs) -> anyhow::Result<Exit> {
    let mut headers = vec![];
    for header in &args.headers {
        let (name, value) = header
            .split_once('=')
            .ok_or_else(|| WithExit(Exit::Usage, format!("--header {header}: write NAME=VALUE")))?;
        headers.push(HeaderView { name: name.to_owned(), value: Blob::Text(value.to_owned()) });
    }
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
