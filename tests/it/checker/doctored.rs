//! Evidence that was tampered with: each invariant can fail, and does when its own subject is wrong.

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::store::SqliteStore;
use ecom::app::Ports;
use ecom::ports::Clock;
use ecom::ports::store::{Batch, Store};
use ecom::sim::check::{self, Invariant, Status};
use ecom::sim::lab::client::Reply;
use ecom::sim::lab::history::{Bought, Ending, Entry, Operation};
use ecom::sim::virtual_time::World;
use serde_json::json;

use crate::harness::faults::{SlowStore, TestGateway};
use crate::harness::{Tester, Verdicts, settings, shop_with};

/// What is done to the evidence.
enum Tampering {
    /// To the shop's tables or its log.
    Shop(&'static str),
    /// To the provider's ledger or the mailbox.
    Outside(&'static str),
    /// To what clients were told.
    History(fn(&mut Vec<Entry>)),
}

use Tampering::{History, Outside, Shop};

const CASES: [(Invariant, Tampering); 35] = [
    (Invariant::S1, Shop("update stock_reservations set quantity = 1000 where released_event_id is null")),
    (Invariant::S2, Shop("update products set stock = stock + 1 where product_id = 'P'")),
    (
        Invariant::S3,
        Shop("update stock_reservations set released_event_id = reserved_event_id, released_version = reserved_version"),
    ),
    (Invariant::S4, Shop("update stock_reservations set quantity = quantity + 1")),
    (Invariant::S5, History(|history| history[0].operation = checkout("ORD-NEVER", None, 1))),
    (Invariant::S5, History(|history| drop(history.pop()))),
    (Invariant::S6, History(|history| wants(&mut history[0], 7))),
    (
        Invariant::S7,
        Outside(
            "insert into gateway_charges select charge_key || '-2', order_id, user_id, amount_minor, outcome, lost_reply, at, asked_at
             from gateway_charges where outcome = 'captured' limit 1",
        ),
    ),
    (Invariant::S8, Shop("update payments set amount_minor = amount_minor + 1 where status = 'SUCCEEDED'")),
    (Invariant::S9, Outside("delete from gateway_refunds")),
    // Asked for long after the hold had lapsed, whenever it was decided.
    (Invariant::S9, Outside("update gateway_charges set asked_at = '2999-01-01T00:00:00.000Z' where outcome = 'captured'")),
    (Invariant::S10, Outside("update gateway_charges set amount_minor = amount_minor + 1 where outcome = 'captured'")),
    (Invariant::S11, Shop("update catalog_prices set price_minor = price_minor + 1")),
    (Invariant::S12, Shop("update order_status_history set status = 'PENDING' where status = 'PAID'")),
    (
        Invariant::S13,
        Shop("delete from log_records where cast(value as text) like '%\"event_type\":\"order.confirmed\"%'"),
    ),
    (Invariant::S14, Shop("update outbox_events set seq = 1000000 - seq")),
    (Invariant::S15, Shop("delete from outbox_events where event_type = 'payment.processed'")),
    (
        Invariant::S16,
        Shop("update outbox_events set event_data = event_data || ' ' where event_type = 'order.created'"),
    ),
    (Invariant::S17, Shop("delete from processed_events where event_type = 'catalog.stock_received'")),
    (Invariant::S17, Shop("delete from payments")),
    (
        Invariant::S18,
        Shop("delete from processed_events where consumer = 'payment' and event_type = 'order.cancelled'"),
    ),
    (
        Invariant::S18,
        Shop(
            "update log_records set value = cast(replace(cast(value as text), 'bm90IGpzb24=', 'bm90IGpzb25=') as blob)
             where cast(value as text) like '%retry_count%'",
        ),
    ),
    // For a group that is none: nobody takes it up.
    (Invariant::S18, Shop(FOR_A_STRANGER)),
    (Invariant::S19, Shop(FOR_A_STRANGER)),
    // For a group that does not read this topic.
    (Invariant::S18, Shop(FOR_A_READER_OF_OTHERS)),
    (Invariant::S19, Shop("update log_offsets set committed = committed + 1")),
    (Invariant::S20, Outside("delete from mailbox where seq = (select min(seq) from mailbox)")),
    (
        Invariant::S20,
        Outside(
            "insert into mailbox (channel, message_id, order_id, recipient, subject, body, received_at)
             select channel, message_id, order_id, recipient, subject, body, received_at from mailbox limit 1",
        ),
    ),
    (
        Invariant::S21,
        Shop(
            "update log_records set value = cast(replace(cast(value as text), '\"retry_count\":0', '\"retry_count\":2') as blob)
             where cast(value as text) like '%retry_count%'",
        ),
    ),
    (Invariant::S21, Shop(RETRIED_WITHOUT_A_PAUSE)),
    (Invariant::S23, History(|history| history[1].operation = checkout("ORD-OTHER", Some("key-u0"), 1))),
    (Invariant::S24, Shop("update products set version = version + 1")),
    (Invariant::S28, Shop("delete from outbox_events where event_type = 'inventory.low'")),
    (Invariant::L1, Shop("update orders set status = 'PAID' where status = 'FULFILLED'")),
    (Invariant::L4, Shop("update stock_holds set state = 'HELD' where state = 'RESERVED'")),
];

/// Cancellations that the payment service never saw, as replays for `ledger`.
const FOR_A_STRANGER: &str =
    "delete from processed_events where consumer = 'payment' and event_type = 'order.cancelled';
     update log_records set headers =
       cast(headers || unhex('00000011') || 'ecom-replay-group' || unhex('00000006') || 'ledger' as blob)
     where cast(value as text) like '%\"event_type\":\"order.cancelled\"%'";

/// The same, as replays for the carts.
const FOR_A_READER_OF_OTHERS: &str =
    "delete from processed_events where consumer = 'payment' and event_type = 'order.cancelled';
     update log_records set headers =
       cast(headers || unhex('00000011') || 'ecom-replay-group' || unhex('00000012') || 'cart-service-group' as blob)
     where cast(value as text) like '%\"event_type\":\"order.cancelled\"%'";

/// A dead letter of a record that waited for years, and then was tried four times within no time.
const RETRIED_WITHOUT_A_PAUSE: &str =
    "update log_records set
       headers = unhex(replace(hex(headers), hex('original-timestamp') || '0000000D31', hex('original-timestamp') || '0000000D30')),
       value = cast(replace(cast(value as text), '\"retry_count\":0', '\"retry_count\":3') as blob)
     where cast(value as text) like '%retry_count%'";

fn checkout(order: &str, key: Option<&str>, quantity: u64) -> Operation {
    Operation::Checkout {
        key: key.map(str::to_owned),
        order: Some(order.to_owned()),
        body: None,
        items: vec![Bought { product: "P".into(), quantity, price: 500 }],
        phone: None,
        email: None,
    }
}

fn wants(entry: &mut Entry, units: u64) {
    if let Operation::Checkout { items, .. } = &mut entry.operation {
        items[0].quantity = units;
    }
}

/// A day on which everything happens that an invariant speaks of; what the clients were told.
async fn day(t: &Tester) -> Vec<Entry> {
    t.product("P", "5.00", 12).await;
    let mut history = vec![];
    for user in ["u0", "u0", "u1", "u2", "late"] {
        let sent = t.clock.now().millis();
        let repeated = history.iter().any(|entry: &Entry| entry.who == user);
        if !repeated {
            t.add(user, "P", 1).await;
        }
        let reply: Reply = t.try_checkout(user).await;
        assert_eq!(reply.status, 202);
        let order = reply.json()["order_id"].as_str().unwrap().to_owned();
        let key = (user == "u0").then_some("key-u0");
        let operation = checkout(&order, key, 1);
        let ended = t.clock.now().millis();
        history.push(Entry {
            who: user.into(),
            sent,
            ended,
            ending: Ending::Ok,
            status: 202,
            operation,
        });
        if user == "late" {
            t.clock_ms(500).await; // its charge is under way
            assert_eq!(t.call("POST", &format!("/orders/{order}/cancel"), None).await.status, 200);
        }
        t.settle().await;
    }
    let delivery = t.call("POST", "/products/P/stock", Some(&json!({ "quantity": 3 }))).await;
    assert!(delivery.status < 300, "{}", delivery.json());
    t.produce("payment.processed", "k", b"not json").await;
    t.settle().await;
    history
}

fn slow(ports: Ports) -> Ports {
    let gateway = TestGateway { charge_takes: Duration::from_secs(1), ..TestGateway::new(&ports) };
    Ports { gateway: Arc::new(gateway), ..ports }
}

async fn tamper(t: &Tester, tampering: &Tampering, history: &mut Vec<Entry>) {
    let write = async |store: &dyn Store, sql: &'static str| {
        let mut batch = Batch::default();
        sql.split(';').for_each(|sql| batch.any(sql, vec![]));
        store.write(batch).await.unwrap();
    };
    match tampering {
        Shop(sql) => write(t.embedded.ports.store.as_ref(), sql).await,
        Outside(sql) => write(&SqliteStore::new(Arc::clone(&t.embedded.outside)), sql).await,
        History(change) => change(history),
    }
}

#[test]
fn an_honest_day_exercises_every_invariant_and_passes() {
    shop_with(
        &settings(&[]),
        3,
        |ports, _| slow(ports),
        |t| async move {
            let history = day(&t).await;
            let evidence = World::evidence(Arc::clone(&t.embedded), Some(history)).await.unwrap();
            let verdict = check::judge(&evidence, Invariant::ALL);
            verdict.expect_pass();
            let idle: Vec<_> =
                verdict.checks.iter().filter(|c| c.status != Status::Pass).map(|c| c.id).collect();
            assert!(idle.is_empty(), "{idle:?}");
        },
    );
}

#[test]
fn every_invariant_fails_when_its_subject_is_tampered_with() {
    let mut tested = std::collections::BTreeSet::new();
    for (id, tampering) in &CASES {
        tested.insert(*id);
        shop_with(
            &settings(&[]),
            3,
            |ports, _| slow(ports),
            move |t| async move {
                let mut history = day(&t).await;
                t.shop.crash();
                tamper(&t, tampering, &mut history).await;
                let evidence =
                    World::evidence(Arc::clone(&t.embedded), Some(history)).await.unwrap();
                check::judge(&evidence, &[]).expect_failed(*id);
            },
        );
    }
    // These two need more than a line; they are below.
    let rest: Vec<_> = Invariant::ALL.iter().filter(|id| !tested.contains(id)).collect();
    assert_eq!(rest, [&Invariant::L2, &Invariant::L3]);
}

#[test]
fn what_waits_in_the_outbox_or_the_log_is_not_settled() {
    let cases = [
        (Invariant::L2, "update outbox_events set published = 'N'"),
        (Invariant::L3, "update log_offsets set committed = 0"),
    ];
    for (id, sql) in cases {
        shop_with(
            &settings(&[]),
            3,
            |ports, _| slow(ports),
            move |t| async move {
                let mut history = day(&t).await;
                t.shop.crash();
                t.pass(1).await;
                tamper(&t, &Shop(sql), &mut history).await;
                let evidence =
                    World::evidence(Arc::clone(&t.embedded), Some(history)).await.unwrap();
                let verdict = check::judge(&evidence, &[]);
                verdict.expect_failed(id);
                assert!(!verdict.safety_failed(), "late is not wrong");
            },
        );
    }
}

#[test]
fn a_shop_looked_at_in_the_middle_is_late_perhaps_but_not_wrong() {
    let slow_writes = |ports: Ports, _: &_| {
        let ports = slow(ports);
        let store = SlowStore {
            inner: Arc::clone(&ports.store),
            clock: Arc::clone(&ports.clock),
            write_takes: Duration::from_millis(7),
        };
        Ports { store: Arc::new(store), ..ports }
    };
    let dials =
        [("gateway.success", "0.7"), ("gateway.ambiguous", "0.2"), ("gateway.timeout_ms", "400")];
    shop_with(&settings(&dials), 3, slow_writes, |t| async move {
        t.product("P", "5.00", 14).await;
        let mut late = 0;
        for n in 0..12 {
            let order = t.buy(&format!("u{n}"), "P").await;
            if n % 4 == 0 {
                t.clock_ms(300).await;
                t.call("POST", &format!("/orders/{order}/cancel"), None).await;
            }
            for _ in 0..40 {
                t.clock_ms(13).await;
                let evidence = World::evidence(Arc::clone(&t.embedded), None).await.unwrap();
                let verdict = check::judge(&evidence, &[]);
                let wrong: Vec<_> =
                    verdict.failed().filter(|c| !c.id.is_liveness()).map(|c| &c.examples).collect();
                assert!(wrong.is_empty(), "{wrong:#?}");
                late += usize::from(verdict.failed().next().is_some());
            }
        }
        assert!(late > 100, "it was looked at in the middle: {late}");
        t.all_is_well().await;
    });
}

#[test]
fn what_a_stranger_puts_on_a_topic_is_no_fault_of_the_shop() {
    shop_with(
        &settings(&[]),
        3,
        |ports, _| ports,
        |t| async move {
            t.product("P", "5.00", 12).await;
            t.buy("ann", "P").await;
            let stranger = json!({
                "event_id": "e1", "event_type": "payment.processed", "timestamp": "2026-01-31T12:00:00.123Z",
                "correlation_id": "ORD-9", "causation_id": "e0", "schema_version": 1, "order_id": "ORD-9",
            });
            for topic in ["payment.processed", "payment.refunded", "user.interaction"] {
                t.produce(topic, "ORD-9", stranger.to_string().as_bytes()).await;
            }
            t.all_is_well().await;
        },
    );
}
