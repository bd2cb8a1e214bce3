//! The admin API: for this machine's own commands, and for nobody else.

use ecom::app::shop::Listener;
use serde_json::json;

use super::raw::{Ask, Raw, TOKEN, state};
use crate::harness::shop;

/// Every operation, with a body that would work.
const OPERATIONS: [(&str, &str, &str); 9] = [
    ("GET", "/admin/v1/topics", ""),
    ("POST", "/admin/v1/tail/start", r#"{"topic":"order.created","start":"beginning"}"#),
    ("POST", "/admin/v1/tail/next", r#"{"topic":"order.created","next":{"0":0}}"#),
    ("POST", "/admin/v1/records", r#"{"topic":"fraud.detected","value":{"text":"x"}}"#),
    ("POST", "/admin/v1/dlq/list", "{}"),
    ("POST", "/admin/v1/dlq/show", r#"{"id":"dlq.events/0/0"}"#),
    ("POST", "/admin/v1/dlq/replay", r#"{"wait_ms":0}"#),
    ("GET", "/admin/v1/gateway", ""),
    ("PUT", "/admin/v1/gateway", r#"{"success":0.5}"#),
];

fn ask((method, path, body): (&str, &str, &str)) -> Ask {
    let ask = Ask::new(method, path);
    if body.is_empty() { ask } else { ask.json(body) }
}

#[test]
fn the_table_names_every_operation() {
    shop(&[], |t| async move {
        let document = Raw::gateway(&t).document().await;
        let paths = document["paths"].as_object().unwrap();
        let admin = paths.iter().filter(|(path, _)| path.starts_with("/admin/"));
        let documented: usize = admin.map(|(_, item)| item.as_object().unwrap().len()).sum();
        assert_eq!(documented, OPERATIONS.len());
    });
}

#[test]
fn without_the_token_nothing_is_done() {
    shop(&[], |t| async move {
        t.settle().await;
        let (raw, before) = (Raw::gateway(&t), state(&t).await);
        let (short, long) = (&TOKEN[1..], format!("{TOKEN}0"));
        let wrong = [
            String::new(),
            "Bearer".into(),
            "Bearer ".into(),
            format!("Basic {TOKEN}"),
            TOKEN.into(),
            format!("Bearer {short}"),
            format!("Bearer {long}"),
            format!("Bearer {}", TOKEN.to_uppercase()),
            format!("Bearer  {TOKEN}"),
            format!("bearer{TOKEN}"),
            "Bearer null".into(),
        ];
        for operation in OPERATIONS {
            let ask = ask(operation);
            raw.refused(&ask, 401, None).await;
            for value in &wrong {
                raw.refused(&ask.clone().header("authorization", value), 401, None).await;
            }
            let answer = raw.send(&ask).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            let in_query = Ask { path: format!("{}?token={TOKEN}", ask.path), ..ask };
            raw.refused(&in_query, 401, None).await;
        }
        assert_eq!(state(&t).await, before);
        assert!((t.embedded.dials.get().success - 1.0).abs() < f64::EPSILON);
    });
}

#[test]
fn with_the_token_and_another_host_nothing_is_done() {
    shop(&[], |t| async move {
        t.settle().await;
        let (raw, before) = (Raw::gateway(&t), state(&t).await);
        let hosts = [
            "",
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "0.0.0.0:8000",
            "192.168.0.1:8000",
            "evil.example@127.0.0.1:8000",
            "[::2]:8000",
            "LOCALHOST.",
        ];
        for operation in OPERATIONS {
            let ask = ask(operation).admin();
            for host in hosts {
                raw.refused(&ask.clone().header("host", host), 403, None).await;
            }
            raw.refused(&ask.clone().without("host"), 403, None).await;
        }
        assert_eq!(state(&t).await, before);
    });
}

#[test]
fn a_web_page_is_never_let_in() {
    shop(&[], |t| async move {
        let raw = Raw::gateway(&t);
        for (_, path, _) in OPERATIONS {
            let preflight = Ask::new("OPTIONS", path)
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization, content-type");
            let answer = raw.send(&preflight).await;
            assert!(answer.status >= 400, "{path}: {}", answer.status);
            let page = ask(("GET", path, "")).header("origin", "https://evil.example").admin();
            for answer in [answer, raw.send(&page).await] {
                let opened =
                    answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
                assert!(!opened, "{path}: {:?}", answer.headers);
            }
        }
    });
}

#[test]
fn with_the_token_everything_works() {
    shop(&[], |t| async move {
        t.produce("order.created", "K", b"broken").await;
        t.settle().await;
        let raw = Raw::gateway(&t);
        for host in [
            "127.0.0.1:8000",
            "localhost:8000",
            "localhost",
            "127.0.0.1",
            "127.0.0.2:8000",
            "[::1]:8000",
            "[::1]",
        ] {
            let answer = raw.send(&Ask::get("/admin/v1/topics").admin().header("host", host)).await;
            assert_eq!(answer.status, 200, "{host}");
            assert!(answer.json().as_array().unwrap().len() >= 14);
        }
        for operation in OPERATIONS {
            let answer = raw.send(&ask(operation).admin()).await;
            let there = operation.1 != "/admin/v1/dlq/show";
            let wanted = if there { [200, 200] } else { [200, 404] };
            assert!(wanted.contains(&answer.status), "{operation:?}: {}", answer.text());
        }
        assert_eq!(t.records("fraud.detected").await.len(), 1);
        assert!((t.embedded.dials.get().success - 0.5).abs() < f64::EPSILON);
    });
}

#[test]
fn only_the_gateway_of_a_shop_with_an_admin_api_has_one() {
    shop(&[], |t| async move {
        for of in Listener::ALL {
            // Built without the admin API, as `serve.admin = false` does.
            let raw = Raw::of(&t, *of);
            for operation in OPERATIONS {
                raw.refused(&ask(operation).admin(), 404, None).await;
            }
        }
        let document = Raw::of(&t, Listener::Gateway).document().await;
        assert!(
            document["paths"].as_object().unwrap().keys().all(|path| !path.starts_with("/admin"))
        );
    });
}

#[test]
fn a_wrong_request_is_told_what_is_wrong_and_not_done() {
    shop(&[], |t| async move {
        t.settle().await;
        let (raw, before) = (Raw::gateway(&t), state(&t).await);
        let cases = [
            // A misspelled dry run must not be a replay.
            ("POST", "/admin/v1/dlq/replay", r#"{"dry_rnu":true}"#, 422, Some("dry_rnu")),
            (
                "POST",
                "/admin/v1/dlq/replay",
                r#"{"filter":{"topik":"x"}}"#,
                422,
                Some("filter.topik"),
            ),
            ("POST", "/admin/v1/dlq/replay", r#"{"rate":-1}"#, 422, Some("rate")),
            ("POST", "/admin/v1/dlq/replay", r#"{"ids":["dlq.events/9/9"]}"#, 404, None),
            ("POST", "/admin/v1/dlq/list", r#"{"since":"yesterday"}"#, 422, None),
            ("POST", "/admin/v1/dlq/list", r#"{"state":"lost"}"#, 422, None),
            ("POST", "/admin/v1/dlq/show", r#"{"id":"nope"}"#, 404, None),
            ("POST", "/admin/v1/dlq/show", "{}", 422, Some("id")),
            ("POST", "/admin/v1/records", r#"{"topic":"nope","value":{"text":"x"}}"#, 404, None),
            ("POST", "/admin/v1/records", r#"{"value":{"text":"x"}}"#, 404, None),
            ("POST", "/admin/v1/records", r#"{"topic":"fraud.detected","partition":9}"#, 404, None),
            (
                "POST",
                "/admin/v1/records",
                r#"{"topic":"fraud.detected","value":{"base64":"?"}}"#,
                422,
                None,
            ),
            (
                "POST",
                "/admin/v1/records",
                r#"{"topic":"fraud.detected","valeu":null}"#,
                422,
                Some("valeu"),
            ),
            ("POST", "/admin/v1/tail/start", r#"{"topic":"nope","start":"end"}"#, 404, None),
            (
                "POST",
                "/admin/v1/tail/start",
                r#"{"topic":"order.created","start":"now"}"#,
                422,
                None,
            ),
            ("POST", "/admin/v1/tail/next", r#"{"topic":"nope","next":{"0":0}}"#, 404, None),
            ("PUT", "/admin/v1/gateway", r#"{"success":2}"#, 422, None),
            ("PUT", "/admin/v1/gateway", r#"{"success":-0.1}"#, 422, None),
            ("PUT", "/admin/v1/gateway", r#"{"sucess":1}"#, 422, Some("sucess")),
            ("PUT", "/admin/v1/gateway", r#"{"latency_ms_p50":9,"latency_ms_p99":8}"#, 422, None),
            ("PUT", "/admin/v1/gateway", r#"{"latency_ms_p50":-1}"#, 422, Some("latency_ms_p50")),
        ];
        for (method, path, body, status, field) in cases {
            raw.refused(&ask((method, path, body)).admin(), status, field).await;
        }
        assert_eq!(state(&t).await, before);
        assert_eq!(json!(t.embedded.dials.get())["success"], 1.0);
    });
}
