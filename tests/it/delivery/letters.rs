//! Many dead letters, and what is remembered of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ecom::app::Ports;
use ecom::ops::dlq::replay::{JobState, ReplayRequest};
use ecom::ops::dlq::{DeadLetter, DlqFilter, EntryState, GroupBy};
use ecom::ops::local::{Ground, LocalOps};
use ecom::ops::{DlqOps, OpsError};
use ecom::ports::Clock;
use ecom::ports::spawn::{Spawn, Task};
use futures::future::BoxFuture;

use super::replay::{ended, ops, ops_on, replay};
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

/// Starts tasks that can be dropped wherever they are, as when a process is killed.
struct Mortal {
    inner: Arc<dyn Spawn>,
    tasks: Mutex<Vec<Task>>,
}

impl Spawn for Mortal {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tasks.lock().unwrap().push(Task::start(self.inner.as_ref(), task));
    }
}

impl Mortal {
    fn kill(&self) {
        self.tasks.lock().unwrap().iter().for_each(Task::abort);
    }
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
            assert_eq!((&detail.letter, detail.payload_intact), (letter, Some(true)));
            let payload = detail.payload.unwrap().bytes().unwrap();
            assert_eq!(payload, sent_for(&letter.key.as_ref().unwrap().shown()));
        }
        let report = replay(&t, &ops, |request| request.rate = 0).await;
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
                mangle: Arc::default(),
            };
            let ports = Ports { bus: Arc::new(bus), ..t.embedded.ports.clone() };
            let ops = ops_on(&t, &ports, true);
            let letters = list(&ops).await;
            let count = letters.len() as u64;
            assert_eq!(handed_out.swap(0, Ordering::SeqCst), count);
            let last = letters.last().unwrap().id.clone();
            let retried = t.clock.elapsed() + Duration::from_secs(2);
            let report = replay(&t, &ops, |request| request.ids = vec![last]).await;
            assert_eq!((report.replayed, report.refailed), (1, 1));
            assert!(t.clock.elapsed() > retried, "it was tried again first");
            let read = handed_out.load(Ordering::SeqCst);
            assert_eq!(read, 2, "its payload, and the newer letter");
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
            let report = replay(&t, &ops_on(&t, &t.embedded.ports, false), |_| {}).await;
            assert_eq!((report.replayed, report.resolved, report.pending), (1, 0, 1));
            assert_eq!(t.count(NOTED_RESOLVED).await, 0);
            t.settle().await;
            let ops = ops(&t);
            assert_eq!(states(&ops).await, ["resolved"]);
            assert_eq!(t.count(NOTED_RESOLVED).await, 1, "seen is written down");
            t.pass(120).await;
            assert_eq!(t.count("select count(*) from processed_events").await, 0);
            assert_eq!(states(&ops).await, ["resolved"]);
            let again = replay(&t, &ops, |_| {}).await;
            assert_eq!((again.selected, again.replayed), (0, 0));
            assert_eq!(t.status(&order).await, "FULFILLED");
            assert_eq!(t.count("select count(*) from payments").await, 1);
        },
    );
}

#[test]
fn a_replay_whose_process_is_killed_is_resumed_and_sends_nothing_twice_that_took_effect() {
    let times = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            let inner = Arc::clone(&t.embedded.ports.spawn);
            let mortal = Arc::new(Mortal { inner, tasks: Mutex::default() });
            let spawn = Arc::clone(&mortal) as Arc<dyn Spawn>;
            let shops = Ground::of_shop(&t.embedded.ports, t.embedded.console.store(), true);
            let killed = LocalOps::new(Ground { spawn, ..shops });
            t.product("P", "5.00", 10).await;
            for user in ["ann", "ben", "cid"] {
                t.buy(user, "P").await;
            }
            t.pass(5).await;
            times.store(0, Ordering::SeqCst);
            let slowly = ReplayRequest { rate: 1, ..ReplayRequest::default() };
            let job = killed.replay(&slowly).await.unwrap().job.unwrap();
            t.clock_ms(1_500).await;
            mortal.kill();
            let ops = ops(&t);
            assert_eq!(states(&ops).await, ["resolved", "resolved", "open"]);
            assert_eq!(ops.job(&job).await.unwrap().state, JobState::Interrupted);
            ops.resume(&job).await.unwrap();
            let view = ended(&t, &ops, &job).await;
            assert_eq!(view.state, JobState::Done);
            let report = view.report;
            assert_eq!((report.selected, report.replayed, report.resolved), (3, 3, 3));
            assert_eq!(report.duplicates, 1, "what was under way, to be sure");
            let again = ops.resume(&job).await.unwrap_err();
            assert!(matches!(again, OpsError::Invalid(_)), "{again}");
            assert_eq!(states(&ops).await, ["resolved"; 3]);
            t.all_is_well().await;
        },
    );
}

#[test]
fn one_replay_at_a_time_and_a_look_does_not_disturb_it() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        t.produce("order.created", "K", b"broken").await;
        t.pass(1).await;
        let slowly = ReplayRequest { rate: 1, ..ReplayRequest::default() };
        let job = ops.replay(&slowly).await.unwrap().job.unwrap();
        t.clock_ms(500).await;
        assert_eq!(states(&ops).await, ["refailed", "open", "open"]);
        assert_eq!(ops.job(&job).await.unwrap().state, JobState::Running);
        let other = ops.replay(&slowly).await.unwrap_err();
        assert!(matches!(&other, OpsError::Refused(text) if text.contains(&job)), "{other}");
        let view = ended(&t, &ops, &job).await;
        assert_eq!(view.state, JobState::Partial);
        let report = view.report;
        assert_eq!((report.replayed, report.refailed, report.pending), (2, 2, 0));
    });
}

#[test]
fn a_replay_that_is_cancelled_sends_no_more_and_can_be_resumed() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        produce_garbage(&t).await;
        let job = ops.replay(&ReplayRequest::default()).await.unwrap().job.unwrap();
        t.clock_ms(250).await;
        ops.cancel(&job).await.unwrap();
        let view = ended(&t, &ops, &job).await;
        assert_eq!(
            (view.state, view.report.note.as_deref()),
            (JobState::Cancelled, Some("cancelled"))
        );
        let sent = view.report.replayed;
        assert!((10..60).contains(&sent), "{sent} sent in a quarter of a second at 100/s");
        t.pass(10).await;
        assert_eq!(ops.job(&job).await.unwrap().report.replayed, sent);
        ops.resume(&job).await.unwrap();
        let view = ended(&t, &ops, &job).await;
        assert_eq!(view.report.replayed, 2 * GARBAGE as u64);
        assert_eq!(view.report.selected, view.report.refailed);
    });
}

#[test]
fn canaries_die_first_and_failures_stop_a_replay() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        produce_garbage(&t).await;
        let report = replay(&t, &ops, |request| request.canary = 3).await;
        assert_eq!((report.replayed, report.refailed), (3, 3));
        assert!(report.note.unwrap().contains("stopped after the first 3"));
        let report = replay(&t, &ops, |request| {
            request.stop_on_failure = Some(50);
            request.canary = 0;
            request.rate = 20;
        })
        .await;
        assert!(report.replayed < report.selected, "{report:?}");
        assert!(report.note.unwrap().contains("more than 50 %"));
    });
}

#[test]
fn a_discarded_letter_is_left_alone_until_it_is_restored() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        t.produce("order.created", "K", b"broken").await;
        t.pass(1).await;
        let id = list(&ops).await[0].id.clone();
        assert_eq!(ops.discard(std::slice::from_ref(&id), "ann", "a test").await, Ok(1));
        assert_eq!(ops.discard(std::slice::from_ref(&id), "ann", "a test").await, Ok(0));
        assert_eq!(states(&ops).await, ["discarded", "open"]);
        let plan = replay(&t, &ops, |request| request.dry_run = true).await;
        assert_eq!(plan.selected, 1);
        let named = replay(&t, &ops, |request| request.ids = vec![id.clone()]).await;
        assert_eq!((named.selected, named.skipped), (0, 1));
        assert_eq!(ops.restore(std::slice::from_ref(&id), "ben").await, Ok(1));
        let audit = ops.dead_letter(&id).await.unwrap().audit;
        let told: Vec<_> = audit.iter().map(|a| (&*a.actor, &*a.action, &*a.detail)).collect();
        assert_eq!(told, [("ann", "discarded", "a test"), ("ben", "restored", "")]);
        let nobody = ops.discard(&["dlq.events/9/9".into()], "ann", "").await.unwrap_err();
        assert!(matches!(nobody, OpsError::NotFound(_)), "{nobody}");
    });
}

#[test]
fn letters_are_summed_up_by_what_they_have_in_common() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        produce_garbage(&t).await;
        let all = 2 * GARBAGE as u64;
        for by in GroupBy::ALL {
            let groups = ops.dlq_summary(&DlqFilter::default(), *by).await.unwrap();
            assert_eq!(groups.iter().map(|group| group.total).sum::<u64>(), all, "{by}");
            // The same by a look at each letter.
            let slow =
                DlqFilter { since: Some("2000-01-01T00:00:00Z".into()), ..DlqFilter::default() };
            let mut looked = ops.dlq_summary(&slow, *by).await.unwrap();
            looked.sort_by_key(|group| (std::cmp::Reverse(group.total), group.value.clone()));
            assert_eq!(groups, looked, "{by}");
        }
        let id = list(&ops).await[0].id.clone();
        ops.discard(&[id], "ann", "").await.unwrap();
        let topics = ops.dlq_summary(&DlqFilter::default(), GroupBy::Topic).await.unwrap();
        assert_eq!(topics[0].value, "order.created");
        let counts = [(EntryState::Open, all - 1), (EntryState::Discarded, 1)];
        assert_eq!(topics[0].states, counts.into());
        let some = DlqFilter { error: Some("/json|utf/".into()), ..DlqFilter::default() };
        ops.dlq_summary(&some, GroupBy::Error).await.unwrap();
        let wrong = DlqFilter { error: Some("/(/".into()), ..DlqFilter::default() };
        let refused = ops.dlq_summary(&wrong, GroupBy::Error).await.unwrap_err();
        assert!(matches!(refused, OpsError::Invalid(_)), "{refused}");
    });
}
