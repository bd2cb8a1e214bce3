//! From cart to order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join;
use serde_json::json;

use crate::harness::faults::{FailingStore, Fault};
use crate::harness::{settings, shop, shop_with};
use ecom::ports::StoreError;
use ecom::sim::lab::client::{Call, Client};

#[test]
fn an_order_is_paid_reserved_fulfilled_and_told_of_once() {
    shop(&[], |t| async move {
        t.product("P", "49.99", 10).await;
        t.add("ann", "P", 2).await;
        let order = t.checkout("ann").await;
        t.settle().await;
        let body = t.order(&order).await;
        assert_eq!(body["status"], "FULFILLED");
        assert_eq!(body["total_amount"], 99.98);
        assert_eq!(body["payment_id"], order.replace("ORD-", "PAY-"));
        let history: Vec<_> =
            body["history"].as_array().unwrap().iter().map(|s| s["status"].clone()).collect();
        assert_eq!(history, ["PENDING", "PAID", "FULFILLED"]);
        assert_eq!(t.payment_status(&order).await, "SUCCESS");
        assert_eq!(t.stock("P").await, 8);
        assert_eq!(t.mails(&order).await, [format!("Order {order} is on its way")]);
        assert_eq!(t.get("/cart/ann").await["item_count"], 0);
        t.all_is_well().await;
    });
}

#[test]
fn a_double_checkout_is_one_order() {
    for seed in 0..30 {
        shop_with(
            &settings(&[]),
            seed,
            |ports, _| ports,
            |t| async move {
                t.product("P", "5.00", 10).await;
                t.add("ann", "P", 1).await;
                let (a, b) = join(t.try_checkout("ann"), t.try_checkout("ann")).await;
                assert_eq!((a.status, b.status), (202, 202));
                assert_eq!(a.body, b.body, "the same order, byte for byte");
                let later = t.try_checkout("ann").await;
                assert_eq!(later.body, a.body, "and again before anything was added");
                t.settle().await;
                assert_eq!(t.count("select count(*) from orders").await, 1);
                assert_eq!(t.stock("P").await, 9);
                t.all_is_well().await;
            },
        );
    }
}

#[test]
fn the_next_cart_is_another_order() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let first = t.buy("ann", "P").await;
        let second = t.buy("ann", "P").await;
        assert_ne!(first, second);
        t.settle().await;
        assert_eq!(t.count("select count(*) from orders where status = 'FULFILLED'").await, 2);
        let listed = t.get("/orders/user/ann").await;
        assert_eq!(listed.as_array().unwrap().len(), 2);
        t.all_is_well().await;
    });
}

#[test]
fn two_tabs_with_other_carts_check_out_what_one_of_them_saw() {
    for seed in 0..30 {
        shop_with(
            &settings(&[]),
            seed,
            |ports, _| ports,
            |t| async move {
                t.product("P", "5.00", 10).await;
                t.product("Q", "7.00", 10).await;
                t.add("ann", "P", 1).await;
                let (checkout, ()) = join(t.try_checkout("ann"), t.add("ann", "Q", 1)).await;
                assert_eq!(checkout.status, 202);
                t.settle().await;
                let order = checkout.json()["order_id"].as_str().unwrap().to_owned();
                let answered = checkout.json()["cart"]["items"].clone();
                assert_eq!(
                    t.order(&order).await["items"],
                    answered,
                    "what was answered is what is bought"
                );
                t.all_is_well().await;
            },
        );
    }
}

#[test]
fn a_repriced_line_is_shown_again_before_anybody_is_charged() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.add("ann", "P", 1).await;
        let reply = t.call("PATCH", "/products/P", Some(&json!({ "price": 6.5 }))).await;
        assert_eq!(reply.status, 200);
        t.settle().await;
        let refused = t.try_checkout("ann").await;
        assert_eq!(refused.status, 409);
        assert_eq!(refused.json()["errors"][0]["field"], "P");
        let cart = t.get("/cart/ann").await;
        assert_eq!(cart["items"][0]["price"], 6.5, "the cart shows today's price");
        let order = t.checkout("ann").await;
        t.settle().await;
        assert_eq!(t.order(&order).await["total_amount"], 6.5);
        t.all_is_well().await;
    });
}

#[test]
fn a_delisted_line_leaves_the_cart_and_is_named() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.product("Q", "7.00", 10).await;
        t.add("ann", "P", 1).await;
        t.add("ann", "Q", 1).await;
        assert_eq!(t.call("DELETE", "/products/P", None).await.status, 200);
        t.settle().await;
        let refused = t.try_checkout("ann").await;
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["field"].clone()),
            (409, json!("P"))
        );
        let order = t.checkout("ann").await;
        t.settle().await;
        assert_eq!(t.order(&order).await["items"].as_array().unwrap().len(), 1);
        let gone = t
            .call("POST", "/cart/ann/items", Some(&json!({ "product_id": "P", "quantity": 1 })))
            .await;
        assert_eq!(gone.status, 409);
        t.all_is_well().await;
    });
}

#[test]
fn an_earlier_price_may_be_added_for_a_minute_and_no_longer() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.call("PATCH", "/products/P", Some(&json!({ "price": 6.5 }))).await;
        t.settle().await;
        let at = |price: f64| json!({ "product_id": "P", "quantity": 1, "price": price });
        assert_eq!(t.call("POST", "/cart/ann/items", Some(&at(5.0))).await.status, 201);
        assert_eq!(t.call("POST", "/cart/bob/items", Some(&at(6.5))).await.status, 201);
        let wrong = t.call("POST", "/cart/eve/items", Some(&at(0.01))).await;
        assert_eq!(
            (wrong.status, wrong.json()["errors"][0]["field"].clone()),
            (422, json!("price"))
        );
        t.pass(61).await;
        assert_eq!(t.call("POST", "/cart/cat/items", Some(&at(5.0))).await.status, 422);
    });
}

#[test]
fn an_idempotency_key_repeats_the_answer_byte_for_byte() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.add("ann", "P", 1).await;
        let call = Call::new("POST", "/cart/ann/checkout").key(Some("k-1".into()));
        let first = t.client.call(&call).await.unwrap();
        assert_eq!(first.status, 202);
        t.add("ann", "P", 3).await;
        let again = t.client.call(&call).await.unwrap();
        assert_eq!((again.status, &again.body), (202, &first.body), "the new cart is left alone");
        let other = call.clone().json(&json!({ "email": "ann@mail.example" }));
        assert_eq!(t.client.call(&other).await.unwrap().status, 422, "same key, other body");
        let bob = Call::new("POST", "/cart/bob/checkout").key(Some("k-1".into()));
        assert_eq!(t.client.call(&bob).await.unwrap().status, 400, "keys are each user's own");
        t.pass(24 * 3_600 + 1).await;
        let fresh = t.client.call(&call).await.unwrap();
        assert_ne!(fresh.body, first.body, "a key is forgotten after a day");
        t.settle().await;
    });
}

#[test]
fn a_concurrent_checkout_with_the_same_key_waits_for_the_first() {
    for seed in 0..20 {
        shop_with(
            &settings(&[]),
            seed,
            |ports, _| ports,
            |t| async move {
                t.product("P", "5.00", 10).await;
                t.add("ann", "P", 1).await;
                let call = Call::new("POST", "/cart/ann/checkout").key(Some("k-1".into()));
                let (a, b) = join(t.client.call(&call), t.client.call(&call)).await;
                assert_eq!(a.unwrap(), b.unwrap());
                t.all_is_well().await;
            },
        );
    }
}

#[test]
fn only_accepted_answers_are_stored_for_a_key() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 1).await;
        t.add("ann", "P", 2).await;
        let call = Call::new("POST", "/cart/ann/checkout").key(Some("k-1".into()));
        assert_eq!(t.client.call(&call).await.unwrap().status, 409);
        t.call("PUT", "/cart/ann/items/P", Some(&json!({ "quantity": 1 }))).await;
        assert_eq!(t.client.call(&call).await.unwrap().status, 202);
        t.all_is_well().await;
    });
}

#[test]
fn an_answered_order_is_never_unknown() {
    // The order service cannot write for a while: the order is PENDING all the same.
    let failing = |ports: ecom::app::Ports, _: &_| {
        let store = FailingStore {
            inner: Arc::clone(&ports.store),
            fail: Arc::new(6.into()),
            fault: Fault::Store(StoreError::Unavailable("test".into())),
            only: "insert into orders",
        };
        ecom::app::Ports { store: Arc::new(store), ..ports }
    };
    shop_with(&settings(&[]), 1, failing, |t| async move {
        t.product("P", "5.00", 10).await;
        let order = t.buy("ann", "P").await;
        assert_eq!(t.count("select count(*) from orders").await, 0);
        let body = t.order(&order).await;
        assert_eq!(
            (body["status"].clone(), body["total_amount"].clone()),
            (json!("PENDING"), json!(5.0))
        );
        assert_eq!(t.get("/orders/user/ann").await[0]["order_id"], json!(order));
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        t.all_is_well().await;
    });
}

#[test]
fn waiting_for_an_order_answers_when_it_changes() {
    shop(
        &[("gateway.latency_ms_p50", "3000"), ("gateway.latency_ms_p99", "3000")],
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            let begun = t.clock.elapsed_s();
            let quick = t.get(&format!("/orders/{order}?wait=1s")).await;
            assert_eq!(
                (quick["status"].clone(), t.clock.elapsed_s() - begun),
                (json!("PENDING"), 1)
            );
            let changed = t.get(&format!("/orders/{order}?wait=10s")).await;
            assert_ne!(changed["status"], "PENDING");
            assert!(t.clock.elapsed_s() - begun <= 4);
            t.settle().await;
            let done = t.clock.elapsed_s();
            t.get(&format!("/orders/{order}?wait=10s")).await;
            assert_eq!(t.clock.elapsed_s(), done, "a final order is not waited for");
        },
    );
}

#[test]
fn a_cart_survives_the_loss_of_the_cache_and_expires_by_the_clock() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.add("ann", "P", 2).await;
        t.embedded.ports.cache.delete("cart:ann").await.unwrap();
        assert_eq!(t.get("/cart/ann").await["total_amount"], 10.0);
        t.pass(24 * 3_600 + 10).await;
        assert_eq!(t.get("/cart/ann").await["item_count"], 0);
        assert_eq!(t.count("select count(*) from carts").await, 0, "the sweeper took it");
    });
}

#[test]
fn under_pressure_checkout_is_refused_and_reading_goes_on() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.add("ann", "P", 1).await;
        t.shop.bells().pressure.store(true, Ordering::Relaxed);
        let refused = t.try_checkout("ann").await;
        assert_eq!((refused.status, refused.json()["retry_after"].clone()), (503, json!(1)));
        assert_eq!(t.get("/cart/ann").await["item_count"], 1);
        t.shop.bells().pressure.store(false, Ordering::Relaxed);
        t.checkout("ann").await;
        t.all_is_well().await;
    });
}

trait Seconds {
    fn elapsed_s(&self) -> u64;
}

impl Seconds for ecom::sim::virtual_time::VirtualClock {
    fn elapsed_s(&self) -> u64 {
        ecom::ports::Clock::elapsed(self).as_secs()
    }
}
