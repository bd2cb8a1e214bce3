//! Stock: held before money is taken, reserved once, never sold twice.

use std::sync::Arc;
use std::time::Duration;

use ecom::ports::Holds;
use futures::future::join;
use serde_json::json;

use crate::harness::faults::TestGateway;
use crate::harness::remote::RemoteHolds;
use crate::harness::{settings, shop, shop_with};

#[test]
fn two_shoppers_racing_for_the_last_unit_get_one() {
    for seed in 0..30 {
        shop_with(
            &settings(&[]),
            seed,
            |ports, _| ports,
            |t| async move {
                t.product("P", "5.00", 1).await;
                join(t.add("ann", "P", 1), t.add("bob", "P", 1)).await;
                let (a, b) = join(t.try_checkout("ann"), t.try_checkout("bob")).await;
                let mut statuses = [a.status, b.status];
                statuses.sort_unstable();
                assert_eq!(statuses, [202, 409]);
                t.settle().await;
                assert_eq!(t.stock("P").await, 0);
                t.all_is_well().await;
            },
        );
    }
}

#[test]
fn two_handlers_racing_for_the_last_unit_reserve_it_once() {
    // Holds are lost, so that both orders come through to the reservation.
    for seed in 0..30 {
        let (holds, all) = (RemoteHolds::new(), settings(&[]));
        let ports = Arc::clone(&holds);
        shop_with(
            &all,
            seed,
            |others, _| ecom::app::Ports { holds: ports, ..others },
            |t| async move {
                t.product("P", "5.00", 1).await;
                t.add("ann", "P", 1).await;
                t.add("bob", "P", 1).await;
                let a = t.checkout("ann").await;
                holds.lose();
                holds.rebuild(&[("P".parse().unwrap(), 1)], &[]).await.unwrap();
                let b = t.try_checkout("bob").await;
                t.settle().await;
                let fulfilled =
                    t.count("select count(*) from orders where status = 'FULFILLED'").await;
                assert_eq!(fulfilled, 1);
                assert_eq!(t.stock("P").await, 0);
                if b.status == 202 && t.status(&a).await == "CANCELLED" {
                    assert_eq!(t.reason(&a).await, "out_of_stock");
                    assert_eq!(t.payment_status(&a).await, "REFUNDED");
                }
                t.all_is_well().await;
            },
        );
    }
}

#[test]
fn short_stock_refuses_the_whole_checkout_and_names_the_lines() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.product("Q", "7.00", 1).await;
        t.add("ann", "P", 2).await;
        t.add("ann", "Q", 2).await;
        let refused = t.try_checkout("ann").await;
        assert_eq!(refused.status, 409);
        assert_eq!(refused.json()["errors"], json!([{ "field": "Q", "detail": "1 units left" }]));
        t.add("bob", "P", 10).await;
        t.checkout("bob").await;
        t.all_is_well().await;
    });
}

/// A provider that takes ten seconds for every charge.
fn slow_gateway(ports: ecom::app::Ports) -> ecom::app::Ports {
    let gateway = TestGateway { charge_takes: Duration::from_secs(10), ..TestGateway::new(&ports) };
    ecom::app::Ports { gateway: Arc::new(gateway), ..ports }
}

#[test]
fn a_hold_that_lapses_while_paying_loses_to_who_came_then_and_is_refunded() {
    let settings = settings(&[("shop.hold_ttl", "5s")]);
    shop_with(
        &settings,
        1,
        |ports, _| slow_gateway(ports),
        |t| async move {
            t.product("P", "5.00", 1).await;
            let slow = t.buy("ann", "P").await;
            t.pass(6).await;
            let quick = t.buy("bob", "P").await;
            t.settle().await;
            // Ann's charge ended first, but her units were Bob's to hold by then.
            assert_eq!(
                (t.status(&slow).await, t.reason(&slow).await),
                ("CANCELLED".into(), "out_of_stock".into())
            );
            assert_eq!(t.payment_status(&slow).await, "REFUNDED");
            assert!(matches!(t.status(&quick).await.as_str(), "FULFILLED" | "CANCELLED"));
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_lapsed_hold_is_renewed_where_the_units_are_still_free() {
    let settings = settings(&[("shop.hold_ttl", "5s")]);
    shop_with(
        &settings,
        1,
        |ports, _| slow_gateway(ports),
        |t| async move {
            t.product("P", "5.00", 1).await;
            let order = t.buy("ann", "P").await;
            t.settle().await;
            assert_eq!(t.status(&order).await, "FULFILLED");
            t.all_is_well().await;
        },
    );
}

#[test]
fn holds_that_drifted_are_reconciled_when_the_difference_stands_still() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 3).await;
        t.embedded.ports.holds.adjust(&[("P".parse().unwrap(), 7)]).await.unwrap();
        t.pass(20).await;
        let levels = t.embedded.ports.holds.levels().await.unwrap();
        assert_eq!(levels[0].stock, 3);
    });
}

#[test]
fn restocked_units_can_be_sold_and_low_stock_is_told_once_per_crossing() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 12).await;
        t.add("ann", "P", 5).await;
        t.checkout("ann").await;
        t.settle().await;
        t.buy("bob", "P").await;
        t.settle().await;
        assert_eq!(t.records("inventory.low").await.len(), 1, "12 → 7 crosses, 7 → 6 does not");
        t.call("POST", "/products/P/stock", Some(&json!({ "quantity": 9 }))).await;
        t.settle().await;
        t.add("cat", "P", 15).await;
        t.checkout("cat").await;
        t.settle().await;
        assert_eq!(t.stock("P").await, 0);
        assert_eq!(t.records("inventory.low").await.len(), 2);
        assert_eq!(t.records("inventory.depleted").await.len(), 1);
        let alerts = t.get("/mailbox?recipient=admin@kafka-ecom.local").await;
        assert_eq!(alerts.as_array().unwrap().len(), 3);
        t.all_is_well().await;
    });
}

#[test]
fn a_delivery_that_overtakes_its_product_is_kept() {
    shop(&[], |t| async move {
        let event = br#"{"event_id":"0199c0de-0000-7000-8000-00000000000a","event_type":"catalog.stock_received","timestamp":"2026-01-01T00:00:00.000Z","correlation_id":"N","schema_version":1,"product_id":"N","quantity":4}"#;
        t.produce("catalog.stock_received", "N", event).await;
        t.settle().await;
        assert_eq!(t.call("GET", "/products/N", None).await.status, 404, "not offered yet");
        t.product("N", "1.00", 6).await;
        assert_eq!(t.stock("N").await, 10);
    });
}

#[test]
fn a_restock_with_a_key_is_one_delivery() {
    use ecom::sim::lab::client::{Call, Client};
    shop(&[], |t| async move {
        t.product("P", "5.00", 1).await;
        let call = Call::new("POST", "/products/P/stock").json(&json!({ "quantity": 5 }));
        let call = call.key(Some("d-1".into()));
        let first = t.client.call(&call).await.unwrap();
        let again = t.client.call(&call).await.unwrap();
        assert_eq!((first.status, &first.body), (202, &again.body));
        t.settle().await;
        assert_eq!(t.stock("P").await, 6);
        t.all_is_well().await;
    });
}
