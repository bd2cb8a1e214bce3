//! Bodies that are wrong in every way: each is refused with a problem that names the field, and
//! nothing has changed.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::raw::{Ask, Raw, operation, state};
use super::values::Kind;
use crate::harness::{Tester, shop};

const PRODUCT: &str = r#""product_id":"N","name":"New","price":5.00"#;

/// An endpoint that takes a body: method, path, a good body, and its fields with what they are.
type Endpoint = (&'static str, &'static str, &'static str, &'static [(&'static str, Kind)]);

const ENDPOINTS: [Endpoint; 6] = [
    (
        "POST",
        "/cart/ann/items",
        r#"{"product_id":"P","quantity":1,"price":5.00}"#,
        &[("product_id", Kind::Id), ("quantity", Kind::Units), ("price", Kind::Shown)],
    ),
    ("PUT", "/cart/ann/items/P", r#"{"quantity":2}"#, &[("quantity", Kind::Units)]),
    (
        "POST",
        "/cart/ann/checkout",
        r#"{"email":"ann@mail.example","phone":"+4915112345678"}"#,
        &[("email", Kind::Email), ("phone", Kind::Phone)],
    ),
    (
        "POST",
        "/products",
        r#"{"product_id":"N","name":"New","description":"","price":5.00,"stock":1,"seller_id":"s"}"#,
        &[
            ("product_id", Kind::Id),
            ("name", Kind::Name),
            ("description", Kind::Text),
            ("price", Kind::Price),
            ("stock", Kind::Units),
            ("seller_id", Kind::Text),
        ],
    ),
    ("PATCH", "/products/P", r#"{"price":6.00}"#, &[("price", Kind::Price)]),
    ("POST", "/products/P/stock", r#"{"quantity":1}"#, &[("quantity", Kind::Units)]),
];

/// `body` with another value of `field`.
fn with(body: &str, field: &str, value: &str) -> String {
    let fields: BTreeMap<&str, Box<RawValue>> = serde_json::from_str(body).unwrap();
    let fields = fields.iter().map(|(name, old)| {
        let value = if *name == field { value } else { old.get() };
        format!("\"{name}\":{value}")
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// A shop with a product on sale and in ann's cart; afterwards all must be as it was.
fn unchanged<F: Future<Output = ()> + Send>(test: impl FnOnce(Tester, Raw) -> F + Send + 'static) {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.add("ann", "P", 1).await;
        t.settle().await;
        let (before, raw) = (state(&t).await, Raw::gateway(&t));
        test(t.clone(), raw).await;
        assert_eq!(state(&t).await, before, "nothing was carried out");
        t.all_is_well().await;
        assert_eq!(state(&t).await, before, "and nothing has come of it since");
    });
}

#[test]
fn a_wrong_field_is_named_and_changes_nothing() {
    unchanged(|_, raw| async move {
        for (method, path, good, fields) in ENDPOINTS {
            for (field, kind) in fields {
                for value in kind.wrong() {
                    let ask = Ask::new(method, path).json(with(good, field, &value));
                    raw.refused(&ask, 422, Some(field)).await;
                }
            }
        }
    });
}

#[test]
fn a_missing_doubled_or_unknown_field_is_named() {
    unchanged(|_, raw| async move {
        for (method, path, good, fields) in ENDPOINTS {
            let ask = |body: String| Ask::new(method, path).json(body);
            let (first, rest) = (fields[0].0, &good[1..]);
            let doubled = format!("{{\"{first}\":{},{rest}", value_of(good, first));
            raw.refused(&ask(doubled), 422, Some(first)).await;
            let unknown = format!("{{\"prise\":1,{rest}");
            raw.refused(&ask(unknown), 422, Some("prise")).await;
            if !path.ends_with("checkout") {
                raw.refused(&ask("{}".to_owned()), 422, Some(first)).await;
            }
        }
    });
}

fn value_of(body: &str, field: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body).unwrap()[field].to_string()
}

#[test]
fn what_is_no_json_object_is_refused() {
    unchanged(|_, raw| async move {
        for (method, path, good, _) in ENDPOINTS {
            let deep = format!("{{\"x\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
            let open = format!("{{\"x\":{}", "{\"x\":".repeat(10_000));
            let nan = with(good, ENDPOINTS.iter().find(|e| e.1 == path).unwrap().3[0].0, "NaN");
            let mut broken: Vec<Vec<u8>> = [
                "{",
                "}",
                "{]",
                "{\"a\"",
                "{\"a\":}",
                "{'a':1}",
                "quantity=1",
                " ",
                "\0",
                "{}{}",
                "{} x",
                "{\"quantity\":01}",
                "{\"quantity\":+1}",
                "{\"quantity\":.5}",
                "{\"quantity\":0x1}",
                "{\"quantity\":Infinity}",
                "{\"quantity\":-Infinity}",
                "{/**/}",
                "\u{feff}{}",
                "{\"a\":\"\n\"}",
                &good[..good.len() - 1],
                &good[..good.len() / 2],
                &deep,
                &open,
                &nan,
            ]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
            broken.extend([b"{\"product_id\":\"\xff\xfe\"}".to_vec(), b"\xff\xfe{\0}\0".to_vec()]);
            for body in broken {
                raw.refused(&Ask::new(method, path).json(body), 400, None).await;
            }
            for body in ["[]", "[1,2]", "1", "-0", "\"P\"", "true", "null"] {
                raw.refused(&Ask::new(method, path).json(body), 422, Some("body")).await;
            }
        }
    });
}

#[test]
fn a_body_must_be_said_to_be_json_and_be_small() {
    unchanged(|_, raw| async move {
        for (method, path, good, _) in ENDPOINTS {
            let ask = Ask::new(method, path).json(good);
            raw.refused(&ask.clone().without("content-type"), 415, None).await;
            let others = [
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "json",
                "application/jsonp",
                "application/xml",
                "*/*",
                "text/json;application/json",
            ];
            for kind in others {
                raw.refused(&ask.clone().header("content-type", kind), 415, None).await;
            }
            let spaces = " ".repeat(64 * 1024);
            raw.refused(&Ask::new(method, path).json(format!("{good}{spaces}")), 413, None).await;
            let filler = format!("{{\"filler\":\"{}\",{}", "x".repeat(64 * 1024), &good[1..]);
            raw.refused(&Ask::new(method, path).json(filler), 413, None).await;
        }
    });
}

#[test]
fn every_refusal_of_a_body_is_documented() {
    unchanged(|_, raw| async move {
        let document = raw.document().await;
        for (method, path, ..) in ENDPOINTS {
            let operation = operation(&document, &Ask::new(method, path)).unwrap();
            for status in ["400", "413", "415", "422"] {
                let kinds = operation["responses"][status]["content"].as_object().unwrap();
                assert_eq!(kinds.keys().collect::<Vec<_>>(), ["application/problem+json"]);
            }
        }
    });
}

#[test]
fn json_may_have_other_names_and_any_spaces() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let raw = Raw::gateway(&t);
        let good = "\r\n\t { \"quantity\" : 1 , \"price\" : 5 , \"product_id\" : \"\\u0050\" } \n";
        for kind in
            ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
        {
            let ask = Ask::new("POST", "/cart/ann/items").json(good).header("content-type", kind);
            assert_eq!(raw.send(&ask).await.status, 201, "{kind}");
        }
        assert_eq!(t.get("/cart/ann").await["items"][0]["quantity"], 3);
        let exact = format!("{{{PRODUCT}}}{}", " ".repeat(64 * 1024 - PRODUCT.len() - 2));
        assert_eq!(exact.len(), 64 * 1024);
        assert_eq!(raw.send(&Ask::new("POST", "/products").json(exact)).await.status, 201);
        t.all_is_well().await;
    });
}

#[test]
fn what_cannot_be_done_is_told_and_not_done() {
    unchanged(|_, raw| async move {
        let item = |user: &str, id: &str, units: u32| {
            let body = format!(r#"{{"product_id":"{id}","quantity":{units}}}"#);
            Ask::new("POST", format!("/cart/{user}/items")).json(body)
        };
        raw.refused(&item("ann", "P-404", 1), 404, None).await;
        raw.refused(&item("ann", "P", 1_000_000), 422, None).await;
        let quantity = r#"{"quantity":1}"#;
        raw.refused(&Ask::new("PUT", "/cart/ann/items/P-404").json(quantity), 404, None).await;
        raw.refused(&Ask::new("PUT", "/cart/bob/items/P").json(quantity), 404, None).await;
        raw.refused(&Ask::new("DELETE", "/cart/ann/items/P-404"), 404, None).await;
        raw.refused(&Ask::new("DELETE", "/cart/bob/items/P"), 404, None).await;
        raw.refused(&Ask::new("POST", "/cart/bob/checkout"), 400, None).await;
        raw.refused(&Ask::new("POST", "/cart/bob/checkout").json("{}"), 400, None).await;
        raw.refused(&Ask::new("PATCH", "/products/P-404").json(r#"{"price":1}"#), 404, None).await;
        raw.refused(&Ask::new("DELETE", "/products/P-404"), 404, None).await;
        raw.refused(&Ask::new("POST", "/products/P-404/stock").json(quantity), 404, None).await;
        let taken = PRODUCT.replace("\"N\"", "\"P\"");
        raw.refused(&Ask::new("POST", "/products").json(format!("{{{taken}}}")), 409, None).await;
        for unknown in ["ORD-ABC123", "ORD-AGM4BXQAAB2ABACAAAAAAAAAAE"] {
            raw.refused(&Ask::get(format!("/orders/{unknown}")), 404, None).await;
            raw.refused(&Ask::get(format!("/orders/{unknown}?wait=30s")), 404, None).await;
            raw.refused(&Ask::new("POST", format!("/orders/{unknown}/cancel")), 404, None).await;
        }
        raw.refused(&Ask::get("/payments/PAY-XYZ789"), 404, None).await;
        raw.refused(&Ask::get("/products/PROD-404"), 404, None).await;
    });
}
