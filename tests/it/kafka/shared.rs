//! Several consoles on one cluster at the same time, which share the index and the ledger of dead letters.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value as Json;

use super::console::{Somebodys, with_cluster};

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
fn a_killed_replay_is_resumed_after_a_while_if_another_console_could_have_it() {
    with_cluster(|there| async move {
        there.letters(3, "x.Y").await;
        let open = watching(&there);
        let mut replay = there.command(&["dlq", "replay", "--rate", "1"]);
        let mut replay = Open(replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let job = || there.json(0, &["dlq", "jobs", "list"])["jobs"][0].clone();
        while job().is_null() {
            there.env.pass(1).await;
        }
        assert_eq!(job()["state"], "running");
        let refused = there.run(&["dlq", "replay"]);
        assert_eq!(refused.status.code(), Some(7), "{refused:?}");
        replay.0.kill().unwrap();
        let name = job()["job"].as_str().unwrap().to_owned();
        assert_eq!(job()["state"], "running", "nobody can tell whether the other one runs it");
        drop(open);
        assert_eq!(job()["state"], "interrupted", "nobody else is there");
        let done = there.json(0, &["dlq", "jobs", "resume", &name]);
        assert_eq!(done["state"], "done", "{done}");
    });
}
