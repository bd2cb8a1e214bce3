//! What people do with dead letters beside sending them back: sum up, repair, give up, carry elsewhere, watch.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::letters::Shop;
use super::{expect, fails, json_on, lines_on, on};
use crate::harness::program::{Printed, ecom, run, run_with_input};

fn ids(data: &Path) -> Vec<String> {
    on(data, &["dlq", "list", "-o", "name"]).lines().map(str::to_owned).collect()
}

fn states(data: &Path) -> Vec<Json> {
    let list = json_on(data, &["dlq", "list"]);
    list["dead_letters"].as_array().unwrap().iter().map(|letter| letter["state"].clone()).collect()
}

#[test]
fn letters_are_summed_up_for_people_and_scripts() {
    let shop = Shop::with_letters();
    let data = &shop.served.data;
    let summary = json_on(data, &["dlq", "summary"]);
    assert_eq!(
        (&summary["kind"], &summary["by"], &summary["total"]),
        (&json!("dead_letter_summary"), &json!("error"), &json!(2))
    );
    let group = &summary["groups"][0];
    assert_eq!(
        (&group["value"], &group["states"]),
        (&json!("decode.malformed"), &json!({ "open": 2 }))
    );
    let services = json_on(data, &["dlq", "summary", "--by", "service"]);
    assert_eq!(services["groups"].as_array().unwrap().len(), 2);
    let text = on(data, &["dlq", "summary", "--by", "topic"]);
    assert!(text.starts_with("TOPIC ") && text.contains("order.created"), "{text}");
    let none = run(&["dlq", "summary", "--topic", "x", "--data", data.to_str().unwrap()]);
    assert_eq!(
        (none.code(), none.out().as_str(), none.err().as_str()),
        (0, "", "no dead letters\n")
    );
}

/// An editor that puts `text` into whatever file it is given.
fn editor(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("editor");
    std::fs::write(&path, format!("#!/bin/sh\nprintf '%s' '{text}' > \"$1\"\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn a_repair_that_is_no_event_is_refused_and_what_was_typed_is_kept() {
    let shop = Shop::with_letters();
    let (data, folder) = (&shop.served.data, tempfile::tempdir().unwrap());
    let id = ids(data).remove(0);
    let path = data.to_str().unwrap();
    let args = ["dlq", "edit", &id, "--data", path];
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let edit = |editor: &Path| {
        ecom().args(args).env("EDITOR", editor).env("TMPDIR", &temporary).output().unwrap()
    };
    let ran = edit(&editor(folder.path(), r#"{"event_id":"x"}"#));
    expect(&ran, &args, 2, "the value is still wrong");
    let said = ran.err();
    let kept = said.split("your text is in ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), r#"{"event_id":"x"}"#);
    std::fs::remove_dir_all(Path::new(kept).parent().unwrap()).unwrap();
    let same = edit(Path::new("true"));
    assert_eq!((same.code(), same.err().as_str()), (0, "nothing was changed; nothing is sent\n"));
    expect(
        &edit(Path::new("/nonexistent/editor")),
        &args,
        1,
        "set EDITOR, or give the value with --value",
    );
    expect(&edit(Path::new("false")), &args, 1, "nothing is sent");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "nothing was typed");
    let failing = editor(folder.path(), "half");
    let script = std::fs::read_to_string(&failing).unwrap();
    std::fs::write(&failing, script + "exit 1\n").unwrap();
    expect(&edit(&failing), &args, 1, "your text is in");
    let piped = ["dlq", "edit", &id, "--value", "-", "--data", path];
    expect(&run_with_input(&piped, b"[]"), &piped, 2, "the value is still wrong");
    assert_eq!(states(data), ["open", "open"]);
}

#[test]
fn what_is_discarded_is_left_alone_and_can_be_taken_back() {
    let shop = Shop::with_letters();
    let data = &shop.served.data;
    let first = ids(data).remove(0);
    let told = on(data, &["dlq", "discard", &first, "--reason", "typed by hand"]);
    assert!(told.starts_with("1 of 1 discarded"), "{told}");
    assert_eq!(states(data), ["discarded", "open"]);
    let plan = json_on(data, &["dlq", "replay", "--dry-run"]);
    assert_eq!(plan["selected"], 1);
    let audit = json_on(data, &["dlq", "show", &first])["audit"].clone();
    assert_eq!(
        (&audit[0]["action"], &audit[0]["detail"]),
        (&json!("discarded"), &json!("typed by hand"))
    );
    assert!(on(data, &["dlq", "restore", &first]).starts_with("1 of 1"));
    assert_eq!(states(data), ["open", "open"]);
    fails(
        &["dlq", "discard", "dlq.events/9/9", "--data", data.to_str().unwrap()],
        4,
        "there is no dead letter",
    );
}

#[test]
fn letters_travel_byte_for_byte() {
    let shop = Shop::with_letters();
    let (data, folder) = (&shop.served.data, tempfile::tempdir().unwrap());
    let file = folder.path().join("letters.jsonl");
    let name = file.to_str().unwrap();
    let path = data.to_str().unwrap();
    on(data, &["dlq", "export", "--out", name]);
    fails(&["dlq", "export", "--out", name, "--data", path], 1, "cannot make");
    let before = lines_on_records(data);
    on(data, &["dlq", "import", name]);
    let after = lines_on_records(data);
    assert_eq!(after.len(), 2 * before.len());
    let bytes =
        |record: &Json| (record["key"].clone(), record["value"].clone(), record["headers"].clone());
    let (mut old, mut new): (Vec<_>, Vec<_>) = (
        before.iter().map(bytes).collect(),
        after.iter().filter(|r| !before.contains(r)).map(bytes).collect(),
    );
    old.sort_by_key(|record| format!("{record:?}"));
    new.sort_by_key(|record| format!("{record:?}"));
    assert_eq!(old, new);
    std::fs::write(&file, "{}\n").unwrap();
    fails(&["dlq", "import", name, "--data", path], 2, "line 1 is no exported dead letter");
    assert_eq!(lines_on_records(data).len(), after.len(), "nothing was imported");
}

fn lines_on_records(data: &Path) -> Vec<Json> {
    lines_on(data, &["topics", "tail", "dlq.events", "--from", "beginning", "--exit"])
}

#[test]
fn too_many_open_letters_are_an_alarm() {
    let shop = Shop::with_letters();
    let (data, path) = (&shop.served.data, shop.served.data.to_str().unwrap().to_owned());
    let calm = json_on(data, &["dlq", "watch", "--once", "--max-depth", "2"]);
    assert_eq!((&calm["open"], &calm["by_error"]), (&json!(2), &json!({ "decode.malformed": 2 })));
    let alarm = run(&["dlq", "watch", "--max-depth", "1", "--data", &path]);
    assert_eq!(alarm.code(), 6, "{}", alarm.err());
    assert!(alarm.out().contains("2 open  2 × decode.malformed"), "{}", alarm.out());
    assert!(alarm.err().contains("open: 2 dead letters"), "{}", alarm.err());
}

#[test]
fn new_letters_are_printed_as_they_come() {
    let shop = Shop::with_letters();
    let data = &shop.served.data;
    let since = lines_on(data, &["dlq", "tail", "--since", "1h", "-n", "2"]);
    let printed: Vec<&str> = since.iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    assert_eq!(printed, ids(data));
}

#[test]
fn replays_are_jobs_that_can_be_looked_at() {
    let shop = Shop::with_letters();
    let data = &shop.served.data;
    let ran = run(&["dlq", "replay", "-o", "json", "--data", data.to_str().unwrap()]);
    let report: Json = serde_json::from_str(&ran.out()).unwrap();
    let job = report["job"].as_str().unwrap();
    let jobs = json_on(data, &["dlq", "jobs", "list"]);
    assert_eq!(
        (&jobs["jobs"][0]["job"], &jobs["jobs"][0]["state"]),
        (&json!(job), &json!("partial"))
    );
    let text = on(data, &["dlq", "jobs", "list"]);
    assert!(text.contains(job), "{text}");
    let show = run(&["dlq", "jobs", "show", job, "-o", "json", "--data", data.to_str().unwrap()]);
    assert_eq!(show.code(), 3, "some failed again");
    let path = data.to_str().unwrap();
    fails(&["dlq", "jobs", "resume", job, "--data", path], 2, "came to its end");
    fails(&["dlq", "jobs", "cancel", job, "--data", path], 2, "is not under way");
    fails(&["dlq", "jobs", "show", "job-0", "--data", path], 4, "there is no job job-0");
}

#[test]
fn the_manual_and_completions_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert_eq!(run(&["man", "--out", dir]).code(), 0);
    for page in ["ecom.1", "ecom-dlq-replay.1", "ecom-groups-lag.1"] {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH OPTIONS"), "{page}: {text}");
    }
    assert!(run(&["man"]).out().contains("groups"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code(), 0, "{shell}");
        assert!(ran.out().contains("reset-offsets"), "{shell}");
    }
    assert_eq!(run(&["completions", "csh"]).code(), 2);
}
