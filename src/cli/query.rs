//! `ecom query`: what the shop's tables say, in SQL or by the name of a question that is known.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::answers::{self, AnswerFormat};
use super::exit::WithExit;
use super::reach::{Reach, failed};
use super::{DataArg, Exit, output};
use crate::app::config::Period;
use crate::app::{Settings, SystemClock, backends};
use crate::ops::queries::{self, Asked, QueryRequest, QueryView, library};
use crate::ports::Clock;

/// How long a statement may take unless something else is asked for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest text of SQL that is read.
const SQL_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(
    after_help = "A name has no white space, and SQL has some. Nothing can be changed: one statement is run that
reads, and ended after --timeout (10s).

In SQL, :now is the time, and :x what --set x=… says: a number, a time, a text, or a span such as
5m, which is a time so long ago. These say the same to SQLite and PostgreSQL: {{minute(t)}},
{{hour(t)}}, {{day(t)}}, {{seconds(from, to)}}, {{each(json_list)}}.

Examples:
  ecom query --list
  ecom query orders-stuck --set older=5m
  ecom query \"select status, count(*) from orders group by 1\" -o csv
  ecom query order-show --set order=ORD-… -o json
  echo 'select * from payments' | ecom query - --limit 5
  ecom query revenue-per-hour --show          prints its SQL, to be changed and run with --file"
)]
pub(super) struct QueryArgs {
    /// The name of a query, or SQL; -: SQL from standard input.
    #[arg(value_name = "NAME|SQL", required_unless_present_any = ["list", "file"], conflicts_with = "file")]
    ask: Option<String>,
    /// Read the SQL from this file.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The value of a parameter; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// List all queries that have names.
    #[arg(long, conflicts_with_all = ["ask", "file", "show"])]
    list: bool,
    /// Print the SQL of a query that has a name, instead of running it.
    #[arg(long, conflicts_with = "file")]
    show: bool,
    /// Rows at most.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=queries::ROWS_MAX))]
    limit: u64,
    /// How it is printed: for people, as one JSON object, as one per row, or as CSV.
    #[arg(short, long, value_enum, default_value_t = AnswerFormat::Table)]
    output: AnswerFormat,
    #[command(flatten)]
    data: DataArg,
}

impl QueryArgs {
    pub(super) const fn data(&self) -> &DataArg {
        &self.data
    }

    /// What is asked; a name that is unknown is so wherever the shop is.
    fn asked(&self) -> anyhow::Result<Asked> {
        if let Some(file) = &self.file {
            let named = |e: std::io::Error| {
                WithExit(Exit::Usage, format!("--file {}: {e}", file.display()))
            };
            return Ok(Asked::Sql(read(std::fs::File::open(file).map_err(named)?)?));
        }
        match self.ask.as_deref() {
            Some("-") => Ok(Asked::Sql(read(std::io::stdin().lock())?)),
            text => Ok(Asked::parse(text.unwrap_or_default())),
        }
    }

    fn request(&self) -> anyhow::Result<QueryRequest> {
        let timeout = match &self.data.timeout {
            Some(text) => text.parse::<Period>().map_err(|e| WithExit(Exit::Usage, e))?.0,
            None => TIMEOUT,
        };
        let mut set = BTreeMap::new();
        for given in &self.set {
            let wrong = || WithExit(Exit::Usage, format!("--set {given}: write NAME=VALUE"));
            let (name, value) = given.split_once('=').ok_or_else(wrong)?;
            set.insert(name.to_owned(), value.to_owned());
        }
        let timeout_ms = timeout.as_millis() as u64;
        Ok(QueryRequest { ask: self.asked()?, set, limit: self.limit, timeout_ms })
    }
}

/// All of `source`, which must be text.
fn read(source: impl Read) -> anyhow::Result<String> {
    let mut sql = String::new();
    source.take(SQL_BYTES_MAX + 1).read_to_string(&mut sql)?;
    if sql.len() as u64 > SQL_BYTES_MAX {
        let text = format!("a statement has {SQL_BYTES_MAX} bytes at most");
        return Err(WithExit(Exit::Usage, text).into());
    }
    Ok(sql)
}

pub(super) fn run(args: &QueryArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if args.list {
        return list(args);
    }
    if args.show {
        let named = library::find(args.ask.as_deref().unwrap_or_default()).map_err(failed)?;
        output::out(named.file)?;
        return Ok(Exit::Ok);
    }
    let request = args.request()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    request.inquiry(clock.now()).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let found = runtime.block_on(asked(args, settings, clock, &request))?;
    let name = match &request.ask {
        Asked::Name(name) => Some(name.as_str()),
        Asked::Sql(_) => None,
    };
    answers::print(name, &found, args.output)?;
    if found.more {
        let count = found.rows.len();
        output::say(format!("cut off after {count} rows; there are more (see --limit)"));
    }
    Ok(Exit::Ok)
}

/// Asks the tables in PostgreSQL if the settings name them, else the shop in the data folder.
async fn asked(
    args: &QueryArgs,
    settings: &Settings,
    clock: Arc<dyn Clock>,
    request: &QueryRequest,
) -> anyhow::Result<QueryView> {
    if !settings.postgres.url.is_empty() {
        if args.data.folder.verbose {
            output::say("using the shop's tables in PostgreSQL");
        }
        let store = backends::postgres(settings, false, Arc::clone(&clock)).await?;
        return queries::ask(&store, clock.now(), request).await.map_err(failed);
    }
    if !settings.kafka.bootstrap.is_empty() {
        let text =
            "a cluster's tables are in PostgreSQL: say where, with --postgres or postgres.url";
        return Err(WithExit(Exit::Usage, text.into()).into());
    }
    let reach = Reach::find(settings, args.data.folder.verbose).await?;
    let found = reach.ops.query(request).await.map_err(failed);
    reach.close();
    found
}

fn list(args: &QueryArgs) -> anyhow::Result<Exit> {
    if matches!(args.output, AnswerFormat::Json | AnswerFormat::Jsonl) {
        output::line(answers::library())?;
        return Ok(Exit::Ok);
    }
    let mut group = "";
    let mut text = String::new();
    let widest = library::all().map(|named| named.name.len()).max().unwrap_or(0);
    for named in library::all() {
        if named.group != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", named.group);
            group = named.group;
        }
        let _ = writeln!(text, "  {:widest$}  {}", named.name, named.answers);
    }
    output::out(&text)?;
    Ok(Exit::Ok)
}
