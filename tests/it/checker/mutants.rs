//! Shops with a bug. Each scene passes in the right shop, and is found out in the wrong one by the
//! invariant that is about that bug.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use ecom::app::Ports;
use ecom::ports::StoreError;
use ecom::services::{Mutant, Mutation};
use ecom::sim::check::Invariant;

use crate::harness::faults::{FailingStore, Fault, SlowStore, TestGateway};
use crate::harness::{Tester, Verdicts, settings, shop_with};

/// Runs `scene` in the right shop, then in the one with the bug.
fn is_found<F: Future<Output = ()> + Send + 'static>(
    mutant: Mutant,
    by: &'static [Invariant],
    wrap: fn(Ports) -> Ports,
    scene: fn(Tester) -> F,
) {
    for mutation in [Mutation::default(), Mutation::of(mutant)] {
        let mut settings = settings(&[("shop.hold_ttl", "5s")]);
        settings.mutation = mutation;
        shop_with(
            &settings,
            2,
            move |ports, _| wrap(ports),
            move |t| async move {
                scene(t.clone()).await;
                let verdict = t.verdict().await;
                if mutation.is(mutant) {
                    by.iter().for_each(|id| verdict.expect_failed(*id));
                } else {
                    verdict.expect_pass();
                }
            },
        );
    }
}

fn with_gateway(ports: Ports, change: impl FnOnce(&mut TestGateway)) -> Ports {
    let mut gateway = TestGateway::new(&ports);
    change(&mut gateway);
    Ports { gateway: Arc::new(gateway), ..ports }
}

fn first_charge_is_slow(ports: Ports) -> Ports {
    with_gateway(ports, |gateway| {
        gateway.charge_takes = Duration::from_secs(30);
        gateway.slow = AtomicI64::new(1);
    })
}

#[test]
fn overselling_is_found() {
    is_found(Mutant::Oversell, &[Invariant::S1], first_charge_is_slow, |t| async move {
        t.product("P", "5.00", 1).await;
        t.buy("ann", "P").await;
        t.pass(6).await; // her hold has lapsed, her charge is still under way
        t.buy("bob", "P").await;
        t.settle().await;
    });
}

#[test]
fn a_partial_reservation_is_found() {
    is_found(Mutant::PartialReservation, &[Invariant::S4], first_charge_is_slow, |t| async move {
        t.product("P", "5.00", 1).await;
        t.product("Q", "5.00", 1).await;
        t.add("ann", "Q", 1).await;
        t.buy("ann", "P").await;
        t.pass(6).await;
        t.buy("bob", "P").await; // gets it, so that only Q is left for her
        t.settle().await;
    });
}

#[test]
fn publishing_before_the_commit_is_found() {
    let first_commit_fails = |ports: Ports| {
        let store = FailingStore {
            inner: Arc::clone(&ports.store),
            fail: Arc::new(AtomicI64::new(1)),
            fault: Fault::Store(StoreError::Unavailable("test".into())),
            only: "insert into orders",
        };
        Ports { store: Arc::new(store), ..ports }
    };
    is_found(Mutant::PublishBeforeCommit, &[Invariant::S16], first_commit_fails, |t| async move {
        t.product("P", "5.00", 5).await;
        t.buy("ann", "P").await;
        t.settle().await;
    });
}

#[test]
fn a_double_charge_is_found() {
    let first_answer_is_lost = |ports| with_gateway(ports, |g| g.lose_answers = AtomicI64::new(1));
    is_found(Mutant::DoubleCharge, &[Invariant::S7], first_answer_is_lost, |t| async move {
        t.product("P", "5.00", 5).await;
        t.buy("ann", "P").await;
        t.settle().await;
    });
}

#[test]
fn a_forgotten_inbox_is_found() {
    is_found(
        Mutant::InboxSkipped,
        &[Invariant::S17, Invariant::S18],
        |ports| ports,
        |t| async move {
            t.product("P", "5.00", 5).await;
            let again = t.records("catalog.stock_received").await;
            for record in again {
                t.produce("catalog.stock_received", "P", record.value.as_deref().unwrap()).await;
            }
            t.settle().await;
        },
    );
}

#[test]
fn a_forgotten_refund_is_found() {
    let slow = |ports| with_gateway(ports, |g| g.charge_takes = Duration::from_secs(2));
    is_found(Mutant::RefundForgotten, &[Invariant::S9, Invariant::S10], slow, |t| async move {
        t.product("P", "5.00", 5).await;
        let order = t.buy("ann", "P").await;
        t.pass(1).await;
        assert_eq!(t.call("POST", &format!("/orders/{order}/cancel"), None).await.status, 200);
        t.settle().await;
    });
}

#[test]
fn a_charge_after_the_hold_is_found() {
    let busy = |ports: Ports| {
        let store = SlowStore {
            inner: Arc::clone(&ports.store),
            clock: Arc::clone(&ports.clock),
            write_takes: Duration::from_secs(4),
        };
        Ports { store: Arc::new(store), ..ports }
    };
    is_found(Mutant::HoldIgnored, &[Invariant::S9], busy, |t| async move {
        t.product("P", "5.00", 5).await;
        t.buy("ann", "P").await; // her hold lapses before her order comes to the payment
        t.settle().await;
    });
}

#[test]
fn a_dropped_dead_letter_is_found() {
    is_found(
        Mutant::DeadLetterDropped,
        &[Invariant::S18],
        |ports| ports,
        |t| async move {
            t.product("P", "5.00", 5).await;
            t.buy("ann", "P").await;
            t.produce("order.created", "k", b"not an event").await;
            t.settle().await;
        },
    );
}

#[test]
fn an_unstable_message_id_is_found() {
    is_found(
        Mutant::UnstableMessageId,
        &[Invariant::S20],
        |ports| ports,
        |t| async move {
            t.product("P", "5.00", 5).await;
            t.buy("ann", "P").await;
            t.settle().await;
        },
    );
}
