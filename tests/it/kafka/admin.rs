//! Looking after the topics and groups of any cluster from the command line.

use std::collections::BTreeMap;

use bytes::Bytes;
use ecom::ports::bus::{EventBus, NewRecord, Position};
use serde_json::{Value as Json, json};

use super::console::{Somebodys, with_cluster};
use super::{connect, keyed, options};
use crate::contract::bus::after;
use crate::contract::env;
use crate::harness::own_stack::OwnStack;
use crate::harness::program::{Printed, ecom};
use crate::report::expect_valid;

/// One JSON document that is as its schema says.
#[track_caller]
fn valid(there: &Somebodys, schema: &str, args: &[&str]) -> Json {
    let ran = there.run(&[args, &["-o", "json"]].concat());
    assert_eq!(ran.code(), 0, "{args:?}: {}", ran.err());
    expect_valid(schema, &ran.out())
}

#[track_caller]
fn fails(there: &Somebodys, args: &[&str], code: i32, says: &str) {
    let ran = there.run(args);
    assert_eq!((ran.code(), ran.out().as_str()), (code, ""), "{args:?}: {}", ran.err());
    assert!(ran.err().contains(says), "{args:?}: {}", ran.err());
}

#[test]
fn topics_of_anybody_are_made_described_emptied_and_deleted() {
    with_cluster(|there| async move {
        let create = [
            "topics",
            "create",
            "returns",
            "--partitions",
            "2",
            "--replication",
            "1",
            "--retention",
            "1h",
            "--set",
            "cleanup.policy=delete",
        ];
        valid(&there, "topic", &create);
        fails(&there, &create, 2, "there is a topic returns already");
        let never = |args: &[&str], says: &str| {
            fails(&there, &[&["topics", "create", "never"], args].concat(), 2, says);
        };
        never(&["--set", "no.such=1"], "check the settings no.such");
        never(&["--replication", "99"], "99 copies need as many brokers");
        let found = valid(&there, "topic", &["topics", "describe", "returns"]);
        let topic = &found["topic"];
        assert_eq!((&topic["retention_ms"], topic.get("bytes")), (&json!(3_600_000), None));
        let p = &topic["partitions"][1];
        assert_eq!((&p["replicas"], &p["in_sync"]), (&json!([p["leader"]]), &json!([p["leader"]])));
        let origin = |topic: &Json, name: &str| {
            let config = topic["config"].as_array().unwrap();
            let found = config.iter().find(|entry| entry["name"] == name);
            found.map(|entry| entry["origin"].as_str().unwrap().to_owned())
        };
        assert_eq!(origin(topic, "retention.ms").as_deref(), Some("topic"));
        assert_eq!(origin(topic, "flush.ms"), None, "nobody set it");
        let all = valid(&there, "topic", &["topics", "describe", "returns", "--all"]);
        assert_eq!(origin(&all["topic"], "flush.ms").as_deref(), Some("default"));

        let record = |n: u64| NewRecord {
            partition: Some((n % 2) as u32),
            ..keyed("returns", format!("k{n}"), n.to_string())
        };
        there.bus.publish((0..10).map(record).collect()).await.unwrap();
        let next = [Position { topic: "returns".into(), partition: 0, offset: 1 }];
        there.bus.set_offsets("billing", &next).await.unwrap();
        let truncate = ["topics", "truncate", "returns"];
        fails(&there, &truncate, 7, "to confirm, add --confirm=returns");
        let half = [&truncate[..], &["--before", "3"]].concat();
        let plan = valid(&there, "topic_removal", &[&half[..], &["--dry-run"]].concat());
        let readers = json!([{ "group": "billing", "active": false, "unread": 2 }]);
        assert_eq!(
            (&plan["removal"]["records"], &plan["removal"]["readers"]),
            (&json!(6), &readers)
        );
        valid(&there, "topic_removal", &[&half[..], &["--confirm=returns"]].concat());
        let bounds = valid(&there, "topic", &["topics", "describe", "returns"]);
        for p in bounds["topic"]["partitions"].as_array().unwrap() {
            assert_eq!((&p["start"], &p["end"]), (&json!(3), &json!(5)), "{p}");
        }
        let delete = ["topics", "delete", "returns", "--confirm=returns"];
        valid(&there, "topic_removal", &delete);
        fails(&there, &delete, 4, "there is no topic returns");
        fails(&there, &["topics", "describe", "returns"], 4, "there is no topic returns");

        there.run(&["topics", "create", "prices", "--set", "cleanup.policy=compact"]);
        there.bus.publish(vec![keyed("prices", "P", "1")]).await.unwrap();
        fails(&there, &["topics", "truncate", "prices", "--confirm=prices"], 2, "is compacted");
    });
}

#[test]
fn a_group_tells_its_members_and_is_forgotten_without() {
    with_cluster(|there| async move {
        let records = (0..9).map(|n| keyed("orders", format!("k{n}"), "v")).collect();
        there.bus.publish(records).await.unwrap();
        let mut member = there.bus.subscribe("billing", &["orders"]).await.unwrap();
        let first = member.poll(1).await.unwrap().remove(0);
        member.commit(&[after(&first)]).await.unwrap();
        let described =
            || valid(&there, "group", &["groups", "describe", "billing"])["group"].clone();
        let looking = async {
            loop {
                let group = described();
                if group["lag"] == 8 && group["state"] == "stable" {
                    return group;
                }
                there.env.pass(1).await;
            }
        };
        let group = there.env.patiently(looking).await;
        let found = &group["members"][0];
        assert_eq!((&found["client"], &found["host"]), (&json!("ecom"), &json!("127.0.0.1")));
        assert_eq!(found["partitions"].as_array().unwrap().len(), 3);
        assert_eq!(group["protocol"], "cooperative-sticky");
        for p in group["partitions"].as_array().unwrap() {
            assert_eq!(p["member"], found["member"], "{p}");
            assert_eq!(p.get("behind_ms").is_some(), p["lag"] != 0, "{p}");
        }
        let forget = ["groups", "delete", "billing", "--confirm=billing"];
        fails(&there, &forget, 7, "the group billing has members");
        drop(member);
        let left = async {
            while described()["state"] != "empty" {
                there.env.pass(1).await;
            }
        };
        there.env.patiently(left).await;
        fails(&there, &forget[..3], 7, "to confirm, add --confirm=billing");
        valid(&there, "group_removal", &["groups", "delete", "billing", "--dry-run"]);
        valid(&there, "group_removal", &forget);
        fails(&there, &["groups", "describe", "billing"], 4, "there is no group billing");
        fails(&there, &forget, 4, "there is no group billing");
    });
}

#[test]
fn a_tail_chooses_among_the_records_of_all_partitions() {
    const RECORDS: usize = 20_000;
    with_cluster(|there| async move {
        let record = |n: usize| NewRecord {
            headers: vec![(
                "kind".into(),
                Bytes::from(if n.is_multiple_of(2) { "even" } else { "odd" }),
            )],
            ..keyed("orders", format!("k{n}"), format!(r#"{{"n":{n},"text":"{n:0>200}"}}"#))
        };
        for some in (0..RECORDS).collect::<Vec<_>>().chunks(2_000) {
            there.bus.publish(some.iter().map(|n| record(*n)).collect()).await.unwrap();
        }
        let found = |args: &[&str]| -> Vec<usize> {
            let ran = there.run(
                &[&["topics", "tail", "orders", "--exit", "--format", "%k\\n"], args].concat(),
            );
            assert_eq!(ran.code(), 0, "{args:?}: {}", ran.err());
            ran.out().lines().map(|key| key[1..].parse().unwrap()).collect()
        };
        let mut all = found(&["--from", "beginning"]);
        all.sort_unstable();
        assert_eq!(all, (0..RECORDS).collect::<Vec<_>>());
        let mut some = found(&["--filter", "value.n >= 19990 && header.kind == 'even'"]);
        some.sort_unstable();
        assert_eq!(some, [19_990, 19_992, 19_994, 19_996, 19_998]);
        assert_eq!(found(&["--key", "k777"]), [777]);
        assert_eq!(found(&["-n", "7"]).len(), 7);
        let one = found(&["--partition", "1", "--from", "100", "--filter", "offset < 110"]);
        assert_eq!(one.len(), 10);
        assert!(one.is_sorted());
        let to = ["--from", "beginning", "--to", "5", "--format", "%o "];
        let ran = there.run(&[&["topics", "tail", "orders"], &to[..]].concat());
        let mut offsets: Vec<u64> =
            ran.out().split_whitespace().map(|o| o.parse().unwrap()).collect();
        offsets.sort_unstable();
        assert_eq!(offsets, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        fails(&there, &["topics", "tail", "nope", "--exit"], 4, "there is no topic nope");
    });
}

#[test]
fn letters_of_a_topic_that_was_deleted_or_emptied_are_forgotten() {
    with_cluster(|there| async move {
        there.letters(6, "x.Y").await;
        let list = there.json(0, &["dlq", "list"]);
        let ids: Vec<&str> = list["dead_letters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["id"].as_str().unwrap())
            .collect();
        let discard = [&["dlq", "discard"], &ids[..]].concat();
        assert_eq!(there.run(&discard).code(), 0);
        assert_eq!(there.states(), [("discarded".into(), 6)].into());
        there.json(0, &["topics", "delete", "orders-dlt", "--confirm=orders-dlt"]);
        assert_eq!(there.states(), BTreeMap::new());
        there.json(0, &["topics", "create", "orders-dlt"]);
        there.letters(6, "x.Y").await;
        assert_eq!(there.states(), [("open".into(), 6)].into(), "others, in the same places");
        there.json(0, &["topics", "truncate", "orders-dlt", "--confirm=orders-dlt"]);
        assert_eq!(there.states(), BTreeMap::new());
        there.letters(1, "x.Z").await;
        assert_eq!(there.json(0, &["dlq", "summary"])["total"], 1);
    });
}

#[test]
fn groups_are_told_right_after_a_broker_has_begun() {
    let Some(stack) = OwnStack::kafka(1, |_| String::new()) else { return };
    let bootstrap = stack.bootstrap();
    env::live(|env| async move {
        let options = options(&bootstrap);
        let bus = connect(&env, &options).await;
        bus.create_topic("orders", 3, None).await.unwrap();
        for n in 0..20 {
            let next = [Position { topic: "orders".into(), partition: 0, offset: 0 }];
            bus.set_offsets(&format!("group-{n}"), &next).await.unwrap();
        }
        drop(bus);
        for _ in 0..2 {
            stack.signal(1, "KILL");
            stack.up("kafka");
            let ran = ecom()
                .args(["groups", "list", "-o", "json", "--timeout", "30s", "--kafka", &bootstrap])
                .env("ECOM_KAFKA_PREFIX", &options.prefix)
                .env("XDG_STATE_HOME", tempfile::tempdir().unwrap().path())
                .output()
                .unwrap();
            assert_eq!(ran.code(), 0, "{}", ran.err());
            let groups: Json = serde_json::from_str(&ran.out()).unwrap();
            assert_eq!(groups["groups"].as_array().unwrap().len(), 20, "{groups}");
        }
    });
}
