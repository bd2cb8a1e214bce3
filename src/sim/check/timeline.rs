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
    let mut moments = vec![];
    let mut add = |at: i64, source, text| {
        moments.push(Moment { at: Timestamp::from_millis(at), source, text });
    };
    for entry in evidence.history.iter().flatten() {
        let (about, what) = match &entry.operation {
            Operation::Checkout { order, .. } => (order.as_deref(), "checkout"),
            Operation::Cancel { order } => (Some(order.as_str()), "cancel"),
            Operation::SawFinal { order, .. } => (Some(order.as_str()), "saw the order final"),
            Operation::Restock { .. } => (None, "restock"),
        };
        if about == Some(order) {
            add(
                entry.ended,
                "client",
                format!("{} {what}: {:?} ({})", entry.who, entry.ending, entry.status),
            );
        }
    }
    for record in &evidence.log {
        let Some(event) = record.event.as_ref().filter(|e| e.order.as_deref() == Some(order))
        else {
            continue;
        };
        let replay = if record.replay_group.is_some() { " (replay)" } else { "" };
        add(
            record.at,
            "log",
            format!(
                "{} at {}/{}{replay}, event {}",
                record.topic,
                record.partition,
                record.offset,
                show(event.id)
            ),
        );
    }
    for charge in evidence.charges.iter().filter(|charge| charge.order == order) {
        let outcome = if charge.captured { "captured" } else { "declined" };
        add(charge.at, "gateway", format!("{outcome} {} under key {}", charge.amount, charge.key));
        for (amount, at) in evidence.refunds.get(&charge.key).into_iter().flatten() {
            add(*at, "gateway", format!("refunded {amount}"));
        }
    }
    for copy in evidence.mail.iter().filter(|copy| copy.order.as_deref() == Some(order)) {
        add(copy.at, "mailbox", copy.message_id.clone());
    }
    if let Some(known) = evidence.orders.get(order) {
        let steps: Vec<&str> = known.steps.iter().map(|(_, status, _)| status.as_str()).collect();
        let items: Vec<String> = known
            .items
            .iter()
            .map(|(product, n, price)| format!("{n} × {product} at {price}"))
            .collect();
        add(
            known.created_at,
            "table",
            format!(
                "order of {}: {}, total {}, {}",
                known.user,
                items.join(", "),
                known.total,
                steps.join(" → ")
            ),
        );
    }
    for r in evidence.reservations.iter().filter(|r| r.order == order) {
        let state = if r.released.is_some() { "released" } else { "reserved" };
        let at = evidence.holds.get(order).map_or(0, |hold| hold.created_at);
        add(at, "table", format!("{} units of {} {state}", r.quantity, r.product));
    }
    moments.sort_by_key(|moment| moment.at);
    moments
}
