//! `ecom topics`: byte for byte, on a running shop and on a stopped one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use data_encoding::BASE64;
use serde_json::json;

use super::{fails, json_on, lines_on, on};
use crate::harness::program::{Printed, Served, ecom, run_with_input};

/// Runs `test` on the folder of a running shop, and again after it has stopped.
pub(super) fn running_and_stopped(test: impl Fn(&Path, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "2"]);
    test(&data, "running");
    assert_eq!(shop.stop(), 0);
    test(&data, "stopped");
}

pub(super) fn produce(data: &Path, args: &[&str], value: &[u8]) -> String {
    let data = ["--data", data.to_str().unwrap()];
    let ran = run_with_input(&[&["topics", "produce"], args, &data].concat(), value);
    assert_eq!(ran.code(), 0, "{args:?}: {}", ran.err());
    ran.out().trim_end().to_owned()
}

#[test]
fn all_topics_of_the_original_shop_are_listed() {
    running_and_stopped(|data, _| {
        let json = json_on(data, &["topics", "list"]);
        assert_eq!((&json["kind"], &json["schema_version"]), (&json!("topics"), &json!(1)));
        let names: Vec<&str> = json["topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["name"].as_str().unwrap())
            .collect();
        let original = [
            "cart.item_added",
            "cart.item_removed",
            "cart.checkout_initiated",
            "order.created",
            "order.confirmed",
            "order.cancelled",
            "payment.processed",
            "payment.failed",
            "inventory.reserved",
            "inventory.low",
            "inventory.depleted",
            "notification.send",
            "fraud.detected",
            "dlq.events",
        ];
        let text = on(data, &["topics", "list"]);
        for name in original {
            assert!(names.contains(&name), "{name}");
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
        }
        assert!(names.is_sorted());
        assert!(
            json["topics"].as_array().unwrap().iter().all(|t| t["partitions"]
                .as_array()
                .unwrap()
                .len()
                == 3)
        );
    });
}

#[test]
fn a_record_comes_back_byte_for_byte() {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let large = vec![b'x'; 300 * 1024];
    running_and_stopped(|data, state| {
        let values: [&[u8]; 8] = [
            b"",
            b"\n",
            b" {\"a\" : 1}\r\n",
            b"\xef\xbb\xbf{}",
            "gr\u{fc}n \u{1f6d2}".as_bytes(),
            b"\0",
            &all_bytes,
            &large,
        ];
        for (n, value) in values.into_iter().enumerate() {
            let key = format!("{state}-{n}");
            let args =
                ["fraud.detected", "--key", &key, "--header", "source=a=b", "--header", "empty="];
            let at = produce(data, &args, value);
            let records =
                lines_on(data, &["topics", "tail", "fraud.detected", "-n", "1", "--exit"]);
            let [record] = &records[..] else { panic!("{records:?}") };
            let stands = format!(
                "{}/{}/{}",
                record["topic"].as_str().unwrap(),
                record["partition"],
                record["offset"]
            );
            assert_eq!(stands, at);
            assert_eq!(record["key"], json!({ "text": key }));
            let headers = json!([
                { "name": "source", "value": { "text": "a=b" } },
                { "name": "empty", "value": { "text": "" } },
            ]);
            assert_eq!(record["headers"], headers);
            let expected = match std::str::from_utf8(value) {
                Ok(text) => json!({ "text": text }),
                Err(_) => json!({ "base64": BASE64.encode(value) }),
            };
            assert_eq!(record["value"], expected, "{key}");
        }
    });
}

#[test]
fn a_record_may_lack_a_key_or_a_value_and_choose_its_partition() {
    running_and_stopped(|data, _| {
        for partition in ["0", "1", "2"] {
            let at =
                produce(data, &["fraud.detected", "--partition", partition, "--tombstone"], b"");
            assert!(at.starts_with(&format!("fraud.detected/{partition}/")), "{at}");
        }
        for record in lines_on(data, &["topics", "tail", "fraud.detected", "-n", "3", "--exit"]) {
            assert_eq!((&record["key"], &record["value"]), (&json!(null), &json!(null)));
        }
        let one = produce(data, &["fraud.detected", "--key", "K"], b"1");
        let other = produce(data, &["fraud.detected", "--key", "K"], b"2");
        let partition = |at: &str| at.split('/').nth(1).unwrap().to_owned();
        assert_eq!(partition(&one), partition(&other), "a key has its partition");
    });
}

#[test]
fn a_tail_begins_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "2"]);
    assert_eq!(shop.stop(), 0);
    for n in 0..5 {
        produce(&data, &["fraud.detected", "--partition", "0"], n.to_string().as_bytes());
    }
    let tail = |args: &[&str]| -> String {
        let args = [&["topics", "tail", "fraud.detected", "--exit"], args].concat();
        let texts = lines_on(&data, &args)
            .into_iter()
            .map(|r| r["value"]["text"].as_str().unwrap().to_owned());
        texts.collect()
    };
    assert_eq!(tail(&[]), "01234", "the last ten by default");
    assert_eq!(tail(&["-n", "2"]), "34");
    assert_eq!(tail(&["-n", "0"]), "");
    assert_eq!(tail(&["-n", "99"]), "01234");
    assert_eq!(tail(&["--from", "beginning"]), "01234");
    assert_eq!(tail(&["--from", "end"]), "");
    assert_eq!(tail(&["--from", "3"]), "34");
    assert_eq!(tail(&["--from", "99"]), "");
    assert_eq!(tail(&["--from", "-1h"]), "01234");
    assert_eq!(tail(&["--from", "2001-01-01T00:00:00Z"]), "01234");
    assert_eq!(tail(&["--from", "2999-01-01T00:00:00Z"]), "");
}

/// A tail that goes on, and its lines.
fn follow(data: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = ecom()
        .args(["topics", "tail", "fraud.detected", "--from", "beginning", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    (child, lines)
}

#[test]
fn a_tail_goes_on_with_new_records_until_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let _shop = Served::start(&data, &["--products", "2"]);
    produce(&data, &["fraud.detected", "--key", "K"], b"before");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (mut tail, mut lines) = follow(&data);
        assert!(lines.next().unwrap().ends_with("  K  before"));
        let skipped = lines.by_ref().take(usize::from(signal == "TERM")).count();
        assert_eq!(
            skipped,
            usize::from(signal == "TERM"),
            "what the first tail saw is still there"
        );
        produce(&data, &["fraud.detected", "--key", "K"], b"after");
        assert!(lines.next().unwrap().ends_with("  K  after"), "no need to ask again");
        let pid = tail.id().to_string();
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success()
        );
        assert_eq!(tail.wait().unwrap().code(), Some(code), "SIG{signal}");
    }
}

#[test]
fn what_is_not_there_is_told() {
    running_and_stopped(|data, _| {
        let data = data.to_str().unwrap();
        let fails_on = |args: &[&str], code: i32, says: &str| {
            fails(&[&["topics"], args, &["--data", data]].concat(), code, says);
        };
        fails_on(&["tail", "nope", "--exit"], 4, "there is no topic nope; see `ecom topics list`");
        fails_on(&["produce", "nope"], 4, "there is no topic nope; see `ecom topics list`");
        let near = "there is no topic oder.created; did you mean order.created?";
        fails_on(&["produce", "oder.created"], 4, near);
        fails_on(&["produce", "fraud.detected", "--partition", "9"], 4, "fraud.detected/9");
        fails_on(
            &["produce", "fraud.detected", "--header", "x"],
            2,
            "--header x: write NAME=VALUE",
        );
        fails_on(
            &["tail", "fraud.detected", "--from", "soon"],
            2,
            "write beginning, end, -5m, an offset or a time",
        );
        fails_on(&["tail", "fraud.detected", "-n", "1", "--from", "0"], 2, "cannot be used with");
    });
}

#[test]
fn it_says_which_shop_it_uses_if_asked() {
    running_and_stopped(|data, state| {
        let args = ["topics", "list", "-v", "--data", data.to_str().unwrap()];
        let ran = crate::harness::program::run(&args);
        assert!(ran.err().starts_with(&format!("using the {state} shop ")), "{}", ran.err());
    });
}
