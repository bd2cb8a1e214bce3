//! `ecom topics tail`: records as they are, and as they come.

use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::format::LineFormat;
use crate::app::SystemClock;
use crate::app::zone::local;
use crate::cli::exit::WithExit;
use crate::cli::reach::{Reach, failed};
use crate::cli::signals::Signals;
use crate::cli::{DataArg, Exit, output};
use crate::ops::blob::Blob;
use crate::ops::tail::{HeaderGlob, TailFrom, TailPage, TailQuery};
use crate::ops::topics::{RecordView, TailStart};
use crate::ports::Clock;

/// Pause before a tail at the end looks again.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Who cannot see a bar is told this often how far it is.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Records that are printed unless somebody says where to begin.
const LAST: u64 = 10;

#[derive(Debug, Args)]
#[command(
    after_long_help = "A filter is made of tests, joined by && and || and !, with parentheses:
  value.order_id == \"ORD-1\"     key == \"K\"         header.event_type =~ \"order\\..*\"
  value.items[0].quantity > 2   partition != 0     timestamp >= \"2026-01-31T12:00:00Z\"
  value.user.name               there is one, and it is not null

Places: key, value, value.NAME, value[0], value[\"NAME\"], header.NAME, header[\"NAME\"], topic,
partition, offset, timestamp. Operators: == != < <= > >=, and =~ !~ for regular expressions that
match anywhere in the text.
Literals: \"text\" or 'text' (\\ before the quote or before \\ escapes it), numbers, true, false, null.
Parts of a value that is no JSON are not there. What is not there equals null, is != and !~ to
everything else, and passes no other test.

In a format: %t topic, %p partition, %o offset, %k key, %v or %s value, %h headers, %T time in ms,
%K and %S bytes of key and value (-1: there is none), %% a %; \\n \\t \\r \\0 \\\\.

Examples:
  ecom topics tail order.created -n 5 --exit
  ecom topics tail dlq.events --from -10m -o jsonl
  ecom topics tail orders --exit --filter value.total>100
  ecom topics tail orders --from -1h --to -30m --key ORD-7* --format %T:%k:%v\\n"
)]
pub(in crate::cli) struct TailArgs {
    /// The topic.
    topic: String,
    /// Begin this many records before the end: 10, or at the beginning if only some records are wanted.
    #[arg(short = 'n', value_name = "N", conflicts_with = "from")]
    last: Option<u64>,
    /// Begin at: beginning, end, -5m, an offset, or an RFC 3339 time.
    #[arg(long, value_name = "START", allow_hyphen_values = true)]
    from: Option<String>,
    /// End before: end, -5m, an offset, or an RFC 3339 time; of the records that are there now.
    #[arg(long, value_name = "END", allow_hyphen_values = true, conflicts_with = "exit")]
    to: Option<String>,
    /// End at the end as it is now, instead of waiting for more.
    #[arg(long)]
    exit: bool,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Only records that this expression takes; see --help.
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// Only records with such a key: * stands for anything, ? for one character.
    #[arg(long, value_name = "GLOB")]
    key: Option<String>,
    /// Only records with such a header; may be given several times.
    #[arg(long = "header", value_name = "NAME=GLOB")]
    headers: Vec<String>,
    /// Print each record so, byte for byte; see --help.
    #[arg(long, value_name = "FORMAT", conflicts_with = "output")]
    format: Option<String>,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// One line per record for people, or as JSON.
    #[arg(short, long, value_enum, default_value_t = Lines::Text)]
    output: Lines,
}

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lines {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
    /// The same.
    Jsonl,
}

/// How a record becomes bytes.
enum Printer {
    Text,
    Json,
    Format(LineFormat),
}

impl Printer {
    fn of(args: &TailArgs) -> Result<Self, WithExit> {
        if let Some(format) = &args.format {
            let format = format.parse().map_err(|e| usage(&format!("--format: {e}")))?;
            return Ok(Self::Format(format));
        }
        Ok(if args.output == Lines::Text { Self::Text } else { Self::Json })
    }

    fn print(&self, record: &RecordView, out: &mut Vec<u8>) -> anyhow::Result<()> {
        match self {
            Self::Text => out.extend(text(record).as_bytes()),
            Self::Json => serde_json::to_writer(&mut *out, record)?,
            Self::Format(format) => {
                format.print(record, out);
                return Ok(());
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

fn usage(text: &str) -> WithExit {
    WithExit(Exit::Usage, text.to_owned())
}

/// What is asked for, from its beginning on.
async fn query(reach: &Reach, args: &TailArgs) -> anyhow::Result<TailQuery> {
    let place = |text: &String| TailStart::parse(text).map_err(|e| usage(&e));
    let mut headers = vec![];
    for header in &args.headers {
        let (name, glob) = header
            .split_once('=')
            .ok_or_else(|| usage(&format!("--header {header}: write NAME=GLOB")))?;
        headers.push(HeaderGlob { name: name.to_owned(), glob: glob.to_owned() });
    }
    let (filter, key) = (args.filter.clone(), args.key.clone());
    let wanted = TailQuery { filter, key, headers, ..TailQuery::default() };
    let start = match (&args.from, args.last) {
        (Some(text), _) => place(text)?,
        (None, Some(count)) => TailStart::Last(count),
        (None, None) if wanted.chooses() => TailStart::Beginning,
        (None, None) => TailStart::Last(LAST),
    };
    let end = match &args.to {
        Some(text) => Some(place(text)?),
        None if args.exit || !reach.running => Some(TailStart::End), // nobody appends to a stopped shop
        None => None,
    };
    let from = |start| TailFrom { topic: args.topic.clone(), partition: args.partition, start };
    let start = reach.ops.tail_start(&from(start)).await.map_err(failed)?;
    let until = match end {
        Some(end) => reach.ops.tail_start(&from(end)).await.map_err(failed)?.next,
        None => std::collections::BTreeMap::new(),
    };
    Ok(TailQuery { topic: start.topic, next: start.next, until, ..wanted })
}

pub(super) async fn tail(reach: &Reach, args: &TailArgs) -> anyhow::Result<Exit> {
    let printer = Printer::of(args)?;
    let mut query = query(reach, args).await?;
    let (clock, mut signals) = (SystemClock::default(), Signals::listen()?);
    let mut progress = Progress::of(&query, &clock);
    let print = async {
        let mut out = vec![];
        loop {
            let page = reach.ops.tail(&query).await.map_err(failed)?;
            progress.tell(&page);
            for record in &page.records {
                printer.print(record, &mut out)?;
            }
            progress.aside(|| output::bytes(&out))?;
            out.clear();
            let (end, ends) = (page.end, !query.until.is_empty());
            query = page.next;
            if end && ends {
                progress.done();
                return anyhow::Ok(Exit::Ok);
            }
            if end {
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

/// Says how far the search is, where only some records are wanted.
struct Progress<'a> {
    clock: &'a SystemClock,
    /// None where all are.
    bar: Option<ProgressBar>,
    all: u64,
    scanned: u64,
    found: u64,
    told: Duration,
}

impl<'a> Progress<'a> {
    fn of(query: &TailQuery, clock: &'a SystemClock) -> Self {
        let bar = query.chooses().then(|| {
            let (bar, style) = match query.left() {
                0 => (ProgressBar::no_length(), "{human_pos} records looked at, {msg} found"),
                left => (
                    ProgressBar::new(left),
                    "{bar:30} {human_pos} of {human_len} records looked at, {msg} found {eta}",
                ),
            };
            let style = ProgressStyle::with_template(style)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style).with_message("0")
        });
        Self { clock, bar, all: query.left(), scanned: 0, found: 0, told: clock.elapsed() }
    }

    fn tell(&mut self, page: &TailPage) {
        let Some(bar) = &self.bar else { return };
        self.scanned += page.scanned;
        self.found += page.records.len() as u64;
        if output::is_watched() {
            bar.set_message(self.found.to_string());
            bar.set_position(self.scanned);
        } else if page.scanned > 0 && self.clock.elapsed() >= self.told + TELL_EVERY {
            self.told = self.clock.elapsed();
            let of = if self.all > 0 { format!(" of {}", self.all) } else { String::new() };
            output::say(format!("{}{of} records looked at, {} found", self.scanned, self.found));
        }
    }

    /// Prints while the bar is not in the way.
    fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) if output::is_watched() => bar.suspend(print),
            _ => print(),
        }
    }

    fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            output::say(format!("{} of {} records", self.found, self.scanned));
        }
    }
}

fn text(record: &RecordView) -> String {
    let shown = |blob: &Option<Blob>| blob.as_ref().map_or_else(|| "-".to_owned(), Blob::shown);
    format!(
        "{}/{}/{}  {}  {}  {}",
        record.topic,
        record.partition,
        record.offset,
        local(record.timestamp),
        shown(&record.key),
        shown(&record.value)
    )
}
