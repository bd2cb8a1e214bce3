//! `ecom simulate`, in virtual time.

use serde_json::Value as Json;

use super::fails;
use crate::harness::program::{Printed, run};

/// A small crowd, the same at every start.
const SMALL: [&str; 12] = [
    "simulate",
    "--virtual",
    "--users",
    "40",
    "--sellers",
    "2",
    "--duration",
    "3s",
    "--think-scale",
    "0.01",
    "-o",
    "json",
];

fn simulate(more: &[&str]) -> (i32, Json) {
    let ran = run(&[&SMALL, more].concat());
    let report = serde_json::from_str(&ran.out())
        .unwrap_or_else(|e| panic!("{e}: {}{}", ran.out(), ran.err()));
    (ran.code(), report)
}

#[test]
fn the_same_seed_gives_the_same_run_in_another_process() {
    let ((code, one), (_, again), (_, other)) =
        (simulate(&["--seed", "7"]), simulate(&["--seed", "7"]), simulate(&["--seed", "8"]));
    assert_eq!((code, one["verdict"]["result"].as_str()), (0, Some("PASS")), "{}", one["verdict"]);
    assert_eq!(one["trace_hash"].as_str().unwrap().len(), 64);
    assert_eq!(one, again, "the whole report");
    assert_ne!(one["trace_hash"], other["trace_hash"]);
}

#[test]
fn two_runs_in_one_process_are_compared() {
    let ran = run(&[&SMALL[..], &["--check-determinism", "--seed", "7"]].concat());
    assert_eq!(ran.code(), 0, "{}", ran.err());
    assert!(ran.err().starts_with("deterministic: two runs of "), "{}", ran.err());
    let report: Json = serde_json::from_str(&ran.out()).unwrap();
    assert_eq!(report["verdict"]["result"], "PASS");
}

#[test]
fn a_report_is_one_object_with_every_field_on_paper_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let (code, report) = simulate(&["--seed", "7", "--out", file.to_str().unwrap()]);
    assert_eq!(code, 0);
    let written: Json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, report);
    has_every_field(&report);
    assert_eq!(
        (&report["mode"], &report["seed"], &report["users"]),
        (&"virtual".into(), &7.into(), &40.into())
    );
}

/// What every report of a run has, whatever came of it.
pub(super) fn has_every_field(report: &Json) {
    assert_eq!(
        (&report["kind"], &report["schema_version"]),
        (&"simulation_report".into(), &1.into())
    );
    let fields = [
        "seed",
        "mode",
        "backend",
        "users",
        "workload",
        "duration_ms",
        "load",
        "orders",
        "throughput",
        "latency_ms",
        "verdict",
        "stories",
        "trace_hash",
        "data",
        "replay",
    ];
    for field in fields {
        assert!(report.get(field).is_some(), "{field}");
    }
    for (at, kinds) in
        [("/load/requests", "u"), ("/orders/placed", "u"), ("/latency_ms/checkout_http/p99", "f")]
    {
        let number = report.pointer(at).unwrap();
        assert!(
            number.as_f64().is_some_and(|n| n >= 0.0) && (kinds == "f" || number.is_u64()),
            "{at}: {number}"
        );
    }
    let orders = &report["orders"];
    let of = |name: &str| orders[name].as_u64().unwrap();
    assert_eq!(of("placed"), of("fulfilled") + of("cancelled") + of("stuck"));
    for check in report["verdict"]["checks"].as_array().unwrap() {
        assert!(check["evaluated"].is_u64() && check["status"].is_string(), "{check}");
    }
}

#[test]
fn the_replay_line_repeats_the_run() {
    let (_, first) = simulate(&[
        "--seed",
        "11",
        "--payment-success",
        "0.5",
        "--ambiguous",
        "0.2",
        "--products",
        "40",
    ]);
    let line = first["replay"].as_str().unwrap().strip_prefix("ecom ").unwrap();
    let again = run(&line.split(' ').chain(["-o", "json"]).collect::<Vec<_>>());
    let again: Json = serde_json::from_str(&again.out()).unwrap();
    assert_eq!(again["trace_hash"], first["trace_hash"], "{line}");
}

#[test]
fn too_little_proves_nothing() {
    let (code, nothing) = simulate(&["--seed", "7", "--payment-success", "0"]);
    assert_eq!((code, nothing["verdict"]["result"].as_str()), (30, Some("INCONCLUSIVE")));
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_the_run() {
    fails(&[&SMALL[..], &["--out", "/proc/ecom.json"]].concat(), 1, "cannot write /proc/ecom.json");
}
