//! `ecom bench`: how fast it is here.

use clap::Args;
use serde::Serialize;

use super::output::Format;
use super::{Exit, FlagValues, ServerArgs, output};
use crate::app::Settings;
use crate::bench::{self, Bench, Measured, Options};

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// What to measure: floor, saga, http, latency, burst, bus, growth, simulate, virtual, idle, start,
    /// roles, recovery, dlq. Without any, everything but growth, which takes a while, and roles, recovery
    /// and dlq, which need real servers.
    #[arg(value_name = "BENCH", value_parser = bench_of)]
    benches: Vec<Bench>,
    /// How long orders are placed, in seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Orders under way at most.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    /// Orders of growth.
    #[arg(long, default_value_t = 1_000_000)]
    orders: usize,
    /// Events in the folder of start; letters of dlq.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Print text or json.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    servers: ServerArgs,
}

impl BenchArgs {
    pub(super) fn flags(&self) -> FlagValues {
        self.servers.flags()
    }
}

fn bench_of(text: &str) -> Result<Bench, String> {
    let names = || Bench::ALL.iter().map(|bench| bench.as_str()).collect::<Vec<_>>().join(", ");
    Bench::parse(text).ok_or_else(|| format!("there is {}", names()))
}

/// All measurements of one call.
#[derive(Serialize)]
struct BenchReport {
    kind: &'static str,
    schema_version: u32,
    version: &'static str,
    cores: usize,
    benches: Vec<Measured>,
}

pub(super) fn run(args: &BenchArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options = Options {
        seconds: args.seconds,
        in_flight: args.in_flight as usize,
        orders: args.orders,
        events: args.events,
    };
    let chosen: Vec<Bench> = match args.benches.as_slice() {
        [] => Bench::usual().collect(),
        chosen => chosen.to_vec(),
    };
    let mut report = BenchReport {
        kind: "bench_report",
        schema_version: 1,
        version: env!("CARGO_PKG_VERSION"),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        benches: vec![],
    };
    if cfg!(debug_assertions) {
        output::say(
            "this is a debug build: its figures say nothing; use `cargo run --release -- bench`",
        );
    }
    for bench in chosen {
        output::say(format!("measuring {bench} …"));
        let measured = runtime.block_on(bench::run(bench, settings, &options))?;
        if args.output == Format::Text {
            output::out(&text(&measured))?;
        }
        report.benches.push(measured);
    }
    if args.output == Format::Json {
        output::line(serde_json::to_string_pretty(&report)?)?;
    }
    Ok(Exit::Ok)
}

fn text(measured: &Measured) -> String {
    let mut rows = vec![];
    for (name, value) in measured.figures.as_object().into_iter().flatten() {
        rows.push(vec![format!("  {name}"), value.to_string()]);
    }
    for bar in &measured.bars {
        let mark = if bar.met { "✓" } else { "✗" };
        rows.push(vec![format!("  {mark} {}", bar.text), bar.value.to_string()]);
    }
    format!("{}  {}\n{}", measured.name, measured.settings, output::table(&rows))
}
