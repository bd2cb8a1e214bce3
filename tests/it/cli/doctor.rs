//! `ecom doctor`: on a machine that has nothing, on a shop that runs, stands still or is broken, on real
//! servers, and on servers that are not there.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::on;
use super::servers::closed;
use crate::harness::customer::{Customer, runtime};
use crate::harness::program::{Printed, Served, ecom};
use crate::harness::stack::{Server, unique};
use crate::report::expect_valid;

/// What it found, which is as published, with this exit code.
#[track_caller]
fn found(ran: &Output, code: i32) -> Json {
    assert_eq!(ran.code(), code, "{}{}", ran.out(), ran.err());
    expect_valid("doctor", &ran.out())
}

#[track_caller]
fn doctor(args: &[&str], env: &[(&str, &str)], code: i32) -> Json {
    let ran = ecom().args(["doctor", "-o", "json"]).args(args).envs(env.iter().copied()).output();
    found(&ran.unwrap(), code)
}

/// The statuses of an area's findings, by what was looked at.
fn statuses(told: &Json, area: &str) -> Vec<(String, String)> {
    let all = told["findings"].as_array().unwrap().iter().filter(|f| f["area"] == area);
    let text = |f: &Json, name: &str| f[name].as_str().unwrap().to_owned();
    all.map(|f| (text(f, "check"), text(f, "status"))).collect()
}

#[track_caller]
fn expect(told: &Json, area: &str, check: &str, status: &str) {
    let all = statuses(told, area);
    let expected = (check.to_owned(), status.to_owned());
    assert!(all.contains(&expected), "{area}: {all:?}, not {expected:?}: {told:#}");
}

#[test]
fn on_a_machine_that_has_nothing_it_says_what_would_work() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let data = data.to_str().unwrap();
    let told = doctor(&["--data", data], &[], 0);
    assert_eq!(told["counts"]["fail"], 0, "{told:#}");
    for (area, check, status) in [
        ("config", "settings", "ok"),
        ("terminal", "terminal", "skipped"),
        ("clock", "this machine", "ok"),
        ("folder", "folder", "ok"),
        ("journal", "journal", "skipped"),
        ("kafka", "brokers", "skipped"),
        ("topics", "topics", "skipped"),
        ("groups", "groups", "skipped"),
        ("postgres", "server", "skipped"),
        ("redis", "server", "skipped"),
        ("smtp", "server", "skipped"),
        ("gateway", "provider", "skipped"),
    ] {
        expect(&told, area, check, status);
    }
    assert!(!folder.path().join("shop").exists(), "nothing is made");
    let text = ecom().args(["doctor", "--data", data]).output().unwrap();
    assert_eq!(text.code(), 0);
    assert!(text.out().lines().next().unwrap().starts_with("STATUS"), "{}", text.out());
    assert!(text.out().contains("`ecom serve` makes it"), "{}", text.out());
    assert!(text.err().contains("0 fail"), "{}", text.err());
    let only = doctor(&["--data", data, "--only", "folder,clock"], &[], 0);
    let areas: Vec<&Json> =
        only["findings"].as_array().unwrap().iter().map(|f| &f["area"]).collect();
    assert!(areas.iter().all(|area| **area == "folder" || **area == "clock"), "{areas:?}");
    let wrong = ecom().args(["doctor", "--only", "kafak"]).output().unwrap();
    assert_eq!(wrong.code(), 2);
    assert!(wrong.err().contains("there are: config, terminal"), "{}", wrong.err());
}

#[test]
fn settings_that_cannot_be_read_are_the_first_finding() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[serve]\nprot_base = 1\n").unwrap();
    let told = doctor(&["--config", file.to_str().unwrap()], &[], 6);
    expect(&told, "config", "settings", "fail");
    expect(&told, "kafka", "kafka", "skipped");
    let data = folder.path().join("shop");
    let data = data.to_str().unwrap();
    let told = doctor(&["--data", data], &[("ECOM_COLOUR", "1"), ("ECOM_X_SERVICE_HOST", "k")], 0);
    expect(&told, "config", "variables", "warn");
    let text = told.to_string();
    assert!(text.contains("ECOM_COLOUR") && !text.contains("ECOM_X_"), "{text}");
    let flag = ecom().args(["doctor", "--timeout", "soon"]).output().unwrap();
    assert_eq!((flag.code(), flag.out().as_str()), (2, ""), "{}", flag.err());
}

#[test]
fn a_shop_is_well_while_it_runs_and_after_and_is_not_when_its_files_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let flag = data.to_str().unwrap().to_owned();
    let flag = flag.as_str();
    let mut shop = Served::start(&data, &["--products", "3"]);
    runtime().block_on(async {
        let customer = Customer::of(&shop);
        customer.add("ann", "PROD-001").await.unwrap();
        let order = customer.checkout("ann").await.unwrap().unwrap();
        customer.told(&order).await;
    });
    let told = doctor(&["--data", flag], &[], 0);
    for (area, check) in [
        ("folder", "owner"),
        ("folder", "room"),
        ("folder", "rights"),
        ("journal", "shop.db"),
        ("journal", "outside.db"),
        ("journal", "console.db"),
        ("topics", "topics"),
        ("topics", "partitions"),
        ("groups", "payment-service-group"),
    ] {
        expect(&told, area, check, "ok");
    }
    assert!(told.to_string().contains(shop.gateway()), "{told:#}");
    let fewer = doctor(&["--data", flag], &[("ECOM_DELIVERY_PARTITIONS", "6")], 6);
    expect(&fewer, "topics", "partitions", "fail");
    let floor =
        doctor(&["--data", flag, "--only", "folder"], &[("ECOM_DATA_DISK_FLOOR", "900000GiB")], 6);
    expect(&floor, "folder", "room", "fail");
    assert_eq!(shop.stop(), 0);
    let told = doctor(&["--data", flag], &[], 0);
    expect(&told, "groups", "groups", "skipped");
    let before = std::fs::read(data.join("shop.db")).unwrap();
    assert!(on(&data, &["doctor"]).contains("no process has it"));
    assert_eq!(std::fs::read(data.join("shop.db")).unwrap(), before, "nothing is changed");
    let mut damaged = before.clone();
    let middle = damaged.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 4096].fill(0x5a);
    std::fs::write(data.join("shop.db"), damaged).unwrap();
    let told = doctor(&["--data", flag, "--only", "journal"], &[], 6);
    expect(&told, "journal", "shop.db", "fail");
    expect(&told, "journal", "outside.db", "ok");
    std::fs::remove_file(data.join("outside.db")).unwrap();
    let told = doctor(&["--data", flag, "--only", "journal"], &[], 6);
    expect(&told, "journal", "outside.db", "fail");
}

#[test]
fn servers_that_are_not_there_are_told_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let nowhere = closed();
    let (postgres, redis) =
        (format!("postgres://u:s3cret@{nowhere}/d"), format!("redis://{nowhere}"));
    let (smtp, gateway) = (format!("smtp://{nowhere}"), format!("http://{nowhere}"));
    let env = [
        ("ECOM_DATA_DIR", data.to_str().unwrap()),
        ("ECOM_KAFKA_BOOTSTRAP", &nowhere),
        ("ECOM_POSTGRES_URL", &postgres),
        ("ECOM_REDIS_URL", &redis),
        ("ECOM_SMTP_URL", &smtp),
        ("ECOM_GATEWAY_URL", &gateway),
    ];
    let begun = Instant::now();
    let told = doctor(&["--timeout", "3s"], &env, 6);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    for (area, check) in [
        ("kafka", "brokers"),
        ("postgres", "server"),
        ("redis", "server"),
        ("smtp", "server"),
        ("gateway", "provider"),
    ] {
        expect(&told, area, check, "fail");
    }
    expect(&told, "topics", "topics", "skipped");
    assert!(!told.to_string().contains("s3cret"), "{told:#}");
}

#[test]
fn the_real_servers_are_well_and_nothing_is_left_on_them() {
    let all = [Server::Kafka, Server::Postgres, Server::Redis, Server::Smtp];
    let Some(places) = all.iter().map(|s| s.address_or_skip()).collect::<Option<Vec<_>>>() else {
        return;
    };
    let prefix = format!("{}.", unique("doctor"));
    let schema = runtime().block_on(crate::harness::stack::own_schema(&places[1], "doctor"));
    let state = tempfile::tempdir().unwrap();
    let env = [
        ("ECOM_KAFKA_BOOTSTRAP", places[0].as_str()),
        ("ECOM_KAFKA_PREFIX", &prefix),
        ("ECOM_POSTGRES_URL", &schema),
        ("ECOM_REDIS_URL", &places[2]),
        ("ECOM_SMTP_URL", &places[3]),
        ("ECOM_DATA_DIR", state.path().to_str().unwrap()),
    ];
    let told = doctor(&["--timeout", "40s"], &env, 0);
    for (area, check) in [
        ("kafka", "brokers"),
        ("kafka", "round trip"),
        ("clock", "Kafka and this machine"),
        ("clock", "PostgreSQL and this machine"),
        ("clock", "Redis and this machine"),
        ("topics", "topics"),
        ("groups", "groups"),
        ("postgres", "server"),
        ("postgres", "schema"),
        ("postgres", "connections"),
        ("redis", "server"),
        ("redis", "memory"),
        ("smtp", "server"),
    ] {
        expect(&told, area, check, "ok");
    }
    let left = ecom()
        .args(["topics", "list", "--kafka", &places[0], "-o", "json"])
        .env("ECOM_KAFKA_PREFIX", &prefix)
        .env("XDG_STATE_HOME", state.path())
        .output()
        .unwrap();
    assert_eq!(left.code(), 0, "{}", left.err());
    assert!(!left.out().contains("ecom-doctor"), "{}", left.out());
}
