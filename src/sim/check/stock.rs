//! Stock: nothing sold that was not there, nothing gained or lost.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Evidence, show};
use super::{Findings, facts};

/// Units that came in, by product.
fn received(evidence: &Evidence) -> BTreeMap<&str, i64> {
    let mut received: BTreeMap<&str, i64> = BTreeMap::new();
    for change in &evidence.changes {
        *received.entry(&change.product).or_default() += change.quantity;
    }
    received
}

/// Units that are reserved and not released, by product.
fn live(evidence: &Evidence) -> BTreeMap<&str, i64> {
    let mut live: BTreeMap<&str, i64> = BTreeMap::new();
    for reservation in evidence.reservations.iter().filter(|r| r.released.is_none()) {
        *live.entry(&reservation.product).or_default() += reservation.quantity;
    }
    live
}

pub(super) fn no_oversell(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let (received, live) = (received(evidence), live(evidence));
    for (id, product) in &evidence.products {
        let received = received.get(id.as_str()).copied().unwrap_or(0);
        let live = live.get(id.as_str()).copied().unwrap_or(0);
        found.expect(product.stock >= 0 && live <= received, id, || {
            format!("{live} units sold, {received} received, stock {}", product.stock)
        });
    }
    found
}

pub(super) fn conservation(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let (received, live) = (received(evidence), live(evidence));
    for (id, product) in &evidence.products {
        let received = received.get(id.as_str()).copied().unwrap_or(0);
        let live = live.get(id.as_str()).copied().unwrap_or(0);
        found.expect(product.stock + live == received, id, || {
            format!("stock {} + {live} sold is not {received} received", product.stock)
        });
    }
    found
}

pub(super) fn one_live_reservation(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut seen = BTreeSet::new();
    for r in &evidence.reservations {
        let once = seen.insert((&r.order, &r.product));
        found.expect(once, &r.order, || format!("two reservations of {}", r.product));
        let told = |event: u128, topic: &str| match evidence.outbox.get(&event) {
            Some(row) => &*row.topic == topic && row.order.as_deref() == Some(&r.order),
            // Pruned with its time; nothing can be said.
            None => !evidence.orders.get(&r.order).is_some_and(|o| evidence.covers(o.created_at)),
        };
        // A partial reservation is told of as a failure; that is another check's business.
        let reserved = told(r.reserved.0, "inventory.reserved")
            || told(r.reserved.0, "inventory.reservation_failed");
        found.expect(reserved, &r.order, || {
            format!(
                "reservation of {} names event {}, which tells of nothing like it",
                r.product,
                show(r.reserved.0)
            )
        });
        if let Some((event, _)) = r.released {
            found.expect(told(event, "inventory.released"), &r.order, || {
                format!(
                    "release of {} names event {}, which tells of nothing like it",
                    r.product,
                    show(event)
                )
            });
        }
        if let Some(order) = evidence.orders.get(&r.order).filter(|_| evidence.is_settled(&r.order))
        {
            let right = match order.status.as_str() {
                "FULFILLED" => r.released.is_none(),
                "CANCELLED" => r.released.is_some(),
                _ => true,
            };
            found.expect(right, &r.order, || {
                let state = if r.released.is_some() { "released" } else { "still reserved" };
                format!(
                    "order is {}, but {} units of {} are {state}",
                    order.status, r.quantity, r.product
                )
            });
        }
    }
    found
}

pub(super) fn all_or_nothing(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut reserved: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    let mut live: BTreeSet<&str> = BTreeSet::new();
    for r in &evidence.reservations {
        *reserved.entry(&r.order).or_default().entry(&r.product).or_default() += r.quantity;
        if r.released.is_none() {
            live.insert(&r.order);
        }
    }
    for (id, order) in evidence.orders.iter().filter(|(id, _)| evidence.is_settled(id)) {
        let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
        for (product, quantity, _) in &order.items {
            *wanted.entry(product).or_default() += quantity;
        }
        let got = reserved.get(id.as_str());
        found.expect(got.is_none_or(|got| *got == wanted), id, || {
            format!("reserved {got:?} of {wanted:?}")
        });
        match order.status.as_str() {
            "FULFILLED" => found.expect(live.contains(id.as_str()), id, || {
                "fulfilled with nothing reserved".into()
            }),
            "CANCELLED" => found.expect(!live.contains(id.as_str()), id, || {
                "cancelled, but units are still reserved".into()
            }),
            _ => {}
        }
    }
    found
}

/// Every committed change of a product's row, by product and version: the change of stock.
fn versions(evidence: &Evidence) -> BTreeMap<&str, BTreeMap<i64, i64>> {
    let mut versions: BTreeMap<&str, BTreeMap<i64, i64>> = BTreeMap::new();
    let mut add = |product, version, change| {
        let of: &mut BTreeMap<i64, i64> = versions.entry(product).or_default();
        *of.entry(version).or_default() += change;
    };
    for change in &evidence.changes {
        add(&change.product, change.version, change.quantity);
    }
    for r in &evidence.reservations {
        add(&r.product, r.reserved.1, -r.quantity);
        if let Some((_, version)) = r.released {
            add(&r.product, version, r.quantity);
        }
    }
    versions
}

pub(super) fn no_lost_update(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let versions = versions(evidence);
    for (id, product) in &evidence.products {
        let counted = versions.get(id.as_str()).map_or(0, BTreeMap::len) as i64;
        let last = versions.get(id.as_str()).and_then(|v| v.keys().last()).copied().unwrap_or(0);
        found.expect(counted == product.version && last == product.version, id, || {
            format!(
                "version {}, but {counted} committed changes are known, the last {last}",
                product.version
            )
        });
    }
    found
}

pub(super) fn alerts_once(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut told: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for row in evidence.outbox.values() {
        if matches!(&*row.topic, "inventory.low" | "inventory.depleted") {
            *told.entry((&row.topic, &row.key)).or_default() += 1;
        }
    }
    if evidence.since > i64::MIN {
        return Findings::not_applicable("old alerts were removed from the outbox by retention");
    }
    let versions = versions(evidence);
    for id in evidence.products.keys() {
        let (mut low, mut depleted, mut stock) = (0, 0, 0);
        for change in versions.get(id.as_str()).into_iter().flat_map(BTreeMap::values) {
            let before = stock;
            stock += change;
            low += i64::from(before > facts::LOW_STOCK && stock <= facts::LOW_STOCK);
            depleted += i64::from(before > 0 && stock <= 0);
        }
        for (topic, crossings) in [("inventory.low", low), ("inventory.depleted", depleted)] {
            let told = told.get(&(topic, id.as_str())).copied().unwrap_or(0);
            if crossings > 0 || told > 0 {
                found.expect(told == crossings, id, || {
                    format!("{crossings} downward crossings, {told} {topic} events")
                });
            }
        }
    }
    found
}
