//! An event that is broken on its way: found, understood, repaired, and its order served after all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ecom::app::Ports;
use ecom::ops::blob::Blob;
use ecom::ops::dlq::editing::EditRequest;
use ecom::ops::dlq::replay::ReplayRequest;
use ecom::ops::dlq::{DlqFilter, EntryState, GroupBy};
use ecom::ops::local::LocalOps;
use ecom::ops::{DlqOps, OpsError};
use ecom::ports::bus::NewRecord;
use ecom::sim::check::Invariant;

use super::replay::ops;
use super::{broken as refused, failing_store};
use crate::harness::faults::FailingBus;
use crate::harness::{Tester, settings, shop, shop_with};

fn mangled(ports: Ports, topic: &'static str) -> Ports {
    let bus = FailingBus {
        inner: Arc::clone(&ports.bus),
        refuse: Arc::default(),
        topic,
        break_polls: Arc::default(),
        handed_out: Arc::default(),
        mangle: Arc::new(AtomicI64::new(1)),
    };
    Ports { bus: Arc::new(bus), ..ports }
}

fn edit(id: &str, value: &str) -> EditRequest {
    let (id, value) = (id.to_owned(), Blob::Text(value.to_owned()));
    EditRequest { id, value, dry_run: false, actor: "ann".into() }
}

/// The one letter there is: its id, and the value that nobody understood.
async fn broken(ops: &LocalOps) -> (String, String) {
    let letters = ops.dead_letters(&DlqFilter::default()).await.unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let detail = ops.dead_letter(&letters[0].id).await.unwrap();
    (letters[0].id.clone(), detail.payload.unwrap().shown())
}

/// A shop with an order whose payment the store refused until it was given up; it refuses as often again as the
/// counter says.
fn with_an_order_refused<F: Future<Output = ()> + Send + 'static>(
    then: impl FnOnce(Tester, String, Arc<AtomicI64>) -> F + Send + 'static,
) {
    let times = Arc::new(AtomicI64::new(5));
    let wrap = failing_store(refused(), "insert into payments", &times);
    let wrap = |ports: Ports, _: &_| wrap(ports);
    shop_with(&settings(&[]), 1, wrap, |t| async move {
        t.product("P", "5.00", 10).await;
        let order = t.buy("ann", "P").await;
        t.pass(5).await;
        then(t, order, times).await;
    });
}

async fn states(ops: &LocalOps) -> Vec<EntryState> {
    let letters = ops.dead_letters(&DlqFilter::default()).await.unwrap();
    letters.iter().map(|letter| letter.state).collect()
}

#[track_caller]
fn invalid(outcome: Result<impl std::fmt::Debug, OpsError>, why: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(&error, OpsError::Invalid(text) if text.contains(why)), "{error}");
}

#[test]
fn a_payment_that_nobody_understood_is_repaired_and_its_order_is_served() {
    let wrap = |ports: Ports, _: &_| mangled(ports, "payment.processed");
    shop_with(&settings(&[]), 1, wrap, |t| async move {
        t.product("P", "5.00", 10).await;
        let order = t.buy("ann", "P").await;
        t.pass(5).await;
        assert_eq!(t.status(&order).await, "PENDING", "it hears nothing of its payment");
        let ops = ops(&t);
        let why = ops.dlq_summary(&DlqFilter::default(), GroupBy::Error).await.unwrap();
        assert_eq!((why[0].value.as_str(), why[0].total), ("decode.malformed", 1));
        let (id, value) = broken(&ops).await;
        assert!(value.contains(&order), "{value}");

        invalid(ops.edit(&edit(&id, &value)).await, "still wrong");
        let other = format!("{value}}}").replace(&order, "ORD-AAAAAAAAAAAAAAAAAAAAAAAAAA");
        invalid(ops.edit(&edit(&id, &other)).await, "an event stays with its key");
        let sound = edit(&id, &format!("{value}}}"));
        let checked = ops.edit(&EditRequest { dry_run: true, ..sound.clone() }).await.unwrap();
        assert_eq!((checked.topic.as_str(), checked.at), ("payment.processed", None));
        t.pass(5).await;
        assert_eq!(t.status(&order).await, "PENDING", "a check sends nothing");

        let report = ops.edit(&sound).await.unwrap();
        let all = ReplayRequest { actor: "test".into(), dry_run: true, ..ReplayRequest::default() };
        assert_eq!(ops.replay(&all).await.unwrap().selected, 0, "a repair is not undone");
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        let detail = ops.dead_letter(&id).await.unwrap();
        assert_eq!(detail.letter.state, EntryState::Resolved);
        assert_eq!((&*detail.audit[0].actor, &*detail.audit[0].action), ("ann", "edited"));
        let sent = t.records("payment.processed").await.pop().unwrap();
        assert_eq!(sent.at.to_string(), report.at.unwrap());
        assert_eq!(sent.header("event_id"), report.event_id.as_deref());
        assert_eq!(sent.header("ecom-edit-of"), Some(&*id));
        assert_eq!(sent.header("ecom-replay-group"), Some("order-service-group"));
        invalid(ops.edit(&sound).await, "done with");
        all_but_the_broken_event_is_well(&t).await;
    });
}

#[test]
fn an_event_that_is_repaired_beside_its_original_is_told_once() {
    with_an_order_refused(|t, order, times| async move {
        times.store(0, Ordering::SeqCst); // what was wrong is repaired
        let ops = ops(&t);
        let (id, value) = broken(&ops).await;
        let report = ops.edit(&edit(&id, &format!("{value} "))).await.unwrap();
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        let told = t.records("order.created").await;
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].header("event_id"), report.event_id.as_deref());
        t.all_is_well().await;

        // What nobody repaired is no repair, whatever it says of itself.
        let copy = |mark: &str| {
            let other = "0196f8a0-0000-7000-8000-00000000beef";
            let text = String::from_utf8(told[1].value.as_deref().unwrap().to_vec()).unwrap();
            let text = text.replace(report.event_id.as_deref().unwrap(), other);
            NewRecord {
                topic: "order.created".into(),
                partition: None,
                key: told[1].key.clone(),
                headers: vec![("ecom-edit-of".into(), mark.to_owned().into())],
                value: Some(text.into()),
            }
        };
        t.embedded.ports.bus.publish(vec![copy("dlq.events/0/999")]).await.unwrap();
        t.settle().await;
        let verdict = t.verdict().await;
        let failed: Vec<Invariant> = verdict.failed().map(|check| check.id).collect();
        assert_eq!(failed, [Invariant::S13, Invariant::S16], "{verdict:?}");
    });
}

#[test]
fn a_repair_that_fails_is_a_letter_of_its_own_and_can_be_repaired() {
    with_an_order_refused(|t, order, times| async move {
        times.store(5, Ordering::SeqCst);
        let ops = ops(&t);
        let (id, value) = broken(&ops).await;
        ops.edit(&edit(&id, &format!("{value} "))).await.unwrap();
        t.pass(5).await;
        assert_eq!(states(&ops).await, [EntryState::Resolved, EntryState::Open]);
        assert_eq!(t.status(&order).await, "PENDING");

        let open = DlqFilter { state: Some("open".into()), ..DlqFilter::default() };
        let next = ops.dead_letters(&open).await.unwrap().remove(0);
        let detail = ops.dead_letter(&next.id).await.unwrap();
        let again = detail.payload.unwrap().shown();
        ops.edit(&edit(&next.id, &format!("{again} "))).await.unwrap();
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        assert_eq!(states(&ops).await, [EntryState::Resolved, EntryState::Resolved]);
        t.all_is_well().await;
    });
}

#[test]
fn who_dies_before_noting_a_repair_sends_the_same_event_again() {
    let wrap = |ports: Ports, _: &_| mangled(ports, "payment.processed");
    shop_with(&settings(&[]), 1, wrap, |t| async move {
        t.product("P", "5.00", 10).await;
        let order = t.buy("ann", "P").await;
        t.pass(5).await;
        let ops = ops(&t);
        let (id, value) = broken(&ops).await;
        let sound = edit(&id, &format!("{value}}}"));
        let first = ops.edit(&sound).await.unwrap();
        forget(&t, &ops, &id).await;
        let second = ops.edit(&sound).await.unwrap();
        assert_eq!(first.event_id, second.event_id);
        assert_ne!(first.at, second.at);
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED");
        assert_eq!(t.mails(&order).await.len(), 1);
        all_but_the_broken_event_is_well(&t).await;
    });
}

/// The checker finds that the log lost an event on its way, and nothing else.
async fn all_but_the_broken_event_is_well(t: &Tester) {
    let verdict = t.verdict().await;
    let found: Vec<_> = verdict
        .failed()
        .flat_map(|check| check.examples.iter().map(|v| (check.id, &v.detail)))
        .collect();
    let [(Invariant::S16, detail)] = found.as_slice() else { panic!("{found:?}") };
    assert!(detail.ends_with("was marked published, but the log does not have it"), "{detail}");
}

/// As if the repair had not been noted.
async fn forget(t: &Tester, ops: &LocalOps, id: &str) {
    ops.discard(&[id.to_owned()], "test", "").await.unwrap();
    let state = t.rows("select state from dlq_entries", vec![]).await;
    assert_eq!(state[0].text(0), Ok("resolved"), "what is resolved is not discarded");
    let mut batch = ecom::ports::store::Batch::default();
    batch.any("delete from dlq_entries", vec![]);
    t.embedded.ports.store.write(batch).await.unwrap();
    let mut batch = ecom::ports::store::Batch::default();
    batch.any("update dlq_letters set state = 'open'", vec![]);
    t.embedded.console.store().write(batch).await.unwrap();
}

#[test]
fn a_letter_that_came_from_nowhere_cannot_be_repaired() {
    shop(&[], |t| async move {
        t.produce("dlq.events", "K", b"what").await;
        t.pass(1).await;
        let ops = ops(&t);
        let (id, _) = broken(&ops).await;
        invalid(ops.edit(&edit(&id, "{}")).await, "nothing tells where");
    });
}
