//! The console on a cluster of somebody who never ran our shop: dead letters of other systems are found,
//! summed up, shown and sent back; groups are judged and moved.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use ecom::adapters::bus::KafkaBus;
use ecom::ports::Randomness;
use ecom::ports::bus::{EventBus, NewRecord};
use serde_json::Value as Json;

use super::{all, connect, keyed, options};
use crate::contract::env::{self, Env};
use crate::harness::program::{Printed, ecom};
use crate::harness::stack::Server;

/// A cluster with topics of its own, and where the console remembers things.
pub(super) struct Somebodys {
    pub(super) env: Env,
    pub(super) bus: std::sync::Arc<KafkaBus>,
    bootstrap: String,
    prefix: String,
    state: tempfile::TempDir,
}

impl Somebodys {
    async fn new(env: Env, bootstrap: &str) -> Self {
        let options = options(bootstrap);
        let bus = connect(&env, &options).await;
        for topic in ["orders", "orders-dlt"] {
            bus.create_topic(topic, 3, None).await.unwrap();
        }
        let (bootstrap, prefix) = (bootstrap.to_owned(), options.prefix);
        Self { env, bus, bootstrap, prefix, state: tempfile::tempdir().unwrap() }
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = ecom();
        command
            .args(args)
            .args(["--kafka", &self.bootstrap])
            .env("ECOM_KAFKA_PREFIX", &self.prefix)
            .env("XDG_STATE_HOME", self.state.path());
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it, and kills it after so long; whether it had ended by itself.
    fn killed(&self, args: &[&str], after: Duration) -> bool {
        let mut child =
            self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        ended
    }

    #[track_caller]
    pub(super) fn json(&self, code: i32, args: &[&str]) -> Json {
        let ran = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(ran.code(), code, "{args:?}: {}", ran.err());
        serde_json::from_str(&ran.out()).unwrap()
    }

    /// Dead letters as Spring writes them, of `count` orders.
    pub(super) async fn letters(&self, count: usize, why: &str) {
        let letter = |n: usize| NewRecord {
            topic: "orders-dlt".into(),
            partition: None,
            key: Some(Bytes::from(format!("order-{n}"))),
            headers: [
                ("trace", Bytes::from_static(b"kept")),
                ("kafka_dlt-original-topic", Bytes::from_static(b"orders")),
                ("kafka_dlt-original-partition", Bytes::copy_from_slice(&1_i32.to_be_bytes())),
                ("kafka_dlt-original-offset", Bytes::copy_from_slice(&7_i64.to_be_bytes())),
                ("kafka_dlt-original-consumer-group", Bytes::from_static(b"billing")),
                ("kafka_dlt-exception-cause-fqcn", Bytes::from(why.to_owned())),
                ("kafka_dlt-exception-message", Bytes::from_static(b"boom")),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
            value: Some(Bytes::from(vec![0xff, n as u8])),
        };
        self.bus.publish((0..count).map(letter).collect()).await.unwrap();
    }

    pub(super) fn states(&self) -> BTreeMap<String, usize> {
        let list = self.json(0, &["dlq", "list"]);
        let mut states = BTreeMap::new();
        for letter in list["dead_letters"].as_array().unwrap() {
            *states.entry(letter["state"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        states
    }
}

pub(super) fn with_cluster<F: Future<Output = ()> + Send + 'static>(case: fn(Somebodys) -> F) {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move { case(Somebodys::new(env, &bootstrap).await).await });
}

#[test]
fn letters_of_another_system_are_understood_and_sent_back_once() {
    with_cluster(|there| async move {
        there.letters(5, "java.lang.IllegalStateException").await;
        there.letters(2, "java.net.ConnectException").await;
        let summary = there.json(0, &["dlq", "summary"]);
        let groups: Vec<(&str, u64)> = summary["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| (group["value"].as_str().unwrap(), group["total"].as_u64().unwrap()))
            .collect();
        let expected = [("java.lang.IllegalStateException", 5), ("java.net.ConnectException", 2)];
        assert_eq!(groups, expected);

        let list = there.json(0, &["dlq", "list", "--key", "order-4"]);
        let letter = &list["dead_letters"][0];
        assert_eq!(
            (letter["family"].as_str(), letter["group"].as_str()),
            (Some("spring"), Some("billing"))
        );
        let shown = there.json(0, &["dlq", "show", letter["id"].as_str().unwrap()]);
        assert_eq!(shown["payload"]["base64"], data_encoding::BASE64.encode(&[0xff, 4]));
        assert_eq!(shown["payload_intact"], Json::Null, "nobody noted a digest");

        let only = ["dlq", "replay", "--error", "/Illegal/"];
        let plan = there.json(0, &[&only[..], &["--dry-run"]].concat());
        assert_eq!((&plan["selected"], &plan["by_topic"]["orders"]), (&5.into(), &5.into()));
        let reaches = "every group that reads orders gets them, also those that have handled them";
        assert!(plan["warnings"][0].as_str().unwrap().starts_with(reaches), "{plan}");
        assert_eq!(all(&there.bus, "orders").await.len(), 0, "a dry run sends nothing");
        let report = there.json(0, &only);
        assert_eq!((&report["replayed"], &report["pending"]), (&5.into(), &5.into()));
        let back = all(&there.bus, "orders").await;
        assert_eq!(back.len(), 5);
        for record in &back {
            let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert!(!names.iter().any(|name| name.starts_with("kafka_dlt-")), "{names:?}");
            assert_eq!(record.header("trace"), Some("kept"));
            assert_eq!(record.header("ecom-replay-group"), Some("billing"));
            assert_eq!(record.value.as_ref().unwrap()[0], 0xff);
        }
        let again = there.json(0, &only);
        assert_eq!(again["selected"], 0, "what was sent once is not sent again unasked");
        let alone = "what was sent back already is left alone";
        assert!(again["warnings"][0].as_str().unwrap().starts_with(alone), "{again}");
        assert_eq!(there.states(), [("open".into(), 2), ("replaying".into(), 5)].into());

        // Its reader fails again, and writes another letter that carries on the replay's headers.
        let mut failed = keyed("orders-dlt", "order-0", "again");
        failed.headers = back[0].headers.clone();
        failed.headers.push(("kafka_dlt-original-topic".into(), Bytes::from_static(b"orders")));
        there.bus.publish(vec![failed]).await.unwrap();
        let expected = [("open".into(), 3), ("refailed".into(), 1), ("replaying".into(), 4)];
        assert_eq!(there.states(), expected.into());
        let jobs = there.json(0, &["dlq", "jobs", "list"]);
        assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn who_orders_by_key_is_told_that_the_world_went_on() {
    with_cluster(|there| async move {
        there.letters(2, "x.Y").await;
        let newer = |n: u8| NewRecord { partition: Some(1), ..keyed("orders", "order-0", vec![n]) };
        there.bus.publish((0..10).map(newer).collect()).await.unwrap();
        let plan = ["dlq", "replay", "--ordered", "key", "--dry-run"];
        let warned = |there: &Somebodys| there.json(0, &plan)["warnings"].to_string();
        assert!(!warned(&there).contains("processed already"), "{}", warned(&there));
        let next = ecom::ports::bus::Position { topic: "orders".into(), partition: 1, offset: 9 };
        there.bus.set_offsets("billing", &[next]).await.unwrap();
        let told = warned(&there);
        assert!(told.contains("newer events of 1 key have been processed already"), "{told}");
        assert!(told.contains("for example of order-0 in orders"), "{told}");
    });
}

#[test]
fn a_letter_that_is_sent_again_by_its_name_is_parked_in_the_end() {
    with_cluster(|there| async move {
        there.letters(1, "x.Y").await;
        let list = there.json(0, &["dlq", "list"]);
        let id = list["dead_letters"][0]["id"].as_str().unwrap().to_owned();
        for count in ["1", "2"] {
            assert_eq!(there.json(0, &["dlq", "replay", &id])["replayed"], 1);
            let newest = all(&there.bus, "orders").await.pop().unwrap();
            let told = newest.headers.iter().find(|(name, _)| name == "ecom-replay-count");
            assert_eq!(told.unwrap().1, count.as_bytes());
        }
        let report = there.json(3, &["dlq", "replay", &id]);
        assert_eq!((&report["replayed"], &report["parked"]), (&0.into(), &1.into()), "{report}");
        assert_eq!(there.states(), [("parked".into(), 1)].into());
        let report = there.json(0, &["dlq", "replay", &id, "--max-replays", "3"]);
        assert_eq!(report["replayed"], 1, "{report}");
        assert_eq!(all(&there.bus, "orders").await.len(), 3);
    });
}

#[test]
fn what_was_json_stays_json() {
    with_cluster(|there| async move {
        let mut letter = keyed("orders-dlt", "order-1", r#"{"total":9}"#);
        letter.headers.push(("kafka_dlt-original-topic".into(), Bytes::from_static(b"orders")));
        there.bus.publish(vec![letter]).await.unwrap();
        let list = there.json(0, &["dlq", "list"]);
        let id = list["dead_letters"][0]["id"].as_str().unwrap().to_owned();
        let value = there.state.path().join("value");
        let edit = ["dlq", "edit", &id, "--value", value.to_str().unwrap()];
        std::fs::write(&value, br#"{"total":8"#).unwrap();
        let refused = there.run(&edit);
        assert_eq!(refused.code(), 2, "{}", refused.err());
        assert!(refused.err().contains("the value is no JSON any more"), "{}", refused.err());
        assert_eq!(there.states(), [("open".into(), 1)].into());
        std::fs::write(&value, br#"{"total":8}"#).unwrap();
        there.json(0, &edit);
        let sent = all(&there.bus, "orders").await;
        assert_eq!(sent[0].value.as_deref(), Some(&br#"{"total":8}"#[..]));
    });
}

#[test]
fn a_replay_that_is_killed_twenty_times_sends_every_letter() {
    const LETTERS: usize = 2_500;
    with_cluster(|there| async move {
        there.letters(LETTERS, "x.Y").await;
        there.json(0, &["dlq", "summary"]);
        let seed = u64::from(std::process::id());
        let mut dice = Randomness::seeded(seed).stream("kills");
        let (mut kills, mut job) = (0, None::<String>);
        while kills < 20 {
            let moment = Duration::from_millis(30 + dice.below(500));
            let ended = match &job {
                Some(job) => there.killed(&["dlq", "jobs", "resume", job], moment),
                None => there.killed(&["dlq", "replay", "--rate", "250"], moment),
            };
            kills += 1;
            assert!(!ended, "seed {seed}: nothing was left after {kills} kills");
            let jobs = there.json(0, &["dlq", "jobs", "list"]);
            let newest = &jobs["jobs"][0];
            job = newest["job"].as_str().map(str::to_owned);
            assert!(job.is_none() || newest["state"] == "interrupted", "seed {seed}: {newest}");
        }
        let job = job.expect("one of twenty got so far");
        let done = there.json(0, &["dlq", "jobs", "resume", &job]);
        assert_eq!(done["state"], "done", "seed {seed}: {done}");
        let report = &done["report"];
        assert_eq!((&report["parked"], &report["damaged"]), (&0.into(), &0.into()));
        assert_eq!(report["replayed"], LETTERS, "seed {seed}: {report}");
        assert_eq!(there.states(), [("replaying".into(), LETTERS)].into());
        let back = all(&there.bus, "orders").await;
        let keys: std::collections::BTreeSet<_> = back.iter().map(|r| r.key.clone()).collect();
        assert_eq!(keys.len(), LETTERS, "seed {seed}: every letter arrived");
        let again = back.len() - LETTERS;
        assert!(
            again <= 20 * 25,
            "seed {seed}: {again} a second time, more than a step for each kill"
        );
    });
}

#[test]
fn a_topic_that_is_made_anew_is_read_anew() {
    with_cluster(|there| async move {
        there.letters(6, "x.Y").await;
        assert_eq!(there.states(), [("open".into(), 6)].into());
        there.bus.sweep().await.unwrap();
        while !there.bus.topics().await.unwrap().is_empty() {
            there.env.pass(1).await;
        }
        assert_eq!(there.states(), BTreeMap::new());
        for topic in ["orders", "orders-dlt"] {
            there.bus.create_topic(topic, 3, None).await.unwrap();
        }
        there.letters(1, "x.Z").await;
        let summary = there.json(0, &["dlq", "summary", "--by", "dlq"]);
        assert_eq!(summary["total"], 1, "{summary}");
    });
}

#[test]
fn a_group_is_judged_and_moved_only_while_nobody_is_there() {
    with_cluster(|there| async move {
        let records = (0..30).map(|n| keyed("orders", format!("k{n}"), "v")).collect();
        there.bus.publish(records).await.unwrap();
        let mut member = there.bus.subscribe("billing", &["orders"]).await.unwrap();
        let mut read = 0;
        while read < 30 {
            let records = member.poll(100).await.unwrap();
            read += records.len();
            let next = |r: &std::sync::Arc<ecom::ports::Record>| ecom::ports::bus::Position {
                offset: r.at.offset + 1,
                ..r.at.clone()
            };
            let next: Vec<_> = records.iter().map(next).collect();
            for at in next {
                member.commit(&[at]).await.unwrap();
            }
        }
        let reset = ["groups", "reset-offsets", "billing", "--to", "beginning"];
        let refused = there.run(&[&reset[..], &["--execute"]].concat());
        assert_eq!(refused.code(), 7, "{}", refused.err());
        assert!(refused.err().contains("the group billing has members"), "{}", refused.err());
        drop(member);
        let saved = there.state.path().join("before.json");
        let saved = saved.to_str().unwrap();
        let undecided = there.run(&reset);
        assert_eq!(undecided.code(), 2, "{}", undecided.err());
        let planned = there.json(0, &[&reset[..], &["--dry-run"]].concat());
        assert_eq!(planned["executed"], false);
        let lag =
            |there: &Somebodys| there.json(0, &["groups", "list"])["groups"][0]["lag"].clone();
        assert_eq!(lag(&there), 0);
        there.json(0, &[&reset[..], &["--execute", "--out", saved]].concat());
        assert_eq!(lag(&there), 30);
        let late = there.json(6, &["groups", "lag", "billing", "--watch", "0s", "--max-lag", "5"]);
        for p in late["lag"].as_array().unwrap().iter().filter(|p| p["lag"] != 0) {
            assert_eq!(p["status"], "stopped");
            assert!(p["behind_ms"].as_u64().is_some(), "{p}");
        }
        let undo = format!("file:{saved}");
        there.json(0, &["groups", "reset-offsets", "billing", "--to", &undo, "--execute"]);
        assert_eq!(lag(&there), 0);
        let nobody = there.run(&["groups", "lag", "nobody", "--watch", "0s"]);
        assert_eq!(nobody.code(), 4, "{}", nobody.err());
    });
}
