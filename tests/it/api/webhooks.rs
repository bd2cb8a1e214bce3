//! Messages of the payment provider: only its own are believed, and whatever they say, the provider
//! is asked.

use std::sync::Arc;
use std::time::Duration;

use ecom::app::Ports;
use ecom::app::shop::Listener;
use ecom::domain::{Secret, Timestamp};
use ecom::ports::{Clock, webhook};
use ecom::sim::virtual_time::VirtualClock;
use serde_json::json;

use super::raw::{Ask, Raw, state};
use crate::harness::faults::TestGateway;
use crate::harness::{Tester, settings, shop, shop_with};

const PATH: &str = "/payments/webhooks/gateway";
const ON: (&str, &str) = ("gateway.webhook_secret", "w3bhook");

fn message(kind: &str, charge_key: &str) -> String {
    let id = format!("{kind}:{charge_key}");
    json!({ "id": id, "type": kind, "charge_key": charge_key, "new": [1] }).to_string()
}

fn signed(secret: &str, at: Timestamp, body: &str) -> Ask {
    let secret: Secret = secret.parse().unwrap();
    let signature = webhook::sign(&secret, at, body.as_bytes());
    Ask::new("POST", PATH).json(body).header("ecom-signature", signature)
}

/// Tells the shop; the status of its answer.
async fn tell(t: &Tester, kind: &str, charge_key: &str) -> u16 {
    tell_at(&Raw::of(t, Listener::Payment), t.clock.now(), kind, charge_key).await
}

async fn tell_at(raw: &Raw, now: Timestamp, kind: &str, charge_key: &str) -> u16 {
    raw.send(&signed("w3bhook", now, &message(kind, charge_key))).await.status
}

#[test]
fn without_a_secret_there_is_no_such_path() {
    shop(&[], |t| async move {
        let ask = signed("w3bhook", t.clock.now(), &message("charge.captured", "ORD-1"));
        Raw::gateway(&t).refused(&ask, 404, None).await;
        Raw::gateway(&t).refused(&Ask::new("POST", PATH), 404, None).await;
    });
}

#[test]
fn only_what_the_provider_signed_lately_is_taken() {
    shop(&[ON], |t| async move {
        t.product("P", "5.00", 1).await;
        t.settle().await;
        let (raw, now, before) = (Raw::gateway(&t), t.clock.now(), state(&t).await);
        let body = message("charge.captured", "ORD-1");
        let (good, minute) = (signed("w3bhook", now, &body), Duration::from_mins(1));
        for bad in [
            Ask::new("POST", PATH).json(body.clone()),
            good.clone().header("ecom-signature", ""),
            good.clone().header("ecom-signature", [0xff_u8, 0xfe].as_slice()),
            good.clone().json(message("charge.captured", "ORD-2")),
            signed("w3bhooK", now, &body),
            signed("w3bhook", now - minute * 6, &body),
            signed("w3bhook", now + minute * 6, &body),
        ] {
            raw.refused(&bad, 401, None).await;
        }
        for answer in [raw.send(&good).await, raw.send(&good).await] {
            assert_eq!((answer.status, answer.text().as_str()), (200, ""), "also a second time");
        }
        for kind in ["charge.captured", "charge.declined", "refund.done", "charge.disputed"] {
            for key in ["ORD-1", "", "x", "ORD-1-2", "../../etc"] {
                assert_eq!(tell(&t, kind, key).await, 200, "{kind} {key}");
            }
        }
        raw.refused(&signed("w3bhook", now, "{"), 400, None).await;
        raw.refused(&signed("w3bhook", now, "{}"), 422, Some("id")).await;
        assert_eq!(state(&t).await, before, "nothing has come of any of them");
    });
}

/// Charges are carried out at once, and their answer is lost after 20 s.
fn silent(ports: Ports, _: &VirtualClock) -> Ports {
    let mut gateway = TestGateway::new(&ports);
    gateway.charge_takes = Duration::from_secs(20);
    gateway.lose_answers = 1.into();
    Ports { gateway: Arc::new(gateway), ..ports }
}

#[test]
fn a_charge_that_is_waited_for_is_settled_by_asking() {
    for (success, status) in [("1", "SUCCESS"), ("0", "FAILED")] {
        let changes = settings(&[ON, ("gateway.success", success)]);
        shop_with(&changes, 1, silent, move |t| async move {
            t.product("P", "5.00", 1).await;
            let order = t.buy("ann", "P").await;
            t.pass(1).await;
            assert_eq!(t.payment_status(&order).await, "PENDING");
            // What it says is not what counts.
            assert_eq!(tell(&t, "charge.captured", &order).await, 200);
            assert_eq!(t.payment_status(&order).await, status);
            assert_eq!(tell(&t, "charge.declined", &order).await, 200);
            t.pass(30).await;
            assert_eq!(t.payment_status(&order).await, status);
            let told = t.records("payment.processed").await.len()
                + t.records("payment.failed").await.len();
            assert_eq!(told, 1, "the late answer tells nothing new");
            t.all_is_well().await;
        });
    }
}

#[test]
fn a_charge_of_a_cancelled_order_is_found_and_given_back_once() {
    shop_with(&settings(&[ON]), 1, silent, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.pass(1).await;
        assert_eq!(t.call("POST", &format!("/orders/{order}/cancel"), None).await.status, 200);
        t.pass(1).await;
        assert_eq!(tell(&t, "charge.captured", &order).await, 200);
        assert_eq!(t.payment_status(&order).await, "REFUND_DUE");
        assert_eq!(tell(&t, "charge.captured", &order).await, 200);
        assert_eq!(t.payment_status(&order).await, "REFUND_DUE", "nobody said that it is back");
        t.settle().await;
        assert_eq!(t.payment_status(&order).await, "REFUNDED");
        assert_eq!(t.records("payment.refunded").await.len(), 1);
        t.all_is_well().await;
    });
}

#[test]
fn a_message_ahead_of_the_decision_is_to_be_sent_again() {
    let slow = [ON, ("gateway.latency_ms_p50", "9000"), ("gateway.latency_ms_p99", "9000")];
    shop(&slow, |t| async move {
        t.product("P", "5.00", 1).await;
        let order = t.buy("ann", "P").await;
        t.pass(1).await;
        let mut dials = t.embedded.dials.get();
        (dials.latency_ms_p50, dials.latency_ms_p99) = (0, 0);
        t.embedded.dials.set(dials).unwrap();
        let ask = signed("w3bhook", t.clock.now(), &message("charge.captured", &order));
        Raw::gateway(&t).refused(&ask, 503, None).await;
        assert_eq!(t.payment_status(&order).await, "PENDING");
        t.settle().await;
        assert_eq!(t.payment_status(&order).await, "SUCCESS");
        t.all_is_well().await;
    });
}

#[test]
fn messages_at_any_moment_charge_and_refund_once() {
    let stormy = [
        ON,
        ("gateway.success", "0.7"),
        ("gateway.ambiguous", "0.5"),
        ("gateway.refund_failure", "0.5"),
        ("gateway.latency_ms_p50", "150"),
        ("gateway.latency_ms_p99", "900"),
    ];
    for seed in 1..=8 {
        shop_with(
            &settings(&stormy),
            seed,
            |ports, _| ports,
            move |t| async move {
                t.product("P", "5.00", 100).await;
                let (raw, mut orders) = (Raw::of(&t, Listener::Payment), vec![]);
                for n in 0..8 {
                    orders.push(t.buy(&format!("u{n}"), "P").await);
                }
                for round in 0..40 {
                    if let Some(order) = orders.get(round / 3) {
                        t.call("POST", &format!("/orders/{order}/cancel"), None).await;
                    }
                    for order in &orders {
                        for kind in ["charge.captured", "charge.declined", "refund.done"] {
                            let status = tell_at(&raw, t.clock.now(), kind, order).await;
                            assert!([200, 503].contains(&status), "{status}");
                        }
                    }
                    t.clock_ms(37 * seed).await;
                }
                t.all_is_well().await;
            },
        );
    }
}
