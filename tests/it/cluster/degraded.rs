//! What a process says, and what it still serves, while a server is gone.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::fleet::{ALL, Fleet};
use super::ground::Ground;
use crate::harness::sockets::{exchange, get, post, status};

const ITEM: &str = r#"{"product_id":"PROD-001","quantity":1}"#;

/// Paid for, or declined: the provider decides.
const ENDED: &str = "select count(*) = 1 from orders where status in ('FULFILLED', 'CANCELLED')";

fn add(at: &str, user: &str) -> String {
    let length = format!("content-length: {}", ITEM.len());
    exchange(at, &post(&format!("/cart/{user}/items"), &length, ITEM))
}

/// Waits until readiness says that `server` is up or not; the status, and all that it says.
fn until_known(at: &str, server: &str, up: bool) -> (u16, Json) {
    let begun = Instant::now();
    loop {
        let answer = get(at, "/readyz");
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let body: Json = serde_json::from_str(body).unwrap_or_default();
        if body["parts"][server]["up"] == up {
            return (status(&answer), body);
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{server} {up}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn without_its_store_it_is_not_ready_and_shows_what_it_can() {
    let Some(ground) = Ground::claim() else { return };
    let fleet = Fleet::start(&ground, &[ALL]);
    let at = fleet.gateway();
    assert_eq!(status(&add(&at, "ann")), 201);
    assert_eq!(until_known(&at, "postgres", true).0, 200);
    ground.kill("postgres");
    let (ready, body) = until_known(&at, "postgres", false);
    assert_eq!((ready, &body["ready"]), (503, &false.into()), "{body}");
    assert!(body["parts"]["postgres"]["note"].is_string(), "{body}");
    assert_eq!(status(&get(&at, "/healthz")), 200, "it lives");
    let refused = add(&at, "ann");
    assert_eq!(status(&refused), 503, "{refused}");
    assert!(refused.to_lowercase().contains("\r\nretry-after: 1\r\n"), "{refused}");
    let cart = get(&at, "/cart/ann");
    assert_eq!(status(&cart), 200, "{cart}");
    assert!(cart.contains("PROD-001"), "the copy of the cart: {cart}");
    ground.start(&["postgres"]);
    until_known(&at, "postgres", true);
    assert_eq!(status(&add(&at, "ann")), 201);
}

#[test]
fn without_redis_or_mail_it_is_ready_and_does_without() {
    let Some(ground) = Ground::claim() else { return };
    let fleet = Fleet::start(&ground, &[ALL]);
    let at = fleet.gateway();
    for server in ["redis", "smtp"] {
        until_known(&at, server, true);
    }
    ground.kill("redis");
    ground.kill("smtp");
    for server in ["redis", "smtp"] {
        let (ready, body) = until_known(&at, server, false);
        assert_eq!((ready, &body["ready"]), (200, &true.into()), "{body}");
        assert_eq!(body["parts"][server]["optional"], true, "{body}");
    }
    assert_eq!(status(&add(&at, "bob")), 201);
    assert!(get(&at, "/cart/bob").contains("PROD-001"));
    let placed = exchange(&at, &post("/cart/bob/checkout", "content-length: 0", ""));
    assert_eq!(status(&placed), 202, "{placed}");
    fleet.until("the order has ended", ENDED);
    ground.start(&["redis", "smtp"]);
    for server in ["redis", "smtp"] {
        until_known(&at, server, true);
    }
    let sent = "select count(*) = 1 from notifications where status = 'SENT'";
    fleet.until("the mail is sent", sent);
}

#[test]
fn without_kafka_it_is_not_ready_and_takes_orders_for_later() {
    let Some(ground) = Ground::claim() else { return };
    let fleet = Fleet::start(&ground, &[ALL]);
    let at = fleet.gateway();
    assert_eq!(until_known(&at, "kafka", true).0, 200);
    let brokers = ["kafka-1", "kafka-2", "kafka-3"];
    brokers.iter().for_each(|broker| ground.kill(broker));
    let (ready, body) = until_known(&at, "kafka", false);
    assert_eq!((ready, &body["ready"]), (503, &false.into()), "{body}");
    assert_eq!(status(&add(&at, "eve")), 201);
    let placed = exchange(&at, &post("/cart/eve/checkout", "content-length: 0", ""));
    assert_eq!(status(&placed), 202, "{placed}");
    ground.start(&brokers);
    until_known(&at, "kafka", true);
    fleet.until("the order has ended", ENDED);
}
