//! The OpenAPI document tells the truth: all routes, no others, and answers as they are.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::raw::{Ask, Raw, operation};
use crate::harness::shop;

/// Every operation: path, method, and what is said of it.
fn operations(document: &Json) -> Vec<(&str, &str, &Json)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    all.collect()
}

#[test]
fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
    shop(&[], |t| async move {
        let answer = Raw::gateway(&t).send(&Ask::get("/openapi.json")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        let document = answer.json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        assert!(!document["info"]["title"].as_str().unwrap().is_empty());
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let mut references = vec![];
        collect(&document, &mut references);
        assert!(references.len() > 20);
        for reference in references {
            let target = document.pointer(reference.strip_prefix('#').unwrap());
            assert!(target.is_some(), "{reference} leads nowhere");
        }
    });
}

fn collect<'a>(json: &'a Json, references: &mut Vec<&'a str>) {
    match json {
        Json::Object(object) => {
            references.extend(object.get("$ref").and_then(Json::as_str));
            object.values().for_each(|value| collect(value, references));
        }
        Json::Array(array) => array.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    shop(&[], |t| async move {
        let raw = Raw::gateway(&t);
        let document = raw.document().await;
        let documented: BTreeSet<&str> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        // The router does not list its paths, but shows them: `RouteId(7): "/cart/{user_id}"`.
        let shown = format!("{:?}", raw.router);
        let shown = shown.split("fallback_router").next().unwrap();
        let served: BTreeSet<&str> = shown
            .split("RouteId(")
            .filter_map(|part| part.split_once("): \"/").map(|(_, rest)| rest))
            .filter_map(|rest| rest.split_once('"').map(|(path, _)| path))
            .collect();
        let served: BTreeSet<String> = served.iter().map(|path| format!("/{path}")).collect();
        assert!(served.len() > 20, "{shown}");
        assert_eq!(served, documented.iter().map(|&path| path.to_owned()).collect());
    });
}

#[test]
fn every_operation_says_what_it_takes_and_how_it_ends() {
    shop(&[], |t| async move {
        let document = Raw::gateway(&t).document().await;
        let mut ids = BTreeSet::new();
        for (path, method, operation) in operations(&document) {
            let told = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{told}: id twice");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
            assert!(operation["tags"][0].is_string(), "{told}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{told}");
            assert!(responses.contains_key("default"), "{told}");
            for (status, response) in responses {
                assert!(response["description"].is_string(), "{told} {status}");
            }
            let declared: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|p| p["in"] == "path" && p["required"] == true)
                .map(|p| p["name"].as_str().unwrap())
                .collect();
            let named: BTreeSet<&str> =
                path.split('{').skip(1).filter_map(|p| p.split('}').next()).collect();
            assert_eq!(declared, named, "{told}");
        }
    });
}

fn named(field: &str, id: &str) -> String {
    json!({ field: id }).to_string()
}

/// What an operator asks for about an order.
fn wish(order: &str) -> String {
    json!({ "order": order, "actor": "ann" }).to_string()
}

fn about_orders(id: &str) -> [Ask; 8] {
    [
        Ask::new("POST", "/admin/v1/orders/list").json("{}").admin(),
        Ask::new("POST", "/admin/v1/orders/stuck").json(r#"{"older_than_ms":0}"#).admin(),
        Ask::new("POST", "/admin/v1/orders/show").json(named("id", id)).admin(),
        Ask::new("POST", "/admin/v1/trace").json(named("id", id)).admin(),
        Ask::new("POST", "/admin/v1/trace").json(r#"{"id":"nobody"}"#).admin(),
        Ask::new("POST", "/admin/v1/orders/cancel").json(wish(id)).admin(),
        Ask::new("POST", "/admin/v1/orders/resume").json(wish(id)).admin(),
        Ask::new("POST", "/admin/v1/orders/refund").json(wish("ORD-A")).admin(),
    ]
}

fn about_letters_and_groups() -> [Ask; 13] {
    let reset = r#"{"group":"cart-service-group","to":{"shift":0},"execute":false}"#;
    let post =
        |path: &str, body: &str| Ask::new("POST", format!("/admin/v1/{path}")).json(body).admin();
    [
        post("topics/describe", r#"{"topic":"order.created"}"#),
        post("topics/create", r#"{"name":"returns","partitions":2}"#),
        post("topics/truncate", r#"{"topic":"order.created","before":"end"}"#),
        post("topics/delete", r#"{"topic":"order.created"}"#),
        post("groups/describe", r#"{"group":"order-service-group"}"#),
        post("groups/delete", r#"{"group":"order-service-group"}"#),
        Ask::new("POST", "/admin/v1/dlq/summary").json(r#"{"by":"topic"}"#).admin(),
        Ask::get("/admin/v1/dlq/jobs").admin(),
        Ask::get("/admin/v1/pulse").admin(),
        Ask::get("/admin/v1/logs?after=1").admin(),
        Ask::get("/admin/v1/groups").admin(),
        Ask::new("POST", "/admin/v1/groups/lag").json("{}").admin(),
        Ask::new("POST", "/admin/v1/groups/reset-offsets").json(reset).admin(),
    ]
}

#[test]
fn answers_are_what_the_document_says() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        let id = t.buy("ann", "P").await;
        t.settle().await;
        t.add("bob", "P", 1).await;
        let raw = Raw::gateway(&t);
        let document = raw.document().await;
        let item = |id: &str| {
            let body = format!(r#"{{"product_id":"{id}","quantity":1}}"#);
            Ask::new("POST", "/cart/ann/items").json(body)
        };
        let asks = [
            item("P"),
            item("P-404"),
            item(""),
            Ask::get("/cart/ann"),
            Ask::get("/cart/nobody"),
            Ask::new("PUT", "/cart/ann/items/P").json(r#"{"quantity":2}"#),
            Ask::new("DELETE", "/cart/ann/items/P"),
            Ask::new("POST", "/cart/ann/checkout"),
            Ask::new("POST", "/cart/bob/checkout"),
            Ask::get(format!("/orders/{id}")),
            Ask::get("/orders/user/ann"),
            Ask::get("/orders/ORD-404"),
            Ask::new("POST", format!("/orders/{id}/cancel")),
            Ask::get(format!("/payments/{}", id.replace("ORD-", "PAY-"))),
            Ask::new("POST", "/payments/webhooks/gateway").json("{}"),
            Ask::get("/products"),
            Ask::get("/products?limit=0"),
            Ask::get("/products/P"),
            Ask::new("POST", "/products").json(r#"{"product_id":"N","name":"N","price":1.25}"#),
            Ask::new("PATCH", "/products/P").json(r#"{"price":1.5}"#),
            Ask::new("POST", "/products/P/stock").json(r#"{"quantity":2}"#),
            Ask::new("DELETE", "/products/P"),
            Ask::get("/mailbox"),
            Ask::get(format!("/notifications?order={id}")),
            Ask::get("/health"),
            Ask::get("/readyz"),
            Ask::get("/openapi.json"),
            Ask::get("/admin/v1/topics").admin(),
            Ask::get("/admin/v1/topics"),
            Ask::get("/admin/v1/gateway").admin(),
            Ask::new("POST", "/admin/v1/dlq/list").json("{}").admin(),
            Ask::new("POST", "/admin/v1/tail/start")
                .json(r#"{"topic":"order.created","start":"beginning"}"#)
                .admin(),
            Ask::new("POST", "/admin/v1/tail/next")
                .json(r#"{"topic":"order.created","next":{"0":0,"1":0,"2":0}}"#)
                .admin(),
        ];
        for ask in asks.into_iter().chain(about_letters_and_groups()).chain(about_orders(&id)) {
            let answer = raw.send(&ask).await;
            let told = format!("{} {} {}", ask.method, ask.path, answer.status);
            let operation = operation(&document, &ask).unwrap();
            let response = &operation["responses"][answer.status.to_string()];
            let kind = answer.header("content-type");
            assert!(response.is_object(), "{told} is not documented");
            let Some(content) = response.get("content") else { continue };
            let mut schema = content[kind]["schema"].clone();
            assert!(schema.is_object(), "{told}: {kind} is not documented");
            schema["components"] = document["components"].clone();
            let valid = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<String> = valid
                .iter_errors(&answer.json())
                .map(|e| format!("{e} at {}", e.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new(), "{told}: {}", answer.text());
        }
        t.all_is_well().await;
    });
}

#[test]
fn every_example_is_one_of_its_schema() {
    shop(&[], |t| async move {
        let document = Raw::gateway(&t).document().await;
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut checked = 0;
        for (name, schema) in schemas {
            let mut schema = schema.clone();
            schema["components"] = document["components"].clone();
            let valid = jsonschema::validator_for(&schema).unwrap();
            for example in schema["examples"].as_array().into_iter().flatten() {
                assert!(valid.is_valid(example), "{name}: {example}");
                checked += 1;
            }
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            if schema["type"] == json!("object") && !fields.is_empty() {
                assert!(!valid.is_valid(&json!([])), "{name} takes anything");
            }
        }
        assert!(checked >= 5, "{checked} examples");
    });
}

#[test]
fn the_page_shows_every_operation_and_fetches_nothing() {
    shop(&[], |t| async move {
        let raw = Raw::gateway(&t);
        let page = raw.send(&Ask::get("/docs")).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let document = raw.document().await;
        for (path, method, _) in operations(&document) {
            let method = method.to_uppercase();
            let heading = format!("<span class=m>{method}</span><code>{path}</code>");
            assert!(page.text().contains(&heading), "{method} {path}");
        }
        for foreign in ["<script", "http://", "https://", "src="] {
            assert!(!page.text().contains(foreign), "{foreign}");
        }
    });
}
