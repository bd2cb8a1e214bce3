//! Mail: every outcome is told once. An acknowledgement can be lost, so that a second copy of one message
//! may arrive: where the shop noted that an attempt had no answer, or a process ended or counted as gone
//! at a time between the copies; never otherwise, and never under another name.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::Findings;
use super::evidence::{Evidence, show};
use crate::domain::Timestamp;

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
    // A server may tell when a copy was written, and one that was written first may arrive last.
    arrived.values_mut().for_each(|copies| copies.sort_unstable());
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
        if copies.len() == 1 {
            continue;
        }
        let again =
            copies.windows(2).filter(|pair| !may_repeat(evidence, pair[0], pair[1])).count();
        let unanswered = evidence.unanswered.get(*message).copied().unwrap_or(0);
        found.expect(again as i64 <= unanswered, subject(message), || {
            let times: Vec<String> =
                copies.iter().map(|at| Timestamp::from_millis(*at).to_string()).collect();
            format!(
                "{message} arrived {} times, {unanswered} attempts had no answer, and nothing ended in between: {}",
                copies.len(),
                times.join(", ")
            )
        });
    }
    found
}

/// A mail server may tell times only to the second, cut off.
const SECOND_MS: i64 = 999;

/// Whether what arrived at `first` may have been forgotten when it arrived again `then`.
fn may_repeat(evidence: &Evidence, first: i64, then: i64) -> bool {
    let between = first..=then + SECOND_MS;
    let started = evidence.starts.iter().any(|start| between.contains(start));
    let ended = |gap: &RangeInclusive<i64>| gap.start() <= between.end() && first <= *gap.end();
    started || evidence.gaps.iter().any(ended)
}

fn subject(message: &str) -> &str {
    message.split('.').next().unwrap_or(message)
}
