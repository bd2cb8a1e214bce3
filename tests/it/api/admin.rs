//! The admin API: for this machine's own commands, and for nobody else.

use ecom::app::shop::Listener;
use serde_json::json;

use super::raw::{Ask, Raw, TOKEN, state};
use crate::harness::shop;

/// Every operation, with a body that would work.
const OPERATIONS: [(&str, &str, &str); 38] = [
    ("GET", "/admin/v1/topics", ""),
    ("POST", "/admin/v1/tail/start", r#"{"topic":"order.created","start":"beginning"}"#),
    ("POST", "/admin/v1/tail/next", r#"{"topic":"order.created","next":{"0":0}}"#),
    ("POST", "/admin/v1/records", r#"{"topic":"fraud.detected","value":{"text":"x"}}"#),
    ("POST", "/admin/v1/dlq/list", "{}"),
    ("POST", "/admin/v1/dlq/export", "{}"),
    ("POST", "/admin/v1/dlq/show", r#"{"id":"dlq.events/0/0"}"#),
    ("POST", "/admin/v1/dlq/replay", r#"{"wait_ms":0}"#),
    ("POST", "/admin/v1/dlq/summary", r#"{"by":"error"}"#),
    ("POST", "/admin/v1/dlq/discard", r#"{"ids":["dlq.events/0/0"],"actor":"ann"}"#),
    ("POST", "/admin/v1/dlq/restore", r#"{"ids":["dlq.events/0/0"],"actor":"ann"}"#),
    ("POST", "/admin/v1/dlq/edit", r#"{"id":"dlq.events/0/0","value":{"text":"x"},"actor":"ann"}"#),
    ("GET", "/admin/v1/dlq/jobs", ""),
    ("POST", "/admin/v1/dlq/jobs/show", r#"{"job":"job-0"}"#),
    ("POST", "/admin/v1/dlq/jobs/cancel", r#"{"job":"job-0"}"#),
    ("POST", "/admin/v1/dlq/jobs/resume", r#"{"job":"job-0"}"#),
    ("GET", "/admin/v1/groups", ""),
    ("POST", "/admin/v1/groups/lag", "{}"),
    (
        "POST",
        "/admin/v1/groups/reset-offsets",
        r#"{"group":"g","topic":"order.created","to":{"shift":0},"execute":false}"#,
    ),
    ("POST", "/admin/v1/orders/list", "{}"),
    ("POST", "/admin/v1/orders/show", r#"{"id":"ORD-A"}"#),
    ("POST", "/admin/v1/orders/stuck", r#"{"older_than_ms":0}"#),
    ("POST", "/admin/v1/orders/cancel", r#"{"order":"ORD-A","actor":"ann"}"#),
    ("POST", "/admin/v1/orders/refund", r#"{"order":"ORD-A","actor":"ann"}"#),
    ("POST", "/admin/v1/orders/resume", r#"{"order":"ORD-A","actor":"ann","reason":"x"}"#),
    ("POST", "/admin/v1/trace", r#"{"id":"ORD-A"}"#),
    ("POST", "/admin/v1/backup", r#"{"target":"/nonexistent/backup.tar"}"#),
    ("POST", "/admin/v1/topics/describe", r#"{"topic":"order.created"}"#),
    ("POST", "/admin/v1/topics/create", r#"{"name":"returns","partitions":1}"#),
    ("POST", "/admin/v1/topics/truncate", r#"{"topic":"returns","before":"end","execute":true}"#),
    ("POST", "/admin/v1/topics/delete", r#"{"topic":"returns","execute":true}"#),
    ("POST", "/admin/v1/groups/describe", r#"{"group":"order-service-group"}"#),
    ("POST", "/admin/v1/groups/delete", r#"{"group":"nobody","execute":true}"#),
    ("GET", "/admin/v1/pulse", ""),
    ("GET", "/admin/v1/logs?after=1", ""),
    ("POST", "/admin/v1/query", r#"{"ask":{"name":"orders-recent"},"limit":1,"timeout_ms":5000}"#),
    ("GET", "/admin/v1/gateway", ""),
    ("PUT", "/admin/v1/gateway", r#"{"success":0.5}"#),
];

/// Operations whose answers have no end.
const STREAMS: [&str; 2] = ["/admin/v1/live", "/admin/v1/topics/order.created/live"];

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
        assert_eq!(documented, OPERATIONS.len() + STREAMS.len());
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
        for stream in STREAMS {
            raw.refused(&Ask::get(stream), 401, None).await;
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
            // What names a letter, a job or an order may name none.
            let names = [
                "/show",
                "/discard",
                "/restore",
                "/edit",
                "/cancel",
                "/resume",
                "/refund",
                "/trace",
                "/groups/delete",
            ];
            let there = !names.iter().any(|verb| operation.1.ends_with(verb));
            let wanted = match operation.1 {
                // This shop is in memory.
                "/admin/v1/backup" => [503; 3],
                _ if there => [200; 3],
                _ => [200, 404, 422],
            };
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
#[expect(clippy::too_many_lines, reason = "a table")]
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
            ("POST", "/admin/v1/orders/list", r#"{"state":"lost"}"#, 422, None),
            ("POST", "/admin/v1/orders/list", r#"{"limit":1001}"#, 422, None),
            ("POST", "/admin/v1/orders/cancel", r#"{"order":"ORD-A"}"#, 422, Some("actor")),
            ("POST", "/admin/v1/orders/cancel", r#"{"order":"A","actor":"ann"}"#, 422, None),
            ("POST", "/admin/v1/orders/stuck", r#"{"older":1}"#, 422, Some("older")),
            ("POST", "/admin/v1/trace", r#"{"id":"nobody"}"#, 404, None),
            ("POST", "/admin/v1/tail/start", r#"{"topic":"nope","start":"end"}"#, 404, None),
            (
                "POST",
                "/admin/v1/tail/start",
                r#"{"topic":"order.created","start":"now"}"#,
                422,
                None,
            ),
            ("POST", "/admin/v1/tail/next", r#"{"topic":"nope","next":{"0":0}}"#, 404, None),
            (
                "POST",
                "/admin/v1/query",
                r#"{"ask":{"sql":"delete from orders"},"limit":1,"timeout_ms":5000}"#,
                422,
                None,
            ),
            (
                "POST",
                "/admin/v1/query",
                r#"{"ask":{"name":"nope"},"limit":1,"timeout_ms":5000}"#,
                404,
                None,
            ),
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

#[test]
fn topics_and_groups_that_must_stay_stay() {
    shop(&[], |t| async move {
        t.settle().await;
        let (raw, before) = (Raw::gateway(&t), state(&t).await);
        let cases = [
            ("POST", "/admin/v1/topics/describe", r#"{"topic":"nope"}"#, 404, None),
            ("POST", "/admin/v1/topics/create", r#"{"name":"a b","partitions":1}"#, 422, None),
            ("POST", "/admin/v1/topics/create", r#"{"name":"a","partitions":0}"#, 422, None),
            (
                "POST",
                "/admin/v1/topics/create",
                r#"{"name":"order.created","partitions":3}"#,
                422,
                None,
            ),
            (
                "POST",
                "/admin/v1/topics/truncate",
                r#"{"topic":"order.created"}"#,
                422,
                Some("before"),
            ),
            (
                "POST",
                "/admin/v1/topics/delete",
                r#"{"topic":"order.created","execute":true}"#,
                409,
                None,
            ),
            (
                "POST",
                "/admin/v1/topics/delete",
                r#"{"topic":"nope","exceute":true}"#,
                422,
                Some("exceute"),
            ),
            (
                "POST",
                "/admin/v1/groups/delete",
                r#"{"group":"order-service-group","execute":true}"#,
                409,
                None,
            ),
            (
                "POST",
                "/admin/v1/tail/next",
                r#"{"topic":"order.created","next":{"0":0},"filter":"key ="}"#,
                422,
                None,
            ),
        ];
        for (method, path, body, status, field) in cases {
            raw.refused(&ask((method, path, body)).admin(), status, field).await;
        }
        assert_eq!(state(&t).await, before);
    });
}
