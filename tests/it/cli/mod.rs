//! The `ecom` program, as people and scripts use it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod backups;
mod backups_killed;
mod clean;
mod configuration;
mod doctor;
mod help;
mod letters;
mod orders;
mod pipes;
mod postgres;
mod protect;
mod provider;
mod queries;
mod repairs;
mod schemas;
mod seed_lines;
mod servers;
mod serving;
mod simulating;
mod tails;
mod topics;
mod trace;
mod usage;
mod verifying;
mod zones;

use std::path::Path;
use std::process::Output;

use serde_json::Value as Json;

use crate::harness::program::{Printed, run};

/// Runs it and expects this exit code, and this among what it says.
#[track_caller]
fn fails(args: &[&str], code: i32, says: &str) {
    expect(&run(args), args, code, says);
}

#[track_caller]
fn expect(ran: &Output, args: &[&str], code: i32, says: &str) {
    let said = ran.err();
    assert!(said.contains(says), "{args:?} says {said:?}, not {says:?}");
    assert_eq!(ran.code(), code, "{args:?}: {said}");
    assert_eq!(ran.out(), "", "{args:?} prints no data when it fails");
}

/// Runs it on the shop in `data` and expects success; what it printed.
#[track_caller]
fn on(data: &Path, args: &[&str]) -> String {
    let ran = run(&[args, &["--data", data.to_str().unwrap()]].concat());
    assert_eq!(ran.code(), 0, "{args:?}: {}", ran.err());
    ran.out()
}

/// The same, for one JSON document.
#[track_caller]
fn json_on(data: &Path, args: &[&str]) -> Json {
    let out = on(data, &[args, &["-o", "json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e}: {out}"))
}

/// The same, for a JSON document per line.
#[track_caller]
fn lines_on(data: &Path, args: &[&str]) -> Vec<Json> {
    let out = on(data, &[args, &["-o", "json"]].concat());
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
