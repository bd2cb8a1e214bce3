//! The same request twice: one effect, one answer.

use super::raw::{Ask, Raw, state};
use crate::harness::shop;

const NEW: &str = r#"{"product_id":"N","name":"New","price":5.00,"stock":3}"#;

/// Requests that take a key, each with another body for the same path.
const ENDPOINTS: [(&str, &str, &str); 3] = [
    ("/cart/ann/checkout", r#"{"email":"ann@mail.example"}"#, r#"{"email":"bob@mail.example"}"#),
    ("/products", NEW, r#"{"product_id":"N2","name":"New","price":5.00}"#),
    ("/products/P/stock", r#"{"quantity":5}"#, r#"{"quantity":6}"#),
];

#[test]
fn the_same_key_gives_the_same_answer_byte_for_byte_and_one_effect() {
    for (path, body, other) in ENDPOINTS {
        shop(&[], move |t| async move {
            t.product("P", "5.00", 10).await;
            t.add("ann", "P", 1).await;
            let raw = Raw::gateway(&t);
            let ask = Ask::new("POST", path).json(body).header("idempotency-key", "k-1");
            let first = raw.send(&ask).await;
            assert!((201..=202).contains(&first.status), "{path}: {}", first.text());
            t.settle().await;
            let before = state(&t).await;
            let again = raw.send(&ask).await;
            assert_eq!((again.status, &again.body), (first.status, &first.body));
            for header in ["location", "content-type"] {
                assert_eq!(again.header(header), first.header(header));
            }
            let differently = Ask::new("POST", path).json(other).header("idempotency-key", "k-1");
            let problem = raw.refused(&differently, 422, None).await;
            assert_eq!(problem["type"], "urn:ecom:problem:key-reused");
            t.settle().await;
            assert_eq!(state(&t).await, before, "{path} was done once");
            t.all_is_well().await;
        });
    }
}

#[test]
fn a_key_belongs_to_its_user_and_its_path() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let raw = Raw::gateway(&t);
        let mut orders = std::collections::BTreeSet::new();
        for user in ["ann", "bob", "ann:bob"] {
            t.add(user, "P", 1).await;
            let ask = Ask::new("POST", format!("/cart/{user}/checkout"));
            let answer = raw.send(&ask.header("idempotency-key", "k-1")).await;
            assert_eq!(answer.status, 202, "{}", answer.text());
            assert_eq!(answer.json()["cart"]["user_id"], user);
            assert!(orders.insert(answer.json()["order_id"].to_string()));
        }
        for path in ["/products", "/products/P/stock"] {
            let body = if path == "/products" { NEW } else { r#"{"quantity":5}"# };
            let ask = Ask::new("POST", path).json(body).header("idempotency-key", "k-1");
            assert!((201..=202).contains(&raw.send(&ask).await.status), "{path}");
        }
        t.all_is_well().await;
    });
}

#[test]
fn a_refused_request_does_not_use_its_key_up() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let raw = Raw::gateway(&t);
        let checkout = Ask::new("POST", "/cart/ann/checkout").header("idempotency-key", "k-1");
        raw.refused(&checkout, 400, None).await;
        let create =
            |body: &str| Ask::new("POST", "/products").json(body).header("idempotency-key", "k-1");
        raw.refused(&create(&NEW.replace("\"N\"", "\"P\"")), 409, None).await;
        t.add("ann", "P", 1).await;
        assert_eq!(raw.send(&checkout).await.status, 202);
        assert_eq!(raw.send(&create(NEW)).await.status, 201);
        t.all_is_well().await;
    });
}
