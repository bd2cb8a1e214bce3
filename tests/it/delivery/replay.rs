//! Dead letters that are sent back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ecom::app::Ports;
use ecom::ops::dlq::DlqFilter;
use ecom::ops::dlq::replay::{JobState, JobView, ReplayReport, ReplayRequest};
use ecom::ops::local::{Ground, LocalOps};
use ecom::ops::{DlqOps, OpsError};

use super::{body, broken, failing_store};
use crate::harness::{Tester, settings, shop, shop_with};

pub(super) fn ops(t: &Tester) -> LocalOps {
    ops_on(t, &t.embedded.ports, true)
}

/// Operations on these ports of the shop; `running` if somebody consumes there.
pub(super) fn ops_on(t: &Tester, ports: &Ports, running: bool) -> LocalOps {
    LocalOps::new(Ground::of_shop(ports, t.embedded.console.store(), running))
}

/// The job, once it has ended.
pub(super) async fn ended(t: &Tester, ops: &LocalOps, job: &str) -> JobView {
    loop {
        let view = ops.job(job).await.unwrap();
        if view.state != JobState::Running {
            return view;
        }
        t.clock_ms(10).await;
    }
}

pub(super) async fn replay(
    t: &Tester,
    ops: &LocalOps,
    change: impl FnOnce(&mut ReplayRequest),
) -> ReplayReport {
    let mut request = ReplayRequest { actor: "test".into(), ..ReplayRequest::default() };
    change(&mut request);
    let report = ops.replay(&request).await.unwrap();
    match &report.job {
        Some(job) => ended(t, ops, job).await.report,
        None => report,
    }
}

async fn state(ops: &LocalOps) -> String {
    let letters = ops.dead_letters(&DlqFilter::default()).await.unwrap();
    letters.first().map(|letter| letter.state.as_str().to_owned()).unwrap_or_default()
}

#[test]
fn a_replayed_dead_letter_takes_effect_once_in_the_group_that_failed() {
    let times = Arc::new(AtomicI64::new(5));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            let ops = ops(&t);
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(5).await;
            assert_eq!(t.records("dlq.events").await.len(), 1);
            assert_eq!(state(&ops).await, "open");
            times.store(0, Ordering::SeqCst); // what was wrong is repaired
            let handled = t.count("select count(*) from processed_events").await;

            let dry = replay(&t, &ops, |request| request.dry_run = true).await;
            assert_eq!((dry.selected, dry.replayed, dry.job), (1, 0, None));
            assert_eq!(t.status(&order).await, "PENDING");

            let report = replay(&t, &ops, |_| {}).await;
            assert_eq!(
                (report.replayed, report.resolved, report.refailed, report.pending),
                (1, 1, 0, 0)
            );
            t.settle().await;
            assert_eq!(t.status(&order).await, "FULFILLED");
            assert_eq!(state(&ops).await, "resolved");
            assert!(t.count("select count(*) from processed_events").await > handled);
            let original = body(&t.records("dlq.events").await[0])["payload"].to_string();
            let sent: Vec<_> = t
                .records("order.created")
                .await
                .into_iter()
                .filter(|r| r.header("ecom-replay-of").is_some())
                .collect();
            assert_eq!(sent.len(), 1);
            assert_eq!(sent[0].header("ecom-replay-group"), Some("payment-service-group"));
            let value: serde_json::Value =
                serde_json::from_slice(sent[0].value.as_deref().unwrap()).unwrap();
            assert_eq!(value.to_string(), original);

            let again = replay(&t, &ops, |_| {}).await;
            assert_eq!(again.selected, 0, "resolved letters are left alone");
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_dead_letter_that_fails_again_is_a_new_entry_and_is_parked_in_the_end() {
    let times = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            let ops = ops(&t);
            t.product("P", "5.00", 10).await;
            t.buy("ann", "P").await;
            t.pass(5).await;
            let first = replay(&t, &ops, |_| {}).await;
            assert_eq!((first.replayed, first.refailed), (1, 1));
            let second = replay(&t, &ops, |_| {}).await;
            assert_eq!((second.replayed, second.refailed), (1, 1));
            let third = replay(&t, &ops, |_| {}).await;
            assert_eq!((third.replayed, third.parked), (0, 1), "often enough");
            assert_eq!(t.records("dlq.events").await.len(), 3);
            times.store(0, Ordering::SeqCst);
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_replay_into_an_order_that_has_ended_changes_nothing() {
    let times = Arc::new(AtomicI64::new(5));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[("shop.pending_deadline", "10s"), ("shop.hold_ttl", "5s")]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            let ops = ops(&t);
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.settle().await;
            assert_eq!(t.status(&order).await, "CANCELLED");
            times.store(0, Ordering::SeqCst);
            let report = replay(&t, &ops, |_| {}).await;
            assert_eq!((report.replayed, report.resolved), (1, 1));
            t.settle().await;
            assert_eq!(t.status(&order).await, "CANCELLED");
            assert_eq!(t.mails(&order).await.len(), 1);
            t.all_is_well().await;
        },
    );
}

#[test]
fn each_replay_of_an_event_tells_what_became_of_it() {
    let times = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            let ops = ops(&t);
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(5).await;
            // The same letter a second time, as after a crash before its offset was committed.
            let first = t.records("dlq.events").await.remove(0);
            let copy = ecom::ports::NewRecord {
                topic: "dlq.events".into(),
                partition: Some(first.at.partition),
                key: first.key.clone(),
                headers: first.headers.clone(),
                value: first.value.clone(),
            };
            t.embedded.ports.bus.publish(vec![copy]).await.unwrap();
            let id = first.at.to_string();
            let report =
                replay(&t, &ops, |request| request.ids = vec![id.clone(), id.clone()]).await;
            assert_eq!((report.selected, report.replayed), (1, 1), "asked for twice is once");
            assert_eq!((report.resolved, report.refailed, report.pending), (0, 1, 0));
            times.store(0, Ordering::SeqCst);
            let report = replay(&t, &ops, |_| {}).await;
            assert_eq!((report.selected, report.replayed), (2, 2), "the copy, and the newer one");
            assert_eq!((report.resolved, report.refailed, report.pending), (2, 0, 0));
            let letters = ops.dead_letters(&DlqFilter::default()).await.unwrap();
            let states: Vec<&str> = letters.iter().map(|letter| letter.state.as_str()).collect();
            assert_eq!(states, ["refailed", "resolved", "resolved"]);
            t.settle().await;
            assert_eq!(t.status(&order).await, "FULFILLED");
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_replay_is_not_waited_for_longer_than_five_minutes() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        let ask = |wait_ms| ReplayRequest { wait_ms, ..ReplayRequest::default() };
        ops.replay(&ask(300_000)).await.unwrap();
        for wait_ms in [300_001, u64::MAX] {
            let refused = ops.replay(&ask(wait_ms)).await.unwrap_err();
            assert!(
                matches!(&refused, OpsError::Invalid(text) if text.contains("at most 300000")),
                "{refused}"
            );
        }
    });
}
