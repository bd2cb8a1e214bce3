//! What the commands about dead letters print as JSON, against their published schema.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::letters::Shop;
use crate::harness::program::{Printed, run};

/// The published schema of one kind of output, so that what is wrong is told of that kind alone.
fn schema(kind: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/dlq.json");
    let whole: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&whole).unwrap();
    let listed = json!({ "$ref": format!("#/$defs/{kind}") });
    assert!(whole["oneOf"].as_array().unwrap().contains(&listed), "{kind} is not published");
    let one = json!({ "$ref": listed["$ref"], "$defs": whole["$defs"] });
    jsonschema::draft202012::new(&one).unwrap()
}

/// Runs it on the shop; each line that it prints is of this kind. The last of them.
#[track_caller]
fn prints(shop: &Shop, kind: &str, args: &[&str]) -> Json {
    let ran = run(&[&["dlq"], args, &["--data", shop.served.data.to_str().unwrap()]].concat());
    let (out, valid) = (ran.out(), schema(kind));
    assert!(!out.is_empty(), "{args:?}: {}", ran.err());
    let mut last = Json::Null;
    for line in out.lines() {
        last = serde_json::from_str(line).unwrap_or_else(|e| panic!("{args:?}: {e}: {line}"));
        let wrong: Vec<String> =
            valid.iter_errors(&last).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{args:?}: {wrong:#?}\n{line}");
        assert_eq!(last["kind"], kind);
    }
    last
}

#[test]
fn every_verb_prints_what_is_published() {
    let shop = Shop::with_letters();
    let list = prints(&shop, "dead_letters", &["list", "-o", "json"]);
    assert_eq!(list["dead_letters"].as_array().unwrap().len(), 2);
    let id = list["dead_letters"][0]["id"].as_str().unwrap().to_owned();
    prints(&shop, "dead_letter", &["list", "-o", "jsonl"]);
    prints(&shop, "dead_letter", &["tail", "--since", "1h", "-n", "2", "-o", "json"]);
    prints(&shop, "dead_letter_summary", &["summary", "--by", "type", "-o", "json"]);
    prints(&shop, "dead_letter_depth", &["watch", "--once", "-o", "json"]);
    prints(&shop, "dead_letters_marked", &["discard", &id, "-o", "json"]);
    prints(&shop, "dead_letters_marked", &["restore", &id, "-o", "json"]);
    let detail = prints(&shop, "dead_letter_detail", &["show", &id, "-o", "json"]);
    assert_eq!(detail["audit"].as_array().unwrap().len(), 2, "{detail}");
    let exported = prints(&shop, "dead_letter_detail", &["export"]);
    assert_eq!(exported["payload_intact"], true);
    let plan = prints(&shop, "replay_report", &["replay", "--dry-run", "-o", "json"]);
    assert_eq!((&plan["job"], &plan["selected"]), (&Json::Null, &json!(2)));
    let report = prints(&shop, "replay_report", &["replay", "-o", "json"]);
    let job = report["job"].as_str().unwrap();
    prints(&shop, "replay_job", &["jobs", "show", job, "-o", "json"]);
    let jobs = prints(&shop, "replay_jobs", &["jobs", "list", "-o", "json"]);
    assert_eq!(jobs["jobs"][0]["request"]["ordered"], "none");
}

#[test]
fn a_repair_prints_what_is_published() {
    let report = json!({
        "kind": "dead_letter_edit", "schema_version": 1, "id": "dlq.events/0/0",
        "topic": "order.created", "event_id": null, "at": null,
    });
    assert!(schema("dead_letter_edit").is_valid(&report));
    for (field, wrong) in [("at", json!(7)), ("kind", json!("dead_letter")), ("more", json!(1))] {
        let mut report = report.clone();
        report[field] = wrong;
        assert!(!schema("dead_letter_edit").is_valid(&report), "{report}");
    }
}
