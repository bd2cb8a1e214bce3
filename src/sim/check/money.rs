//! Money: charged once, for what was held, given back when it must be, and accounted for.

use std::collections::BTreeMap;

use super::evidence::{Charge, Evidence};
use super::{Findings, facts};

/// Captures by order.
fn captures(evidence: &Evidence) -> BTreeMap<&str, Vec<&Charge>> {
    let mut captures: BTreeMap<&str, Vec<&Charge>> = BTreeMap::new();
    for charge in evidence.charges.iter().filter(|charge| charge.captured) {
        captures.entry(&charge.order).or_default().push(charge);
    }
    captures
}

/// Money given back for a charge.
fn refunded(evidence: &Evidence, charge: &Charge) -> i64 {
    evidence.refunds.get(&charge.key).into_iter().flatten().map(|(amount, _)| amount).sum()
}

fn net(evidence: &Evidence, charges: &[&Charge]) -> i64 {
    charges.iter().map(|charge| charge.amount - refunded(evidence, charge)).sum()
}

pub(super) fn no_double_charge(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    for (order, charges) in captures(evidence) {
        found.expect(charges.len() == 1, order, || {
            let keys: Vec<&str> = charges.iter().map(|charge| charge.key.as_str()).collect();
            format!("captured {} times, under the keys {}", charges.len(), keys.join(", "))
        });
        let net = net(evidence, &charges);
        let total = evidence.orders.get(order).map_or(0, |order| order.total);
        found.expect(net == 0 || net == total, order, || {
            format!("{net} kept of an order over {total} (minor units)")
        });
    }
    for charge in &evidence.charges {
        found.expect(charge.key == charge.order, &charge.order, || {
            format!("asked for under the key {}", charge.key)
        });
    }
    found
}

pub(super) fn ledgers_agree(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let captures = captures(evidence);
    for (order, payment) in evidence.payments.iter().filter(|(order, _)| evidence.is_settled(order))
    {
        let charges = captures.get(order.as_str()).map(Vec::as_slice).unwrap_or_default();
        let (taken, kept) = (charges.first().map(|c| c.amount), net(evidence, charges));
        let right = match payment.status.as_str() {
            "SUCCEEDED" | "REFUND_DUE" | "REFUND_FAILED" => {
                taken == Some(payment.amount) && kept == payment.amount
            }
            "REFUNDED" => taken == Some(payment.amount) && kept == 0,
            "FAILED" | "CANCELLED" => kept == 0,
            _ => true,
        };
        found.expect(right, order, || {
            format!(
                "payment is {} over {}, the provider took {taken:?} and keeps {kept}",
                payment.status, payment.amount
            )
        });
    }
    for (order, charges) in &captures {
        found.expect(evidence.payments.contains_key(*order), order, || {
            format!("the provider took {} for an order without a payment", charges[0].amount)
        });
    }
    found
}

/// A charge is asked for while the units are held, not before and not after. A provider may take its
/// time (a slow answer, an answer that was lost and asked for again), so that what it decides after
/// the hold has lapsed is right if it was asked before.
///
/// That nothing is asked for once the order is cancelled cannot be told: the payment hears of it
/// whenever the log reaches it, and what is in hand by then is charged and given back. The end of the
/// hold bounds that as well.
pub(super) fn held_and_refunded(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    let mut granted: BTreeMap<&str, (i64, Option<i64>)> = BTreeMap::new();
    for record in evidence.log.iter().filter(|record| &*record.topic == "cart.checkout_initiated") {
        if let Some(event) = &record.event
            && let Some(order) = &event.order
        {
            granted.entry(order).or_insert((event.timestamp, event.hold_expires_at));
        }
    }
    for (order, charges) in captures(evidence) {
        let first = charges.iter().map(|charge| charge.at).min().unwrap_or(0);
        if evidence.covers(first) {
            let hold = granted.get(order);
            let from = hold.map(|(from, _)| *from);
            found.expect(from.is_some_and(|from| from <= first), order, || {
                format!("captured at {first} ms, its hold was granted at {from:?}")
            });
            let asked = charges.iter().filter_map(|charge| charge.asked_at).max();
            if let (Some(asked), Some((_, Some(until)))) = (asked, hold) {
                found.expect(asked <= until + facts::CHARGE_ARRIVES_MS, order, || {
                    format!("asked for at {asked} ms, its hold had lapsed at {until} ms")
                });
            }
        }
        let cancelled = evidence.orders.get(order).is_some_and(|order| order.status == "CANCELLED");
        if cancelled && evidence.is_settled(order) {
            let kept = net(evidence, &charges);
            found.expect(kept == 0, order, || {
                format!("cancelled, but {kept} (minor units) are kept")
            });
            let refunds: usize =
                charges.iter().filter_map(|c| evidence.refunds.get(&c.key)).map(Vec::len).sum();
            found.expect(refunds <= charges.len(), order, || format!("refunded {refunds} times"));
        }
    }
    found
}

pub(super) fn conservation(evidence: &Evidence) -> Findings {
    let mut found = Findings::default();
    if evidence.charges.is_empty() && evidence.orders.is_empty() {
        return found;
    }
    let kept: i64 = evidence
        .charges
        .iter()
        .filter(|c| c.captured && evidence.is_settled(&c.order))
        .map(|c| c.amount - refunded(evidence, c))
        .sum();
    let sold =
        |order: &&super::evidence::Order| matches!(order.status.as_str(), "PAID" | "FULFILLED");
    let settled = evidence.orders.iter().filter(|(id, _)| evidence.is_settled(id));
    let sold: i64 = settled.map(|(_, order)| order).filter(sold).map(|order| order.total).sum();
    found.expect(kept == sold, "all orders", || {
        format!(
            "the provider keeps {kept}, paid and fulfilled orders are worth {sold} (minor units)"
        )
    });
    found
}
