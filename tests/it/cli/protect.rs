//! What is asked before something is changed.

use super::letters::Shop;
use super::{expect, fails, json_on};
use crate::harness::program::{Printed, ecom, run_with_input};

/// Runs it on a shop whose settings protect it.
#[track_caller]
fn protected(shop: &Shop, args: &[&str]) -> std::process::Output {
    ecom()
        .args(args)
        .arg("--data")
        .arg(&shop.served.data)
        .env("ECOM_CONSOLE_PROTECTED", "true")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn nothing_is_changed_unconfirmed_where_the_settings_protect_it() {
    let shop = Shop::with_letters();
    let data = &shop.served.data;
    let before = json_on(data, &["dlq", "list"]);
    let id = before["dead_letters"][0]["id"].as_str().unwrap();
    let records = || -> Vec<serde_json::Value> {
        let topics = json_on(data, &["topics", "list"])["topics"].as_array().unwrap().clone();
        let ours = ["order.created", "dlq.events"];
        topics.into_iter().filter(|topic| ours.contains(&topic["name"].as_str().unwrap())).collect()
    };
    let records_before = records();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letters.jsonl");
    let file = file.to_str().unwrap();
    assert_eq!(protected(&shop, &["dlq", "export", "--out", file]).code(), 0, "reading is free");
    let changing: [&[&str]; 10] = [
        &["dlq", "replay"],
        &["dlq", "replay", id],
        &["dlq", "discard", id],
        &["dlq", "restore", id],
        &["dlq", "edit", id, "--value", file],
        &["dlq", "import", file],
        &["gateway", "set", "--success", "0.5"],
        &["topics", "produce", "order.created", "--tombstone"],
        &["topics", "create", "returns"],
        &["groups", "reset-offsets", "payment-service-group", "--to", "end", "--execute"],
    ];
    for args in changing {
        let ran = protected(&shop, args);
        expect(&ran, args, 7, "console.protected is set: add --yes");
    }
    assert_eq!(json_on(data, &["dlq", "list"]), before);
    assert_eq!(records(), records_before);
    let plan = protected(&shop, &["dlq", "replay", "--dry-run"]);
    assert_eq!(plan.code(), 0, "{}", plan.err());
    let done = protected(&shop, &["dlq", "discard", id, "--yes"]);
    assert_eq!(done.code(), 0, "{}", done.err());
    assert!(done.out().starts_with("1 of 1 discarded"), "{}", done.out());
    let shown = ecom()
        .args(["config", "show", "--origin"])
        .env("ECOM_CONSOLE_PROTECTED", "true")
        .output()
        .unwrap()
        .out();
    let line = shown.lines().find(|line| line.starts_with("console.protected")).unwrap();
    assert!(line.contains("true") && line.contains("ECOM_CONSOLE_PROTECTED"), "{line}");
}

#[test]
fn a_folder_and_a_cluster_are_two_places() {
    let args = ["dlq", "list", "--data", "/nonexistent", "--kafka", "127.0.0.1:1"];
    fails(&args, 2, "drop --data to work on the cluster, or --kafka to work on the folder");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let shop = Shop::with_letters();
    let data = shop.served.data.to_str().unwrap();
    let replay = |more: &[&str], code: i32, says: &str| {
        fails(&[&["dlq", "replay", "--data", data], more].concat(), code, says);
    };
    replay(&["--ordered", "key", "--partition", "original"], 2, "is a contradiction");
    replay(&["--ordered", "key", "--wait", "0s"], 2, "wait for more than 0");
    replay(&["--ordered", "later"], 2, "possible values: none, key");
    replay(&["--partition", "first"], 2, "write original, key, auto or a number");
    replay(&["--partition", "9", "--dry-run"], 2, "there is no partition 9");
    replay(&["--to", "nowhere"], 4, "there is no topic nowhere");
    let plan = json_on(
        &shop.served.data,
        &["dlq", "replay", "--dry-run", "--partition", "1", "--to", "order.confirmed"],
    );
    assert_eq!(plan["by_partition"], serde_json::json!({ "order.confirmed/1": 2 }));
    let text = run_with_input(&["dlq", "replay", "--dry-run", "--data", data], b"").out();
    assert!(text.lines().any(|line| line.starts_with("  order.created/")), "{text}");
}
