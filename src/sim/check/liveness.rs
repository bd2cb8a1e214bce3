//! In the end everything ends: orders, outbox, consumers, holds.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use super::{Findings, facts};
use crate::sim::lab::history::Operation;

pub(super) fn orders_end(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    for id in evidence.checkouts.keys() {
        found.expect(evidence.orders.contains_key(id), id, || {
            "checked out, but never taken up".into()
        });
    }
    for (id, order) in &evidence.orders {
        let ended = matches!(order.status.as_str(), "FULFILLED" | "CANCELLED");
        found.expect(ended, id, || format!("still {}", order.status));
        if let Some(payment) = evidence.payments.get(id) {
            let ended =
                !matches!(payment.status.as_str(), "PENDING" | "REFUND_DUE" | "REFUND_FAILED");
            found.expect(ended, id, || format!("its payment is still {}", payment.status));
        }
    }
    found
}

/// Every order that a client was answered was seen final by that client.
pub(super) fn followed_orders_end(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut answered = BTreeSet::new();
    let mut ended = BTreeSet::new();
    for entry in evidence.history.iter().flatten() {
        match &entry.operation {
            Operation::Checkout { order: Some(order), .. } => drop(answered.insert(order)),
            Operation::SawFinal { order, .. } => drop(ended.insert(order)),
            _ => {}
        }
    }
    for order in answered {
        found.expect(ended.contains(order), order, || "answered, but never seen final".into());
    }
    found
}

pub(super) fn outbox_drains(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    for row in evidence.outbox.values() {
        found.expect(row.published, &row.key, || {
            format!("{} {} waits in the outbox", row.topic, row.seq)
        });
    }
    found
}

pub(super) fn consumers_catch_up(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    for (_, group, topics) in facts::READERS {
        for ((topic, partition), end) in &evidence.ends {
            if *end > 0 && topics.contains(&topic.as_str()) {
                let place = ((*group).to_owned(), topic.clone(), *partition);
                let committed = evidence.offsets.get(&place).copied().unwrap_or(0);
                found.expect(committed >= *end, topic, || {
                    format!("{group} is at {committed} of {end} in {topic}/{partition}")
                });
            }
        }
    }
    found
}

pub(super) fn holds_end(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    for (id, hold) in &evidence.holds {
        let Some(order) = evidence.orders.get(id).filter(|_| evidence.is_settled(id)) else {
            continue;
        };
        let state = hold.state.as_str();
        let right = match order.status.as_str() {
            "FULFILLED" => state == "RESERVED",
            "CANCELLED" => matches!(state, "RELEASED" | "FAILED" | "TOMBSTONE"),
            _ => true,
        };
        found.expect(right, id, || {
            format!("order is {}, its hold {state} since {} ms", order.status, hold.created_at)
        });
    }
    found
}
