//! Everything may come again.

use ecom::events::Topic;
use ecom::ports::{NewRecord, Position};

use crate::harness::{Tester, shop};

/// Orders with every outcome.
async fn a_mixed_day(t: &Tester) {
    t.product("P", "5.00", 12).await;
    t.product("Q", "3.00", 1_000).await;
    for n in 0..30 {
        let user = format!("u{n}");
        t.add(&user, "Q", 1).await;
        if n % 2 == 0 {
            t.add(&user, "P", 1).await;
        }
        let reply = t.try_checkout(&user).await;
        if n % 7 == 0 && reply.status == 202 {
            let order = reply.json()["order_id"].as_str().unwrap().to_owned();
            t.call("POST", &format!("/orders/{order}/cancel"), None).await;
        }
    }
    t.settle().await;
}

/// Everything that must not change.
async fn state(t: &Tester) -> Vec<String> {
    let mut all = vec![];
    for sql in [
        "select order_id, status, cancel_reason from orders order by 1",
        "select order_id, status from payments order by 1",
        "select id, stock from products order by 1",
        "select order_id, state from stock_holds order by 1",
        "select message_id, status from notifications order by 1",
        "select event_type, count(*) from outbox_events group by 1 order by 1",
    ] {
        all.push(format!("{:?}", t.rows(sql, vec![]).await));
    }
    all
}

const MIXED: [(&str, &str); 2] = [("gateway.success", "0.7"), ("gateway.ambiguous", "0.1")];

#[test]
fn every_event_published_again_changes_nothing() {
    shop(&MIXED, |t| async move {
        a_mixed_day(&t).await;
        let before = state(&t).await;
        for topic in Topic::ALL {
            for record in t.records(topic.as_str()).await {
                let again = NewRecord {
                    topic: record.at.topic.to_string(),
                    partition: Some(record.at.partition),
                    key: record.key.clone(),
                    headers: record.headers.clone(),
                    value: record.value.clone(),
                };
                t.embedded.ports.bus.publish(vec![again]).await.unwrap();
            }
        }
        t.settle().await;
        assert_eq!(state(&t).await, before);
        t.all_is_well().await;
    });
}

#[test]
fn every_group_read_again_from_the_beginning_changes_nothing() {
    shop(&MIXED, |t| async move {
        a_mixed_day(&t).await;
        let before = state(&t).await;
        t.shop.crash();
        t.pass(1).await;
        let bus = &t.embedded.ports.bus;
        for group in bus.groups().await.unwrap() {
            let start = Position {
                topic: group.topic.clone().into(),
                partition: group.partition,
                offset: 0,
            };
            bus.set_offsets(&group.group, &[start]).await.unwrap();
        }
        let again = t.restarted(&MIXED).await;
        again.settle().await;
        assert_eq!(state(&again).await, before);
        again.all_is_well().await;
    });
}

#[test]
fn an_event_twice_in_one_batch_takes_effect_once() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.shop.crash();
        let event = br#"{"event_id":"0199c0de-0000-7000-8000-00000000000a","event_type":"catalog.stock_received","timestamp":"2026-01-31T12:00:00.123Z","correlation_id":"P","causation_id":null,"schema_version":1,"product_id":"P","quantity":5}"#;
        for _ in 0..3 {
            t.produce("catalog.stock_received", "P", event).await;
        }
        let again = t.restarted(&[]).await;
        again.settle().await;
        assert_eq!(again.stock("P").await, 15);
        assert!(again.records("dlq.events").await.is_empty());
    });
}
