//! Cancelling: at any time before the end, in any order of arrival.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join;

use ecom::app::Ports;

use crate::harness::faults::{SlowStore, TestGateway};
use crate::harness::{settings, shop, shop_with};

/// A store that takes long enough for a saga to have moments.
fn slow_store(ports: Ports) -> Ports {
    let store = SlowStore {
        inner: Arc::clone(&ports.store),
        clock: Arc::clone(&ports.clock),
        write_takes: Duration::from_millis(10),
    };
    Ports { store: Arc::new(store), ..ports }
}

#[test]
fn a_customer_may_cancel_at_any_moment_and_nothing_is_kept_or_lost() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let (tx, rx) = std::sync::mpsc::channel();
        shop_with(
            &settings(&[]),
            seed,
            |ports, _| slow_store(ports),
            move |t| async move {
                t.product("P", "5.00", 1).await;
                let order = t.buy("ann", "P").await;
                // Let some of the saga happen first, differently far for every seed.
                t.clock_ms(seed * 3).await;
                let cancel = t.call("POST", &format!("/orders/{order}/cancel"), None).await;
                assert!(matches!(cancel.status, 200 | 409), "{}", cancel.json());
                t.settle().await;
                let status = t.status(&order).await;
                assert_eq!(status == "CANCELLED", cancel.status == 200);
                let free = i64::from(status == "CANCELLED");
                assert_eq!(t.stock("P").await, free);
                assert_eq!(t.mails(&order).await.len(), 1);
                t.all_is_well().await;
                tx.send((status, t.payment_status(&order).await)).unwrap();
            },
        );
        outcomes.insert(rx.recv().unwrap());
    }
    assert_eq!(outcomes.len(), 2, "in time and too late: {outcomes:?}");
}

#[test]
fn cancelling_twice_is_cancelling_once() {
    let slow = |ports: Ports, _: &_| {
        let gateway =
            TestGateway { charge_takes: Duration::from_secs(2), ..TestGateway::new(&ports) };
        Ports { gateway: Arc::new(gateway), ..ports }
    };
    shop_with(&settings(&[]), 1, slow, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        let path = format!("/orders/{order}/cancel");
        let (a, b) = join(t.call("POST", &path, None), t.call("POST", &path, None)).await;
        assert_eq!((a.status, b.status), (200, 200));
        t.settle().await;
        assert_eq!(t.call("POST", &path, None).await.status, 200);
        assert_eq!(t.records("order.cancelled").await.len(), 1);
        assert_eq!(t.reason(&order).await, "customer_request");
        t.all_is_well().await;
    });
}

#[test]
fn a_fulfilled_order_stays_fulfilled() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        let refused = t.call("POST", &format!("/orders/{order}/cancel"), None).await;
        assert_eq!(refused.status, 409);
        assert_eq!(t.status(&order).await, "FULFILLED");
        assert_eq!(t.call("POST", "/orders/ORD-NONE/cancel", None).await.status, 404);
    });
}

/// An event with a body, as the order service would tell it.
fn event(id: u32, kind: &str, body: &str) -> String {
    format!(
        r#"{{"event_id":"0199c0de-0000-7000-8000-{id:012}","event_type":"{kind}","timestamp":"2026-01-01T00:00:00.000Z","correlation_id":"ORD-T","schema_version":1,{body}}}"#
    )
}

#[test]
fn a_cancellation_that_overtakes_creation_leaves_a_stone_that_nothing_gets_past() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 5).await;
        let line = r#"[{"product_id":"P","name":"P","quantity":1,"price":5.00}]"#;
        let cancelled =
            event(1, "order.cancelled", r#""order_id":"ORD-T","user_id":"u","reason":"expired""#);
        t.produce("order.cancelled", "ORD-T", cancelled.as_bytes()).await;
        t.settle().await;
        let created = event(
            2,
            "order.created",
            &format!(
                r#""order_id":"ORD-T","user_id":"u","items":{line},"total_amount":5.00,"hold_expires_at":"2030-01-01T00:00:00.000Z","deadline":"2030-01-01T00:00:00.000Z""#
            ),
        );
        let confirmed = event(
            3,
            "order.confirmed",
            &format!(
                r#""order_id":"ORD-T","user_id":"u","payment_id":"PAY-T","items":{line},"total_amount":5.00"#
            ),
        );
        t.produce("order.created", "ORD-T", created.as_bytes()).await;
        t.produce("order.confirmed", "ORD-T", confirmed.as_bytes()).await;
        t.settle().await;
        assert_eq!(t.payment_status("ORD-T").await, "CANCELLED");
        let hold = &t.rows("select state from stock_holds", vec![]).await[0];
        assert_eq!(hold.text(0).unwrap(), "TOMBSTONE");
        assert_eq!(t.stock("P").await, 5);
        for topic in [
            "payment.processed",
            "payment.failed",
            "inventory.reserved",
            "inventory.reservation_failed",
        ] {
            assert_eq!(t.records(topic).await.len(), 0, "{topic}");
        }
        assert_eq!(t.count("select count(*) from dlq_entries").await, 0);
    });
}

#[test]
fn a_confirmation_that_overtakes_creation_is_served() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 5).await;
        let line = r#"[{"product_id":"P","name":"P","quantity":2,"price":5.00}]"#;
        let confirmed = event(
            3,
            "order.confirmed",
            &format!(
                r#""order_id":"ORD-T","user_id":"u","payment_id":"PAY-T","items":{line},"total_amount":10.00"#
            ),
        );
        t.produce("order.confirmed", "ORD-T", confirmed.as_bytes()).await;
        t.pass(1).await;
        assert_eq!(t.stock("P").await, 3);
        assert_eq!(t.records("inventory.reserved").await.len(), 1);
    });
}
