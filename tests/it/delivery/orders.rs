//! Operators and orders: looked at, cancelled, refunded and made to go on, in whatever moment, without
//! anything being lost or done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecom::app::{Office, Ports};
use ecom::ops::dlq::EntryState;
use ecom::ops::local::LocalOps;
use ecom::ops::orders::{
    OrderQuery, OrderReport, OrderRequest, OrderState, StuckOrder, StuckQuery, WaitReason,
};
use ecom::ops::trace::StepKind;
use ecom::ops::{DlqOps, OpsError, OrderOps};
use ecom::ports::StoreError;
use ecom::ports::bus::Position;

use super::replay::{ended, ops};
use super::traced::{of_kind, trace, way, well_ordered};
use super::{broken, failing_store};
use crate::harness::faults::{Fault, SlowStore, TestGateway};
use crate::harness::{Tester, settings, shop, shop_with};

/// Operations on the shop, by somebody who may act on orders.
pub(super) fn office(t: &Tester) -> LocalOps {
    ops(t).with_office(Office::of(&t.shop, t.embedded.remains()))
}

pub(super) fn asked(order: &str) -> OrderRequest {
    OrderRequest { order: order.to_owned(), actor: "ann".into(), reason: "a test".into() }
}

async fn stuck(ops: &LocalOps) -> Vec<StuckOrder> {
    let query = StuckQuery { older_than_ms: 1_000, limit: None };
    ops.stuck_orders(&query).await.unwrap()
}

fn reasons(order: &StuckOrder) -> Vec<WaitReason> {
    order.waiting.iter().map(|wait| wait.reason).collect()
}

#[test]
fn an_operators_cancellation_races_the_saga_and_nothing_is_kept_or_lost() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let (tx, rx) = std::sync::mpsc::channel();
        let slow = |ports: Ports, _: &_| {
            let store = SlowStore {
                inner: Arc::clone(&ports.store),
                clock: Arc::clone(&ports.clock),
                write_takes: Duration::from_millis(10),
            };
            Ports { store: Arc::new(store), ..ports }
        };
        shop_with(&settings(&[]), seed, slow, move |t| async move {
            t.product("P", "5.00", 1).await;
            let order = t.buy("ann", "P").await;
            t.clock_ms(seed * 4).await;
            let ops = office(&t);
            let done = ops.cancel_order(&asked(&order)).await;
            t.settle().await;
            let state = t.status(&order).await;
            let notes = ops.order(&order).await.unwrap().notes;
            match &done {
                Ok(OrderReport { changed, .. }) => {
                    assert_eq!((state.as_str(), *changed), ("CANCELLED", true));
                    let noted = (&*notes[0].actor, &*notes[0].action, &*notes[0].detail);
                    assert_eq!((noted, notes.len()), (("ann", "cancelled", "a test"), 1));
                    let again = ops.cancel_order(&asked(&order)).await.unwrap();
                    assert!(!again.changed && again.told[0].contains("already"), "{again:?}");
                }
                Err(OpsError::Refused(text)) => {
                    assert_eq!((state.as_str(), notes.len()), ("FULFILLED", 0), "{text}");
                }
                Err(e) => panic!("{e}"),
            }
            let found = trace(&ops, &order).await;
            well_ordered(&found);
            assert_eq!(found.waiting, vec![]);
            t.all_is_well().await;
            tx.send((state, t.payment_status(&order).await)).unwrap();
        });
        outcomes.insert(rx.recv().unwrap());
    }
    assert!(outcomes.len() >= 2, "in time and too late: {outcomes:?}");
}

#[test]
fn a_poisoned_order_is_traced_to_its_dead_letter_and_after_resuming_to_its_end() {
    use StepKind::{DeadLetter, Event, Handled, Replay, State};
    let fails = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into stock_reservations", &fails);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(10).await;
            assert_eq!(t.status(&order).await, "PAID", "its stock cannot be reserved");
            let ops = office(&t);
            let waiting = stuck(&ops).await;
            assert_eq!((waiting.len(), reasons(&waiting[0])), (1, vec![WaitReason::DeadLetter]));
            assert_eq!((&waiting[0].order_id, waiting[0].state), (&order, Some(OrderState::Paid)));
            let before = trace(&ops, &order).await;
            well_ordered(&before);
            let letter = of_kind(&before, StepKind::DeadLetter).pop().unwrap().clone();
            assert_eq!(letter.details["retries"], "3");
            assert!(letter.error.as_ref().unwrap().contains("speaks in tongues"), "{letter:?}");
            assert_eq!(
                way(&before, &letter)[..3],
                [StepKind::DeadLetter, StepKind::Event, StepKind::State]
            );
            assert_eq!(before.waiting[0].dead_letter.as_ref(), Some(&letter.id));
            assert_eq!(trace(&ops, &letter.id).await.order_id, order, "a letter names its order");

            fails.store(0, Ordering::SeqCst);
            let report = ops.resume_order(&asked(&order)).await.unwrap();
            ended(&t, &ops, &report.job.unwrap()).await;
            t.settle().await;
            assert_eq!(t.status(&order).await, "FULFILLED");
            let after = trace(&ops, &order).await;
            well_ordered(&after);
            let replay = of_kind(&after, StepKind::Replay).pop().unwrap();
            assert_eq!(replay.cause.as_ref(), Some(&letter.id));
            let fulfilled = of_kind(&after, StepKind::State).pop().unwrap();
            assert_eq!(fulfilled.state.as_deref(), Some("FULFILLED"));
            let expected = [State, Handled, Event, Handled, Replay, DeadLetter, Event];
            assert_eq!(way(&after, fulfilled)[..7], expected, "{after:#?}");
            assert_eq!((after.waiting.len(), stuck(&ops).await.len()), (0, 0));
            let notes = ops.order(&order).await.unwrap().notes;
            assert_eq!((&*notes[0].actor, &*notes[0].action), ("ann", "resumed"));
            let again = ops.resume_order(&asked(&order)).await.unwrap();
            assert!(!again.changed && again.told[0].contains("nothing to resume"), "{again:?}");
            t.all_is_well().await;
        },
    );
}

#[test]
fn what_was_given_up_for_good_is_not_resumed_unasked() {
    let fails = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into stock_reservations", &fails);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(10).await;
            let ops = office(&t);
            let letter = ops.order(&order).await.unwrap().dead_letters.remove(0);
            ops.discard(&[letter], "ann", "").await.unwrap();
            let report = ops.resume_order(&asked(&order)).await.unwrap();
            assert!(!report.changed && report.job.is_none(), "{report:?}");
            assert!(report.waiting[0].what.contains("dlq restore"), "{report:?}");
        },
    );
}

#[test]
fn an_event_that_was_read_past_is_published_once_more() {
    let fails = Arc::new(AtomicI64::new(i64::MAX));
    let away = Fault::Store(StoreError::Unavailable("away".into()));
    let wrap = failing_store(away, "insert into payments", &fails);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(3).await;
            t.shop.crash();
            t.clock_ms(10).await;
            // As somebody who resets offsets to the end without looking.
            let bus = &t.embedded.ports.bus;
            let topics = bus.topics().await.unwrap();
            let created = topics.iter().find(|topic| topic.name == "order.created").unwrap();
            let ends: Vec<Position> = created
                .partitions
                .iter()
                .map(|p| Position {
                    topic: "order.created".into(),
                    partition: p.partition,
                    offset: p.end,
                })
                .collect();
            bus.set_offsets("payment-service-group", &ends).await.unwrap();
            let t = t.restarted(&[]).await;
            t.pass(5).await;
            assert_eq!(t.status(&order).await, "PENDING");
            let ops = office(&t);
            assert_eq!(reasons(&stuck(&ops).await[0]), [WaitReason::Skipped]);
            let report = ops.resume_order(&asked(&order)).await.unwrap();
            assert!(report.changed && report.told[0].contains("once more"), "{report:?}");
            t.settle().await;
            assert_eq!(t.status(&order).await, "FULFILLED");
            let found = trace(&ops, &order).await;
            assert_eq!(of_kind(&found, StepKind::Repeat).len(), 1, "{found:#?}");
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_refund_that_was_refused_is_owed_until_it_is_given() {
    let refusing = |ports: Ports, _: &_| {
        let gateway = TestGateway { never_refund: true, ..TestGateway::new(&ports) };
        Ports { gateway: Arc::new(gateway), ..ports }
    };
    let fails = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into stock_reservations", &fails);
    shop_with(
        &settings(&[]),
        1,
        |ports, clock| wrap(refusing(ports, clock)),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(2).await;
            assert_eq!(t.status(&order).await, "PAID");
            let ops = office(&t);
            let early = ops.refund_order(&asked(&order)).await;
            let Err(OpsError::Refused(text)) = early else { panic!("{early:?}") };
            assert!(text.contains("ecom orders cancel"), "{text}");
            ops.cancel_order(&asked(&order)).await.unwrap();
            t.pass(20).await;
            assert_eq!(t.payment_status(&order).await, "REFUND_FAILED");
            let waits = stuck(&ops).await;
            assert!(reasons(&waits[0]).contains(&WaitReason::RefundRefused), "{waits:?}");
            ops.refund_order(&asked(&order)).await.unwrap();
            t.pass(2).await;
            assert_eq!(t.payment_status(&order).await, "REFUND_FAILED", "it refuses again");

            fails.store(0, Ordering::SeqCst);
            let t = t.restarted(&[]).await;
            let ops = office(&t);
            let report = ops.refund_order(&asked(&order)).await.unwrap();
            assert_eq!((report.changed, &*report.state), (true, "REFUND_DUE"));
            t.settle().await;
            assert_eq!(t.payment_status(&order).await, "REFUNDED");
            let again = ops.refund_order(&asked(&order)).await.unwrap();
            assert!(!again.changed && again.told[0].contains("already"), "{again:?}");
            let notes = ops.order(&order).await.unwrap().notes;
            let actions: Vec<&str> = notes.iter().map(|note| &*note.action).collect();
            let asked = "asked for the refund again";
            assert_eq!(actions, ["cancelled", asked, asked]);
            let found = trace(&ops, &order).await;
            let refund = of_kind(&found, StepKind::Refund).pop().unwrap();
            assert_eq!(way(&found, refund)[..2], [StepKind::Refund, StepKind::Handled]);
        },
    );
}

#[test]
fn a_stopped_shop_takes_a_cancellation_and_carries_it_out_when_it_starts() {
    let fails = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into stock_reservations", &fails);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(1).await;
            assert_eq!(t.status(&order).await, "PAID");
            t.shop.crash();
            let ports = &t.embedded.ports;
            let office = Office::on(&settings(&[]), ports, t.embedded.remains());
            let stopped = super::replay::ops_on(&t, ports, false).with_office(office);
            let report = stopped.cancel_order(&asked(&order)).await.unwrap();
            assert!(report.told.iter().any(|told| told.contains("is stopped")), "{report:?}");
            let waits = stopped.order(&order).await.unwrap().waiting;
            assert!(waits.iter().any(|wait| wait.reason == WaitReason::Outbox), "{waits:?}");
            let unsent = trace(&stopped, &order).await;
            assert_eq!(of_kind(&unsent, StepKind::Unsent).len(), 2, "{unsent:#?}");
            let t = t.restarted(&[]).await;
            t.settle().await;
            assert_eq!(t.payment_status(&order).await, "REFUNDED");
            assert_eq!(t.stock("P").await, 10);
            t.all_is_well().await;
        },
    );
}

#[test]
fn orders_are_listed_by_state_shopper_and_time() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 1).await;
        let mut orders = vec![t.buy("ann", "P").await];
        t.settle().await;
        t.product("Q", "7.50", 10).await;
        orders.push(t.buy("bob", "Q").await);
        t.pass(60).await;
        orders.push(t.buy("bob", "Q").await);
        t.settle().await;
        let ops = office(&t);
        let list = async |query: OrderQuery| {
            let found = ops.orders(&query).await.unwrap();
            found.into_iter().map(|order| order.order_id).collect::<Vec<_>>()
        };
        let all = OrderQuery::default();
        orders.reverse();
        assert_eq!(list(all.clone()).await, orders);
        assert_eq!(list(OrderQuery { limit: Some(1), ..all.clone() }).await, orders[..1]);
        assert_eq!(list(OrderQuery { user: Some("bob".into()), ..all.clone() }).await, orders[..2]);
        let since = Some(ops.order(&orders[0]).await.unwrap().created_at);
        assert_eq!(list(OrderQuery { since, ..all.clone() }).await, orders[..1]);
        assert_eq!(list(OrderQuery { until: since, ..all.clone() }).await, orders[1..]);
        let state = |state: &str| OrderQuery { state: Some(state.into()), ..all.clone() };
        assert_eq!(list(state("FULFILLED")).await, orders);
        assert_eq!(list(state("PENDING")).await, Vec::<String>::new());
        let shown = ops.order(&orders[0]).await.unwrap();
        assert_eq!((shown.total_minor, shown.items[0].quantity), (750, 1));
        assert_eq!(shown.messages[0].state, "SENT");
        assert!(shown.dead_letters.is_empty() && shown.waiting.is_empty(), "{shown:?}");
        let letters = ops.dead_letters(&ecom::ops::dlq::DlqFilter::default()).await.unwrap();
        assert!(letters.iter().all(|letter| letter.state == EntryState::Open));
    });
}
