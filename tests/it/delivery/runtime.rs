//! Relay, workers and dead letters when the log fails; drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecom::app::Ports;
use ecom::events::Topic;
use ecom::ports::Clock;
use ecom::ports::bus::RECORD_BYTES_MAX;
use ecom::ports::store::{Batch, values};

use crate::harness::faults::{FailingBus, TestGateway};
use crate::harness::{settings, shop, shop_with};

fn failing_bus(
    topic: &'static str,
    refuse: &Arc<AtomicI64>,
    break_polls: &Arc<AtomicI64>,
) -> impl FnOnce(Ports) -> Ports + use<> {
    let (refuse, break_polls) = (Arc::clone(refuse), Arc::clone(break_polls));
    move |ports| {
        let inner = Arc::clone(&ports.bus);
        let handed_out = Arc::default();
        let bus =
            FailingBus { inner, refuse, topic, break_polls, handed_out, mangle: Arc::default() };
        Ports { bus: Arc::new(bus), ..ports }
    }
}

#[test]
fn an_event_stays_in_the_outbox_until_the_log_has_it() {
    let refuse = Arc::new(AtomicI64::new(7));
    let wrap = failing_bus("order.created", &refuse, &Arc::default());
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.clock_ms(300).await;
            assert!(t.count("select count(*) from outbox_events where published = 'N'").await > 0);
            t.settle().await;
            assert!(refuse.load(Ordering::SeqCst) <= 0);
            assert_eq!(t.status(&order).await, "FULFILLED");
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_dead_letter_is_written_before_its_record_counts_as_read() {
    let refuse = Arc::new(AtomicI64::new(i64::MAX));
    let wrap = failing_bus("dlq.events", &refuse, &Arc::default());
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.produce("payment.processed", "k", b"broken").await;
            t.pass(60).await;
            let groups = t.embedded.ports.bus.groups().await.unwrap();
            let unread: u64 =
                groups.iter().filter(|g| g.topic == "payment.processed").map(|g| g.lag).sum();
            assert!(unread > 0, "not written, so not read");
            assert!(t.records("dlq.events").await.is_empty());
            // The process dies; the next one finds the record again.
            let again = t.restarted(&[]).await;
            again.settle().await;
            let readers = groups
                .iter()
                .filter(|g| g.topic == "payment.processed" && g.partition == 0)
                .count();
            assert_eq!(again.records("dlq.events").await.len(), readers);
            again.all_is_well().await;
        },
    );
}

#[test]
fn a_worker_that_fails_is_started_again_and_says_why() {
    let break_polls = Arc::new(AtomicI64::new(0));
    let wrap = failing_bus("none", &Arc::default(), &break_polls);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 10).await;
            break_polls.store(8, Ordering::SeqCst);
            let order = t.buy("ann", "P").await;
            t.settle().await;
            assert_eq!(t.status(&order).await, "FULFILLED");
            let parts = t.shop.health.parts();
            let restarts: u64 = parts.values().map(|part| part.restarts).sum();
            assert_eq!(restarts, 8);
            let notes = parts.values().filter_map(|part| part.note.as_deref());
            assert!(
                notes.into_iter().any(|note| note.contains("connection reset by test")),
                "{parts:?}"
            );
            assert!(t.shop.health.is_ready());
            t.all_is_well().await;
        },
    );
}

#[test]
fn drained_means_finished_what_was_begun_and_began_nothing_new() {
    let slow = |ports: Ports, _: &_| {
        let gateway =
            TestGateway { charge_takes: Duration::from_secs(3), ..TestGateway::new(&ports) };
        Ports { gateway: Arc::new(gateway), ..ports }
    };
    shop_with(&settings(&[]), 1, slow, |t| async move {
        t.product("P", "5.00", 10).await;
        let order = t.buy("ann", "P").await;
        t.pass(1).await; // its charge is under way
        let late = t.shop.drain(Duration::from_secs(10)).await;
        assert!(late.is_empty(), "{late:?}");
        assert_eq!(t.payment_status(&order).await, "SUCCESS", "the answer was waited for");
        assert_eq!(t.status(&order).await, "PENDING", "nobody works on");
        let again = t.restarted(&[]).await;
        again.settle().await;
        assert_eq!(again.status(&order).await, "FULFILLED");
        again.all_is_well().await;
    });
}

#[test]
fn a_shop_whose_log_is_elsewhere_publishes_only_what_is_on_disk() {
    let apart = |ports: Ports, _: &_| Ports { one_journal: false, ..ports };
    shop_with(&settings(&[("gateway.success", "0.5")]), 1, apart, |t| async move {
        t.product("P", "5.00", 10).await;
        for n in 0..10 {
            t.buy(&format!("u{n}"), "P").await;
        }
        t.settle().await;
        let published = t.count("select count(*) from outbox_events").await;
        let mut logged = 0;
        for topic in Topic::ALL {
            logged += t.records(topic.as_str()).await.len() as i64;
        }
        assert_eq!(logged, published);
        t.all_is_well().await;
    });
}

#[test]
fn an_event_that_the_log_never_takes_holds_back_only_its_own_key() {
    shop_with(
        &settings(&[]),
        1,
        |ports, _| ports,
        |t| async move {
            t.product("P", "5.00", 10).await;
            let huge = "x".repeat(RECORD_BYTES_MAX + 1);
            let mut batch = Batch::default();
            for (n, (key, data)) in
                [("K", "1"), ("K", huge.as_str()), ("L", "2"), ("K", "3")].into_iter().enumerate()
            {
                let id = format!("00000000-0000-7000-8000-{n:012}");
                batch.one(
                    "insert into outbox_events (id, service, event_type, record_key, event_data, created_at)
                     values (?1, 'order', 'order.created', ?2, ?3, ?4)",
                    values![id, key, data, t.clock.now()],
                );
            }
            t.embedded.ports.store.write(batch).await.unwrap();
            t.pass(40).await; // the relay looks by itself every 30 s
            let left = t.rows(
                "select record_key, length(event_data) from outbox_events where published = 'N' order by seq",
                vec![],
            );
            let left = left.await;
            let left: Vec<_> =
                left.iter().map(|r| (r.text(0).unwrap(), r.int(1).unwrap())).collect();
            assert_eq!(left, [("K", huge.len() as i64), ("K", 1)]);
            let order = t.buy("ann", "P").await;
            t.pass(20).await;
            assert_eq!(t.status(&order).await, "FULFILLED", "all others go on");
            let parts = t.call("GET", "/readyz", None).await;
            assert_eq!(parts.status, 503);
            assert!(parts.json().to_string().contains("larger than"), "{}", parts.json());
        },
    );
}

#[test]
fn what_is_published_is_marked_together_and_soon() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 50).await;
        for n in 0..20 {
            t.buy(&format!("user-{n}"), "P").await;
        }
        t.settle().await;
        let all = t.count("select count(*) from outbox_events where published = 'Y'").await;
        assert_eq!(all, t.count("select count(*) from outbox_events").await);
        let marks = t.count("select count(distinct published_at) from outbox_events").await;
        assert!(marks * 2 < all, "{marks} marks of {all} events");
        let latest = "select cast(max((julianday(published_at) - julianday(created_at)) * 86400000)
           as integer) from outbox_events";
        let latest = t.rows(latest, vec![]).await[0].int(0).unwrap();
        assert!(latest <= 60, "the last was marked after {latest} ms");
    });
}
