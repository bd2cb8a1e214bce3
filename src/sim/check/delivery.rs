//! Delivery: what was decided was told, what was told was heard, once, in order, or is a dead letter.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Evidence, Id, LogRecord, OutRow, show};
use super::{Findings, facts};

pub(super) fn order_per_key(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut partition_of: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut last_seq: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut seen: BTreeSet<Id> = BTreeSet::new();
    for record in evidence.log.iter().filter(|r| facts::FROM_OUTBOX.contains(&&*r.topic)) {
        let Some(event) = &record.event else { continue };
        let Some(row) = evidence.outbox.get(&event.id) else { continue };
        if !seen.insert(event.id) {
            continue; // only first occurrences have an order
        }
        let lane = (&*record.topic, record.key.as_str());
        let home = *partition_of.entry(lane).or_insert(record.partition);
        found.expect(home == record.partition && row.key == record.key, &record.key, || {
            format!(
                "{} {} is in partition {}, its key's home is {home}",
                record.topic,
                show(event.id),
                record.partition
            )
        });
        let before = last_seq.insert(lane, row.seq);
        found.expect(before.is_none_or(|before| before < row.seq), &record.key, || {
            format!(
                "{} {} was published after a later one of its key",
                record.topic,
                show(event.id)
            )
        });
    }
    found
}

/// Events by topic and order.
type Counts<'a> = BTreeMap<(&'a str, &'a str), u64>;

/// What an order tells of when it takes a status.
fn order_tells(status: &str) -> &'static [&'static str] {
    match status {
        "PENDING" => &["order.created"],
        "PAID" => &["order.confirmed"],
        "CANCELLED" => &["order.cancelled", "notification.send"],
        "FULFILLED" => &["notification.send"],
        _ => &[],
    }
}

/// What a payment has told of that ended up in a status.
fn payment_told(status: &str) -> &'static [&'static str] {
    match status {
        "SUCCEEDED" | "REFUND_DUE" | "REFUND_FAILED" => &["payment.processed"],
        "REFUNDED" => &["payment.processed", "payment.refunded"],
        "FAILED" => &["payment.failed"],
        _ => &[],
    }
}

/// What the inventory has told of an order whose hold ended up in a state.
fn hold_told(state: &str) -> &'static [&'static str] {
    match state {
        "RESERVED" => &["inventory.reserved"],
        "FAILED" => &["inventory.reservation_failed"],
        "RELEASED" => &["inventory.released"],
        _ => &[],
    }
}

/// The events that follow from the tables.
fn implied(evidence: &Evidence) -> Counts<'_> {
    let mut implied = Counts::new();
    let mut imply = |topics: &[&'static str], order, created_at| {
        for topic in topics.iter().filter(|_| evidence.covers(created_at)) {
            *implied.entry((*topic, order)).or_default() += 1;
        }
    };
    for (id, created_at) in &evidence.checkouts {
        imply(&["cart.checkout_initiated"], id.as_str(), *created_at);
    }
    for (id, order) in &evidence.orders {
        order
            .steps
            .iter()
            .for_each(|(_, status, _)| imply(order_tells(status), id, order.created_at));
        if let Some(payment) = evidence.payments.get(id) {
            imply(payment_told(&payment.status), id, order.created_at);
        }
        if let Some(hold) = evidence.holds.get(id) {
            imply(hold_told(&hold.state), id, order.created_at);
        }
    }
    // A released reservation was told of twice: when it was made and when it was given back.
    let given_back: BTreeSet<&str> = evidence
        .reservations
        .iter()
        .filter(|r| r.released.is_some())
        .map(|r| r.order.as_str())
        .collect();
    for order in given_back {
        if let Some(known) = evidence.orders.get(order) {
            imply(&["inventory.reserved"], order, known.created_at);
        }
    }
    implied
}

pub(super) fn outbox_atomicity(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut told = Counts::new();
    for row in evidence.outbox.values() {
        if let Some(order) = &row.order {
            *told.entry((&row.topic, order)).or_default() += row.rows;
        }
    }
    let implied = implied(evidence);
    for (&(topic, order), wanted) in &implied {
        let count = told.get(&(topic, order)).copied().unwrap_or(0);
        found.expect(count == *wanted, order, || {
            format!("{count} {topic} events in the outbox, {wanted} follow from the tables")
        });
    }
    for (&(topic, order), count) in &told {
        let known = evidence.orders.get(order).is_some_and(|o| evidence.covers(o.created_at));
        if known && !implied.contains_key(&(topic, order)) {
            let text =
                format!("{count} {topic} events in the outbox follow from nothing in the tables");
            found.violated(order, text);
        }
    }
    for (event, (product, quantity)) in &evidence.deliveries {
        let row = evidence.outbox.get(event);
        let told_so = |row: &OutRow| &*row.topic == "catalog.stock_received" && row.key == *product;
        if row.is_some() || evidence.since == i64::MIN {
            found.expect(row.is_some_and(told_so), product, || {
                format!("a delivery of {quantity} units was not told of")
            });
        }
    }
    found
}

pub(super) fn log_equals_outbox(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let letters = evidence.letters();
    let mut in_log: BTreeSet<Id> = BTreeSet::new();
    for record in evidence.log.iter().filter(|r| facts::FROM_OUTBOX.contains(&&*r.topic)) {
        let Some(event) = &record.event else { continue };
        in_log.insert(event.id);
        let subject = event.order.as_deref().or(event.product.as_deref()).unwrap_or(&record.key);
        match evidence.outbox.get(&event.id) {
            Some(row) => found.expect(
                row.bytes == record.bytes && row.topic == record.topic,
                subject,
                || {
                    format!(
                        "{} {} differs from what the outbox holds",
                        record.topic,
                        show(event.id)
                    )
                },
            ),
            None if evidence.covers(event.timestamp) => {
                let repair = record.repairs(&letters).is_some();
                found.expect(repair || evidence.is_foreign(event), subject, || {
                    format!(
                        "{} {} is in the log, but no outbox ever held it",
                        record.topic,
                        show(event.id)
                    )
                });
            }
            None => {}
        }
    }
    for (id, row) in &evidence.outbox {
        found.expect(row.rows == 1, &row.key, || {
            format!("{} rows with the event id {}", row.rows, show(*id))
        });
        if row.published && evidence.covers(row.created_at) {
            found.expect(in_log.contains(id), &row.key, || {
                format!(
                    "{} {} was marked published, but the log does not have it",
                    row.topic,
                    show(*id)
                )
            });
        }
    }
    let mut places = BTreeSet::new();
    for record in &evidence.log {
        let place = (&record.topic, record.partition, record.offset);
        if !places.insert(place) {
            found.violated(
                &record.key,
                format!("two records at {}/{}/{}", place.0, place.1, place.2),
            );
        }
    }
    found
}

pub(super) fn inbox_exactly_once(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let empty = BTreeSet::new();
    let inbox = |consumer: &str| evidence.inbox.get(consumer).unwrap_or(&empty);
    let mut effects: BTreeMap<Id, (u64, &str)> = BTreeMap::new();
    for change in evidence.changes.iter().filter(|change| change.restock) {
        effects.entry(change.event).or_insert((0, &change.product)).0 += 1;
    }
    for (event, (count, product)) in &effects {
        found.expect(*count == 1, product, || {
            format!("delivery {} was put on the shelf {count} times", show(*event))
        });
        found.expect(inbox("inventory").contains(event), product, || {
            format!("delivery {} took effect, but its event is not marked processed", show(*event))
        });
    }
    for record in &evidence.log {
        let Some(event) = &record.event else { continue };
        if !evidence.covers(event.timestamp) {
            continue;
        }
        let subject = event.order.as_deref().unwrap_or(&record.key);
        let effect = match &*record.topic {
            "catalog.stock_received" if inbox("inventory").contains(&event.id) => {
                effects.contains_key(&event.id)
            }
            "cart.checkout_initiated" if inbox("order").contains(&event.id) => {
                event.order.as_ref().is_some_and(|order| evidence.orders.contains_key(order))
            }
            "order.created" if inbox("payment").contains(&event.id) => {
                event.order.as_ref().is_some_and(|order| evidence.payments.contains_key(order))
            }
            "order.created" | "order.cancelled" if inbox("inventory").contains(&event.id) => {
                event.order.as_ref().is_some_and(|order| evidence.holds.contains_key(order))
            }
            _ => continue,
        };
        found.expect(effect, subject, || {
            format!("{} {} is marked processed, but had no effect", record.topic, show(event.id))
        });
    }
    found
}

/// What became of every record for every reader: the letters, by group and place.
struct Letters<'a> {
    by_place: BTreeMap<(&'a str, &'a str, u32, u64), u64>,
}

impl<'a> Letters<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let mut by_place: BTreeMap<_, u64> = BTreeMap::new();
        for letter in evidence.log.iter().filter_map(|record| record.letter.as_ref()) {
            let (topic, partition, offset) = &letter.place;
            *by_place
                .entry((letter.group.as_str(), topic.as_str(), *partition, *offset))
                .or_default() += 1;
        }
        Self { by_place }
    }

    fn has(&self, group: &str, record: &LogRecord) -> bool {
        self.by_place.contains_key(&(group, &*record.topic, record.partition, record.offset))
    }
}

fn reads(group: &str, record: &LogRecord) -> bool {
    facts::READERS.iter().any(|(_, g, topics)| *g == group && topics.contains(&&*record.topic))
}

/// Whether `record` is done with for a reader, in whatever way; none if it is none of its business,
/// because it is a replay for another reader. A replay for somebody who does not read it is nobody's:
/// all pass it by, so that it is lost unless it was done with before.
fn done(
    evidence: &Evidence,
    letters: &Letters<'_>,
    consumer: &str,
    group: &str,
    record: &LogRecord,
) -> Option<bool> {
    if record.replay_group.as_deref().is_some_and(|only| only != group && reads(only, record)) {
        return None;
    }
    let processed = record.event.as_ref().is_some_and(|event| {
        evidence.inbox.get(consumer).is_some_and(|inbox| inbox.contains(&event.id))
    });
    Some(processed || letters.has(group, record))
}

pub(super) fn dead_letters_complete(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let letters = Letters::of(evidence);
    let mut replayed: BTreeSet<(&str, Id)> = BTreeSet::new();
    for record in &evidence.log {
        if let (Some(group), Some(event)) = (&record.replay_group, &record.event) {
            replayed.insert((group, event.id));
        }
    }
    for (consumer, group, topics) in facts::READERS {
        let inbox = evidence.inbox.get(*consumer);
        for record in
            evidence.log.iter().filter(|r| topics.contains(&&*r.topic) && evidence.covers(r.at))
        {
            let Some(done) = done(evidence, &letters, consumer, group, record) else { continue };
            let place = ((*group).to_owned(), record.topic.to_string(), record.partition);
            let pending = record.offset >= evidence.offsets.get(&place).copied().unwrap_or(0);
            let at = || format!("{}/{}/{}", record.topic, record.partition, record.offset);
            found.expect(done || pending, &record.key, || {
                format!(
                    "{} was passed by {group}, but is neither processed nor a dead letter",
                    at()
                )
            });
            let processed =
                record.event.as_ref().is_some_and(|e| inbox.is_some_and(|i| i.contains(&e.id)));
            if processed && letters.has(group, record) {
                let replayed =
                    record.event.as_ref().is_some_and(|e| replayed.contains(&(*group, e.id)));
                found.expect(replayed, &record.key, || {
                    format!(
                        "{} is both processed by {group} and a dead letter, and was never replayed",
                        at()
                    )
                });
            }
        }
    }
    for record in &evidence.log {
        if let Some(letter) = &record.letter
            && !letter.group.is_empty()
        {
            found.expect(letter.well_formed && letter.sha256_matches, &record.key, || {
                format!(
                    "the dead letter at {}/{} does not hold its record byte for byte",
                    record.partition, record.offset
                )
            });
        }
    }
    found
}

pub(super) fn no_commit_ahead(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let letters = Letters::of(evidence);
    let mut undone: BTreeMap<(&str, &str, u32), u64> = BTreeMap::new();
    for (consumer, group, topics) in facts::READERS {
        for record in
            evidence.log.iter().filter(|r| topics.contains(&&*r.topic) && evidence.covers(r.at))
        {
            if done(evidence, &letters, consumer, group, record) == Some(false) {
                let place = (*group, &*record.topic, record.partition);
                let first = undone.entry(place).or_insert(record.offset);
                *first = record.offset.min(*first);
            }
        }
    }
    for ((group, topic, partition), committed) in &evidence.offsets {
        let Some(&end) = evidence.ends.get(&(topic.clone(), *partition)) else { continue };
        let first =
            undone.get(&(group.as_str(), topic.as_str(), *partition)).copied().unwrap_or(end);
        found.expect(*committed <= first, topic, || {
            format!(
                "{group} committed {topic}/{partition} up to {committed}, but {first} is not done"
            )
        });
    }
    found
}

/// Retries are counted from the first try, which may come long after the record; letters of older
/// shops do not tell of it.
pub(super) fn retry_discipline(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    for record in &evidence.log {
        let Some(letter) = record.letter.as_ref().filter(|letter| !letter.group.is_empty()) else {
            continue;
        };
        let first = letter.first_tried_at.unwrap_or(letter.original_timestamp);
        let took = letter.failed_at.saturating_sub(first);
        let right = match letter.retries {
            0 => true,
            facts::RETRIES => took >= facts::RETRIES_TAKE_MS,
            _ => false,
        };
        found.expect(right, &record.key, || {
            format!("dead letter after {} retries, {took} ms after the first try", letter.retries)
        });
    }
    found
}
