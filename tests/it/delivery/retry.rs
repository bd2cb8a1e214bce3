//! An event that fails is tried again, waits alone, and at last becomes a dead letter.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecom::domain::Timestamp;
use ecom::ports::StoreError;

use super::{body, broken, failing_store};
use crate::harness::faults::Fault;
use crate::harness::{settings, shop_with};

#[test]
fn a_failing_event_is_retried_at_once_after_one_and_two_seconds_then_becomes_a_dead_letter() {
    let times = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(2).await;
            assert!(t.records("dlq.events").await.is_empty(), "a try is left");
            t.pass(2).await;
            let letters = t.records("dlq.events").await;
            let [letter] = letters.as_slice() else { panic!("{} dead letters", letters.len()) };
            let body = body(letter);
            assert_eq!(body["original_topic"], "order.created");
            assert_eq!(body["retry_count"], 3);
            assert_eq!(body["payload"]["order_id"], order.as_str());
            assert_eq!(letter.header("ecom-dlq-group"), Some("payment-service-group"));
            assert_eq!(letter.header("ecom-dlq-retryable"), Some("true"));
            assert_eq!(letter.header("__dlq.errors.delivery.count"), Some("4"));
            let time = |name| letter.header(name).unwrap().parse::<Timestamp>().unwrap();
            let (first, last) = (time("ecom-dlq-first-tried-at"), time("ecom-dlq-failed-at"));
            assert_eq!(last.since(first), Duration::from_secs(3));
            // One in the batch, one alone, three retries.
            assert_eq!(i64::MAX - times.load(Ordering::SeqCst), 4);
            t.settle().await;
            assert_eq!(t.status(&order).await, "CANCELLED", "by its deadline");
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_failing_event_delays_later_events_of_its_own_key_and_no_others() {
    let times = Arc::new(AtomicI64::new(3));
    let wrap = failing_store(broken(), "bad-user", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            // Carts and checkout must work: only what the handlers of events write shall fail.
            t.product("P", "5.00", 100).await;
            let armed = times.swap(0, Ordering::SeqCst);
            t.add("bad-user", "P", 1).await;
            t.add("good-user", "P", 1).await;
            let bad = t.checkout("bad-user").await;
            times.store(armed, Ordering::SeqCst);
            let good = t.checkout("good-user").await;
            t.pass(1).await;
            assert_eq!(t.status(&good).await, "FULFILLED");
            assert_ne!(t.status(&bad).await, "FULFILLED");
            t.settle().await;
            assert_eq!(t.status(&bad).await, "FULFILLED", "its retries were enough");
            assert!(t.records("dlq.events").await.is_empty());
            t.all_is_well().await;
        },
    );
}

#[test]
fn conflicts_are_decided_again_as_often_as_it_takes() {
    let times = Arc::new(AtomicI64::new(40));
    let conflict = Fault::Store(StoreError::Conflict("test".into()));
    let wrap = failing_store(conflict, "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.settle().await;
            assert!(times.load(Ordering::SeqCst) <= 0, "all conflicts were met");
            assert_eq!(t.status(&order).await, "FULFILLED");
            assert!(t.records("dlq.events").await.is_empty());
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_store_that_is_away_is_waited_for() {
    let times = Arc::new(AtomicI64::new(12));
    let away = Fault::Store(StoreError::Unavailable("test".into()));
    let wrap = failing_store(away, "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(3).await;
            let health = t.shop.health.parts();
            let payments = &health["payment-service-group"];
            assert!(
                !payments.up && payments.note.as_deref().unwrap().contains("unavailable"),
                "{payments:?}"
            );
            t.settle().await;
            assert!(t.shop.health.is_ready(), "{:?}", t.shop.health.parts());
            assert_eq!(t.status(&order).await, "FULFILLED");
            assert!(t.records("dlq.events").await.is_empty());
            t.all_is_well().await;
        },
    );
}

#[test]
fn when_most_keys_fail_the_consumer_pauses_instead_of_giving_them_all_up() {
    let times = Arc::new(AtomicI64::new(0));
    let wrap = failing_store(broken(), "insert into payments", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 1_000).await;
            times.store(i64::MAX, Ordering::SeqCst);
            for n in 0..60 {
                t.buy(&format!("u{n}"), "P").await;
            }
            t.pass(20).await;
            assert!(t.records("dlq.events").await.len() < 20, "most wait");
            assert!(!t.shop.health.is_ready(), "and it says so");
            times.store(0, Ordering::SeqCst);
            t.settle().await;
            assert!(t.shop.health.is_ready());
            let given_up = t.records("dlq.events").await.len() as i64;
            let fulfilled = t.count("select count(*) from orders where status = 'FULFILLED'").await;
            assert_eq!(fulfilled + given_up, 60);
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_handler_that_panics_harms_its_own_event_only() {
    let times = Arc::new(AtomicI64::new(0));
    let wrap = failing_store(Fault::Panic, "from payments where order_id", &times);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            times.store(4, Ordering::SeqCst);
            let bad = t.buy("ann", "P").await;
            t.pass(10).await;
            let good = t.buy("bob", "P").await;
            t.settle().await;
            let letters = t.records("dlq.events").await;
            assert_eq!(letters.len(), 1);
            let reason = body(&letters[0])["error_reason"].as_str().unwrap().to_owned();
            assert!(reason.contains("a bug in a handler"), "{reason}");
            assert_eq!(
                (t.status(&bad).await.as_str(), t.status(&good).await.as_str()),
                ("CANCELLED", "FULFILLED")
            );
            t.all_is_well().await;
        },
    );
}
