//! `ecom dlq list`, `summary` and `show`.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{FilterArgs, Pages, letters, tagged};
use crate::app::zone::local;
use crate::cli::output::{self, Format};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit};
use crate::domain::Timestamp;
use crate::ops::blob::Blob;
use crate::ops::dlq::{DeadLetter, DeadLetterDetail, EntryState, GroupBy, trend};
use crate::tui::text::bars;

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ListFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// One JSON object per line and letter.
    Jsonl,
    /// Ids only, one per line.
    Name,
}

/// Reads what letters are summed up by.
fn by() -> impl TypedValueParser<Value = GroupBy> {
    PossibleValuesParser::new(GroupBy::ALL.iter().map(|by| by.as_str()))
        .map(|text| GroupBy::parse(&text).expect("one of them"))
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only in this state: open, replaying, resolved, refailed, discarded, parked.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = ListFormat::Text)]
    output: ListFormat,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SummaryArgs {
    /// What they are summed up by.
    #[arg(long, value_parser = by(), default_value_t = GroupBy::Error)]
    by: GroupBy,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// TOPIC/PARTITION/OFFSET, or an event id.
    id: String,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) async fn list(reach: &Reach, args: &ListArgs) -> anyhow::Result<Exit> {
    let mut pages = Pages::of(args.filter.filter(args.state.clone()));
    let (mut all, mut any) = (vec![], false);
    while let Some(page) = pages.next(reach).await? {
        any = true;
        match args.output {
            ListFormat::Name => page.iter().try_for_each(|letter| output::line(&letter.id))?,
            ListFormat::Jsonl => {
                for letter in &page {
                    output::line(tagged(letter, "dead_letter")?)?;
                }
            }
            ListFormat::Json | ListFormat::Text => all.extend(page),
        }
    }
    match args.output {
        ListFormat::Json => output::line(
            serde_json::json!({ "kind": "dead_letters", "schema_version": 1, "dead_letters": all }),
        )?,
        ListFormat::Text if any => output::out(&table(&all))?,
        _ if !any => output::say("no dead letters"),
        _ => {}
    }
    Ok(Exit::Ok)
}

fn table(letters: &[DeadLetter]) -> String {
    let head = ["ID", "STATE", "FAILED AT", "SERVICE", "TOPIC", "KEY", "RETRIES", "REPLAYS", "WHY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for l in letters {
        rows.push(vec![
            l.id.clone(),
            l.state.to_string(),
            local(l.failed_at),
            or_dash(&l.service),
            or_dash(&l.original_topic),
            l.key.as_ref().map_or_else(|| "-".into(), Blob::shown),
            l.retry_count.to_string(),
            l.replays.to_string(),
            why(l),
        ]);
    }
    output::table(&rows)
}

/// A letter in one line.
pub(super) fn one_line(l: &DeadLetter) -> String {
    let key = l.key.as_ref().map_or_else(|| "-".into(), Blob::shown);
    format!("{}  {}  {}  {key}  {}", local(l.failed_at), l.id, or_dash(&l.original_topic), why(l))
}

/// How many letters are open, in one line.
pub(super) fn line(at: Timestamp, depth: u64, by_error: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = by_error.iter().map(|(code, n)| format!("{n} × {code}")).collect();
    format!("{}  {depth} open  {}", local(at), parts.join(", ")).trim_end().to_owned()
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// Code and reason, of which the one may begin with the other.
fn why(letter: &DeadLetter) -> String {
    let (code, reason) = (&letter.error_code, &letter.error_reason);
    if reason.starts_with(code.as_str()) {
        return reason.clone();
    }
    if reason.is_empty() { code.clone() } else { format!("{code}: {reason}") }
}

pub(super) async fn summary(reach: &Reach, args: &SummaryArgs) -> anyhow::Result<Exit> {
    let mut filter = args.filter.filter(None);
    let most = filter.limit.take().unwrap_or(usize::MAX);
    let by = args.by;
    let mut groups = reach.ops.dlq_summary(&filter, by).await.map_err(failed)?;
    let total: u64 = groups.iter().map(|group| group.total).sum();
    groups.truncate(most);
    if args.output == Format::Json {
        let json = serde_json::json!({
            "kind": "dead_letter_summary", "schema_version": 1, "by": by, "total": total, "groups": groups,
        });
        output::line(json)?;
        return Ok(Exit::Ok);
    }
    if groups.is_empty() {
        output::say("no dead letters");
        return Ok(Exit::Ok);
    }
    let highest = trend::highest(&groups);
    let head = [
        by.as_str().to_uppercase().as_str(),
        "LETTERS",
        "OPEN",
        "OTHERS",
        "FIRST",
        "LAST",
        "OVER TIME",
    ]
    .map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for group in &groups {
        let open = group.states.get(&EntryState::Open).copied().unwrap_or(0);
        let others: Vec<String> = group
            .states
            .iter()
            .filter(|(state, _)| **state != EntryState::Open)
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        rows.push(vec![
            or_dash(&group.value),
            group.total.to_string(),
            open.to_string(),
            or_dash(&others.join(", ")),
            local(group.first_at),
            local(group.last_at),
            bars(&group.over_time, highest),
        ]);
    }
    output::out(&output::table(&rows))?;
    output::say(format!("{}; see `ecom dlq list`", letters(total)));
    Ok(Exit::Ok)
}

pub(super) async fn show(reach: &Reach, args: &ShowArgs) -> anyhow::Result<Exit> {
    let detail = reach.ops.dead_letter(&args.id).await.map_err(failed)?;
    match args.output {
        Format::Json => output::line(tagged(&detail, "dead_letter_detail")?)?,
        Format::Text => output::out(&text(&detail))?,
    }
    Ok(Exit::Ok)
}

fn text(detail: &DeadLetterDetail) -> String {
    let l = &detail.letter;
    let pair = |name: &str, value: String| vec![name.to_owned(), value];
    let by = if l.group.is_empty() { &l.service } else { &l.group };
    let mut out = output::table(&[
        pair("id", l.id.clone()),
        pair("state", l.state.to_string()),
        pair("why", why(l)),
        pair(
            "given up by",
            format!("{} after {} retries, {}", or_dash(by), l.retry_count, local(l.failed_at)),
        ),
        pair("came from", or_dash(&l.original_topic)),
        pair("event", l.event_id.clone()),
        pair("key", l.key.as_ref().map_or_else(|| "-".into(), Blob::shown)),
        pair("written by", l.family.to_string()),
        pair("replays", l.replays.to_string()),
    ]);
    out.push_str("\nheaders\n");
    for header in &detail.record.headers {
        let _ = writeln!(out, "  {}: {}", header.name, header.value.shown());
    }
    let intact = match detail.payload_intact {
        Some(true) => "intact",
        Some(false) => "NOT the bytes that failed",
        None => "as it stands: no digest was noted when it failed",
    };
    let _ = write!(out, "\npayload ({intact})\n");
    out.push_str(&detail.payload.as_ref().map_or_else(|| "(none)".into(), Blob::shown));
    out.push('\n');
    if !detail.audit.is_empty() {
        out.push_str("\nhistory\n");
    }
    for step in &detail.audit {
        let _ = writeln!(
            out,
            "  {}  {} by {}: {}",
            local(step.at),
            step.action,
            step.actor,
            step.detail
        );
    }
    out
}
