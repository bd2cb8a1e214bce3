//! Messages at a mail server that is down, or does not want them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecom::app::Ports;
use ecom::ports::Clock;
use ecom::ports::mail::MailError;
use ecom::sim::check::Invariant;
use ecom::sim::virtual_time::VirtualClock;
use serde_json::{Value as Json, json};

use crate::harness::faults::{SilentMailer, StrictMailer};
use crate::harness::{Tester, Verdicts, settings, shop_with};

const DOWN: Duration = Duration::from_mins(1);
const UNKNOWN: &str = "@nowhere.example";

/// The shop's mail goes to a server that is down until `down`; `asked` counts what it was asked.
fn strict(ports: Ports, clock: &VirtualClock, down: Duration, asked: &Arc<AtomicI64>) -> Ports {
    let mailer = StrictMailer {
        inner: Arc::clone(&ports.mailer),
        clock: Arc::new(clock.clone()),
        down,
        unknown: UNKNOWN,
        asked: Arc::clone(asked),
    };
    Ports { mailer: Arc::new(mailer), ..ports }
}

async fn notifications(t: &Tester, order: &str) -> Vec<Json> {
    t.get(&format!("/notifications?order={order}")).await.as_array().unwrap().clone()
}

#[test]
fn a_minute_without_a_mail_server_delays_every_message_and_doubles_none() {
    let asked = Arc::new(AtomicI64::new(0));
    let count = Arc::clone(&asked);
    let down = move |ports: Ports, clock: &_| strict(ports, clock, DOWN, &count);
    shop_with(&settings(&[]), 1, down, |t| async move {
        t.product("P", "5.00", 1_000).await;
        let mut orders = vec![];
        for n in 0..30 {
            orders.push(t.buy(&format!("u{n}"), "P").await);
            t.pass(1).await;
        }
        let waiting = notifications(&t, &orders[0]).await.remove(0);
        assert_eq!(
            (&waiting["status"], &waiting["reason"]),
            (&json!("PENDING"), &json!("connection refused"))
        );
        assert!(waiting["next_attempt_at"].is_string(), "{waiting}");
        assert_eq!(t.status(&orders[0]).await, "FULFILLED", "orders do not wait for mail");
        t.settle().await;
        assert!(
            t.clock.elapsed() >= DOWN && t.clock.elapsed() < DOWN * 3,
            "{:?}",
            t.clock.elapsed()
        );
        for order in &orders {
            assert_eq!(t.mails(order).await.len(), 1, "{order}");
            let sent = notifications(&t, order).await.remove(0);
            assert_eq!((&sent["status"], &sent["reason"]), (&json!("SENT"), &Json::Null));
            assert_eq!(sent["next_attempt_at"], Json::Null);
        }
        let asked = asked.load(Ordering::SeqCst);
        assert!((60..30 * 8).contains(&asked), "asked {asked} times: later and later");
        t.all_is_well().await;
    });
}

#[test]
fn a_message_that_is_refused_for_good_is_not_tried_again_and_says_why() {
    let asked = Arc::new(AtomicI64::new(0));
    let count = Arc::clone(&asked);
    let picky = move |ports: Ports, clock: &_| strict(ports, clock, Duration::ZERO, &count);
    shop_with(&settings(&[]), 1, picky, |t| async move {
        t.product("P", "5.00", 1_000).await;
        let lost = t.buy(&format!("bob{UNKNOWN}"), "P").await;
        let fine = t.buy("ann", "P").await;
        t.settle().await;
        t.pass(3_600).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2, "one attempt each");
        let failed = notifications(&t, &lost).await;
        assert_eq!(failed.len(), 1);
        let is = |name: &str| failed[0][name].clone();
        assert_eq!(is("message_id"), json!(format!("{lost}.fulfilled.email@ecom")));
        assert_eq!((is("status"), is("attempts")), (json!("FAILED"), json!(1)));
        assert_eq!(is("reason"), json!("recipient: permanent error (550): no such user"));
        assert_eq!(is("recipient"), json!(format!("bob{UNKNOWN}")));
        assert_eq!(is("next_attempt_at"), Json::Null);
        assert_eq!((t.mails(&lost).await.len(), t.mails(&fine).await.len()), (0, 1));
        assert_eq!(t.status(&lost).await, "FULFILLED", "the order is none the worse");
        assert_eq!(notifications(&t, &fine).await[0]["status"], "SENT");
        assert_eq!(notifications(&t, "ORD-NONE").await, Vec::<Json>::new());
        assert_eq!(t.call("GET", "/notifications", None).await.status, 400);
        assert_eq!(t.call("GET", "/notifications?order=42", None).await.status, 400);
    });
}

fn breaks_off(ports: Ports, times: i64, taken_for: fn(String) -> MailError) -> Ports {
    let inner = Arc::clone(&ports.mailer);
    let mailer = SilentMailer { inner, silent: AtomicI64::new(times), taken_for };
    Ports { mailer: Arc::new(mailer), ..ports }
}

#[test]
fn a_message_whose_answer_was_lost_comes_again_and_the_shop_knows_why() {
    let silent = |ports: Ports, _: &_| breaks_off(ports, 2, MailError::Unanswered);
    shop_with(&settings(&[]), 1, silent, |t| async move {
        t.product("P", "5.00", 1_000).await;
        let order = t.buy("ann", "P").await;
        t.settle().await;
        t.pass(60).await;
        assert_eq!(t.mails(&order).await.len(), 3);
        let sent = notifications(&t, &order).await.remove(0);
        assert_eq!((&sent["status"], &sent["attempts"]), (&json!("SENT"), &json!(3)));
        assert_eq!(t.count("select sum(unanswered) from notifications").await, 2);
        t.all_is_well().await;
    });
}

#[test]
fn a_second_copy_that_nothing_explains_is_found() {
    let wrong = |ports: Ports, _: &_| breaks_off(ports, 1, MailError::Later);
    shop_with(&settings(&[]), 1, wrong, |t| async move {
        t.product("P", "5.00", 1_000).await;
        t.buy("ann", "P").await;
        t.settle().await;
        t.pass(60).await;
        t.verdict().await.expect_failed(Invariant::S20);
    });
}
