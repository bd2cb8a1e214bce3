//! `ecom dlq`: from garbage on a topic to a dead letter and back.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::{expect, fails, json_on, on};
use crate::harness::program::{Printed, Served, ecom, run, run_with_input};

const GARBAGE: &[u8] = b"{\"broken\": \xff";

/// A shop with two dead letters: two services read the topic that the garbage is on.
pub(super) struct Shop {
    _folder: tempfile::TempDir,
    pub(super) served: Served,
}

impl Shop {
    pub(super) fn with_letters() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("shop");
        let served = Served::start(&data, &["--products", "2"]);
        let path = data.to_str().unwrap();
        let args = [
            "topics",
            "produce",
            "order.created",
            "--key",
            "K",
            "--header",
            "trace=1",
            "--data",
            path,
        ];
        assert_eq!(run_with_input(&args, GARBAGE).code(), 0);
        wait_for_letters(&data, 2);
        Self { _folder: folder, served }
    }

    fn replay(&self, args: &[&str]) -> (i32, Json) {
        let args =
            [&["dlq", "replay", "-o", "json", "--data", self.served.data.to_str().unwrap()], args]
                .concat();
        let ran = run(&args);
        (ran.code(), serde_json::from_str(&ran.out()).unwrap_or_else(|_| panic!("{}", ran.err())))
    }
}

/// Follows the dead letters' topic until that many are on it.
fn wait_for_letters(data: &Path, count: usize) {
    let mut tail = ecom()
        .args(["topics", "tail", "dlq.events", "--from", "beginning", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert_eq!(lines.take(count).count(), count);
    tail.kill().unwrap();
    tail.wait().unwrap();
}

fn letters(data: &Path) -> Vec<Json> {
    let json = json_on(data, &["dlq", "list"]);
    assert_eq!((&json["kind"], &json["schema_version"]), (&json!("dead_letters"), &json!(1)));
    json["dead_letters"].as_array().unwrap().clone()
}

#[test]
fn garbage_becomes_dead_letters_that_say_why() {
    let shop = Shop::with_letters();
    let letters = letters(&shop.served.data);
    let mut services: Vec<&str> = letters.iter().map(|l| l["service"].as_str().unwrap()).collect();
    services.sort_unstable();
    assert_eq!(services, ["inventory", "payment"]);
    for letter in &letters {
        assert_eq!(
            (&letter["state"], &letter["original_topic"]),
            (&json!("open"), &json!("order.created"))
        );
        assert_eq!(
            (&letter["error_code"], &letter["retry_count"]),
            (&json!("decode.malformed"), &json!(0))
        );
        assert_eq!((&letter["key"], &letter["replays"]), (&json!({ "text": "K" }), &json!(0)));
        let id = letter["id"].as_str().unwrap();
        let detail = json_on(&shop.served.data, &["dlq", "show", id]);
        assert_eq!(
            (&detail["kind"], &detail["schema_version"]),
            (&json!("dead_letter_detail"), &json!(1))
        );
        assert_eq!(&detail["letter"], letter);
        let base64 = data_encoding::BASE64.encode(GARBAGE);
        assert_eq!(
            (&detail["payload"], &detail["payload_intact"]),
            (&json!({ "base64": base64 }), &json!(true))
        );
        let headers = detail["record"]["headers"].as_array().unwrap();
        assert!(
            headers.contains(&json!({ "name": "trace", "value": { "text": "1" } })),
            "{headers:?}"
        );
        let text = on(&shop.served.data, &["dlq", "show", id]);
        assert!(text.contains("decode.malformed") && text.contains("payload (intact)"), "{text}");
    }
    let text = on(&shop.served.data, &["dlq", "list"]);
    assert_eq!(text.lines().count(), 3, "{text}");
    let names = on(&shop.served.data, &["dlq", "list", "-o", "name"]);
    assert_eq!(
        names.lines().collect::<Vec<_>>(),
        letters.iter().map(|l| l["id"].as_str().unwrap()).collect::<Vec<_>>()
    );
}

#[test]
fn filters_choose_among_them() {
    let shop = Shop::with_letters();
    let count = |args: &[&str]| {
        let json = json_on(&shop.served.data, &[&["dlq", "list"], args].concat());
        json["dead_letters"].as_array().unwrap().len()
    };
    assert_eq!(
        count(&["--topic", "order.created", "--key", "K", "--state", "open", "--since", "1h"]),
        2
    );
    assert_eq!(count(&["--error", "decode.malformed", "-n", "1"]), 1);
    for none in [
        ["--topic", "order.confirmed"],
        ["--key", "L"],
        ["--state", "parked"],
        ["--error", "x"],
        ["--since", "2999-01-01T00:00:00Z"],
    ] {
        assert_eq!(count(&none), 0, "{none:?}");
    }
    let ran = run(&["dlq", "list", "--key", "L", "--data", shop.served.data.to_str().unwrap()]);
    assert_eq!((ran.code(), ran.out().as_str(), ran.err().as_str()), (0, "", "no dead letters\n"));
}

#[test]
fn a_dry_run_changes_nothing_and_a_replay_does() {
    let shop = Shop::with_letters();
    let look = || (json_on(&shop.served.data, &["topics", "list"]), letters(&shop.served.data));
    let before = look();
    let (code, plan) = shop.replay(&["--dry-run"]);
    assert_eq!(
        (code, &plan["selected"], &plan["replayed"], &plan["job"]),
        (0, &json!(2), &json!(0), &json!(null))
    );
    assert_eq!((&plan["kind"], &plan["schema_version"]), (&json!("replay_report"), &json!(1)));
    assert_eq!(plan["by_topic"], json!({ "order.created": 2 }));
    assert_eq!(look(), before, "a dry run sends nothing and notes nothing");
    let (code, report) = shop.replay(&["--rate", "0"]);
    assert_eq!(
        (code, &report["replayed"], &report["refailed"]),
        (3, &json!(2), &json!(2)),
        "garbage fails again"
    );
    assert!(report["job"].as_str().unwrap().starts_with("job-"));
    let after = letters(&shop.served.data);
    let told = |letter: &Json| {
        (letter["state"].as_str().unwrap().to_owned(), letter["replays"].as_i64().unwrap())
    };
    let told: Vec<_> = after.iter().map(told).collect();
    let (refailed, open) = (("refailed".to_owned(), 0), ("open".to_owned(), 1));
    assert_eq!(told, [refailed.clone(), refailed, open.clone(), open]);
    let audit =
        json_on(&shop.served.data, &["dlq", "show", after[0]["id"].as_str().unwrap()])["audit"]
            .clone();
    assert!(!audit.as_array().unwrap().is_empty(), "who sent it back is noted");
    let (code, parked) = shop.replay(&["--max-replays", "1"]);
    assert_eq!((code, &parked["parked"], &parked["replayed"]), (3, &json!(2), &json!(0)));
    let (code, nothing) = shop.replay(&[]);
    assert_eq!((code, &nothing["selected"]), (0, &json!(0)), "nothing is open any more");
}

#[test]
fn a_replay_takes_ids_from_the_command_line_and_from_a_pipe() {
    let shop = Shop::with_letters();
    let id = letters(&shop.served.data)[0]["id"].as_str().unwrap().to_owned();
    let (code, one) = shop.replay(&[&id, "--dry-run"]);
    assert_eq!((code, &one["selected"]), (0, &json!(1)));
    let piped = |input: &str| {
        let args = [
            "dlq",
            "replay",
            "-",
            "--dry-run",
            "-o",
            "json",
            "--data",
            shop.served.data.to_str().unwrap(),
        ];
        run_with_input(&args, input.as_bytes())
    };
    let names = on(&shop.served.data, &["dlq", "list", "-o", "name"]);
    let two: Json = serde_json::from_str(&piped(&names).out()).unwrap();
    assert_eq!(two["selected"], 2);
    let none = piped("\n");
    assert_eq!((none.code(), none.out().as_str()), (0, ""), "no ids are not all ids");
    assert!(none.err().contains("nothing to do"));
}

#[test]
fn a_stopped_shop_has_the_same_letters_and_takes_replays_for_later() {
    let mut shop = Shop::with_letters();
    let running = letters(&shop.served.data);
    assert_eq!(shop.served.stop(), 0);
    assert_eq!(letters(&shop.served.data), running);
    let (code, plan) = shop.replay(&["--dry-run"]);
    assert_eq!((code, &plan["selected"]), (0, &json!(2)));
    let (code, report) = shop.replay(&[]);
    assert_eq!((code, &report["replayed"], &report["pending"]), (0, &json!(2), &json!(2)));
    assert!(letters(&shop.served.data).iter().all(|letter| letter["state"] == "replaying"));
    let served = Served::start(&shop.served.data, &[]);
    wait_for_letters(&shop.served.data, 4);
    let states: Vec<Json> =
        letters(&shop.served.data).iter().map(|letter| letter["state"].clone()).collect();
    assert_eq!(states, ["refailed", "refailed", "open", "open"]);
    drop(served);
}

#[test]
fn what_is_not_there_is_told() {
    let shop = Shop::with_letters();
    let path = shop.served.data.to_str().unwrap();
    let fails_on = |args: &[&str], code: i32, says: &str| {
        fails(&[&["dlq"], args, &["--data", path]].concat(), code, says);
    };
    for id in ["nope", "dlq.events/0/99", "dlq.events/9/0", "order.created/0/0"] {
        let says = format!("there is no dead letter {id}; see `ecom dlq list`");
        fails_on(&["show", id], 4, &says);
        fails_on(&["replay", id], 4, &says);
        fails_on(&["replay", id, "--dry-run"], 4, &says);
    }
    let event = letters(&shop.served.data)[0]["event_id"].as_str().unwrap().to_owned();
    fails_on(&["show", &event], 2, "several dead letters have the event id");
    fails_on(&["list", "--state", "lost"], 2, "use one of open, replaying, resolved");
    fails_on(&["list", "--since", "yesterday"], 2, "write how long ago (90s, 2h, 7d)");
    fails_on(&["replay", "--wait", "6m"], 2, "wait_ms must be at most 300000");
    let ran = run(&["dlq", "list", "--data", path, "-o", "yaml"]);
    expect(&ran, &["-o", "yaml"], 2, "[possible values: text, json, jsonl, name]");
}

#[test]
fn the_providers_dials_belong_to_a_running_shop() {
    let mut shop = Shop::with_letters();
    let path = shop.served.data.clone();
    let show = || -> Json { serde_json::from_str(&on(&path, &["gateway", "show"])).unwrap() };
    assert_eq!(show()["success"], 0.8);
    on(&path, &["gateway", "set", "--success", "0.25", "--latency-p50", "1", "--latency-p99", "2"]);
    let now = show();
    assert_eq!(
        (&now["success"], &now["latency_ms_p50"], &now["ambiguous"]),
        (&json!(0.25), &json!(1), &json!(0.0))
    );
    let data = path.to_str().unwrap();
    fails(
        &["gateway", "set", "--latency-p50", "9", "--data", data],
        2,
        "latency_ms_p99 must not be below",
    );
    assert_eq!(show(), now);
    assert_eq!(shop.served.stop(), 0);
    fails(
        &["gateway", "show", "--data", data],
        5,
        "belongs to a running shop; start one with `ecom serve`",
    );
}
