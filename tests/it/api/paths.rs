//! Paths, queries, methods and headers that are wrong.

use super::raw::{Ask, Raw, state};
use crate::harness::{Tester, shop};

/// Ids as they come in paths: none of them names anything.
const BAD_IDS: [&str; 14] = [
    "%2F",
    "a%2Fb",
    "..%2F..%2Fetc%2Fpasswd",
    "..",
    "%2e%2e",
    ".",
    "%00",
    "a%00b",
    "%20",
    "a%20b",
    "%0d%0aX:1",
    "%F0%9F%9B%92",
    "%E2%80%AE",
    "%25",
];

/// Every route with an id: method, path with `*` for it, body, the id's name.
const ROUTES: [(&str, &str, &str, &str); 14] = [
    ("GET", "/cart/*", "", "user_id"),
    ("POST", "/cart/*/items", r#"{"product_id":"P","quantity":1}"#, "user_id"),
    ("PUT", "/cart/*/items/P", r#"{"quantity":1}"#, "user_id"),
    ("PUT", "/cart/ann/items/*", r#"{"quantity":1}"#, "product_id"),
    ("DELETE", "/cart/*/items/P", "", "user_id"),
    ("DELETE", "/cart/ann/items/*", "", "product_id"),
    ("POST", "/cart/*/checkout", "{}", "user_id"),
    ("GET", "/orders/*", "", "order_id"),
    ("GET", "/orders/user/*", "", "user_id"),
    ("POST", "/orders/*/cancel", "", "order_id"),
    ("GET", "/payments/*", "", "payment_id"),
    ("GET", "/products/*", "", "product_id"),
    ("PATCH", "/products/*", r#"{"price":1}"#, "product_id"),
    ("POST", "/products/*/stock", r#"{"quantity":1}"#, "product_id"),
];

fn ask(method: &str, path: &str, body: &str) -> Ask {
    let ask = Ask::new(method, path);
    if body.is_empty() { ask } else { ask.json(body) }
}

/// Runs `test`; all that is in the shop must be as before.
fn unchanged<F: Future<Output = ()> + Send>(test: impl FnOnce(Tester, Raw) -> F + Send + 'static) {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.add("ann", "P", 1).await;
        t.settle().await;
        let (before, raw) = (state(&t).await, Raw::gateway(&t));
        test(t.clone(), raw).await;
        assert_eq!(state(&t).await, before);
        t.all_is_well().await;
    });
}

#[test]
fn an_id_that_can_be_none_is_refused_by_name() {
    unchanged(|_, raw| async move {
        let long = "x".repeat(10_240);
        for (method, path, body, field) in ROUTES {
            for id in BAD_IDS.iter().copied().chain([long.as_str()]) {
                let ask = ask(method, &path.replace('*', id), body);
                raw.refused(&ask, 400, Some(field)).await;
            }
            if !path.ends_with('*') {
                raw.refused(&ask(method, &path.replace('*', ""), body), 400, Some(field)).await;
            }
            let not_utf8 =
                raw.refused(&ask(method, &path.replace('*', "a%FFb"), body), 400, None).await;
            assert!(not_utf8["detail"].as_str().unwrap().contains(field), "{not_utf8}");
        }
    });
}

#[test]
fn own_ids_must_look_like_ours() {
    unchanged(|_, raw| async move {
        for id in ["PAY-ABC", "ORD-", "ord-ABC", "ABC", "ORD"] {
            raw.refused(&Ask::get(format!("/orders/{id}")), 400, Some("order_id")).await;
            let cancel = Ask::new("POST", format!("/orders/{id}/cancel"));
            raw.refused(&cancel, 400, Some("order_id")).await;
        }
        for id in ["ORD-ABC", "PAY-", "pay-ABC", "ABC"] {
            raw.refused(&Ask::get(format!("/payments/{id}")), 400, Some("payment_id")).await;
        }
    });
}

#[test]
fn an_unknown_path_is_not_found() {
    unchanged(|_, raw| async move {
        let paths = [
            "/",
            "//",
            "/nope",
            "/cart",
            "/cart/",
            "/cart/ann/",
            "/cart/ann/items/",
            "/cart/ann/items/P/x",
            "/orders",
            "/orders/",
            "/docs/",
            "/.env",
            "/..%2fetc",
            "/%00",
            "/admin",
            "/admin/v1",
            "/admin/v1/",
            "/CART/ann",
            "/health/x",
        ];
        for path in paths {
            for method in ["GET", "POST", "DELETE"] {
                raw.refused(&Ask::new(method, path), 404, None).await;
            }
        }
    });
}

#[test]
fn a_wrong_method_is_told_which_ones_are_right() {
    unchanged(|_, raw| async move {
        let document = raw.document().await;
        for (path, item) in document["paths"].as_object().unwrap() {
            let mut right: Vec<String> =
                item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
            if right.contains(&"GET".to_owned()) {
                right.push("HEAD".to_owned());
            }
            right.sort();
            let path = path.replace("{order_id}", "ORD-A").replace("{payment_id}", "PAY-A");
            let path = path.replace("{user_id}", "ann").replace("{product_id}", "P");
            let all =
                ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"];
            for method in all.into_iter().filter(|method| !right.iter().any(|r| r == method)) {
                let answer = raw.send(&Ask::new(method, &path).admin()).await;
                assert_eq!(answer.status, 405, "{method} {path}");
                let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
                allowed.sort_unstable();
                assert_eq!(allowed, right, "{method} {path}");
                if method != "HEAD" {
                    raw.refused(&Ask::new(method, &path).admin(), 405, None).await;
                }
            }
        }
    });
}

#[test]
fn a_wrong_query_is_named() {
    unchanged(|_, raw| async move {
        let limits = ["0", "-1", "abc", "1e9", "501", "4294967296", "1.5", "", "%00", "+1%20"];
        for limit in limits {
            raw.refused(&Ask::get(format!("/products?limit={limit}")), 400, Some("limit")).await;
        }
        for limit in ["0", "-1", "abc", "1e9", "1001", ""] {
            raw.refused(&Ask::get(format!("/mailbox?limit={limit}")), 400, Some("limit")).await;
        }
        for after in ["abc", "1e9", "9223372036854775808", "1.5", ""] {
            raw.refused(&Ask::get(format!("/mailbox?after={after}")), 400, Some("after")).await;
        }
        let long = "x".repeat(10_240);
        for cursor in ["..", "%00", "a%20b", "a%2Fb", "%F0%9F%9B%92", &long] {
            raw.refused(&Ask::get(format!("/products?cursor={cursor}")), 400, Some("cursor")).await;
        }
        let waits = ["abc", "-1", "-1s", "1000h", "5", "", "1.5s", "99999999999s", "%00", "5s5s"];
        for wait in waits {
            raw.refused(&Ask::get(format!("/orders/ORD-A?wait={wait}")), 400, Some("wait")).await;
        }
        raw.refused(&Ask::get("/products?limit=1&limit=2"), 400, Some("limit")).await;
        raw.refused(&Ask::get("/orders/ORD-A?wait=1s&wait=2s"), 400, Some("wait")).await;
    });
}

#[test]
fn a_wrong_idempotency_key_is_refused() {
    unchanged(|_, raw| async move {
        let endpoints = [
            ("/cart/ann/checkout", ""),
            ("/products", r#"{"product_id":"N","name":"N","price":1}"#),
            ("/products/P/stock", r#"{"quantity":1}"#),
        ];
        let long = "k".repeat(10_240);
        for (path, body) in endpoints {
            for key in ["", "sch\u{f6}n", "\u{1f6d2}", &long, &long[..256]] {
                let ask = ask("POST", path, body).header("idempotency-key", key);
                raw.refused(&ask, 400, Some("Idempotency-Key")).await;
            }
        }
    });
}

#[test]
fn a_request_id_is_echoed_or_made_up() {
    shop(&[], |t| async move {
        let raw = Raw::gateway(&t);
        let ask = Ask::get("/health");
        let echoed = raw.send(&ask.clone().header("x-request-id", "abc-123")).await;
        assert_eq!(echoed.header("x-request-id"), "abc-123");
        let refused = raw.send(&Ask::get("/nope").header("x-request-id", "abc-124")).await;
        assert_eq!(refused.header("x-request-id"), "abc-124", "problems carry it too");
        let (one, other) = (raw.send(&ask).await, raw.send(&ask).await);
        assert!(!one.header("x-request-id").is_empty());
        assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
        let long = "x".repeat(129);
        for bad in [long.as_bytes(), b"", b"sch\xf6n"] {
            let replaced = raw.send(&ask.clone().header("x-request-id", bad)).await;
            assert!(replaced.header("x-request-id").starts_with("req-"));
        }
    });
}
