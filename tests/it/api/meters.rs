//! Meters and probes.

use std::collections::{BTreeMap, BTreeSet};

use super::raw::{Ask, Raw};
use crate::harness::{Tester, shop};

/// A metric family as the text format tells of it.
#[derive(Default)]
struct FamilyText {
    kind: String,
    help: String,
    unit: String,
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads the OpenMetrics text format; panics where it is broken.
fn parse(text: &str) -> BTreeMap<String, FamilyText> {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let mut families: BTreeMap<String, FamilyText> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let [what, name, text] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            name.clone_into(&mut current);
            let family = families.entry(name.to_owned()).or_default();
            match what {
                "HELP" => text.clone_into(&mut family.help),
                "TYPE" => text.clone_into(&mut family.kind),
                "UNIT" => text.clone_into(&mut family.unit),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').expect(line);
        let pair = |pair: &str| {
            let (name, value) = pair.split_once("=\"").expect(line);
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        };
        let labels = labels.split("\",").filter(|pair| !pair.is_empty()).map(pair).collect();
        let value = value.parse().expect(line);
        assert!(name.starts_with(&current), "{name} stands under {current}");
        families.get_mut(&current).unwrap().samples.push(Sample {
            name: name.to_owned(),
            labels,
            value,
        });
    }
    families
}

async fn meters(raw: &Raw) -> BTreeMap<String, FamilyText> {
    let answer = raw.send(&Ask::get("/metrics")).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0")
    );
    parse(&answer.text())
}

/// Some of everything: orders, refusals, unknown paths and methods, each by somebody else.
async fn traffic(t: &Tester, raw: &Raw, from: u32, to: u32) {
    for n in from..to {
        let order = t.buy(&format!("user-{n}"), "P").await;
        t.settle().await;
        for path in [format!("/orders/{order}"), format!("/nope/{n}"), format!("/cart/user-{n}/x")]
        {
            raw.send(&Ask::get(path)).await;
        }
        raw.send(&Ask::new(&format!("METHOD{n}"), "/products")).await;
        raw.send(
            &Ask::new("POST", format!("/cart/user-{n}/items")).json(format!("{{\"f{n}\":1}}")),
        )
        .await;
        t.produce("order.created", &format!("K-{n}"), format!("broken {n}").as_bytes()).await;
        t.settle().await;
    }
}

#[test]
fn meters_follow_the_conventions() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 100).await;
        let raw = Raw::gateway(&t);
        traffic(&t, &raw, 0, 2).await;
        let families = meters(&raw).await;
        assert!(families.len() >= 8, "{:?}", families.keys());
        for (name, family) in &families {
            assert!(name.starts_with("ecom_"), "{name}");
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(legal), "{name}");
            assert!(!family.help.is_empty() && !family.kind.is_empty(), "{name}");
            assert!(name.ends_with(&family.unit), "{name} in {}", family.unit);
            for sample in &family.samples {
                let suffix = &sample.name[name.len()..];
                let right: &[&str] = match family.kind.as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    other => panic!("{name} is a {other}"),
                };
                assert!(right.contains(&suffix), "{} of {name}", sample.name);
                assert!(
                    sample.value.is_finite() && sample.value >= 0.0,
                    "{} {}",
                    sample.name,
                    sample.value
                );
            }
        }
        assert_eq!(families["ecom_http_request_duration_seconds"].kind, "histogram");
    });
}

#[test]
fn meters_count_what_happened() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 100).await;
        let raw = Raw::gateway(&t);
        traffic(&t, &raw, 0, 3).await;
        let families = meters(&raw).await;
        let sum = |family: &str, name: &str, label: (&str, &str)| -> f64 {
            let is =
                |s: &&Sample| s.name == name && s.labels.get(label.0).is_some_and(|v| v == label.1);
            families[family].samples.iter().filter(is).map(|s| s.value).sum()
        };
        let requests = "ecom_http_request_duration_seconds";
        let count = format!("{requests}_count");
        assert!((sum(requests, &count, ("route", "/cart/{user_id}/checkout")) - 3.0).abs() < 0.1);
        assert!((sum(requests, &count, ("method", "other")) - 3.0).abs() < 0.1);
        assert!((sum(requests, &count, ("route", "unmatched")) - 6.0).abs() < 0.1);
        let dead = sum("ecom_dead_letters", "ecom_dead_letters_total", ("service", "payment"));
        assert!((dead - 3.0).abs() < 0.1, "{dead}");
        assert!(
            sum("ecom_events_handled", "ecom_events_handled_total", ("service", "order")) >= 9.0
        );
    });
}

#[test]
fn more_traffic_makes_no_more_series() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 100).await;
        let raw = Raw::gateway(&t);
        let series = |families: BTreeMap<String, FamilyText>| -> BTreeSet<String> {
            let all = families.into_values().flat_map(|family| family.samples);
            all.map(|sample| format!("{} {:?}", sample.name, sample.labels)).collect()
        };
        traffic(&t, &raw, 0, 5).await;
        meters(&raw).await;
        let few = series(meters(&raw).await);
        traffic(&t, &raw, 5, 15).await;
        let many = series(meters(&raw).await);
        assert_eq!(many.difference(&few).collect::<Vec<_>>(), Vec::<&String>::new());
        assert!(many.iter().all(|s| !s.contains("user-") && !s.contains("ORD-")));
    });
}

#[test]
fn the_probes_tell_life_from_readiness() {
    shop(&[], |t| async move {
        let raw = Raw::gateway(&t);
        let alive = raw.send(&Ask::get("/healthz")).await;
        assert_eq!((alive.status, alive.text().as_str()), (200, "ok\n"));
        let ready = raw.send(&Ask::get("/readyz")).await;
        assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
        for part in ["outbox-relay", "payment-effects", "janitor"] {
            assert_eq!(ready.json()["parts"][part]["up"], true, "{part}: {}", ready.text());
        }
        t.shop.health.down("outbox-relay", "the log is away");
        let unready = raw.send(&Ask::get("/readyz")).await;
        assert_eq!((unready.status, &unready.json()["ready"]), (503, &false.into()));
        assert_eq!(unready.json()["parts"]["outbox-relay"]["note"], "the log is away");
        assert_eq!(raw.send(&Ask::get("/healthz")).await.status, 200, "it lives all the same");
        t.shop.health.up("outbox-relay");
        assert_eq!(raw.send(&Ask::get("/readyz")).await.status, 200);
    });
}
