//! Mail: every outcome is told once. An acknowledgement can be lost in a crash, so that a second copy
//! of one message may arrive then: never otherwise, and never under another name.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use super::evidence::{Evidence, show};

/// A process that was stopped, and taken for gone, may finish a delivery before it notes with its next sign
/// of life that it is back.
const NOTED_WITHIN_MS: i64 = 2_000;

pub(super) fn exactly_once(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut expected: BTreeSet<String> = BTreeSet::new();
    for (id, order) in &evidence.orders {
        let outcome = match order.status.as_str() {
            "FULFILLED" => "fulfilled",
            "CANCELLED" => "cancelled",
            _ => continue,
        };
        expected.insert(format!("{id}.{outcome}.email@ecom"));
        if order.phone {
            expected.insert(format!("{id}.{outcome}.sms@ecom"));
        }
    }
    let pruned = evidence.since > i64::MIN;
    // What was not heard yet, or died, is the business of other checks.
    let heard = evidence.inbox.get("notification");
    for (id, row) in &evidence.outbox {
        let alerts = matches!(&*row.topic, "inventory.low" | "inventory.depleted");
        if alerts && heard.is_some_and(|heard| heard.contains(id)) {
            expected.insert(format!("{}.alert.email@ecom", show(*id)));
        }
    }
    let mut arrived: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for copy in &evidence.mail {
        arrived.entry(&copy.message_id).or_default().push(copy.at);
    }
    for message in &expected {
        if evidence.is_settled(subject(message)) {
            found.expect(arrived.contains_key(message.as_str()), subject(message), || {
                format!("{message} never arrived")
            });
        }
    }
    for (message, copies) in &arrived {
        let alert = message.contains(".alert.");
        found.expect(expected.contains(*message) || alert && pruned, subject(message), || {
            format!("{message} arrived, but nothing that happened asks for it")
        });
        for pair in copies.windows(2) {
            let between = pair[0]..=pair[1] + NOTED_WITHIN_MS;
            let crashed = evidence.starts.iter().any(|start| between.contains(start));
            found.expect(crashed, subject(message), || {
                format!("{message} arrived {} times without a crash in between", copies.len())
            });
        }
    }
    found
}

fn subject(message: &str) -> &str {
    message.split('.').next().unwrap_or(message)
}
