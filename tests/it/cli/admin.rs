//! `ecom topics describe|create|truncate|delete` and `ecom groups describe|delete`, on a running shop and on a
//! stopped one.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::topics::{produce, running_and_stopped};
use super::{fails, json_on, on};
use crate::harness::program::{Printed, Served, run, run_with_input};
use crate::report::expect_valid;

/// One JSON document that is as its schema says.
#[track_caller]
fn valid_on(data: &Path, schema: &str, args: &[&str]) -> Json {
    expect_valid(schema, &on(data, &[args, &["-o", "json"]].concat()))
}

#[track_caller]
fn fails_on(data: &Path, args: &[&str], code: i32, says: &str) {
    fails(&[args, &["--data", data.to_str().unwrap()]].concat(), code, says);
}

fn topic(data: &Path, name: &str) -> Option<Json> {
    let list = json_on(data, &["topics", "list"]);
    list["topics"].as_array().unwrap().iter().find(|topic| topic["name"] == name).cloned()
}

fn records(data: &Path, name: &str) -> u64 {
    topic(data, name).unwrap()["records"].as_u64().unwrap()
}

#[test]
fn a_topic_is_made_described_and_deleted() {
    running_and_stopped(|data, state| {
        let name = format!("returns-{state}");
        let create = ["topics", "create", &name, "--partitions", "2", "--retention", "7d"];
        let made = valid_on(data, "topic", &create);
        assert_eq!((&made["kind"], &made["topic"]["records"]), (&json!("topic"), &json!(0)));
        fails_on(data, &create, 2, &format!("there is a topic {name} already"));
        produce(data, &[&name, "--partition", "1", "--key", "K"], b"12345");
        let found = valid_on(data, "topic", &["topics", "describe", &name]);
        let retention =
            json!([{ "name": "retention.ms", "value": "604800000", "origin": "topic" }]);
        assert_eq!(
            found["topic"],
            json!({
                "name": name,
                "records": 1,
                "bytes": 6,
                "retention_ms": 604_800_000,
                "partitions": [
                    { "partition": 0, "start": 0, "end": 0, "bytes": 0 },
                    { "partition": 1, "start": 0, "end": 1, "bytes": 6 },
                ],
                "config": retention,
            }),
            "nothing that the embedded log does not have"
        );
        let text = on(data, &["topics", "describe", &name]);
        assert!(text.starts_with(&format!("{name}: 1 records, 6 bytes, kept for 7d\n")), "{text}");
        assert!(!text.contains("REPLICAS"), "{text}");

        let confirm = format!("--confirm={name}");
        let gone = valid_on(data, "topic_removal", &["topics", "delete", &name, &confirm]);
        assert_eq!(gone["removal"]["executed"], true);
        assert_eq!(topic(data, &name), None);
        fails_on(data, &["topics", "describe", &name], 4, "there is no topic");
        fails_on(data, &["topics", "delete", &name, &confirm], 4, "there is no topic");
        fails_on(data, &["topics", "truncate", &name, &confirm], 4, "there is no topic");
    });
}

#[test]
fn what_cannot_be_made_is_told_and_not_made() {
    running_and_stopped(|data, _| {
        let create = |more: &[&str], says: &str| {
            fails_on(data, &[&["topics", "create", "never"], more].concat(), 2, says);
        };
        create(&["--replication", "3"], "the embedded log keeps one copy of each record");
        create(&["--set", "cleanup.policy=compact"], "have no setting \"cleanup.policy\"");
        create(&["--set", "retention.ms=soon"], "\"soon\" is no retention");
        create(&["--set", "retention.ms"], "--set retention.ms: write KEY=VALUE");
        create(&["--set", "retention.ms=1", "--retention", "1s"], "say the same: give one");
        create(&["--partitions", "0"], "0 is not in 1..");
        create(&["--partitions", "1001"], "1 to 1000 partitions");
        create(&["--retention", "soon"], "is no span of time");
        fails_on(data, &["topics", "create", "a b"], 2, "names have letters, digits");
        fails_on(data, &["topics", "create", "__x"], 2, "are the cluster's own");
        assert_eq!(topic(data, "never"), None);
    });
}

#[test]
fn without_confirmation_nothing_is_deleted() {
    running_and_stopped(|data, _| {
        on(data, &["topics", "create", "orders", "--partitions", "1"]);
        let at = "orders/0/0";
        assert_eq!(produce(data, &["orders"], b"1"), at);
        on(
            data,
            &["groups", "reset-offsets", "g", "--topic", "orders", "--to", "end", "--execute"],
        );
        for (verb, noun, name) in [
            ("truncate", "topics", "orders"),
            ("delete", "topics", "orders"),
            ("delete", "groups", "g"),
        ] {
            let args = [noun, verb, name];
            fails_on(data, &args, 7, &format!("to confirm, add --confirm={name}"));
            let wrong = [noun, verb, name, "--confirm=order"];
            fails_on(
                data,
                &wrong,
                7,
                &format!("--confirm says \"order\", but \"{name}\" is meant"),
            );
            // What is typed counts at a terminal only.
            let path = data.to_str().unwrap();
            let typed = run_with_input(&[noun, verb, name, "--data", path], name.as_bytes());
            assert_eq!((typed.code(), typed.out().as_str()), (7, ""));
            let both = [noun, verb, name, "--dry-run", "--confirm", name];
            fails_on(data, &both, 2, "cannot be used with");
            on(data, &[&args[..], &["--dry-run"]].concat());
        }
        assert_eq!(records(data, "orders"), 1);
        let groups = json_on(data, &["groups", "list"]);
        assert!(groups["groups"].as_array().unwrap().iter().any(|g| g["group"] == "g"));
        on(data, &["topics", "delete", "orders", "--confirm=orders"]);
        on(data, &["groups", "list"]);
    });
}

#[test]
fn a_topic_is_emptied_up_to_a_place() {
    running_and_stopped(|data, _| {
        on(data, &["topics", "create", "orders", "--partitions", "2"]);
        for partition in ["0", "0", "0", "1"] {
            produce(data, &["orders", "--partition", partition], b"x");
        }
        on(data, &["groups", "reset-offsets", "g", "--topic", "orders", "--to", "1", "--execute"]);
        let truncate = ["topics", "truncate", "orders"];
        let plan = valid_on(data, "topic_removal", &[&truncate[..], &["--dry-run"]].concat());
        assert_eq!(
            plan["removal"],
            json!({
                "topic": "orders",
                "executed": false,
                "records": 4,
                "partitions": [
                    { "partition": 0, "from": 0, "to": 3 },
                    { "partition": 1, "from": 0, "to": 1 },
                ],
                "readers": [{ "group": "g", "active": false, "unread": 2 }],
            })
        );
        assert_eq!(records(data, "orders"), 4);
        let args = ["--before", "2", "--partition", "0", "--confirm=orders"];
        let done = valid_on(data, "topic_removal", &[&truncate[..], &args].concat());
        assert_eq!((&done["removal"]["records"], records(data, "orders")), (&json!(2), 2));
        let old = ["--before", "2001-01-01T00:00:00Z", "--confirm=orders"];
        assert_eq!(json_on(data, &[&truncate[..], &old].concat())["removal"]["records"], 0);
        on(data, &[&truncate[..], &["--confirm", "orders"]].concat());
        assert_eq!(records(data, "orders"), 0);
        assert_eq!(produce(data, &["orders", "--partition", "0"], b"x"), "orders/0/3");
        fails_on(data, &[&truncate[..], &["--before", "soon"]].concat(), 2, "--before: \"soon\"");
        fails_on(data, &[&truncate[..], &["--partition", "7"]].concat(), 4, "no partition 7");
        let delete = ["topics", "delete", "orders", "--confirm=orders"];
        assert!(on(data, &delete).contains("PARTITION"), "a table for people");
        let forget = ["groups", "delete", "g", "--confirm=g"];
        fails_on(data, &forget, 4, "there is no group g");
    });
}

#[test]
fn the_shops_own_topics_are_deleted_by_force_only_and_are_there_again_after_a_start() {
    running_and_stopped(|data, _| {
        for name in ["order.created", "dlq.events"] {
            let confirm = format!("--confirm={name}");
            for more in [confirm.as_str(), "--dry-run"] {
                let args = ["topics", "delete", name, more];
                fails_on(data, &args, 7, &format!("the shop needs {name}"));
            }
        }
        assert!(topic(data, "order.created").is_some() && topic(data, "dlq.events").is_some());
        fails_on(data, &["topics", "delete", "dlq.events", "--force"], 7, "to confirm, add");
    });
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "2"]);
    on(&data, &["topics", "delete", "fraud.detected", "--force", "--confirm=fraud.detected"]);
    assert_eq!(topic(&data, "fraud.detected"), None);
    assert_eq!(shop.stop(), 0);
    let mut shop = Served::start(&data, &["--products", "2"]);
    assert_eq!(records(&data, "fraud.detected"), 0);
    assert_eq!(shop.stop(), 0);
}

#[test]
fn a_group_tells_who_reads_and_is_forgotten_only_without_members() {
    running_and_stopped(|data, state| {
        let name = "payment-service-group";
        if state == "stopped" {
            // A stopped shop knows of groups what they have committed.
            let reset = ["groups", "reset-offsets", name, "--topic", "order.created"];
            on(data, &[&reset[..], &["--to", "end", "--execute"]].concat());
        }
        let described = valid_on(data, "group", &["groups", "describe", name]);
        let group = &described["group"];
        let members = group["members"].as_array().unwrap();
        let forget = ["groups", "delete", name, "--confirm", name];
        if state == "running" {
            assert_eq!((&group["state"], &group["active"]), (&json!("stable"), &json!(true)));
            let [member] = &members[..] else { panic!("{group}") };
            assert_eq!((member.get("host"), member.get("client")), (None, None));
            for p in group["partitions"].as_array().unwrap() {
                assert_eq!(p["member"], member["member"], "{p}");
                assert_eq!((&p["lag"], p.get("behind_ms")), (&json!(0), None), "{p}");
            }
            let text = on(data, &["groups", "describe", name]);
            assert!(text.starts_with("payment-service-group: stable, 0 unread\n"), "{text}");
            fails_on(data, &forget, 7, "has members: stop them first");
            fails_on(data, &["groups", "delete", name, "--dry-run"], 7, "has members");
            on(data, &["groups", "describe", name]);
        } else {
            assert_eq!((&group["state"], members.len()), (&json!("empty"), 0));
            let removal = valid_on(data, "group_removal", &forget);
            assert_eq!(
                (&removal["kind"], &removal["removal"]["executed"]),
                (&json!("group_deletion"), &json!(true))
            );
            fails_on(
                data,
                &["groups", "describe", name],
                4,
                "there is no group payment-service-group",
            );
        }
        fails_on(
            data,
            &["groups", "describe", "nobody"],
            4,
            "there is no group nobody; see `ecom groups list`",
        );
        fails_on(
            data,
            &["groups", "delete", "nobody", "--confirm=nobody"],
            4,
            "there is no group nobody",
        );
    });
}

#[test]
fn a_group_of_others_is_behind_by_records_and_seconds() {
    running_and_stopped(|data, state| {
        let group = format!("audit-{state}");
        produce(data, &["fraud.detected", "--partition", "1"], b"x");
        let reset = ["groups", "reset-offsets", &group, "--topic", "fraud.detected"];
        on(data, &[&reset[..], &["--to", "beginning", "--execute"]].concat());
        let found = valid_on(data, "group", &["groups", "describe", &group]);
        let p = &found["group"]["partitions"][1];
        assert!(p["lag"].as_u64().unwrap() > 0 && p["behind_ms"].is_u64(), "{p}");
        assert_eq!(p.get("member"), None);
    });
}

#[test]
fn a_stopped_shop_goes_on_after_its_unread_events_were_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "2"]);
    assert_eq!(shop.stop(), 0);
    for n in 0..20 {
        produce(&data, &["order.created", "--key", &format!("K{n}")], b"{\"broken\":");
    }
    let reset = ["groups", "reset-offsets", "payment-service-group", "--topic", "order.created"];
    on(&data, &[&reset[..], &["--to", "beginning", "--execute"]].concat());
    let unread = json_on(&data, &["topics", "truncate", "order.created", "--dry-run"]);
    let readers = unread["removal"]["readers"].as_array().unwrap();
    assert!(readers.iter().any(|reader| reader["unread"] == 20), "{unread}");
    on(&data, &["topics", "truncate", "order.created", "--confirm=order.created"]);
    let mut shop = Served::start(&data, &["--products", "2"]);
    produce(&data, &["order.created", "--key", "after"], b"{\"broken\":");
    let letters = ["topics", "tail", "dlq.events", "--from", "beginning", "--format", "%k\\n"];
    // Two services read the topic: of what was not deleted they make dead letters.
    let mut tail = crate::harness::program::ecom()
        .args(letters)
        .arg("--data")
        .arg(&data)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(tail.stdout.take().unwrap()));
    let keys: Vec<String> = lines.take(2).map(Result::unwrap).collect();
    tail.kill().unwrap();
    tail.wait().unwrap();
    assert_eq!(keys, ["after", "after"]);
    assert_eq!(shop.stop(), 0);
    let verified = run(&["verify", "--data", data.to_str().unwrap()]);
    assert!(!verified.err().contains("panicked"), "{}", verified.err());
}
