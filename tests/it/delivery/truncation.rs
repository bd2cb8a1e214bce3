//! Records that are deleted under a running shop: its workers go on with what is left, and so does what is
//! known of dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ecom::events::Topic;
use ecom::ops::admin::AdminOps;
use ecom::ops::admin::topics::{TopicRemovalRequest, TruncateRequest};
use ecom::ops::dlq::{DlqFilter, EntryState, GroupBy};
use ecom::ops::local::LocalOps;
use ecom::ops::topics::TailStart;
use ecom::ops::{DlqOps, OpsError};
use ecom::ports::StoreError;

use super::failing_store;
use super::replay::{ops, replay};
use crate::harness::faults::Fault;
use crate::harness::{Tester, settings, shop, shop_with};

async fn truncate(ops: &LocalOps, topic: &str, before: TailStart) -> u64 {
    let topic = topic.to_owned();
    let request = TruncateRequest { topic, partition: None, before, execute: true };
    ops.truncate_topic(&request).await.unwrap().records
}

#[test]
fn a_running_shop_goes_on_after_all_its_topics_were_emptied() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        t.product("P", "5.00", 10).await;
        let first = t.buy("ann", "P").await;
        t.settle().await;
        let mut deleted = 0;
        for topic in Topic::ALL {
            deleted += truncate(&ops, topic.as_str(), TailStart::End).await;
            assert!(t.records(topic.as_str()).await.is_empty());
        }
        assert!(deleted >= 6, "{deleted}");
        let second = t.buy("bob", "P").await;
        t.settle().await;
        for order in [first, second] {
            assert_eq!(t.status(&order).await, "FULFILLED", "{order}");
        }
    });
}

#[test]
fn a_worker_whose_next_event_was_deleted_goes_on_with_the_first_that_is_left() {
    let away = Arc::new(AtomicI64::new(0));
    let gone = Fault::Store(StoreError::Unavailable("test".into()));
    let wrap = failing_store(gone, "insert into payments", &away);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            let ops = ops(&t);
            t.product("P", "5.00", 10).await;
            // The payment service cannot write what it reads, so it does not get on.
            away.store(i64::MAX, Ordering::SeqCst);
            let lost = t.buy("ann", "P").await;
            t.clock_ms(500).await;
            let group = ops.describe_group("payment-service-group").await.unwrap();
            let behind: u64 = group.partitions.iter().map(|p| p.lag).sum();
            assert!(behind > 0 && group.lag == behind, "{group:?}");
            assert_eq!(truncate(&ops, "order.created", TailStart::End).await, 1);
            let group = ops.describe_group("payment-service-group").await.unwrap();
            assert_eq!(group.lag, 0, "what is gone is not unread: {group:?}");
            away.store(0, Ordering::SeqCst);
            let kept = t.buy("bob", "P").await;
            t.settle().await;
            assert_eq!(t.status(&kept).await, "FULFILLED");
            // It had been taken up before it was deleted.
            assert_eq!(t.status(&lost).await, "FULFILLED");
            let group = ops.describe_group("payment-service-group").await.unwrap();
            assert_eq!(group.lag, 0, "{group:?}");
        },
    );
}

#[test]
fn a_shop_survives_that_a_topic_of_its_own_is_deleted_and_made_anew() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        t.product("P", "5.00", 10).await;
        t.buy("ann", "P").await;
        t.settle().await;
        let request = |force, execute| TopicRemovalRequest {
            topic: "payment.processed".into(),
            force,
            execute,
        };
        let refused = ops.delete_topic(&request(false, true)).await.unwrap_err();
        assert!(matches!(refused, OpsError::Refused(_)), "{refused}");
        ops.delete_topic(&request(true, true)).await.unwrap();
        t.clock_ms(2_000).await;
        t.shop.create_topics().await.unwrap();
        let order = t.buy("bob", "P").await;
        t.settle().await;
        assert_eq!(t.status(&order).await, "FULFILLED", "its workers read the new topic");
        assert_eq!(t.records("payment.processed").await.len(), 1);
    });
}

async fn garbage(t: &Tester, keys: std::ops::Range<usize>) {
    for n in keys {
        t.produce("order.created", &format!("K{n}"), b"{\"broken\":").await;
    }
    t.pass(1).await;
}

#[test]
fn letters_whose_records_were_deleted_are_forgotten_and_the_others_stay() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        garbage(&t, 0..10).await;
        let letters = ops.dead_letters(&DlqFilter::default()).await.unwrap();
        assert_eq!(letters.len(), 20);
        let (old, new) = letters.split_at(10);
        let ids = |letters: &[ecom::ops::dlq::DeadLetter]| -> Vec<String> {
            letters.iter().map(|letter| letter.id.clone()).collect()
        };
        // Something is known of both kinds.
        let touched = [old[0].id.clone(), new[9].id.clone()];
        ops.discard(&touched, "test", "old").await.unwrap();
        t.clock_ms(60_000).await;
        garbage(&t, 10..11).await;
        let deleted = truncate(&ops, "dlq.events", TailStart::Ago(30_000)).await;
        assert_eq!(deleted, 20);
        let left = ops.dead_letters(&DlqFilter::default()).await.unwrap();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.iter().all(|letter| letter.state == EntryState::Open));
        let groups = ops.dlq_summary(&DlqFilter::default(), GroupBy::Error).await.unwrap();
        assert_eq!(groups.iter().map(|group| group.total).sum::<u64>(), 2, "{groups:?}");
        for id in ids(&letters) {
            let gone = ops.dead_letter(&id).await.unwrap_err();
            assert!(matches!(gone, OpsError::NotFound(_)), "{id}: {gone}");
            let gone = ops.restore(std::slice::from_ref(&id), "test").await.unwrap_err();
            assert!(matches!(gone, OpsError::NotFound(_)), "{id}: {gone}");
        }
        let report = replay(&t, &ops, |_| {}).await;
        assert_eq!((report.selected, report.replayed), (2, 2));
        assert_eq!(truncate(&ops, "dlq.events", TailStart::End).await, 4, "two failed again");
        assert!(ops.dead_letters(&DlqFilter::default()).await.unwrap().is_empty());
        garbage(&t, 11..12).await;
        assert_eq!(
            ops.dead_letters(&DlqFilter::default()).await.unwrap().len(),
            2,
            "and new ones come"
        );
    });
}

#[test]
fn letters_of_a_topic_that_was_made_anew_are_not_taken_for_those_of_before() {
    shop(&[], |t| async move {
        let ops = ops(&t);
        garbage(&t, 0..3).await;
        let before = ops.dead_letters(&DlqFilter::default()).await.unwrap();
        let ids: Vec<String> = before.iter().map(|letter| letter.id.clone()).collect();
        assert_eq!(ops.discard(&ids, "test", "").await.unwrap(), 6);
        let topic = "dlq.events".to_owned();
        let request = TopicRemovalRequest { topic, force: true, execute: true };
        assert_eq!(ops.delete_topic(&request).await.unwrap().records, 6);
        assert!(ops.dead_letters(&DlqFilter::default()).await.unwrap().is_empty());
        t.shop.create_topics().await.unwrap();
        garbage(&t, 0..3).await;
        let after = ops.dead_letters(&DlqFilter::default()).await.unwrap();
        let again: Vec<String> = after.iter().map(|letter| letter.id.clone()).collect();
        assert_eq!(again, ids, "in the same places");
        assert!(after.iter().all(|letter| letter.state == EntryState::Open), "{after:?}");
    });
}
