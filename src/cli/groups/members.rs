//! `ecom groups describe|delete`.

use clap::Args;
use serde_json::json;

use super::seconds;
use crate::cli::output::Format;
use crate::cli::protect::SevereArgs;
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit, output};
use crate::ops::admin::groups::{GroupDetail, GroupRemoval, GroupRemovalRequest};

#[derive(Debug, Args)]
pub(in crate::cli) struct DescribeArgs {
    /// The group.
    group: String,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ecom groups delete billing --dry-run
  ecom groups delete billing --confirm=billing")]
pub(in crate::cli) struct DeleteArgs {
    /// The group.
    group: String,
    #[command(flatten)]
    severe: SevereArgs,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) async fn describe(reach: &Reach, args: &DescribeArgs) -> anyhow::Result<Exit> {
    let group = reach.ops.describe_group(&args.group).await.map_err(failed)?;
    if args.output == Format::Json {
        output::line(json!({ "kind": "group", "schema_version": 1, "group": group }))?;
        return Ok(Exit::Ok);
    }
    output::out(&described(&group))?;
    Ok(Exit::Ok)
}

fn described(group: &GroupDetail) -> String {
    let mut head = vec![format!("{}: {}", group.group, group.state)];
    head.extend(group.protocol.clone());
    head.push(format!("{} unread", group.lag));
    let mut all = format!("{}\n", head.join(", "));
    if !group.members.is_empty() {
        let mut rows = vec![["MEMBER", "CLIENT", "HOST", "PARTITIONS"].map(str::to_owned).to_vec()];
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        for member in &group.members {
            let (client, host) = (or_none(&member.client), or_none(&member.host));
            let count = member.partitions.len().to_string();
            rows.push(vec![member.member.clone(), client, host, count]);
        }
        all.push('\n');
        all.push_str(&output::table(&rows));
    }
    if !group.partitions.is_empty() {
        let titles = ["TOPIC", "PARTITION", "READS NEXT", "LAG", "BEHIND", "MEMBER"];
        let mut rows = vec![titles.map(str::to_owned).to_vec()];
        for p in &group.partitions {
            let numbers = [p.partition.into(), p.committed, p.lag].map(|n: u64| n.to_string());
            let member = p.member.clone().unwrap_or_else(|| "-".to_owned());
            let mut row = vec![p.topic.clone()];
            row.extend(numbers);
            row.extend([seconds(p.behind_ms), member]);
            rows.push(row);
        }
        all.push('\n');
        all.push_str(&output::table(&rows));
    }
    all
}

pub(super) async fn delete(reach: &Reach, args: &DeleteArgs) -> anyhow::Result<Exit> {
    let what = |removal: &GroupRemoval| {
        let places = removal.partitions.len();
        format!("forget where the group {} reads {places} partitions", args.group)
    };
    let deleted = async |execute| {
        let group = args.group.clone();
        reach.ops.delete_group(&GroupRemovalRequest { group, execute }).await
    };
    let removal = args.severe.planned(&args.group, what, deleted).await?;
    if args.output == Format::Json {
        output::line(json!({ "kind": "group_deletion", "schema_version": 1, "removal": removal }))?;
        return Ok(Exit::Ok);
    }
    let mut rows = vec![["TOPIC", "PARTITION", "READ NEXT", "UNREAD"].map(str::to_owned).to_vec()];
    for p in &removal.partitions {
        let numbers = [p.partition.into(), p.committed, p.lag].map(|n: u64| n.to_string());
        rows.push([vec![p.topic.clone()], numbers.to_vec()].concat());
    }
    output::out(&output::table(&rows))?;
    output::say(if removal.executed { "forgotten" } else { "dry run: nothing was forgotten" });
    Ok(Exit::Ok)
}
