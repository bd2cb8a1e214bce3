//! Times for people are in their zone; times for programs are in UTC.

use std::process::Command;

use ecom::domain::Timestamp;

use super::fails;
use super::letters::Shop;
use crate::harness::program::{Printed, ecom};

/// The times in a text that end in this offset.
fn times(text: &str, offset: &str) -> Vec<Timestamp> {
    let words = text.split(|c: char| c.is_whitespace() || c == '"' || c == ',');
    let shown = words.filter(|word| word.ends_with(offset) && word.len() > 20);
    shown.filter_map(|word| word.parse().ok()).collect()
}

fn printed(command: &mut Command, args: &[&str], data: &str) -> String {
    let ran = command.args(args).args(["--data", data]).output().unwrap();
    assert_eq!(ran.code(), 0, "{args:?}: {}", ran.err());
    ran.out()
}

#[test]
fn every_command_shows_times_in_the_zone_that_is_asked_for() {
    let mut shop = Shop::with_letters();
    assert_eq!(shop.served.stop(), 0);
    let data = shop.served.data.to_str().unwrap().to_owned();
    let id = printed(&mut ecom(), &["dlq", "list", "-o", "name"], &data);
    let id = id.lines().next().unwrap().to_owned();
    printed(&mut ecom(), &["dlq", "discard", &id, "--reason", "test"], &data);
    let commands: [&[&str]; 6] = [
        &["dlq", "list"],
        &["dlq", "summary"],
        &["dlq", "show", &id],
        &["dlq", "tail", "--since", "1h", "-n", "2"],
        &["topics", "tail", "catalog.product_upserted", "--exit"],
        &["query", "restocks-recent"],
    ];
    for args in commands {
        // Nepal has no summer time.
        let there = [args, &["--timezone", "Asia/Kathmandu"]].concat();
        let there = printed(&mut ecom(), &there, &data);
        let utc = printed(&mut ecom(), &[args, &["--timezone", "UTC"]].concat(), &data);
        let same = times(&there, "+05:45");
        assert!(!same.is_empty(), "{args:?}: {there}");
        // What is told of a payload is as it stands there.
        let (utc, kept) = (times(&utc, "Z"), times(&there, "Z"));
        assert_eq!(same.len() + kept.len(), utc.len(), "{args:?}: {there}");
        assert!(same.iter().all(|time| utc.contains(time)), "{args:?}: {there}");
        let json = [args, &["-o", "json", "--timezone", "Asia/Kathmandu"]].concat();
        let json = printed(&mut ecom(), &json, &data);
        assert!(!times(&json, "Z").is_empty() && times(&json, "+05:45").is_empty(), "{json}");
    }
    let csv = ["query", "restocks-recent", "-o", "csv", "--timezone", "Asia/Kathmandu"];
    assert!(times(&printed(&mut ecom(), &csv, &data), "+05:45").is_empty(), "CSV is for programs");
}

#[test]
fn the_zone_comes_from_the_flag_the_variable_the_file_or_the_machine() {
    let mut shop = Shop::with_letters();
    assert_eq!(shop.served.stop(), 0);
    let data = shop.served.data.to_str().unwrap();
    let config = shop.served.data.join("ecom.toml");
    std::fs::write(&config, "[display]\ntimezone = \"Asia/Kolkata\"\n").unwrap();
    let of_machine = |zone: &str| {
        let mut command = ecom();
        command.env("TZ", zone);
        command
    };
    let of_file = || {
        let mut command = of_machine("Asia/Tokyo");
        command.args(["--config", config.to_str().unwrap()]);
        command
    };
    let of_variable = || {
        let mut command = of_file();
        command.env("ECOM_DISPLAY_TIMEZONE", "Asia/Yangon");
        command
    };
    let shown = |mut command: Command, args: &[&str], offset: &str| {
        let text = printed(&mut command, &[&["dlq", "list"], args].concat(), data);
        assert_eq!(times(&text, offset).len(), 2, "{offset}: {text}");
    };
    shown(of_machine("UTC"), &[], "Z");
    shown(of_machine("Asia/Tokyo"), &[], "+09:00");
    shown(of_file(), &[], "+05:30");
    shown(of_variable(), &[], "+06:30");
    shown(of_variable(), &["--timezone", "Asia/Kathmandu"], "+05:45");
}

#[test]
fn a_zone_that_does_not_exist_is_a_mistake() {
    let says = "display.timezone: there is no time zone Europe/Berlim; did you mean Europe/Berlin";
    fails(&["query", "orders-recent", "--timezone", "Europe/Berlim"], 2, says);
    fails(&["config", "show", "--timezone", "Europe/Berlim"], 2, "--timezone: ");
    let ran = ecom().args(["config", "show"]).env("ECOM_DISPLAY_TIMEZONE", "Mars/Base").output();
    let ran = ran.unwrap();
    assert_eq!((ran.code(), ran.out().as_str()), (2, ""));
    assert!(ran.err().contains("$ECOM_DISPLAY_TIMEZONE: "), "{}", ran.err());
}
