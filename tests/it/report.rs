//! Reports against their published schemas.

use std::path::Path;

use serde_json::Value as Json;

use crate::harness::program::{Printed, run};

/// The published schema of that name.
fn schema(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.json"));
    let schema: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[track_caller]
fn expect_valid(name: &str, text: &str) -> Json {
    let report: Json =
        serde_json::from_str(text).unwrap_or_else(|e| panic!("not one JSON value: {e}\n{text}"));
    let wrong: Vec<String> =
        schema(name).iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    report
}

#[test]
fn a_run_in_virtual_time_reports_as_published() {
    let ran = run(&["simulate", "--virtual", "--users", "40", "--seed", "3", "-o", "json"]);
    assert_eq!(ran.code(), 0, "{}", ran.err());
    let report = expect_valid("simulation_report", &ran.out());
    assert_eq!((&report["mode"], &report["seed"]), (&"virtual".into(), &3.into()));
    assert!(report["trace_hash"].is_string() && report["orders"]["placed"].as_u64() > Some(0));
}

#[test]
fn a_live_run_and_what_verify_says_of_its_folder_report_as_published() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("shop");
    let data = data.to_str().unwrap();
    let args = [
        "simulate",
        "--users",
        "60",
        "--duration",
        "2s",
        "--think-scale",
        "0.01",
        "--data",
        data,
        "-o",
        "json",
    ];
    let ran = run(&args);
    assert_eq!(ran.code(), 0, "{}\n{}", ran.out(), ran.err());
    let report = expect_valid("simulation_report", &ran.out());
    assert_eq!(report["mode"], "live");
    assert!(report["trace_hash"].is_null());

    let verified = run(&["verify", "--data", data, "-o", "json"]);
    assert_eq!(verified.code(), 0, "{}", verified.err());
    let report = expect_valid("simulation_report", &verified.out());
    assert_eq!((&report["mode"], &report["verdict"]["result"]), (&"verify".into(), &"PASS".into()));
}
