//! Interleavings, losses and inputs that once went wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecom::app::Ports;
use ecom::ports::clock::timeout;
use ecom::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use ecom::ports::store::{Batch, Read, Row, Store, StoreError};
use ecom::ports::{Clock, NewRecord};
use ecom::sim::lab::client::{Call, Client};
use serde_json::json;

use crate::harness::{settings, shop, shop_with};

fn unknown_order(n: u32) -> String {
    let mut bytes = [7u8; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    format!("ORD-{}", data_encoding::BASE32_NOPAD.encode(&bytes))
}

#[test]
fn a_breaker_opened_by_bad_events_alone_lets_good_ones_through_again() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        for n in 0..24 {
            let order = unknown_order(n);
            let event = json!({
                "event_id": format!("0199c0de-0000-7000-8000-{n:012x}"), "event_type": "payment.processed",
                "timestamp": "2026-01-31T12:00:00.123Z", "correlation_id": order, "causation_id": null,
                "schema_version": 1, "payment_id": order.replace("ORD-", "PAY-"), "order_id": order,
                "user_id": "bob", "amount": 5, "currency": "USD", "method": "card",
            });
            t.produce("payment.processed", &order, event.to_string().as_bytes()).await;
        }
        t.pass(3_600).await;
        let order = t.buy("ann", "P").await;
        t.pass(3_600).await;
        assert_eq!(t.count("select count(*) from orders").await, 1, "{order} was never taken up");
    });
}

fn again(record: &ecom::ports::Record, value: Vec<u8>) -> NewRecord {
    NewRecord {
        topic: record.at.topic.to_string(),
        partition: Some(record.at.partition),
        key: record.key.clone(),
        headers: record.headers.clone(),
        value: Some(value.into()),
    }
}

#[test]
fn a_notification_whose_inbox_row_is_gone_is_not_mailed_twice() {
    let s =
        [("data.inbox_retention", "1m"), ("data.dlq_retention", "1m"), ("data.tidy_every", "10s")];
    shop(&s, |t| async move {
        t.product("P", "5.00", 100).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        t.pass(600).await;
        let sent = t.records("notification.send").await;
        let same = again(&sent[0], sent[0].value.clone().unwrap().to_vec());
        t.embedded.ports.bus.publish(vec![same]).await.unwrap();
        t.settle().await;
        t.pass(5).await;
        assert_eq!(t.mails(&order).await.len(), 1);
    });
}

/// A store whose answer to some writes comes late, after they were applied.
struct LateAnswer {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    only: &'static str,
    late: Duration,
    times: AtomicI64,
}

#[async_trait]
impl Store for LateAnswer {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.inner.read(reads).await
    }
    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let meant = batch.writes.iter().any(|w| w.sql.contains(self.only));
        let written = self.inner.write(batch).await;
        if meant && self.times.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.clock.sleep(self.late).await;
        }
        written
    }
    async fn durable(&self) -> Result<(), StoreError> {
        self.inner.durable().await
    }
    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.inner.room().await
    }
}

fn late(only: &'static str, ms: u64, times: i64) -> impl FnOnce(Ports) -> Ports {
    move |ports| {
        let store = LateAnswer {
            inner: Arc::clone(&ports.store),
            clock: Arc::clone(&ports.clock),
            only,
            late: Duration::from_millis(ms),
            times: AtomicI64::new(times),
        };
        Ports { store: Arc::new(store), ..ports }
    }
}

#[test]
fn a_handler_that_is_slower_than_the_scan_does_not_mail_twice() {
    let wrap = late("insert into notifications", 6_000, 1);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 100).await;
            let order = t.buy("ann", "P").await;
            t.settle().await;
            t.pass(20).await;
            assert_eq!(t.mails(&order).await.len(), 1);
            t.all_is_well().await;
        },
    );
}

#[test]
fn a_carts_copy_does_not_outlive_the_cart() {
    const TTL: [(&str, &str); 1] = [("shop.cart_ttl", "24m")];
    shop(&TTL, |t| async move {
        t.product("P", "5.00", 10).await;
        t.product("Q", "7.00", 10).await;
        t.add("ann", "P", 1).await;
        t.add("ann", "P", 1).await;
        t.settle().await;
        let t = t.restarted(&TTL).await; // or the copy was evicted
        t.pass(23 * 60).await;
        t.get("/cart/ann").await;
        t.pass(2 * 60).await;
        assert_eq!(t.get("/cart/ann").await["item_count"], 0, "it has expired");
        t.add("ann", "Q", 1).await;
        t.settle().await;
        let shown = t.get("/cart/ann").await;
        let reply = t.try_checkout("ann").await.json();
        assert_eq!(shown["items"], reply["cart"]["items"], "shown is what is ordered");
    });
}

#[test]
fn a_key_that_was_answered_is_answered_the_same_again() {
    shop(&[], |t| async move {
        t.product("P", "5.00", 10).await;
        t.product("Q", "700.00", 10).await;
        t.add("ann", "P", 1).await;
        let checkout = |key: &str| {
            let call = Call::new("POST", "/cart/ann/checkout").key(Some(key.to_owned()));
            let client = Arc::clone(&t.client);
            async move { client.call(&call).await.unwrap() }
        };
        // Two tabs with a key each; the answer to the second is lost on its way.
        let a = checkout("tab-a").await;
        let b = checkout("tab-b").await;
        assert_eq!((a.status, b.status), (202, 202));
        assert_eq!(a.json()["order_id"], b.json()["order_id"]);
        // Something else is put into the (new) cart, and the second tab's client tries again.
        t.add("ann", "Q", 1).await;
        let again = checkout("tab-b").await;
        assert_eq!(again.status, 202);
        t.settle().await;
        assert_eq!(again.json()["order_id"], b.json()["order_id"]);
    });
}

/// A provider that is not reachable while `down` is above zero.
struct DownGateway {
    inner: Arc<dyn Gateway>,
    down: Arc<AtomicI64>,
    charges: Arc<AtomicU64>,
}

#[async_trait]
impl Gateway for DownGateway {
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        if self.down.load(Ordering::SeqCst) > 0 {
            return Err(GatewayError::Unavailable("connection refused".into()));
        }
        self.charges.fetch_add(1, Ordering::SeqCst);
        self.inner.charge(charge).await
    }
    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        if self.down.load(Ordering::SeqCst) > 0 {
            return Err(GatewayError::Unavailable("connection refused".into()));
        }
        self.inner.status(key).await
    }
    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        if self.down.load(Ordering::SeqCst) > 0 {
            return Err(GatewayError::Unavailable("connection refused".into()));
        }
        self.inner.cancel(key).await
    }
    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        self.inner.refund(refund).await
    }
}

#[test]
fn nobody_is_charged_for_what_they_cancelled_before() {
    let (down, charges) = (Arc::new(AtomicI64::new(1)), Arc::new(AtomicU64::new(0)));
    let (d, c) = (Arc::clone(&down), Arc::clone(&charges));
    shop_with(
        &settings(&[]),
        1,
        move |ports, _| {
            let inner = Arc::clone(&ports.gateway);
            Ports { gateway: Arc::new(DownGateway { inner, down: d, charges: c }), ..ports }
        },
        move |t| async move {
            t.product("P", "5.00", 10).await;
            let order = t.buy("ann", "P").await;
            t.pass(40).await;
            let reply = t.call("POST", &format!("/orders/{order}/cancel"), None).await;
            assert_eq!(reply.status, 200);
            t.pass(2).await; // everybody has heard of it
            down.store(0, Ordering::SeqCst);
            t.settle().await;
            assert_eq!(
                charges.load(Ordering::SeqCst),
                0,
                "charged long after the order was cancelled"
            );
        },
    );
}

#[test]
fn a_client_that_leaves_while_its_order_is_committed_delays_nothing() {
    let wrap = late("insert into checkouts", 1_000, 1);
    shop_with(
        &settings(&[]),
        1,
        |ports, _| wrap(ports),
        |t| async move {
            t.product("P", "5.00", 100).await;
            t.add("ann", "P", 1).await;
            t.settle().await;
            let gone = timeout(&t.clock, Duration::from_millis(500), t.try_checkout("ann")).await;
            assert!(gone.is_none());
            t.pass(10).await;
            let late = t.count("select count(*) from outbox_events where published = 'N'").await;
            let cart = t.get("/cart/ann").await;
            t.pass(120).await;
            assert_eq!(t.count("select count(*) from orders where status = 'FULFILLED'").await, 1);
            assert_eq!(cart["item_count"], 0, "the cart was ordered, but is shown full");
            assert_eq!(late, 0, "the order waits although nothing is wrong");
        },
    );
}

#[test]
fn a_backlog_of_effects_is_worked_off_at_full_speed_after_a_crash() {
    shop(&[], |t| async move {
        t.shop.crash();
        let now = t.clock.now();
        let mut batch = Batch::default();
        for n in 0..10_000 {
            batch.one(
                "insert into notifications (message_id, order_id, channel, recipient, subject, body, status, attempts, next_attempt_at, created_at, updated_at)
                 values (?1, null, 'email', 'a@b.example', 's', 'b', 'PENDING', 0, ?2, ?2, ?2)",
                ecom::ports::store::values![format!("m-{n}@ecom"), now],
            );
        }
        t.embedded.ports.store.write(batch).await.unwrap();
        let started = t.clock.elapsed();
        let t = t.restarted(&[]).await;
        while t.count("select count(*) from notifications where status = 'PENDING'").await > 0 {
            t.clock_ms(100).await;
        }
        let took = t.clock.elapsed().saturating_sub(started);
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
}

#[test]
fn a_second_tab_does_not_shrink_the_hold_of_an_order() {
    // Tab B reads the cart with one unit; before it holds, the cart gets five and tab A orders it.
    let lost = Arc::new(AtomicU64::new(0));
    let (seen, runs) = (Arc::clone(&lost), 60);
    for seed in 0..runs {
        let seen = Arc::clone(&seen);
        let s = settings(&[("gateway.latency_ms_p50", "2000"), ("gateway.latency_ms_p99", "2001")]);
        shop_with(
            &s,
            seed,
            |ports, _| ports,
            move |t| async move {
                t.product("P", "5.00", 5).await;
                t.add("ann", "P", 1).await;
                t.settle().await;
                let five = json!({ "quantity": 5 });
                let (_, (), ()) = futures::join!(
                    t.try_checkout("ann"),
                    async {
                        let _ = t.call("PUT", "/cart/ann/items/P", Some(&five)).await;
                    },
                    async {
                        let _ = t.try_checkout("ann").await;
                    },
                );
                let ordered = t.rows("select items from checkouts", vec![]).await;
                let text = format!("{ordered:?}");
                let held = t.embedded.ports.holds.levels().await.unwrap()[0].held;
                if text.contains("quantity\\\":5") && held < 5 {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            },
        );
    }
    assert_eq!(lost.load(Ordering::SeqCst), 0, "of {runs} runs");
}

#[test]
fn forgetting_nothing_is_not_forgetting_at_once() {
    let s =
        [("data.inbox_retention", "0s"), ("data.dlq_retention", "0s"), ("data.tidy_every", "1s")];
    shop(&s, |t| async move {
        t.product("P", "5.00", 10).await;
        t.pass(10).await;
        let told = t.records("catalog.stock_received").await;
        let same = again(&told[0], told[0].value.clone().unwrap().to_vec());
        t.embedded.ports.bus.publish(vec![same]).await.unwrap();
        t.settle().await;
        assert_eq!(t.stock("P").await, 10);
    });
}

#[test]
fn retention_spares_what_a_failing_worker_has_not_read() {
    use crate::harness::faults::FailingBus;
    let breaks = Arc::new(AtomicI64::new(0));
    let b = Arc::clone(&breaks);
    shop_with(
        &settings(&[("data.log_retention", "1m")]),
        1,
        move |ports, _| {
            let inner = Arc::clone(&ports.bus);
            let bus = FailingBus {
                inner,
                refuse: Arc::default(),
                topic: "none",
                break_polls: b,
                handed_out: Arc::default(),
                mangle: Arc::default(),
            };
            Ports { bus: Arc::new(bus), ..ports }
        },
        move |t| async move {
            t.product("P", "5.00", 10).await;
            breaks.store(i64::MAX, Ordering::SeqCst);
            let order = t.buy("ann", "P").await;
            for _ in 0..30 {
                t.pass(7).await;
                t.embedded.log.prune().await.unwrap(); // as `serve` does every minute
            }
            breaks.store(0, Ordering::SeqCst);
            t.pass(600).await;
            assert_eq!(t.count("select count(*) from orders").await, 1, "{order} is lost");
        },
    );
}
