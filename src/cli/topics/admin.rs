//! `ecom topics describe|create|truncate|delete`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use crate::app::config::Period;
use crate::cli::exit::WithExit;
use crate::cli::output::Format;
use crate::cli::protect::{self, SevereArgs, YesArg};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit, output};
use crate::ops::admin::topics::{
    NewTopicRequest, PartitionView, TopicDetail, TopicRemoval, TopicRemovalRequest, TruncateRequest,
};
use crate::ops::topics::TailStart;
use crate::ports::admin::{ConfigOrigin, RETENTION_MS};

#[derive(Debug, Args)]
pub(in crate::cli) struct DescribeArgs {
    /// The topic.
    topic: String,
    /// Print all settings, not only those that somebody set.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom topics create returns
  ecom topics create returns --partitions 12 --replication 3 --retention 7d
  ecom topics create prices --set cleanup.policy=compact --kafka localhost:9092")]
pub(in crate::cli) struct CreateArgs {
    /// The topic.
    topic: String,
    /// Its partitions.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    partitions: u32,
    /// Copies of each record; without, three, or as many as there are brokers.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    replication: Option<u32>,
    /// A setting, KEY=VALUE; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// How long records are kept; without, as long as the log keeps them by default.
    #[arg(long, value_name = "TIME")]
    retention: Option<Period>,
    #[command(flatten)]
    yes: YesArg,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom topics truncate fraud.detected --dry-run
  ecom topics truncate fraud.detected --before -7d
  ecom topics truncate dlq.events --confirm=dlq.events")]
pub(in crate::cli) struct TruncateArgs {
    /// The topic.
    topic: String,
    /// Only records before this: -7d, an offset, or an RFC 3339 time; without, all.
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    before: Option<String>,
    /// Only of this partition.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    #[command(flatten)]
    severe: SevereArgs,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom topics delete returns --dry-run
  ecom topics delete returns --confirm=returns")]
pub(in crate::cli) struct DeleteArgs {
    /// The topic.
    topic: String,
    /// Delete it even if the shop needs it.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    severe: SevereArgs,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) async fn describe(reach: &Reach, args: &DescribeArgs) -> anyhow::Result<Exit> {
    let mut topic = reach.ops.describe_topic(&args.topic).await.map_err(failed)?;
    if !args.all {
        topic.config.retain(|entry| entry.origin != ConfigOrigin::Default);
    }
    print(&topic, args.output)
}

pub(super) async fn create(reach: &Reach, args: &CreateArgs) -> anyhow::Result<Exit> {
    let mut config = BTreeMap::new();
    for setting in &args.settings {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| WithExit(Exit::Usage, format!("--set {setting}: write KEY=VALUE")))?;
        config.insert(name.to_owned(), value.to_owned());
    }
    if let Some(retention) = args.retention {
        let ms = retention.0.as_millis().to_string();
        if config.insert(RETENTION_MS.to_owned(), ms).is_some() {
            let text = format!("--retention and --set {RETENTION_MS} say the same: give one");
            return Err(WithExit(Exit::Usage, text).into());
        }
    }
    let request = NewTopicRequest {
        name: args.topic.clone(),
        partitions: args.partitions,
        replication: args.replication,
        config,
    };
    protect::mild(reach.protected, &format!("create the topic {}", args.topic), &args.yes)?;
    let mut topic = reach.ops.create_topic(&request).await.map_err(failed)?;
    topic.config.retain(|entry| entry.origin != ConfigOrigin::Default);
    output::say(format!("{} is created", topic.name));
    print(&topic, args.output)
}

fn print(topic: &TopicDetail, format: Format) -> anyhow::Result<Exit> {
    match format {
        Format::Json => {
            output::line(json!({ "kind": "topic", "schema_version": 1, "topic": topic }))?;
        }
        Format::Text => output::out(&text(topic))?,
    }
    Ok(Exit::Ok)
}

fn text(topic: &TopicDetail) -> String {
    let mut head = vec![format!("{}: {} records", topic.name, topic.records)];
    head.extend(topic.bytes.map(|bytes| format!("{bytes} bytes")));
    head.extend(topic.retention_ms.map(|kept| match kept {
        Some(ms) => format!("kept for {}", Period(std::time::Duration::from_millis(ms))),
        None => "kept for ever".to_owned(),
    }));
    let (has_copies, has_bytes) = (
        topic.partitions.iter().any(|p| p.replicas.is_some()),
        topic.partitions.iter().any(|p| p.bytes.is_some()),
    );
    let row = |p: &PartitionView| {
        let mut row: Vec<String> = [p.partition.into(), p.start, p.end, p.end - p.start]
            .map(|n: u64| n.to_string())
            .into();
        if has_bytes {
            row.push(p.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()));
        }
        if has_copies {
            let ids = |ids: &Option<Vec<i32>>| {
                let ids: Vec<String> = ids.iter().flatten().map(i32::to_string).collect();
                if ids.is_empty() { "-".to_owned() } else { ids.join(",") }
            };
            row.push(p.leader.map_or_else(|| "none".to_owned(), |id| id.to_string()));
            row.extend([ids(&p.replicas), ids(&p.in_sync)]);
        }
        row
    };
    let mut titles = vec!["PARTITION", "FIRST", "NEXT", "RECORDS"];
    titles.extend(has_bytes.then_some("BYTES"));
    titles.extend(has_copies.then_some(["LEADER", "REPLICAS", "IN SYNC"]).into_iter().flatten());
    let mut rows = vec![titles.into_iter().map(str::to_owned).collect()];
    rows.extend(topic.partitions.iter().map(row));
    let mut all = format!("{}\n\n{}", head.join(", "), output::table(&rows));
    if !topic.config.is_empty() {
        let mut rows = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned).to_vec()];
        for entry in &topic.config {
            let value = entry.value.clone().unwrap_or_else(|| "(secret)".to_owned());
            rows.push(vec![entry.name.clone(), value, entry.origin.to_string()]);
        }
        all.push('\n');
        all.push_str(&output::table(&rows));
    }
    all
}

pub(super) async fn truncate(reach: &Reach, args: &TruncateArgs) -> anyhow::Result<Exit> {
    let before = match &args.before {
        None => TailStart::End,
        Some(text) => {
            TailStart::parse(text).map_err(|e| WithExit(Exit::Usage, format!("--before: {e}")))?
        }
    };
    let what = |removal: &TopicRemoval| format!("delete {} of {}", counted(removal), args.topic);
    let truncated = async |execute| {
        let (topic, partition, before) = (args.topic.clone(), args.partition, before.clone());
        reach.ops.truncate_topic(&TruncateRequest { topic, partition, before, execute }).await
    };
    let removal = args.severe.planned(&args.topic, what, truncated).await?;
    removed(&removal, "topic_truncation", args.output)
}

pub(super) async fn delete(reach: &Reach, args: &DeleteArgs) -> anyhow::Result<Exit> {
    let what = |removal: &TopicRemoval| {
        format!("delete the topic {} with {}", args.topic, counted(removal))
    };
    let deleted = async |execute| {
        let (topic, force) = (args.topic.clone(), args.force);
        reach.ops.delete_topic(&TopicRemovalRequest { topic, force, execute }).await
    };
    let removal = args.severe.planned(&args.topic, what, deleted).await?;
    removed(&removal, "topic_deletion", args.output)
}

/// What goes, in words.
fn counted(removal: &TopicRemoval) -> String {
    let unread: Vec<String> = removal
        .readers
        .iter()
        .filter(|reader| reader.unread > 0)
        .map(|reader| format!("{} has not read {} of them", reader.group, reader.unread))
        .collect();
    let unread =
        if unread.is_empty() { String::new() } else { format!(" ({})", unread.join("; ")) };
    format!("{} records{unread}", removal.records)
}

fn removed(removal: &TopicRemoval, kind: &str, format: Format) -> anyhow::Result<Exit> {
    if format == Format::Json {
        output::line(json!({ "kind": kind, "schema_version": 1, "removal": removal }))?;
        return Ok(Exit::Ok);
    }
    let mut rows = vec![["PARTITION", "FROM", "BEFORE", "RECORDS"].map(str::to_owned).to_vec()];
    for p in &removal.partitions {
        let numbers = [p.partition.into(), p.from, p.to, p.to - p.from];
        rows.push(numbers.map(|n: u64| n.to_string()).to_vec());
    }
    output::out(&output::table(&rows))?;
    if !removal.readers.is_empty() {
        let mut rows = vec![["READ BY", "MEMBERS", "UNREAD"].map(str::to_owned).to_vec()];
        for reader in &removal.readers {
            let members = if reader.active { "yes" } else { "none" };
            rows.push(vec![reader.group.clone(), members.into(), reader.unread.to_string()]);
        }
        output::out(&format!("\n{}", output::table(&rows)))?;
    }
    output::say(if removal.executed { "deleted" } else { "dry run: nothing was deleted" });
    Ok(Exit::Ok)
}
