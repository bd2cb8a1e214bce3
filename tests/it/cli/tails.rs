//! `ecom topics tail`: from where to where, which records, and how they are printed.

use std::path::Path;

use super::topics::{produce, running_and_stopped};
use super::{fails, lines_on, on};
use crate::harness::program::{Printed, run};
use crate::report::expect_valid;

/// Six orders, of which three are Ann's, on two partitions.
fn orders(data: &Path, state: &str) -> String {
    let topic = format!("orders-{state}");
    on(data, &["topics", "create", &topic, "--partitions", "2"]);
    for n in 0..6 {
        let (key, partition) = (format!("ORD-{n}"), (n % 2).to_string());
        let user = if n % 2 == 0 { "ann" } else { "bob" };
        let kind = format!("event_type=order.{}", if n < 3 { "created" } else { "confirmed" });
        let value = format!(r#"{{"user":"{user}","n":{n}}}"#);
        let args = [topic.as_str(), "--key", &key, "--partition", &partition, "--header", &kind];
        produce(data, &args, value.as_bytes());
    }
    topic
}

/// The numbers of the orders that a tail finds, in their order.
#[track_caller]
fn found(data: &Path, topic: &str, args: &[&str]) -> String {
    let more = ["--format", "%k ", "--exit"];
    let exit = if args.contains(&"--to") { &more[..2] } else { &more[..] };
    on(data, &[&["topics", "tail", topic], exit, args].concat())
        .split_whitespace()
        .map(|key| key.trim_start_matches("ORD-").to_owned())
        .collect()
}

#[test]
fn records_are_chosen_where_the_log_is() {
    running_and_stopped(|data, state| {
        let topic = orders(data, state);
        let found = |args: &[&str]| found(data, &topic, args);
        assert_eq!(found(&[]), "012345", "in the order of their times");
        assert_eq!(found(&["--filter", r#"value.user == "ann""#]), "024");
        assert_eq!(found(&["--filter", "value.n > 1 && header.event_type =~ 'created'"]), "2");
        assert_eq!(found(&["--filter", "partition == 1 || offset == 0"]), "0135");
        assert_eq!(found(&["--key", "ORD-?"]), "012345");
        assert_eq!(found(&["--key", "*-3"]), "3");
        assert_eq!(found(&["--header", "event_type=*.confirmed"]), "345");
        let all = ["--header", "event_type=order.*", "--key", "ORD-*", "--filter", "value.n != 4"];
        assert_eq!(found(&all), "01235");
        assert_eq!(found(&["--header", "no=*"]), "");
        assert_eq!(found(&["--partition", "1"]), "135");
        assert_eq!(found(&["--partition", "1", "-n", "2"]), "35");
        assert_eq!(found(&["-n", "3"]), "345");
        assert_eq!(
            found(&["-n", "3", "--filter", "value.user == 'bob'"]),
            "35",
            "of the last three"
        );
        assert_eq!(found(&["--from", "beginning", "--to", "1"]), "01");
        assert_eq!(found(&["--from", "1", "--to", "end"]), "2345");
        assert_eq!(found(&["--from", "2", "--to", "1"]), "");
        assert_eq!(found(&["--from", "-1h", "--to", "2999-01-01T00:00:00Z"]), "012345");
        assert_eq!(found(&["--from", "beginning", "--to", "-1h"]), "");
        let said = run(&[
            "topics",
            "tail",
            &topic,
            "--exit",
            "--key",
            "ORD-1",
            "--data",
            data.to_str().unwrap(),
        ]);
        assert_eq!(said.err(), "1 of 6 records\n", "who chooses is told of how many");
    });
}

#[test]
fn records_are_printed_as_asked() {
    running_and_stopped(|data, state| {
        let topic = orders(data, state);
        for output in ["json", "jsonl"] {
            let args = ["topics", "tail", &topic, "--exit", "-o", output];
            let out = on(data, &args);
            assert_eq!(out.lines().count(), 6);
            for line in out.lines() {
                expect_valid("record", line);
            }
        }
        let first = lines_on(data, &["topics", "tail", &topic, "--exit"]).remove(0);
        let millis =
            on(data, &["topics", "tail", &topic, "-n", "6", "--to", "1", "--format", "%T\\n"]);
        let time: ecom::domain::Timestamp = first["timestamp"].as_str().unwrap().parse().unwrap();
        assert_eq!(millis.lines().next().unwrap(), time.millis().to_string());
        let args = ["topics", "tail", &topic, "--exit", "-n", "1", "--format"];
        let line = |format: &str| on(data, &[&args[..], &[format]].concat());
        assert_eq!(
            line("%t/%p/%o %k=%v|%s\\n"),
            format!(
                "{topic}/1/2 ORD-5={{\"user\":\"bob\",\"n\":5}}|{{\"user\":\"bob\",\"n\":5}}\n"
            )
        );
        assert_eq!(line("%h %K %S %%\\t"), "event_type=order.confirmed 5 20 %\t");
        produce(data, &[&topic, "--partition", "0"], b"\xff\0\n");
        let raw = run(&[&args[..], &["%v", "--data", data.to_str().unwrap()]].concat());
        assert_eq!(raw.stdout, b"\xff\0\n", "byte for byte");
    });
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    running_and_stopped(|data, state| {
        let topic = orders(data, state);
        let wrong = |args: &[&str], code: i32, says: &str| {
            let data = ["--exit", "--data", data.to_str().unwrap()];
            let args = [&["topics", "tail", topic.as_str()], args, &data].concat();
            fails(&args, code, says);
            assert_eq!(run(&args).err().trim_end().lines().count(), 1, "{args:?}");
        };
        wrong(&["--filter", "value.n = 5"], 2, "filter: column 9: write == to compare");
        wrong(
            &["--filter", "key =~ '('"],
            2,
            "filter: column 8: the pattern is wrong: unclosed group",
        );
        wrong(&["--format", "%k %x"], 2, "--format: column 4: %x means nothing");
        wrong(&["--header", "x"], 2, "--header x: write NAME=GLOB");
        wrong(&["--partition", "2"], 4, "has 2 partitions, from 0; there is no 2");
        let fails_on = |args: &[&str], says: &str| {
            let data = ["--data", data.to_str().unwrap()];
            fails(&[&["topics", "tail", topic.as_str()], args, &data].concat(), 2, says);
        };
        fails_on(&["--to", "soon"], "write beginning, end, -5m, an offset or a time");
        fails_on(&["--to", "end", "--exit"], "cannot be used with");
        fails_on(&["--format", "%v", "-o", "json"], "cannot be used with");
    });
}
