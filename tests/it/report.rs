//! Reports against their published schemas.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ecom::sim::check::{Evidence, judge_history_alone};
use ecom::sim::lab::client::{Client, NoAnswer};
use ecom::sim::lab::{self, Call, Crowd, Reply, Workload};
use ecom::sim::report::{Backend, Mode, Parts, Report};
use ecom::sim::virtual_time::RouterClient;
use serde_json::Value as Json;

use crate::harness::customer::{Customer, runtime};
use crate::harness::program::{Printed, Served, run};
use crate::harness::{settings, shop_with};

/// The published schema of that name.
pub(crate) fn schema(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.json"));
    let schema: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The JSON value in `text`, which must be one of the published schema of that name.
#[track_caller]
pub(crate) fn expect_valid(name: &str, text: &str) -> Json {
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

#[test]
fn a_second_run_into_a_folder_counts_its_own_orders_and_the_folder_keeps_what_clients_of_both_saw()
{
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let simulate = || {
        let args = ["simulate", "--users", "60", "--duration", "1s", "--think-scale", "0.01"];
        let ran = run(&[&args[..], &["--seed", "5", "--data", data, "-q", "-o", "json"]].concat());
        assert_eq!(ran.code(), 0, "{}\n{}", ran.out(), ran.err());
        expect_valid("simulation_report", &ran.out())
    };
    let verify = || {
        let verified = run(&["verify", "--data", data, "-o", "json"]);
        assert_eq!(verified.code(), 0, "{}", verified.out());
        expect_valid("simulation_report", &verified.out())
    };
    let placed = |report: &Json| report["orders"]["placed"].as_u64().unwrap();
    let looked_at = |report: &Json, id: &str| {
        let checks = report["verdict"]["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap()["evaluated"].as_u64().unwrap()
    };
    let (first, second) = (simulate(), simulate());
    let answered = |report: &Json| report["load"]["sessions"].as_u64().unwrap();
    assert!(placed(&first) > 0 && (1..=answered(&second)).contains(&placed(&second)), "{second}");
    assert_eq!(placed(&verify()), placed(&first) + placed(&second));

    // What others buy of a shop on the same folder is no phantom of the lab's.
    let mut shop = Served::start(dir.path(), &[]);
    runtime().block_on(async {
        let customer = Customer::of(&shop);
        customer.add("ann", "PROD-001").await.unwrap();
        let order = customer.checkout("ann").await.unwrap().unwrap();
        customer.told(&order).await;
    });
    assert_eq!(shop.stop(), 0);
    let all = verify();
    assert_eq!(placed(&all), placed(&first) + placed(&second) + 1);
    assert_eq!(looked_at(&all, "S6"), placed(&first) + placed(&second));
}

/// A client whose requests to some paths are never answered.
struct Deaf {
    inner: Arc<RouterClient>,
    to: fn(&str) -> bool,
}

#[async_trait]
impl Client for Deaf {
    async fn call(&self, call: &Call) -> Result<Reply, NoAnswer> {
        if (self.to)(&call.path) {
            return Err(NoAnswer("test".into()));
        }
        self.inner.call(call).await
    }

    fn serves_sellers(&self) -> bool {
        false
    }
}

/// What is reported of a crowd that hears nothing from these paths, and that follows an order for a
/// minute.
fn report_of_the_deaf(to: fn(&str) -> bool, expect: fn(&Report)) {
    shop_with(
        &settings(&[]),
        1,
        |ports, _| ports,
        move |t| async move {
            t.product("P", "5.00", 100).await;
            let client = Arc::new(Deaf { inner: Arc::clone(&t.client), to });
            let (clock, spawn) = (Arc::new(t.clock.clone()), Arc::clone(&t.embedded.ports.spawn));
            let patience = Duration::from_mins(1);
            let crowd = Crowd::new(Workload::of(20, 1), client, clock, spawn, patience);
            let crowd = Arc::new(crowd);
            lab::run(&crowd).await.unwrap();
            let evidence = Evidence::of_history_alone(crowd.history.entries());
            let verdict = judge_history_alone(&evidence);
            let parts = Parts {
                mode: Mode::Target,
                backend: Backend::unknown(),
                workload: Some(crowd.workload.clone()),
                begun: evidence.begun(),
                duration_ms: 1_000,
                trace_hash: None,
                replay: String::new(),
            };
            let report = Report::new(parts, &crowd.stats, &evidence, verdict);
            expect_valid("simulation_report", &serde_json::to_string(&report).unwrap());
            expect(&report);
        },
    );
}

#[test]
fn a_checkout_given_up_counts_with_the_age_it_had() {
    report_of_the_deaf(
        |path| path.ends_with("/checkout"),
        |report| {
            let load = &report.load;
            assert!(load.checkouts_given_up > 0 && load.orders_given_up == 0, "{load:?}");
            assert!(report.latency_ms.checkout_http.p50 > 25_000.0, "{:?}", report.latency_ms);
            let told = format!("; {} GIVEN UP", load.checkouts_given_up);
            assert_eq!(report.to_text().matches(&told).count(), 1, "{}", report.to_text());
        },
    );
}

#[test]
fn an_order_never_seen_final_counts_with_the_age_it_had() {
    report_of_the_deaf(
        |path| path.starts_with("/orders/"),
        |report| {
            let load = &report.load;
            assert_eq!((load.checkouts_given_up, load.orders_given_up), (0, report.orders.placed));
            assert!(report.latency_ms.checkout_http.max < 1_000.0, "{:?}", report.latency_ms);
            assert!(report.latency_ms.checkout_to_terminal.p50 >= 60_000.0, "{load:?}");
            let told = format!("; {} GIVEN UP", load.orders_given_up);
            assert_eq!(report.to_text().matches(&told).count(), 1, "{}", report.to_text());
        },
    );
}

#[test]
fn what_nobody_gave_up_is_not_mentioned() {
    report_of_the_deaf(
        |_| false,
        |report| {
            assert_eq!((report.load.checkouts_given_up, report.load.orders_given_up), (0, 0));
            assert!(!report.to_text().contains("GIVEN UP"), "{}", report.to_text());
        },
    );
}
