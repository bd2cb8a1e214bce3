//! What is not done in time is undone.

use std::sync::Arc;
use std::time::Duration;

use ecom::app::Ports;
use ecom::ports::StoreError;

use crate::harness::faults::{FailingStore, Fault, TestGateway};
use crate::harness::{settings, shop, shop_with};

#[test]
fn an_order_unpaid_past_its_deadline_expires_and_a_late_capture_is_refunded() {
    let slow = |ports: Ports, _: &_| {
        let gateway =
            TestGateway { charge_takes: Duration::from_secs(400), ..TestGateway::new(&ports) };
        Ports { gateway: Arc::new(gateway), ..ports }
    };
    shop_with(&settings(&[]), 1, slow, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.pass(299).await;
        assert_eq!(t.status(&order).await, "PENDING");
        t.pass(10).await;
        assert_eq!(
            (t.status(&order).await, t.reason(&order).await),
            ("CANCELLED".into(), "expired".into())
        );
        t.settle().await;
        assert_eq!(t.payment_status(&order).await, "REFUNDED");
        assert_eq!(t.stock("P").await, 1);
        t.all_is_well().await;
    });
}

#[test]
fn an_order_paid_but_without_stock_past_its_deadline_is_cancelled_and_refunded() {
    // The inventory cannot write anything for a long time.
    let failing = |ports: Ports, _: &_| {
        let store = FailingStore {
            inner: Arc::clone(&ports.store),
            fail: Arc::new(400.into()),
            fault: Fault::Store(StoreError::Unavailable("test".into())),
            only: "insert into stock_reservations",
        };
        Ports { store: Arc::new(store), ..ports }
    };
    shop_with(&settings(&[("shop.paid_deadline", "5m")]), 1, failing, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.pass(60).await;
        assert_eq!(t.status(&order).await, "PAID");
        t.settle().await;
        assert_eq!(
            (t.status(&order).await, t.reason(&order).await),
            ("CANCELLED".into(), "expired".into())
        );
        assert_eq!(t.payment_status(&order).await, "REFUNDED");
        assert_eq!(t.stock("P").await, 1);
        t.all_is_well().await;
    });
}

#[test]
fn a_checkout_replayed_after_its_deadline_makes_an_order_born_cancelled() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 1).await;
        let event = br#"{"event_id":"0199c0de-0000-7000-8000-000000000009","event_type":"cart.checkout_initiated","timestamp":"2025-12-31T00:00:00.000Z","correlation_id":"ORD-LATE","schema_version":1,"order_id":"ORD-LATE","cart_id":"0199c0de-0000-7000-8000-000000000008","user_id":"ann","items":[{"product_id":"P","quantity":1,"price":5.00}],"total_amount":5.00,"email":null,"phone":null,"hold_expires_at":"2025-12-31T00:03:00.000Z","deadline":"2025-12-31T00:05:00.000Z"}"#;
        t.produce("cart.checkout_initiated", "ann", event).await;
        t.settle().await;
        assert_eq!(
            (t.status("ORD-LATE").await, t.reason("ORD-LATE").await),
            ("CANCELLED".into(), "expired".into())
        );
        assert_eq!(t.records("order.created").await.len(), 0);
        assert_eq!(t.payment_status("ORD-LATE").await, "CANCELLED");
        assert_eq!(t.mails("ORD-LATE").await.len(), 1);
        assert_eq!(t.stock("P").await, 1);
    });
}
