//! Orders: as they were asked for, at the price that was shown, along the saga, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::evidence::{Evidence, Id, Order, show};
use super::{Findings, facts};
use crate::sim::lab::history::{Bought, Ending, Entry, Operation};

const NO_HISTORY: &str = "no client history was kept";

/// Checkouts in the history: who, how it ended, which order, what was bought.
fn checkouts(history: &[Entry]) -> impl Iterator<Item = (&Entry, Option<&String>, &Vec<Bought>)> {
    history.iter().filter_map(|entry| match &entry.operation {
        Operation::Checkout { order, items, .. } => Some((entry, order.as_ref(), items)),
        _ => None,
    })
}

/// Whether an order was made while the clients of the history were there.
fn within(visits: &[Range<i64>], order: &Order) -> bool {
    visits.iter().any(|visit| visit.contains(&order.created_at))
}

pub(super) fn none_lost_or_doubled(evidence: &Evidence) -> Findings {
    let Some(history) = &evidence.history else { return Findings::not_applicable(NO_HISTORY) };
    let mut found = Findings::default();
    let mut answered: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut unclear: BTreeMap<&str, u64> = BTreeMap::new();
    for (entry, order, _) in checkouts(history) {
        match (entry.ending, order) {
            (Ending::Ok, Some(order)) => {
                answered.entry(&entry.who).or_default().insert(order);
                found.expect(evidence.orders.contains_key(order), order, || {
                    format!("{} was answered 202, but there is no such order", entry.who)
                });
            }
            (Ending::Ok, None) => {
                found.expect(false, &entry.who, || {
                    "a checkout was answered without an order id".into()
                });
            }
            (Ending::Info, _) => *unclear.entry(&entry.who).or_default() += 1,
            (Ending::Fail, _) => {}
        }
    }
    let visits = evidence.visits();
    let mut made: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, order) in &evidence.orders {
        let known = answered.get(&*order.user).is_some_and(|orders| orders.contains(&**id));
        if known || within(&visits, order) {
            *made.entry(&order.user).or_default() += 1;
        }
    }
    for (user, made) in made {
        let known = answered.get(user).map_or(0, BTreeSet::len) as u64;
        let unclear = unclear.get(user).copied().unwrap_or(0);
        found.expect((known..=known + unclear).contains(&made), user, || {
            format!("{made} orders, but {known} were answered and {unclear} attempts had no answer")
        });
    }
    found
}

pub(super) fn no_phantom(evidence: &Evidence) -> Findings {
    let Some(history) = &evidence.history else { return Findings::not_applicable(NO_HISTORY) };
    let mut found = Findings::default();
    let mut asked: BTreeMap<&str, Vec<(&str, &Vec<Bought>)>> = BTreeMap::new();
    let mut unclear: BTreeSet<&str> = BTreeSet::new();
    for (entry, order, items) in checkouts(history) {
        match (entry.ending, order) {
            (Ending::Ok, Some(order)) => asked.entry(order).or_default().push((&entry.who, items)),
            (Ending::Info, _) => drop(unclear.insert(&entry.who)),
            _ => {}
        }
    }
    let visits = evidence.visits();
    for (id, order) in &evidence.orders {
        if !asked.contains_key(id.as_str()) && !within(&visits, order) {
            continue;
        }
        let same = |(who, items): &(&str, &Vec<Bought>)| {
            let lines = items.iter().map(|l| (l.product.clone(), l.quantity as i64, l.price));
            *who == order.user
                && lines.collect::<BTreeSet<_>>() == order.items.iter().cloned().collect()
        };
        let wanted = match asked.get(id.as_str()) {
            Some(asked) => asked.iter().all(same),
            None => unclear.contains(order.user.as_str()),
        };
        found.expect(wanted, id, || format!("{} did not ask for {:?}", order.user, order.items));
    }
    found
}

pub(super) fn price_truth(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    // A new price counts from when the log had it: while the log is down, nobody can hear of it.
    let mut told: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for record in evidence.log.iter().filter(|record| &*record.topic == facts::NEW_PRICES) {
        let Some(event) = &record.event else { continue };
        let product = event.product.as_deref().unwrap_or_default();
        let at = told.entry((product, event.timestamp)).or_insert(record.at);
        *at = record.at.min(*at);
    }
    for (id, order) in &evidence.orders {
        let sum: i64 = order.items.iter().map(|(_, quantity, price)| quantity * price).sum();
        found.expect(sum == order.total, id, || {
            format!("lines add up to {sum}, total is {}", order.total)
        });
        for (product, _, price) in &order.items {
            let oldest = order.created_at - facts::PRICE_STALENESS_MS;
            let history = evidence.prices.get(product).map(Vec::as_slice).unwrap_or_default();
            let valid = history.iter().enumerate().any(|(n, known)| {
                let until = history.get(n + 1).map_or(i64::MAX, |next| {
                    told.get(&(product.as_str(), next.since)).copied().unwrap_or(next.since)
                });
                known.price == *price && known.since <= order.created_at && until >= oldest
            });
            found.expect(valid, id, || {
                format!(
                    "{product} was sold at {price}, which it was not known to cost within the last minute"
                )
            });
        }
    }
    found
}

/// The statuses that an order may have had, in order.
const LEGAL_PATHS: &[&[&str]] = &[
    &["PENDING"],
    &["PENDING", "PAID"],
    &["PENDING", "PAID", "FULFILLED"],
    &["PENDING", "CANCELLED"],
    &["PENDING", "PAID", "CANCELLED"],
    &["CANCELLED"],
];

pub(super) fn legal_history(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    for (id, order) in &evidence.orders {
        let path: Vec<&str> = order.steps.iter().map(|(_, status, _)| status.as_str()).collect();
        let legal = LEGAL_PATHS.contains(&path.as_slice());
        let counted = order.steps.iter().map(|(version, ..)| *version).eq(1..=order.version);
        let last = path.last().copied() == Some(order.status.as_str());
        found.expect(legal && counted && last, id, || {
            format!("history {path:?}, status {}, version {}", order.status, order.version)
        });
        let paid = path.contains(&"PAID") || order.status == "FULFILLED";
        found.expect(paid == order.payment.is_some(), id, || {
            format!("history {path:?}, payment {:?}", order.payment)
        });
    }
    found
}

/// The distinct events of one order, by topic and id.
type Told<'a> = BTreeMap<&'a str, BTreeMap<Id, Telling<'a>>>;

struct Telling<'a> {
    cause: Option<Id>,
    /// The dead letter that a person repaired with it, if any: it stands for an event that was told before.
    repairs: Option<&'a str>,
}

pub(super) fn causal_saga(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut told: BTreeMap<&str, Told<'_>> = BTreeMap::new();
    let mut known: BTreeSet<Id> = BTreeSet::new();
    let letters = evidence.letters();
    for record in &evidence.log {
        let Some(event) = &record.event else { continue };
        known.insert(event.id);
        if let Some(order) = &event.order {
            let telling = Telling { cause: event.cause, repairs: record.repairs(&letters) };
            let of_topic = told.entry(order).or_default().entry(&record.topic).or_default();
            of_topic.insert(event.id, telling);
        }
    }
    for (id, order) in &evidence.orders {
        let begun = evidence.checkouts.get(id).copied().unwrap_or(order.created_at);
        if !evidence.covers(begun) {
            continue;
        }
        let empty = Told::new();
        let saga = Saga { told: told.get(id.as_str()).unwrap_or(&empty) };
        // What waits to be published is told by and by; that it waits too long is L2's to say.
        for problem in saga.problems(order, evidence.is_settled(id)) {
            found.violated(id, problem);
        }
        found.evaluated += 1;
    }
    for record in &evidence.log {
        if let Some(event) = &record.event
            && let Some(cause) = event.cause
            && evidence.covers(event.timestamp)
            && !evidence.is_foreign(event)
        {
            let there = known.contains(&cause) || evidence.since > i64::MIN;
            found.expect(there, event.order.as_deref().unwrap_or(&record.key), || {
                format!(
                    "{} {} names a cause {} that is not in the log",
                    record.topic,
                    show(event.id),
                    show(cause)
                )
            });
        }
    }
    found
}

struct Saga<'a> {
    told: &'a Told<'a>,
}

impl Saga<'_> {
    /// Events of `topic`. A letter's one repair counts where what it repairs cannot be read.
    fn count(&self, topic: &str) -> usize {
        let Some(events) = self.told.get(topic) else { return 0 };
        let repaired: BTreeSet<&str> = events.values().filter_map(|e| e.repairs).collect();
        (events.len() - repaired.len()).max(repaired.len().min(1))
    }

    /// Whether every event of `topic` was caused by one of `causes`.
    fn follows(&self, topic: &str, causes: &[&str]) -> bool {
        let caused = |telling: &Telling<'_>| {
            let by = |from: &&str| {
                telling.cause.is_some_and(|cause| {
                    self.told.get(*from).is_some_and(|e| e.contains_key(&cause))
                })
            };
            causes.iter().any(by)
        };
        self.told.get(topic).is_none_or(|events| events.values().all(caused))
    }

    fn problems(&self, order: &Order, settled: bool) -> Vec<String> {
        let mut problems = vec![];
        let mut expect = |good: bool, text: String| {
            if !good {
                problems.push(text);
            }
        };
        let path: Vec<&str> = order.steps.iter().map(|(_, status, _)| status.as_str()).collect();
        let was = |status: &str| usize::from(path.contains(&status));
        let exactly = [
            ("cart.checkout_initiated", 1),
            ("order.created", was("PENDING")),
            ("order.confirmed", was("PAID")),
            ("order.cancelled", was("CANCELLED")),
            ("notification.send", was("FULFILLED") + was("CANCELLED")),
        ];
        for (topic, wanted) in exactly {
            let count = self.count(topic);
            let good = if settled { count == wanted } else { count <= wanted };
            expect(good, format!("{count} {topic} events, history {path:?}"));
        }
        let (processed, failed) = (self.count("payment.processed"), self.count("payment.failed"));
        expect(processed + failed <= 1, format!("{processed} payments processed, {failed} failed"));
        expect(was("PAID") <= processed, "paid without payment.processed".into());
        let (reserved, refused) =
            (self.count("inventory.reserved"), self.count("inventory.reservation_failed"));
        expect(
            reserved + refused <= was("PAID"),
            format!("{reserved} reserved, {refused} refused"),
        );
        expect(was("FULFILLED") <= reserved, "fulfilled without inventory.reserved".into());
        for topic in ["inventory.released", "payment.refunded"] {
            let count = self.count(topic);
            expect(count <= was("CANCELLED"), format!("{count} {topic} events, history {path:?}"));
        }
        let order_of_causes: [(&str, &[&str]); 8] = [
            ("order.created", &["cart.checkout_initiated"]),
            ("payment.processed", &["order.created", "order.cancelled"]),
            ("payment.failed", &["order.created", "order.cancelled"]),
            ("order.confirmed", &["payment.processed"]),
            ("inventory.reserved", &["order.confirmed"]),
            ("inventory.reservation_failed", &["order.confirmed"]),
            ("inventory.released", &["order.cancelled"]),
            ("payment.refunded", &["order.cancelled"]),
        ];
        for (topic, causes) in order_of_causes {
            expect(
                self.follows(topic, causes),
                format!("{topic} was not caused by {}", causes.join(" or ")),
            );
        }
        problems
    }
}

/// An order id and a body's digest.
type Answer<'a> = (&'a Option<String>, &'a Option<String>);

pub(super) fn idempotent_api(evidence: &Evidence) -> Findings {
    let Some(history) = &evidence.history else { return Findings::not_applicable(NO_HISTORY) };
    let mut found = Findings::default();
    let mut answers: BTreeMap<(&str, &str), Vec<Answer<'_>>> = BTreeMap::new();
    for entry in history.iter().filter(|entry| entry.ending == Ending::Ok) {
        if let Operation::Checkout { key: Some(key), order, body, .. } = &entry.operation {
            answers.entry((&entry.who, key)).or_default().push((order, body));
        }
    }
    for ((who, key), answers) in answers.iter().filter(|(_, answers)| answers.len() > 1) {
        let same = answers.iter().all(|answer| answer == &answers[0]);
        found.expect(same, who, || format!("the key {key} got different answers: {answers:?}"));
    }
    found
}
