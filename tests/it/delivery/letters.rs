//! Many dead letters, and what is remembered of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ecom::app::Ports;
use ecom::ops::Ops;
use ecom::ops::dlq::{DeadLetter, DlqFilter};
use ecom::ops::local::LocalOps;
use ecom::ops::replay::{ReplayReport, ReplayRequest};
use ecom::ports::Clock;
use ecom::ports::clock::timeout;
use ecom::values;

use super::replay::{ops, replay};
use super::{broken, failing_store};
use crate::harness::faults::FailingBus;
use crate::harness::{Tester, settings, shop, shop_with};

/// Records that are no events; each becomes a letter of two services.
const GARBAGE: usize = 60;

const NOTED_RESOLVED: &str = "select count(*) from dlq_entries where state = 'resolved'";

fn garbage(n: usize) -> Bytes {
    let bytes = if n.is_multiple_of(2) { vec![0xff; n + 1] } else { format!("[{n}]").into_bytes() };
    bytes.into()
}

async fn produce_garbage(t: &Tester) {
    for n in 0..GARBAGE {
        t.produce("order.created", &format!("K{n}"), &garbage(n)).await;
    }
    t.pass(1).await;
}

async fn list(ops: &LocalOps) -> Vec<DeadLetter> {
    ops.dead_letters(&DlqFilter::default()).await.unwrap()
}

async fn states(ops: &LocalOps) -> Vec<&'static str> {
    list(ops).await.iter().map(|letter| letter.state.as_str()).collect()
}

/// State and outcome of a job.
async fn job(t: &Tester, name: &str) -> (String, ReplayReport) {
    const JOB: &str = "select state, outcome from replay_jobs where job_id = ?1";
    let rows = t.rows(JOB, values![name]).await;
    (rows[0].text(0).unwrap().to_owned(), rows[0].json(1).unwrap())
}

async fn jobs(t: &Tester) -> Vec<String> {
    let rows = t.rows("select job_id from replay_jobs order by created_at", vec![]).await;
    rows.iter().map(|row| row.text(0).unwrap().to_owned()).collect()
}

#[test]
fn many_letters_are_listed_shown_and_sent_back_byte_for_byte() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        produce_garbage(&t).await;
        let letters = list(&ops).await;
        let listed: BTreeSet<String> = letters.iter().map(|letter| letter.id.clone()).collect();
        let records = t.records("dlq.events").await;
        assert_eq!((letters.len(), listed.len()), (2 * GARBAGE, records.len()));
        assert_eq!(listed, records.iter().map(|record| record.at.to_string()).collect());
        assert!(letters.is_sorted_by_key(|letter| letter.failed_at), "oldest first");
        let first = DlqFilter { limit: Some(50), ..DlqFilter::default() };
        assert_eq!(ops.dead_letters(&first).await.unwrap(), letters[..50]);
        let sent_for = |key: &str| garbage(key[1..].parse().unwrap());
        for letter in &letters {
            let detail = ops.dead_letter(&letter.id).await.unwrap();
            assert_eq!((&detail.letter, detail.payload_intact), (letter, true));
            let payload = detail.payload.unwrap().bytes().unwrap();
            assert_eq!(payload, sent_for(&letter.key.as_ref().unwrap().shown()));
        }
        let report = replay(&ops, |request| request.rate = 0).await;
        let all = 2 * GARBAGE as u64;
        assert_eq!((report.replayed, report.refailed, report.pending), (all, all, 0));
        let mut back: BTreeMap<String, usize> = BTreeMap::new();
        for record in t.records("order.created").await {
            let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
            assert_eq!(record.value.clone().unwrap(), sent_for(&key));
            *back.entry(key).or_default() += 1;
        }
        assert!(back.len() == GARBAGE && back.values().all(|count| *count == 3), "{back:?}");
        let expected = [vec!["refailed"; 2 * GARBAGE], vec!["open"; 2 * GARBAGE]].concat();
        assert_eq!(states(&ops).await, expected);
    });
}

#[test]
fn a_replay_reads_each_letter_once_however_long_it_waits() {
    let times = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            produce_garbage(&t).await;
            t.product("P", "5.00", 10).await;
            t.buy("ann", "P").await;
            t.pass(5).await;
            let handed_out = Arc::new(AtomicU64::new(0));
            let bus = FailingBus {
                inner: Arc::clone(&t.embedded.ports.bus),
                refuse: Arc::default(),
                topic: "none",
                break_polls: Arc::default(),
                handed_out: Arc::clone(&handed_out),
            };
            let ports = Ports { bus: Arc::new(bus), ..t.embedded.ports.clone() };
            let ops = LocalOps::inside(&ports, t.embedded.dials.clone());
            let letters = list(&ops).await;
            let count = letters.len() as u64;
            assert_eq!(handed_out.swap(0, Ordering::SeqCst), count);
            let last = letters.last().unwrap().id.clone();
            let retried = t.clock.elapsed() + Duration::from_secs(2);
            let report = replay(&ops, |request| request.ids = vec![last]).await;
            assert_eq!((report.replayed, report.refailed), (1, 1));
            assert!(t.clock.elapsed() > retried, "it was tried again first");
            let read = handed_out.load(Ordering::SeqCst);
            assert_eq!(read, count + 2, "all once, its payload, and the newer letter");
        },
    );
}

#[test]
fn what_became_of_a_letter_is_known_after_the_inbox_forgot_it() {
    let times = Arc::new(AtomicI64::new(5));
    let wrap = failing_store(broken(), "insert into payments", &times);
    let short =
        [("data.dlq_retention", "60s"), ("data.inbox_retention", "60s"), ("data.tidy_every", "5s")];
    shop_with(
        &settings(&short),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(5).await;
            times.store(0, Ordering::SeqCst);
            // Nobody waits for what becomes of it, as on a stopped shop's folder.
            let report = replay(&LocalOps::stopped(&t.embedded.ports), |_| {}).await;
            assert_eq!((report.replayed, report.resolved, report.pending), (1, 0, 1));
            assert_eq!(t.count(NOTED_RESOLVED).await, 0);
            t.settle().await;
            let ops = ops(&t);
            assert_eq!(states(&ops).await, ["resolved"]);
            assert_eq!(t.count(NOTED_RESOLVED).await, 1, "seen is written down");
            t.pass(120).await;
            assert_eq!(t.count("select count(*) from processed_events").await, 0);
            assert_eq!(states(&ops).await, ["resolved"]);
            let again = replay(&ops, |_| {}).await;
            assert_eq!((again.selected, again.replayed), (0, 0));
            assert_eq!(t.status(&order).await, "FULFILLED");
            assert_eq!(t.count("select count(*) from payments").await, 1);
        },
    );
}

#[test]
fn a_replay_that_broke_off_is_closed_when_its_letters_are_settled() {
    let times = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            let ops = ops(&t);
            t.product("P", "5.00", 10).await;
            for user in ["ann", "ben", "cid"] {
                t.buy(user, "P").await;
            }
            t.pass(5).await;
            times.store(0, Ordering::SeqCst);
            let slowly = ReplayRequest { rate: 1, ..ReplayRequest::default() };
            let soon = Duration::from_millis(1_500);
            assert!(timeout(&t.clock, soon, ops.replay(&slowly)).await.is_none());
            let broken_off = jobs(&t).await[0].clone();
            assert_eq!(job(&t, &broken_off).await.0, "running");
            assert_eq!(states(&ops).await, ["resolved", "resolved", "open"]);
            let (state, outcome) = job(&t, &broken_off).await;
            assert_eq!(state, "partial");
            assert_eq!((outcome.selected, outcome.replayed, outcome.resolved), (3, 2, 2));
            let report = replay(&ops, |_| {}).await;
            assert_eq!((report.selected, report.resolved), (1, 1));
            assert_eq!(job(&t, &report.job.unwrap()).await.0, "done");
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_look_does_not_close_a_replay_that_is_under_way() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        t.produce("order.created", "K", b"broken").await;
        t.pass(1).await;
        let slowly = ReplayRequest { rate: 1, ..ReplayRequest::default() };
        let look = async {
            t.clock_ms(500).await;
            assert_eq!(states(&ops).await, ["refailed", "open", "open"]);
            assert_eq!(job(&t, &jobs(&t).await[0]).await.0, "running");
        };
        let (report, ()) = futures::join!(ops.replay(&slowly), look);
        let report = report.unwrap();
        assert_eq!((report.replayed, report.refailed, report.pending), (2, 2, 0));
        assert_eq!(job(&t, &report.job.clone().unwrap()).await, ("partial".to_owned(), report));
    });
}
