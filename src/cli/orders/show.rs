//! `ecom orders show`.

use std::fmt::Write as _;

use clap::Args;

use super::money;
use crate::app::zone::local;
use crate::cli::output::{self, Format};
use crate::cli::reach::{Reach, failed};
use crate::cli::{DataArg, Exit};
use crate::ops::orders::OrderDetail;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The order, or its payment.
    order: String,
    #[command(flatten)]
    pub(super) data: DataArg,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(super) async fn show(reach: &Reach, args: &ShowArgs) -> anyhow::Result<Exit> {
    let order = reach.ops.order(&args.order).await.map_err(failed)?;
    match args.output {
        Format::Json => output::line(output::tagged(&order, "order")?)?,
        Format::Text => output::out(&text(&order))?,
    }
    Ok(Exit::Ok)
}

fn text(order: &OrderDetail) -> String {
    let mut text = String::new();
    let state = order.state.map_or_else(|| "checked out".to_owned(), |state| state.to_string());
    let why = order.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let decline = order.decline.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let _ = writeln!(text, "order {} of {}: {state}{why}{decline}", order.order_id, order.user_id);
    let _ = writeln!(text, "\nmade {}", local(order.created_at));
    if let Some(deadline) = order.deadline {
        let _ = writeln!(text, "expires {deadline}");
    }
    for line in &order.items {
        let (units, total) = (line.quantity, money(line.price_minor * line.quantity as i64));
        let _ = writeln!(
            text,
            "  {units} × {} {} at {}: {total}",
            line.product_id,
            line.name,
            money(line.price_minor)
        );
    }
    let _ = writeln!(text, "  total {}", money(order.total_minor));
    text.push_str("\nstates\n");
    for step in &order.history {
        let why = step.reason.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
        let _ = writeln!(text, "  {}  {}{why}", local(step.at), step.state);
    }
    if let Some(payment) = &order.payment {
        let why = payment.reason.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
        let next = payment
            .next_attempt_at
            .map(|at| format!("  next attempt {}", local(at)))
            .unwrap_or_default();
        let (id, amount) = (&payment.payment_id, money(payment.amount_minor));
        let _ = writeln!(
            text,
            "\npayment {id}\n  {}  {}  {amount}{why}{next}",
            local(payment.updated_at),
            payment.state
        );
    }
    if let Some(stock) = &order.stock {
        let _ = writeln!(text, "\nstock\n  {}  {}", local(stock.updated_at), stock.state);
    }
    if !order.messages.is_empty() {
        text.push_str("\nmessages\n");
    }
    for message in &order.messages {
        let why = message.reason.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
        let (at, state, channel) = (local(message.updated_at), &message.state, &message.channel);
        let _ = writeln!(text, "  {at}  {state}  {channel} to {}{why}", message.recipient);
    }
    if !order.notes.is_empty() {
        text.push_str("\noperators\n");
    }
    for note in &order.notes {
        let why = if note.detail.is_empty() { String::new() } else { format!(": {}", note.detail) };
        let _ = writeln!(text, "  {}  {} by {}{why}", local(note.at), note.action, note.actor);
    }
    if order.waiting.is_empty() {
        text.push_str("\nnothing is open\n");
    } else {
        text.push_str("\nwaits\n");
    }
    for wait in &order.waiting {
        let _ = writeln!(text, "  {}", wait.what);
    }
    text
}
