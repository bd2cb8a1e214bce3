//! Everything that is known of one order, in the order of time: what a person needs to see why it
//! went wrong.

use super::evidence::{Evidence, show};
use crate::domain::Timestamp;
use crate::sim::lab::history::Operation;

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Who knows of it: client, log, gateway, mailbox or table.
    pub source: &'static str,
    /// What happened.
    pub text: String,
}

/// The timeline of an order.
pub fn of_order(evidence: &Evidence, order: &str) -> Vec<Moment> {
    let mut moments = told_to_clients(evidence, order);
    moments.extend(in_the_log(evidence, order));
    moments.extend(outside(evidence, order));
    moments.extend(in_tables(evidence, order));
    moments.sort_by_key(|moment| moment.at);
    moments
}

fn moment(at: i64, source: &'static str, text: String) -> Moment {
    Moment { at: Timestamp::from_millis(at), source, text }
}

fn told_to_clients(evidence: &Evidence, order: &str) -> Vec<Moment> {
    let mut moments = vec![];
    for entry in evidence.history.iter().flatten() {
        let (about, what) = match &entry.operation {
            Operation::Checkout { order, .. } => (order.as_deref(), "checkout"),
            Operation::Cancel { order } => (Some(order.as_str()), "cancel"),
            Operation::SawFinal { order, .. } => (Some(order.as_str()), "saw the order final"),
            Operation::Restock { .. } => (None, "restock"),
        };
        if about == Some(order) {
            let text = format!("{} {what}: {:?} ({})", entry.who, entry.ending, entry.status);
            moments.push(moment(entry.ended, "client", text));
        }
    }
    moments
}

fn in_the_log(evidence: &Evidence, order: &str) -> Vec<Moment> {
    let mut moments = vec![];
    for record in &evidence.log {
        let Some(event) = record.event.as_ref().filter(|e| e.order.as_deref() == Some(order))
        else {
            continue;
        };
        let replay = if record.replay_group.is_some() { " (replay)" } else { "" };
        let at = format!("{}/{}", record.partition, record.offset);
        let text = format!("{} at {at}{replay}, event {}", record.topic, show(event.id));
        moments.push(moment(record.at, "log", text));
    }
    moments
}

fn outside(evidence: &Evidence, order: &str) -> Vec<Moment> {
    let mut moments = vec![];
    for charge in evidence.charges.iter().filter(|charge| charge.order == order) {
        let outcome = if charge.captured { "captured" } else { "declined" };
        let text = format!("{outcome} {} under key {}", charge.amount, charge.key);
        moments.push(moment(charge.at, "gateway", text));
        for (amount, at) in evidence.refunds.get(&charge.key).into_iter().flatten() {
            moments.push(moment(*at, "gateway", format!("refunded {amount}")));
        }
    }
    for copy in evidence.mail.iter().filter(|copy| copy.order.as_deref() == Some(order)) {
        moments.push(moment(copy.at, "mailbox", copy.message_id.clone()));
    }
    moments
}

fn in_tables(evidence: &Evidence, order: &str) -> Vec<Moment> {
    let mut moments = vec![];
    if let Some(known) = evidence.orders.get(order) {
        let steps: Vec<&str> = known.steps.iter().map(|(_, status, _)| status.as_str()).collect();
        let item = |(product, n, price): &(String, i64, i64)| format!("{n} × {product} at {price}");
        let items: Vec<String> = known.items.iter().map(item).collect();
        let (items, steps) = (items.join(", "), steps.join(" → "));
        let text = format!("order of {}: {items}, total {}, {steps}", known.user, known.total);
        moments.push(moment(known.created_at, "table", text));
    }
    let held_at = evidence.holds.get(order).map_or(0, |hold| hold.created_at);
    for r in evidence.reservations.iter().filter(|r| r.order == order) {
        let state = if r.released.is_some() { "released" } else { "reserved" };
        moments.push(moment(
            held_at,
            "table",
            format!("{} units of {} {state}", r.quantity, r.product),
        ));
    }
    moments
}
