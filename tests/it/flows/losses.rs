//! Holds and cache on a server that is lost: that takes time, at worst a refund, and sells nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ecom::app::Ports;
use ecom::ports::{Cache, Clock, Holds};
use serde_json::json;

use crate::harness::faults::TestGateway;
use crate::harness::remote::{RemoteCache, RemoteHolds};
use crate::harness::{Tester, settings, shop_with};

/// Runs `test` against a shop with holds elsewhere and a provider that takes that long.
fn shop_holding_elsewhere<F: Future<Output = ()> + Send + 'static>(
    charge_takes: Duration,
    test: impl FnOnce(Tester, Arc<RemoteHolds>) -> F + Send + 'static,
) {
    let holds = RemoteHolds::new();
    let theirs = Arc::clone(&holds);
    let ports = move |ports: Ports, _: &_| {
        let gateway = Arc::new(TestGateway { charge_takes, ..TestGateway::new(&ports) });
        Ports { holds: theirs, gateway, ..ports }
    };
    shop_with(&settings(&[]), 1, ports, |t| test(t, holds));
}

/// Stock and held units of the only product.
async fn level(holds: &RemoteHolds) -> (i64, i64) {
    let levels = holds.levels().await.unwrap();
    assert_eq!(levels.len(), 1, "{levels:?}");
    (levels[0].stock, levels[0].held)
}

#[test]
fn without_holds_the_durable_stock_decides_and_who_comes_too_late_is_refunded() {
    shop_holding_elsewhere(Duration::ZERO, |t, holds| async move {
        t.product("P", "5.00", 2).await;
        holds.out_of_reach(true);
        let mut orders = vec![];
        for user in ["ann", "bob", "cat", "dan"] {
            orders.push(t.buy(user, "P").await);
        }
        t.settle().await;
        let mut ends = vec![];
        for order in &orders {
            ends.push(t.status(order).await);
            if ends.last().unwrap() == "CANCELLED" {
                assert_eq!(t.reason(order).await, "out_of_stock");
                assert_eq!(t.payment_status(order).await, "REFUNDED");
            }
        }
        ends.sort_unstable();
        assert_eq!(ends, ["CANCELLED", "CANCELLED", "FULFILLED", "FULFILLED"]);
        assert_eq!(t.stock("P").await, 0);
        t.all_is_well().await;
    });
}

#[test]
fn nobody_waits_for_holds_that_are_out_of_reach() {
    shop_holding_elsewhere(Duration::ZERO, |t, holds| async move {
        t.product("P", "5.00", 9).await;
        holds.out_of_reach(true);
        let before = t.clock.elapsed();
        let order = t.buy("ann", "P").await;
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        assert!(t.clock.elapsed().saturating_sub(before) < Duration::from_secs(1));
        t.all_is_well().await;
    });
}

#[test]
fn holds_that_come_back_are_put_right() {
    shop_holding_elsewhere(Duration::ZERO, |t, holds| async move {
        t.product("P", "5.00", 9).await;
        holds.out_of_reach(true);
        t.buy("ann", "P").await;
        let refused = t.buy("bob", "P").await;
        t.call("POST", &format!("/orders/{refused}/cancel"), None).await;
        t.call("POST", "/products/P/stock", Some(&json!({ "quantity": 5 }))).await;
        t.settle().await;
        holds.out_of_reach(false);
        assert_eq!(level(&holds).await, (9, 0), "as they were left");
        let order = t.buy("cat", "P").await;
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        t.pass(20).await;
        assert_eq!(level(&holds).await, (t.stock("P").await, 0));
        t.all_is_well().await;
    });
}

#[test]
fn a_shop_starts_without_its_holds() {
    let holds = RemoteHolds::new();
    holds.out_of_reach(true);
    let theirs = Arc::clone(&holds);
    let ports = |ports, _: &_| Ports { holds: theirs, ..ports };
    shop_with(&settings(&[]), 1, ports, |t| async move {
        t.product("P", "5.00", 9).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        holds.out_of_reach(false);
        t.pass(6).await;
        assert_eq!(level(&holds).await, (8, 0));
        t.all_is_well().await;
    });
}

#[test]
fn lost_holds_are_rebuilt_from_stock_and_live_rows() {
    shop_holding_elsewhere(Duration::from_secs(10), |t, holds| async move {
        t.product("P", "5.00", 3).await;
        t.buy("ann", "P").await;
        t.pass(1).await; // the inventory has noted the hold by now
        holds.lose();
        t.pass(6).await;
        assert_eq!(level(&holds).await, (3, 1), "with the next sweep");
        t.settle().await;
        assert_eq!(level(&holds).await, (2, 0));
        t.all_is_well().await;
    });
}

#[test]
fn a_reservation_that_finds_holds_lost_rebuilds_them_at_once() {
    shop_holding_elsewhere(Duration::from_millis(4_500), |t, holds| async move {
        t.product("P", "5.00", 3).await;
        t.pass(20).await;
        t.clock_ms(5_000 - (t.clock.elapsed().as_millis() as u64 - 1) % 5_000).await;
        t.buy("ann", "P").await;
        t.clock_ms(400).await;
        let rebuilds = holds.rebuilds.load(Ordering::SeqCst);
        holds.lose();
        t.clock_ms(4_200).await; // the sweep is later than the provider's answer
        assert_eq!(holds.rebuilds.load(Ordering::SeqCst), rebuilds + 1);
        assert_eq!(level(&holds).await, (2, 0), "and the reservation went on");
        t.all_is_well().await;
    });
}

#[test]
fn a_delivery_that_finds_holds_lost_is_in_what_is_rebuilt() {
    shop_holding_elsewhere(Duration::ZERO, |t, holds| async move {
        t.product("P", "5.00", 3).await;
        holds.lose();
        t.call("POST", "/products/P/stock", Some(&json!({ "quantity": 5 }))).await;
        t.clock_ms(50).await;
        assert_eq!(level(&holds).await, (8, 0), "counted once");
        t.all_is_well().await;
    });
}

#[test]
fn a_checkout_waits_a_moment_for_holds_that_are_being_rebuilt() {
    shop_holding_elsewhere(Duration::from_secs(2), |t, holds| async move {
        t.product("P", "5.00", 1).await;
        t.add("ann", "P", 1).await;
        holds.lose();
        let rebuild = {
            let (clock, holds) = (t.clock.clone(), Arc::clone(&holds));
            async move {
                clock.sleep(Duration::from_millis(120)).await;
                holds.rebuild(&[("P".parse().unwrap(), 1)], &[]).await.unwrap();
            }
        };
        let (order, ()) = futures::future::join(t.checkout("ann"), rebuild).await;
        assert_eq!(level(&holds).await, (1, 1), "held in what was rebuilt");
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        t.all_is_well().await;
    });
}

#[test]
fn a_checkout_goes_on_without_holds_that_stay_lost() {
    shop_holding_elsewhere(Duration::ZERO, |t, holds| async move {
        t.product("P", "5.00", 1).await;
        t.add("ann", "P", 1).await;
        holds.lose();
        let before = t.clock.elapsed();
        let order = t.checkout("ann").await;
        assert!(t.clock.elapsed().saturating_sub(before) < Duration::from_secs(1));
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        t.all_is_well().await;
    });
}

/// Runs `test` against a shop with its cache elsewhere, and the switch that puts it out of reach.
fn shop_caching_elsewhere<F: Future<Output = ()> + Send + 'static>(
    test: impl FnOnce(Tester, Arc<dyn Cache>, Arc<AtomicBool>) -> F + Send + 'static,
) {
    let out_of_reach = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&out_of_reach);
    let ports = |ports: Ports, _: &_| {
        let cache = Arc::new(RemoteCache { inner: Arc::clone(&ports.cache), out_of_reach });
        Ports { cache, ..ports }
    };
    shop_with(&settings(&[]), 1, ports, |t| {
        let cache = Arc::clone(&t.embedded.ports.cache);
        test(t, cache, switch)
    });
}

async fn units_in_cart(t: &Tester, user: &str) -> u64 {
    let cart = t.get(&format!("/cart/{user}")).await;
    cart["items"].as_array().unwrap().iter().map(|line| line["quantity"].as_u64().unwrap()).sum()
}

#[test]
fn a_cart_is_read_and_changed_without_its_cache() {
    shop_caching_elsewhere(|t, _, out_of_reach| async move {
        t.product("P", "5.00", 9).await;
        out_of_reach.store(true, Ordering::SeqCst);
        t.add("ann", "P", 2).await;
        assert_eq!(units_in_cart(&t, "ann").await, 2);
        let order = t.checkout("ann").await;
        assert_eq!(units_in_cart(&t, "ann").await, 0);
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        t.all_is_well().await;
    });
}

#[test]
fn a_copy_that_could_not_be_replaced_is_not_shown_and_replaced_when_the_cache_is_back() {
    shop_caching_elsewhere(|t, cache, out_of_reach| async move {
        t.product("P", "5.00", 9).await;
        t.add("ann", "P", 1).await;
        let old = cache.get("cart:ann").await.unwrap();
        assert!(old.is_some());
        out_of_reach.store(true, Ordering::SeqCst);
        t.add("ann", "P", 2).await;
        t.settle().await;
        assert_eq!(cache.get("cart:ann").await.unwrap(), old, "an old copy is left");
        out_of_reach.store(false, Ordering::SeqCst);
        assert_eq!(units_in_cart(&t, "ann").await, 3, "it is not shown");
        assert_ne!(cache.get("cart:ann").await.unwrap(), old, "who asks puts it right");

        let old = cache.get("cart:ann").await.unwrap();
        out_of_reach.store(true, Ordering::SeqCst);
        t.add("ann", "P", 1).await;
        t.settle().await;
        t.pass(10).await;
        assert_eq!(cache.get("cart:ann").await.unwrap(), old);
        out_of_reach.store(false, Ordering::SeqCst);
        t.pass(6).await;
        assert_ne!(cache.get("cart:ann").await.unwrap(), old, "so does the sweep");
        assert_eq!(units_in_cart(&t, "ann").await, 4);
    });
}
