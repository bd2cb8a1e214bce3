//! Money: taken once, found out about, given back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ecom::app::Ports;
use ecom::ports::Clock;

use crate::harness::faults::{BusyMailer, SlowStore, TestGateway};
use crate::harness::{Verdicts, settings, shop, shop_with};

fn with_gateway(ports: Ports, change: impl FnOnce(&mut TestGateway)) -> Ports {
    let mut gateway = TestGateway::new(&ports);
    change(&mut gateway);
    Ports { gateway: Arc::new(gateway), ..ports }
}

#[test]
fn a_declined_payment_cancels_the_order_and_gives_the_hold_back() {
    shop(&[("gateway.success", "0")], |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        assert_eq!(
            (t.status(&order).await, t.reason(&order).await),
            ("CANCELLED".into(), "payment_failed".into())
        );
        assert_eq!(t.payment_status(&order).await, "FAILED");
        assert_eq!(t.mails(&order).await, [format!("Order {order} was cancelled")]);
        assert_eq!(t.records("inventory.released").await.len(), 1);
        let next = t.try_checkout("bob").await;
        assert_eq!(next.status, 400);
        t.add("bob", "P", 1).await;
        t.checkout("bob").await; // the unit is free again
        t.all_is_well().await;
    });
}

#[test]
fn a_timeout_with_captured_money_is_found_out_and_never_charged_again() {
    let lose_one = |ports: Ports, _: &_| with_gateway(ports, |g| g.lose_answers = 1.into());
    shop_with(&settings(&[]), 1, lose_one, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        let attempts = t.rows("select attempts from payments", vec![]).await[0].int(0).unwrap();
        assert_eq!(attempts, 1, "one attempt had no answer");
        t.all_is_well().await;
    });
}

#[test]
fn a_timeout_without_a_capture_is_charged_again_under_the_same_key() {
    let changes = [("gateway.ambiguous", "0.9"), ("gateway.ambiguous_captured", "0")];
    shop(&changes, |t| async move {
        t.product("P", "5.00", 100).await;
        for n in 0..10 {
            t.buy(&format!("u{n}"), "P").await;
        }
        t.settle().await;
        assert_eq!(
            t.count("select count(*) from orders where status in ('PENDING', 'PAID')").await,
            0
        );
        t.all_is_well().await;
    });
}

#[test]
fn a_decision_is_never_thrown_again() {
    // Half the answers are lost after the provider decided: what it decided then stands.
    let changes = [
        ("gateway.success", "0.5"),
        ("gateway.ambiguous", "0.5"),
        ("gateway.ambiguous_captured", "1"),
    ];
    shop(&changes, |t| async move {
        t.product("P", "5.00", 1_000).await;
        for n in 0..60 {
            t.buy(&format!("u{n}"), "P").await;
        }
        t.settle().await;
        t.all_is_well().await;
    });
}

#[test]
fn no_charge_starts_once_the_hold_has_lapsed() {
    let slow = |ports: Ports, _: &_| {
        let store = SlowStore {
            inner: Arc::clone(&ports.store),
            clock: Arc::clone(&ports.clock),
            write_takes: Duration::from_secs(2),
        };
        Ports { store: Arc::new(store), ..ports }
    };
    shop_with(&settings(&[("shop.hold_ttl", "3s")]), 1, slow, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        assert_eq!(
            (t.status(&order).await, t.reason(&order).await),
            ("CANCELLED".into(), "expired".into())
        );
        assert_eq!(t.order(&order).await["decline_reason"], "hold_expired");
        let outside = ecom::adapters::store::SqliteStore::new(Arc::clone(&t.embedded.outside));
        let charges =
            ecom::ports::store::query(&outside, "select count(*) from gateway_charges", vec![])
                .await;
        assert_eq!(charges.unwrap()[0].int(0), Ok(0));
        t.all_is_well().await;
    });
}

#[test]
fn a_refund_refused_for_a_while_is_asked_for_until_it_is_done() {
    let refuse = |ports: Ports, _: &_| {
        with_gateway(ports, |g| {
            g.refuse_refunds = 12.into();
            g.charge_takes = Duration::from_secs(1);
        })
    };
    shop_with(&settings(&[]), 1, refuse, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        // Cancelled while the charge is under way: it ends captured, on a cancelled order.
        t.clock.sleep(Duration::from_millis(500)).await;
        assert_eq!(t.call("POST", &format!("/orders/{order}/cancel"), None).await.status, 200);
        t.pass(5).await;
        assert_eq!(t.payment_status(&order).await, "REFUND_DUE");
        t.settle().await;
        assert_eq!(t.payment_status(&order).await, "REFUNDED");
        assert_eq!(t.records("payment.refunded").await.len(), 1);
        assert_eq!(t.mails(&order).await.len(), 1);
        t.all_is_well().await;
    });
}

#[test]
fn a_refund_refused_for_good_is_loud() {
    let never = |ports: Ports, _: &_| {
        with_gateway(ports, |g| {
            g.never_refund = true;
            g.charge_takes = Duration::from_secs(1);
        })
    };
    shop_with(&settings(&[]), 1, never, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.clock.sleep(Duration::from_millis(500)).await;
        t.call("POST", &format!("/orders/{order}/cancel"), None).await;
        t.settle().await;
        assert_eq!(t.payment_status(&order).await, "REFUND_FAILED");
        let verdict = t.verdict().await;
        verdict.expect_failed(ecom::sim::check::Invariant::S9);
        verdict.expect_failed(ecom::sim::check::Invariant::L1);
    });
}

#[test]
fn every_decline_reason_occurs_and_is_kept() {
    shop(&[("gateway.success", "0")], |t| async move {
        t.product("P", "5.00", 1_000).await;
        for n in 0..40 {
            t.buy(&format!("u{n}"), "P").await;
        }
        t.settle().await;
        let reasons = t.rows("select distinct decline_reason from orders order by 1", vec![]).await;
        let reasons: Vec<&str> = reasons.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(reasons, ["card_declined", "expired_card", "insufficient_funds"]);
    });
}

#[test]
fn a_mail_server_that_is_busy_gets_the_same_message_later() {
    let busy = |ports: Ports, _: &_| {
        let mailer = BusyMailer { inner: Arc::clone(&ports.mailer), refuse: 4.into() };
        Ports { mailer: Arc::new(mailer), ..ports }
    };
    shop_with(&settings(&[]), 1, busy, |t| async move {
        t.product("P", "5.00", 1_000).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        assert_eq!(t.mails(&order).await.len(), 1);
        let row = &t
            .rows("select attempts, status from notifications where order_id is not null", vec![])
            .await[0];
        assert_eq!((row.int(0).unwrap(), row.text(1).unwrap()), (5, "SENT"));
        t.all_is_well().await;
    });
}

#[test]
fn dials_can_be_turned_while_the_shop_runs() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let good = t.buy("ann", "P").await;
        t.settle().await;
        let mut dials = t.embedded.dials.get();
        dials.success = 0.0;
        t.embedded.dials.set(dials.clone()).unwrap();
        let bad = t.buy("bob", "P").await;
        t.settle().await;
        assert_eq!(
            (t.status(&good).await.as_str(), t.status(&bad).await.as_str()),
            ("FULFILLED", "CANCELLED")
        );
        dials.success = 1.5;
        assert!(t.embedded.dials.set(dials).is_err());
    });
}

#[test]
fn effects_wait_for_their_row_and_survive_a_restart() {
    let count = |ports: Ports, _: &_| with_gateway(ports, |_| {});
    shop_with(&settings(&[]), 1, count, |t| async move {
        t.product("P", "5.00", 5).await;
        t.buy("ann", "P").await;
        t.shop.crash();
        // A new process finds the row and does what is due.
        let again = ecom::app::Shop::build(&settings(&[]), t.embedded.ports.clone(), |ports| ports);
        again.start().await.unwrap();
        t.settle().await;
        assert_eq!(t.count("select count(*) from orders where status = 'FULFILLED'").await, 1);
        let _ = Ordering::SeqCst;
        t.all_is_well().await;
    });
}
