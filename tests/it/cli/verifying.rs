//! `ecom simulate` for real, and `ecom verify` of what it leaves behind.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use super::fails;
use super::simulating::has_every_field;
use crate::harness::program::{Printed, Served, ecom, run};

/// A crowd over sockets, quick and always the same.
const CROWD: [&str; 14] = [
    "simulate",
    "--users",
    "30",
    "--sellers",
    "2",
    "--duration",
    "1s",
    "--think-scale",
    "0.01",
    "--seed",
    "7",
    "-q",
    "-o",
    "json",
];

#[test]
fn a_run_that_is_kept_can_be_verified_and_a_forged_one_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let ran = ecom().args(CROWD).arg("--keep").env("TMPDIR", folder.path()).output().unwrap();
    assert_eq!((ran.code(), ran.err().as_str()), (0, ""), "{}", ran.out());
    let report: Json = serde_json::from_str(&ran.out()).unwrap();
    has_every_field(&report);
    assert_eq!((&report["mode"], &report["trace_hash"]), (&"live".into(), &Json::Null));
    let data = PathBuf::from(report["data"].as_str().unwrap());
    assert!(data.starts_with(folder.path()));
    let data_flag = data.to_str().unwrap();
    let verified = run(&["verify", "-o", "json", "--data", data_flag]);
    assert_eq!(verified.code(), 0, "{}", verified.out());
    let verdict: Json = serde_json::from_str(&verified.out()).unwrap();
    assert_eq!(
        (&verdict["mode"], &verdict["verdict"]["result"]),
        (&"verify".into(), &"PASS".into())
    );
    assert_eq!(verdict["orders"], report["orders"]);
    let text = run(&["verify", "--data", data_flag]);
    assert!(text.out().contains("verdict: PASS"), "{}", text.out());
    forge(
        &data,
        "delete from gateway_charges where charge_key = (select max(charge_key) from gateway_charges where outcome = 'captured')",
    );
    let forged = run(&["verify", "--data", data_flag]);
    assert_eq!(forged.code(), 20, "{}", forged.out());
    assert!(forged.out().contains("verdict: FAIL"), "{}", forged.out());
}

/// Changes the world outside the shop behind everybody's back.
fn forge(data: &std::path::Path, sql: &'static str) {
    let outside = rusqlite::Connection::open(data.join("outside.db")).unwrap();
    assert_eq!(outside.execute(sql, []).unwrap(), 1);
}

#[test]
fn a_run_that_is_too_slow_fails_and_its_folder_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let ran = ecom().args(CROWD).args(["--max-p99", "0s"]).env("TMPDIR", folder.path()).output();
    let ran = ran.unwrap();
    assert_eq!(ran.code(), 6, "{}", ran.out());
    assert!(ran.err().contains("ms, more than 0 ms"), "{}", ran.err());
    let report: Json = serde_json::from_str(&ran.out()).unwrap();
    assert_eq!((&report["verdict"]["result"], &report["data"]), (&"PASS".into(), &Json::Null));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupted_run_checks_nothing_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = ecom()
        .args(["simulate", "--users", "1000", "--duration", "1h"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.by_ref().any(|line| line.contains("the shop is in")));
    let pid = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(said.any(|line| line == "stopped; nothing was checked"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn somebody_elses_shop_can_be_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let shop = Served::start(&data, &["--products", "500"]);
    let target = ["--target", shop.gateway(), "--data", data.to_str().unwrap()];
    let ran = run(&[&CROWD[..], &target].concat());
    assert_eq!(ran.code(), 0, "{}{}", ran.out(), ran.err());
    let report: Json = serde_json::from_str(&ran.out()).unwrap();
    assert_eq!((&report["mode"], &report["verdict"]["result"]), (&"target".into(), &"PASS".into()));
}

#[test]
fn of_a_target_without_its_folder_what_its_clients_saw_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Served::start(&folder.path().join("shop"), &["--products", "500"]);
    let ran = run(&[&CROWD[..], &["--target", shop.gateway()]].concat());
    assert_eq!(ran.code(), 0, "{}{}", ran.out(), ran.err());
    let report: Json = serde_json::from_str(&ran.out()).unwrap();
    let count = |name: &str| report["orders"][name].as_u64().unwrap();
    assert!(count("placed") > 0 && count("stuck") == 0, "{}", report["orders"]);
    assert_eq!(count("placed"), count("fulfilled") + count("cancelled"));
    let exercised = report["verdict"]["checks"].as_array().unwrap().iter();
    let exercised = exercised.filter(|check| check["status"] == "pass").count();
    assert!((1..=2).contains(&exercised), "only what an API promises can be told: {exercised}");
}

#[test]
fn a_target_that_is_not_there_is_told() {
    // Nobody listens on this address of this machine.
    fails(&[&CROWD[..], &["--target", "http://127.77.5.5:1"]].concat(), 5, "http://127.77.5.5:1");
}
