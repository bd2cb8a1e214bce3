//! Spans of a served shop, as a collector gets them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value as Json;

use crate::harness::collector::{Collector, Seen};
use crate::harness::customer::{Customer, runtime, until};
use crate::harness::program::{Printed, Served, paying, run};

/// The services that have a part in an order.
pub(super) const SERVICES: [&str; 5] = ["cart", "inventory", "notification", "order", "payment"];

/// The program with these variables.
pub(super) fn with(variables: &[(&str, &str)]) -> Command {
    let mut command = paying();
    command.envs(variables.iter().copied());
    command
}

/// The program, told to send spans to `url` at once.
pub(super) fn telling(url: &str) -> Command {
    with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url), ("OTEL_BSP_SCHEDULE_DELAY", "50")])
}

/// The spans of the order, of which every parent is there and all but one have one.
#[track_caller]
pub(super) fn one_trace(seen: &[Seen], order: &str) -> Vec<Seen> {
    let trace = ecom::runtime::trace::event_context(order, "").trace;
    let trace = format!("{:032x}", trace.0);
    // Work that is done twice, for example while processes share it out anew, is told twice, as the same.
    let mut of_order: Vec<Seen> = vec![];
    for span in seen.iter().filter(|span| span.trace == trace) {
        match of_order.iter().find(|known| known.id == span.id) {
            None => of_order.push(span.clone()),
            Some(known) => assert_eq!(known.name, span.name, "an id is used for two things"),
        }
    }
    let ids: BTreeSet<&str> = of_order.iter().map(|span| span.id.as_str()).collect();
    for span in &of_order {
        let parent = span.parent.as_deref();
        assert!(parent.is_none_or(|parent| ids.contains(parent)), "no parent: {span:#?}");
        assert!(span.began <= span.ended && !span.failed, "{span:#?}");
    }
    let roots: Vec<&Seen> = of_order.iter().filter(|span| span.parent.is_none()).collect();
    let [root] = roots.as_slice() else { panic!("{} roots of {seen:#?}", roots.len()) };
    assert_eq!(
        (root.name.as_str(), root.kind),
        ("POST /cart/{user_id}/checkout", SpanKind::Server)
    );
    of_order
}

/// The services that handled something.
pub(super) fn services(spans: &[Seen]) -> BTreeSet<&str> {
    let consumers = spans.iter().filter(|span| span.kind == SpanKind::Consumer);
    consumers.map(|span| span.get("ecom.service")).collect()
}

#[test]
fn an_order_is_one_trace_whose_id_is_in_its_records() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start());
    let mut command = telling(&collector.url);
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ann%20co");
    let mut shop = Served::launch(command, &folder.path().join("shop"), &[]).unwrap();
    let order = runtime().block_on(async {
        let ann = Customer::of(&shop);
        ann.add("ann", "PROD-001").await;
        let order = ann.checkout("ann").await.unwrap().unwrap();
        assert_eq!(ann.told(&order).await, "FULFILLED");
        order
    });
    assert_eq!(shop.stop(), 0);
    let seen = collector.seen();
    let spans = one_trace(&seen, &order);
    assert_eq!(spans.len(), seen.len(), "nothing but the order is told of");
    assert_eq!(services(&spans), SERVICES.into_iter().collect());
    for client in ["charge", "send e-mail"] {
        let asked = spans.iter().find(|span| span.name == client).unwrap();
        assert_eq!(asked.kind, SpanKind::Client);
    }
    let published: BTreeMap<(&str, &str), &Seen> = spans
        .iter()
        .filter(|span| span.kind == SpanKind::Producer)
        .map(|span| ((span.trace.as_str(), span.id.as_str()), span))
        .collect();
    let mut records = 0;
    for topic in
        ["cart.checkout_initiated", "order.created", "payment.processed", "order.confirmed"]
    {
        let data = shop.data.to_str().unwrap();
        let tail = run(&["topics", "tail", topic, "--exit", "-o", "json", "--data", data]);
        for line in tail.out().lines() {
            let record: Json = serde_json::from_str(line).unwrap();
            let headers = record["headers"].as_array().unwrap();
            let header = headers.iter().find(|header| header["name"] == "traceparent").unwrap();
            let parts: Vec<&str> = header["value"]["text"].as_str().unwrap().split('-').collect();
            let span = published[&(parts[1], parts[2])];
            assert_eq!(span.get("messaging.destination.name"), topic);
            records += 1;
        }
    }
    assert_eq!(records, 4);
    let process = &spans[0].process;
    assert_eq!(process["service.name"], "ecom");
    assert_eq!(process["deployment.environment.name"], "test");
    assert!(!process["service.instance.id"].is_empty());
    assert!(collector.headers().iter().all(|headers| headers["x-tenant"] == "ann co"));
}

#[test]
fn the_trace_of_whoever_placed_the_order_is_linked() {
    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start());
    let mut command = telling(&collector.url);
    command.env("OTEL_SERVICE_NAME", "our-shop");
    let mut shop = Served::launch(command, &folder.path().join("shop"), &[]).unwrap();
    let order = runtime().block_on(async {
        Customer::of(&shop).add("ann", "PROD-001").await;
        let client =
            hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .build_http();
        let request = hyper::Request::post(format!("{}/cart/ann/checkout", shop.gateway()))
            .header("traceparent", CALLER)
            .body(http_body_util::Full::<bytes::Bytes>::default())
            .unwrap();
        let answer = client.request(request).await.unwrap().into_body();
        let answer: Json =
            serde_json::from_slice(&answer.collect().await.unwrap().to_bytes()).unwrap();
        let order = answer["order_id"].as_str().unwrap().to_owned();
        Customer::of(&shop).ended(&order).await;
        order
    });
    assert_eq!(shop.stop(), 0);
    let spans = one_trace(&collector.seen(), &order);
    let root = spans.iter().find(|span| span.parent.is_none()).unwrap();
    let caller = ("4bf92f3577b34da6a3ce929d0e0e4736".into(), "00f067aa0ba902b7".into());
    assert_eq!(root.links, [caller]);
    assert_eq!(root.get("http.response.status_code"), "202");
    assert_eq!(root.get("ecom.order_id"), order);
    assert_eq!(root.process["service.name"], "our-shop");
}

#[test]
fn nothing_is_sent_unless_it_is_asked_for() {
    let collector = Collector::start();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str());
    for variables in [
        &[("OTEL_SERVICE_NAME", "shop"), ("OTEL_BSP_SCHEDULE_DELAY", "50")][..],
        &[endpoint, ("OTEL_SDK_DISABLED", "true")],
        &[endpoint, ("OTEL_TRACES_SAMPLER", "always_off")],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let command = with(variables);
        let mut shop = Served::launch(command, &folder.path().join("shop"), &[]).unwrap();
        runtime().block_on(async {
            let ann = Customer::of(&shop);
            ann.add("ann", "PROD-001").await;
            let order = ann.checkout("ann").await.unwrap().unwrap();
            ann.ended(&order).await;
        });
        assert_eq!(shop.stop(), 0);
    }
    assert_eq!(collector.headers().len(), 0);
}

/// Orders at a shop that tells `url`; how long its end took, and what it said.
fn a_day_with(url: &str) -> (Duration, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = telling(url);
    command.env("OTEL_BSP_MAX_QUEUE_SIZE", "16").env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8");
    let mut shop = Served::launch(command, &folder.path().join("shop"), &[]).unwrap();
    runtime().block_on(async {
        let customer = Customer::of(&shop);
        for n in 0..20 {
            let user = format!("u{n}");
            customer.add(&user, "PROD-001").await;
            let order = customer.checkout(&user).await.unwrap().unwrap();
            assert_eq!(customer.ended(&order).await, "FULFILLED");
        }
        until("spans are counted as dropped", async || {
            let meters = customer.call("GET", "/metrics", None).await.unwrap();
            let meters = String::from_utf8(meters.body.to_vec()).unwrap();
            let dropped = meters.lines().find_map(|l| l.strip_prefix("ecom_spans_dropped_total "));
            assert!(meters.contains("ecom_spans_exported_total 0"), "{meters}");
            dropped.unwrap().parse::<u64>().unwrap() > 100
        })
        .await;
    });
    let asked = Instant::now();
    assert_eq!(shop.stop(), 0);
    (asked.elapsed(), shop.said())
}

#[test]
fn a_dead_collector_costs_one_line_and_some_spans() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (took, said) = a_day_with(&format!("http://{nobody}"));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(said.matches("spans are not taken").count(), 1, "{said}");
    assert!(said.contains("onnection refused"), "it says why: {said}");
    assert!(said.matches("span").count() < 8, "{said}");
}

#[test]
fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (took, said) = a_day_with(&format!("http://{}", silent.local_addr().unwrap()));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(said.contains("spans were lost"), "{said}");
}

#[test]
fn values_that_make_no_sense_are_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    for command in [&["serve", "--port-base", "0"][..], &["gateway", "serve", "--port", "0"]] {
        for (name, value, says) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "must be a URL such as"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector", "https is not spoken here"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "use http/protobuf"),
            ("OTEL_TRACES_SAMPLER", "sometimes", "use always_on"),
        ] {
            let mut ecom = with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")]);
            ecom.env(name, value).args(command).args(["--data", data.to_str().unwrap()]);
            let ran = ecom.output().unwrap();
            assert_eq!((ran.code(), ran.out()), (2, String::new()), "{}", ran.err());
            assert!(ran.err().contains(says), "{}", ran.err());
            assert_eq!(ran.err().lines().count(), 1, "{}", ran.err());
            assert!(!data.exists());
        }
    }
}
