//! Several consoles on one cluster at the same time, which share the index and the ledger of dead letters.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value as Json;

use super::all;
use super::console::{Somebodys, with_cluster};
use crate::console::terminal::Terminal;

/// Letters that are there when all begin; many pages of each partition.
const LETTERS: usize = 6_000;

/// A console that stays open until it is dropped.
struct Open(Child);

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `dlq watch`, once it has said how many are open.
fn watching(there: &Somebodys) -> (Open, impl Iterator<Item = Json>) {
    let mut command = there.command(&["dlq", "watch", "--every", "100ms", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = lines.map(|line| serde_json::from_str::<Json>(&line.unwrap()).unwrap());
    assert_eq!(told.next().unwrap()["open"], 3);
    (Open(child), told)
}

#[test]
fn all_count_each_letter_once_whoever_read_it() {
    with_cluster(|there| async move {
        there.letters(LETTERS, "x.Y").await;
        for round in 1..=3 {
            let begun: Vec<Child> = (0..4)
                .map(|_| {
                    let mut command = there.command(&["dlq", "summary", "-o", "json"]);
                    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
                })
                .collect();
            for child in begun {
                let ended = child.wait_with_output().unwrap();
                let said = String::from_utf8_lossy(&ended.stderr);
                assert!(ended.status.success(), "round {round}: {said}");
                let summary: Json = serde_json::from_slice(&ended.stdout).unwrap();
                assert_eq!(summary["total"], round * LETTERS, "round {round}: {summary}");
            }
            there.letters(LETTERS, "x.Y").await;
        }
        assert_eq!(there.states(), [("open".into(), 4 * LETTERS)].into());
    });
}

#[test]
fn what_one_does_the_other_sees() {
    with_cluster(|there| async move {
        there.letters(3, "x.Y").await;
        let (_open, mut told) = watching(&there);
        assert!(there.run(&["topics", "list"]).status.success());
        let id = there.json(0, &["dlq", "list"])["dead_letters"][0]["id"].clone();
        there.json(0, &["dlq", "discard", id.as_str().unwrap(), "--reason", "test", "--yes"]);
        assert_eq!(told.next().unwrap()["open"], 2);
        there.json(0, &["dlq", "replay"]);
        assert_eq!(told.next().unwrap()["open"], 0);
    });
}

#[test]
fn one_replays_at_a_time_and_who_was_killed_is_known_at_once() {
    with_cluster(|there| async move {
        there.letters(30, "x.Y").await;
        let replay = ["dlq", "replay", "--rate", "10"];
        let begun: Vec<Child> = (0..4)
            .map(|_| {
                let mut command = there.command(&replay);
                command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let jobs = || there.json(0, &["dlq", "jobs", "list"])["jobs"].clone();
        while jobs()[0].is_null() {
            there.env.pass(1).await;
        }
        assert_eq!(jobs()[0]["state"], "running");
        assert_eq!(there.run(&replay).status.code(), Some(7), "somebody else replays");
        assert_eq!(jobs().as_array().unwrap().len(), 1, "one of four began");
        for mut child in begun {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let job = jobs()[0].clone();
        assert_eq!(job["state"], "interrupted", "{job}");
        let done = there.json(0, &["dlq", "jobs", "resume", job["job"].as_str().unwrap()]);
        assert_eq!((&done["state"], &done["report"]["replayed"]), (&"done".into(), &30.into()));
    });
}

#[test]
fn who_leaves_the_console_is_told_how_the_replay_goes_on() {
    with_cluster(|there| async move {
        there.letters(1_000, "x.Y").await;
        let mut console = Terminal::start(there.command(&["tui", "--view", "dlq"]));
        console.wait_for("x.Y");
        console.press(" r");
        console.wait_for("letters go back");
        console.press("\t\r");
        console.wait_for("running");
        console.press("q");
        console.press("q");
        console.wait_for("ending job-");
        assert_eq!(console.ended(), 0);
        let job = there.json(0, &["dlq", "jobs", "list"])["jobs"][0].clone();
        assert_eq!(job["state"], "cancelled", "{job}");
        let sent = job["report"]["replayed"].as_u64().unwrap();
        assert!(sent < 1_000, "{job}");
        there.json(0, &["dlq", "jobs", "resume", job["job"].as_str().unwrap()]);
        assert_eq!(all(&there.bus, "orders").await.len(), 1_000, "each once");
    });
}
