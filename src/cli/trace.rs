//! `ecom trace`: everything that happened to one order.

use std::fmt::Write as _;

use clap::Args;

use super::output::{self, Format};
use super::reach::{Reach, failed, with_reach};
use super::{DataArg, Exit};
use crate::app::Settings;
use crate::app::zone::local;
use crate::domain::Timestamp;
use crate::ops::trace::telling::{ending, lasting, line};
use crate::ops::trace::tree::laid_out;
use crate::ops::trace::{Trace, TraceQuery};

#[derive(Debug, Args)]
#[command(
    after_help = "Each line says when, how long after the beginning, and what, below what led to it. Without the shop's
tables (--kafka alone) it tells what the log knows.

Examples:
  ecom trace ORD-AGO4AV4LCRY5PG2BVDVJZ7BIGE
  ecom trace 019cdc05-778b-7113-8a01-a8ea9cfc2831    the order that this event is about
  ecom trace dlq.events/1/0                          the order that this dead letter is about
  ecom trace user-1 -o json

Exit codes: 0 found, 4 there is no such order."
)]
pub(super) struct TraceArgs {
    /// An order, payment, event, cart, record or dead letter (TOPIC/PARTITION/OFFSET), or a shopper with one
    /// order.
    id: String,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) fn run(args: &TraceArgs, settings: &Settings) -> anyhow::Result<Exit> {
    with_reach(settings, &args.data, async |reach| trace(reach, args).await)
}

async fn trace(reach: &Reach, args: &TraceArgs) -> anyhow::Result<Exit> {
    let query = TraceQuery { id: args.id.clone() };
    let trace = reach.ops.trace(&query).await.map_err(failed)?;
    if args.output == Format::Json {
        output::line(output::tagged(&trace, "trace")?)?;
        return Ok(Exit::Ok);
    }
    output::out(&text(&trace))?;
    trace.notes.iter().for_each(|note| output::say(format!("note: {note}")));
    Ok(Exit::Ok)
}

fn text(trace: &Trace) -> String {
    let mut text = format!("order {}", trace.order_id);
    if let Some(user) = &trace.user_id {
        let _ = write!(text, " of {user}");
    }
    text.push('\n');
    let begun = trace.steps.first().map_or(Timestamp::default(), |step| step.at);
    for (depth, step) in laid_out(&trace.steps) {
        let after = lasting(step.at.since(begun));
        let indent = "  ".repeat(depth);
        let _ = writeln!(
            text,
            "{}  {:>9}  {indent}{}",
            local(step.at),
            format!("+{after}"),
            line(step)
        );
    }
    let _ = writeln!(text, "{}", ending(trace, begun));
    text
}
