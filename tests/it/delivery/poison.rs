//! Bytes that are no events.

use ecom::events::Topic;
use serde_json::json;

use super::body;
use crate::harness::shop;

#[test]
fn broken_bytes_on_any_topic_become_dead_letters_and_stop_nobody() {
    let broken: [&[u8]; 7] = [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"{\"event_id\":",
        b"[]",
        b"{}",
        br#"{"event_id":"0198c0de-0000-7000-8000-000000000001","event_type":"no.such","timestamp":"2026-01-01T00:00:00.000Z"}"#,
    ];
    shop(&[], move |t| async move {
        t.product("P", "5.00", 10).await;
        let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
        for topic in topics.iter().filter(|topic| **topic != "dlq.events") {
            for bytes in broken {
                t.produce(topic, "some-key", bytes).await;
            }
        }
        let order = t.buy("ann", "P").await;
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        let letters = t.records("dlq.events").await;
        let mut expected = 0;
        for group in t.embedded.ports.bus.groups().await.unwrap() {
            expected += broken.len() * usize::from(group.partition == 0);
        }
        assert_eq!(letters.len(), expected, "one for each reader of each");
        assert!(expected > 50, "{expected}");
        for letter in &letters {
            assert_eq!(body(letter)["retry_count"], 0, "more tries would not help");
            assert_eq!(letter.header("ecom-dlq-stage"), Some("decode"));
        }
        t.all_is_well().await;
    });
}

#[test]
fn an_event_with_a_field_of_the_wrong_kind_is_named_in_its_dead_letter() {
    shop(&[], |t| async move {
        let event = json!({
            "event_id": "0198c0de-0000-7000-8000-000000000001", "event_type": "order.created",
            "timestamp": "2026-01-01T00:00:00.000Z", "correlation_id": "ORD-1", "schema_version": 1, "order_id": "ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE", "user_id": "ann",
            "items": [{ "product_id": "P", "quantity": -1, "price": 5.00 }], "total_amount": 5.00,
        });
        t.produce("order.created", "ORD-1", event.to_string().as_bytes()).await;
        t.pass(1).await;
        let letters = t.records("dlq.events").await;
        assert!(!letters.is_empty());
        for letter in letters {
            let reason = body(&letter)["error_reason"].as_str().unwrap().to_owned();
            assert!(reason.contains("quantity"), "{reason}");
            assert_eq!(body(&letter)["payload"]["items"][0]["quantity"], -1);
        }
    });
}
