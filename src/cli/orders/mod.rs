//! `ecom orders`: look at orders, find those that are stuck, and make them go on or end.

mod act;
mod show;

use clap::{Args, Subcommand};

use super::reach::{Reach, failed, with_reach};
use super::when::When;
use super::{DataArg, Exit, output};
use crate::app::Settings;
use crate::app::config::Period;
use crate::app::zone::local;
use crate::domain::Money;
use crate::ops::orders::{LIST, OrderQuery, StuckOrder, StuckQuery};

#[derive(Debug, Subcommand)]
pub(super) enum OrdersCommand {
    /// List orders, newest first.
    #[command(after_help = "Examples:
  ecom orders list --state PENDING --since 2h
  ecom orders list --user user-1 -o name")]
    List(ListArgs),
    /// Print one order in full: lines, states, payment, stock, messages, and what it waits for.
    Show(show::ShowArgs),
    /// List orders that do not go on, the longest first, each with why.
    #[command(after_help = "Examples:
  ecom orders stuck --older-than 10m
  ecom orders stuck --fail-if-any              exit code 6 if there is one
  ecom orders stuck -o name | ecom orders resume - --yes")]
    Stuck(StuckArgs),
    /// Cancel orders that are not fulfilled: units and money are given back, and the shopper is told.
    #[command(
        after_help = "It is what the shopper's own cancellation does; who did it and why stays with the order. On a
stopped shop it is written down now, and the rest follows when the shop is started.

Examples:
  ecom orders cancel ORD-AGO4AV4LCRY5PG2BVDVJZ7BIGE --reason 'ordered twice'
  ecom orders list --user user-1 --state PENDING -o name | ecom orders cancel - --yes

Exit codes: 0 cancelled, now or before; 3 some were not; 4 no such order; 7 too late, or not confirmed."
    )]
    Cancel(act::CancelArgs),
    /// Have the provider asked again for a refund that is owed and that it had refused.
    #[command(
        after_help = "What is paid for a cancelled order is given back by itself; this is for refunds that the provider
refused for good (REFUND_FAILED). An order that is not fulfilled is refunded by cancelling it; one that is
FULFILLED stays paid.

Exit codes: 0 asked, under way, or given back already; 4 no such order; 7 nothing is owed, or not confirmed."
    )]
    Refund(act::RefundArgs),
    /// Make stuck orders go on, by whatever each waits for.
    #[command(
        after_help = "Its dead letters are sent back (as `ecom dlq replay` does); an event that a service has read past is
published once more; a refund that was refused is asked for again. What goes on by itself is left alone, and
told. Nothing is written beside the services that own it.

Examples:
  ecom orders resume ORD-AGO4AV4LCRY5PG2BVDVJZ7BIGE
  ecom orders stuck -o name | ecom orders resume - --yes

Exit codes: 0 done, or nothing to do; 3 some wait for what cannot be resumed; 4 no such order; 7 not confirmed."
    )]
    Resume(act::ResumeArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only in this state: PENDING, PAID, FULFILLED or CANCELLED.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only of this shopper.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only made within this long (2h), or since an RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only made before this long ago, or before an RFC 3339 time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// At most this many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = LIST)]
    limit: usize,
    #[command(flatten)]
    data: DataArg,
    /// How they are printed.
    #[arg(short, long, value_enum, default_value_t = ListFormat::Text)]
    output: ListFormat,
}

#[derive(Debug, Args)]
pub(super) struct StuckArgs {
    /// Those that have waited for longer than this.
    #[arg(long, value_name = "TIME", default_value = "5m")]
    older_than: Period,
    /// At most this many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = LIST)]
    limit: usize,
    /// Exit with 6 if there is one.
    #[arg(long)]
    fail_if_any: bool,
    #[command(flatten)]
    data: DataArg,
    /// How they are printed.
    #[arg(short, long, value_enum, default_value_t = ListFormat::Text)]
    output: ListFormat,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ListFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// Ids only, for other commands.
    Name,
}

impl OrdersCommand {
    pub(super) const fn data(&self) -> &DataArg {
        match self {
            Self::List(args) => &args.data,
            Self::Show(args) => &args.data,
            Self::Stuck(args) => &args.data,
            Self::Cancel(args) => &args.wish.data,
            Self::Refund(args) => &args.wish.data,
            Self::Resume(args) => &args.wish.data,
        }
    }
}

pub(super) fn run(command: &OrdersCommand, settings: &Settings) -> anyhow::Result<Exit> {
    with_reach(settings, command.data(), async |reach| match command {
        OrdersCommand::List(args) => list(reach, args).await,
        OrdersCommand::Show(args) => show::show(reach, args).await,
        OrdersCommand::Stuck(args) => stuck(reach, args).await,
        OrdersCommand::Cancel(args) => act::cancel(reach, args).await,
        OrdersCommand::Refund(args) => act::refund(reach, args).await,
        OrdersCommand::Resume(args) => act::resume(reach, args).await,
    })
}

fn money(minor: i64) -> String {
    Money::from_minor(minor).to_string()
}

async fn list(reach: &Reach, args: &ListArgs) -> anyhow::Result<Exit> {
    let query = OrderQuery {
        state: args.state.clone(),
        user: args.user.clone(),
        since: args.since.map(When::time),
        until: args.until.map(When::time),
        limit: Some(args.limit),
    };
    let orders = reach.ops.orders(&query).await.map_err(failed)?;
    match args.output {
        ListFormat::Json => {
            let json =
                serde_json::json!({ "kind": "orders", "schema_version": 1, "orders": orders });
            output::line(json)?;
        }
        ListFormat::Name => {
            for order in &orders {
                output::line(&order.order_id)?;
            }
        }
        ListFormat::Text if orders.is_empty() => output::say("no orders"),
        ListFormat::Text => {
            let head = ["ORDER", "STATE", "USER", "UNITS", "TOTAL", "MADE", "CHANGED", "REASON"];
            let mut rows = vec![head.map(str::to_owned).to_vec()];
            for order in orders {
                rows.push(vec![
                    order.order_id,
                    order.state.to_string(),
                    order.user_id,
                    order.units.to_string(),
                    money(order.total_minor),
                    local(order.created_at),
                    local(order.updated_at),
                    order.reason.unwrap_or_default(),
                ]);
            }
            output::out(&output::table(&rows))?;
        }
    }
    Ok(Exit::Ok)
}

async fn stuck(reach: &Reach, args: &StuckArgs) -> anyhow::Result<Exit> {
    let older_than_ms = args.older_than.0.as_millis() as u64;
    let query = StuckQuery { older_than_ms, limit: Some(args.limit) };
    let orders = reach.ops.stuck_orders(&query).await.map_err(failed)?;
    let exit = if args.fail_if_any && !orders.is_empty() { Exit::CheckFailed } else { Exit::Ok };
    match args.output {
        ListFormat::Json => {
            let json = serde_json::json!({ "kind": "stuck_orders", "schema_version": 1, "orders": orders });
            output::line(json)?;
        }
        ListFormat::Name => {
            for order in &orders {
                output::line(&order.order_id)?;
            }
        }
        ListFormat::Text if orders.is_empty() => {
            output::say(format!("no order has waited for longer than {}", args.older_than));
        }
        ListFormat::Text => output::out(&stuck_table(&orders))?,
    }
    Ok(exit)
}

fn stuck_table(orders: &[StuckOrder]) -> String {
    let mut rows = vec![["ORDER", "STATE", "USER", "SINCE", "WAITS"].map(str::to_owned).to_vec()];
    for order in orders {
        let state = order.state.map_or_else(|| "-".to_owned(), |state| state.to_string());
        let (id, user, since) = (order.order_id.clone(), order.user_id.clone(), local(order.since));
        // One line for each thing that it waits for, the order named once.
        for (n, wait) in order.waiting.iter().enumerate() {
            let cell = |text: &String| if n == 0 { text.clone() } else { String::new() };
            let row = [&id, &state, &user, &since].map(cell);
            rows.push([row.to_vec(), vec![wait.what.clone()]].concat());
        }
    }
    output::table(&rows)
}
