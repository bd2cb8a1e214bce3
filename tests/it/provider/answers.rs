//! What an answer means, and what none means: only what cannot have reached the provider was not
//! done, and only the provider's own words are a refusal.

use std::net::TcpListener;
use std::time::Duration;

use ecom::adapters::gateway::{HttpGateway, HttpLedger};
use ecom::domain::{DeclineReason, Secret};
use ecom::ports::gateway::{Decision, Gateway, GatewayError};
use serde_json::json;

use super::stub::{Stub, Turn, http};
use crate::contract::env::{self, Env};
use crate::harness::provider::{charge, refund};

/// How each verb ends.
type Outcomes = [Result<Option<Decision>, GatewayError>; 3];

async fn ask_with(env: &Env, url: &str, patience: Duration) -> Outcomes {
    let clock = std::sync::Arc::clone(&env.clock);
    let gateway = HttpGateway::new(url, None, patience, clock).unwrap();
    [
        gateway.charge(&charge("ORD-1", 999)).await.map(Some),
        gateway.status("ORD-1").await,
        gateway.refund(&refund("ORD-1", 999)).await.map(|()| None),
    ]
}

async fn ask(env: &Env, url: &str) -> Outcomes {
    ask_with(env, url, Duration::from_secs(20)).await
}

fn unknown(told: &str, outcomes: &Outcomes) {
    assert_eq!(*outcomes, [const { Err(GatewayError::Unknown) }; 3], "{told}");
}

fn not_done(told: &str, outcomes: &Outcomes) {
    for outcome in outcomes {
        assert!(matches!(outcome, Err(GatewayError::Unavailable(_))), "{told}: {outcome:?}");
    }
}

#[test]
fn a_refused_connection_means_that_nothing_was_done() {
    env::live(|env| async move {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        not_done("nobody listens", &ask(&env, &format!("http://{port}")).await);
        not_done("nobody of that name", &ask(&env, "http://nobody.invalid").await);
    });
}

#[test]
fn a_cut_connection_leaves_the_outcome_unknown() {
    env::live(|env| async move {
        let cut = [
            ("at once", Turn::HangUp),
            ("after the request", Turn::Say(String::new())),
            ("in the status line", Turn::Say("HTTP/1.1 2".into())),
            ("in the head", Turn::Say("HTTP/1.1 200 OK\r\ncontent-le".into())),
            (
                "in the body",
                Turn::Say("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"charge_key\":".into()),
            ),
        ];
        for (told, turn) in cut {
            unknown(told, &ask(&env, &Stub::start(vec![turn]).url).await);
        }
    });
}

#[test]
fn a_server_that_never_answers_is_waited_for_as_long_as_was_set() {
    env::live(|env| async move {
        let stub = Stub::start(vec![Turn::Hold]);
        let (begun, patience) = (env.clock.elapsed(), Duration::from_millis(100));
        unknown("held", &ask_with(&env, &stub.url, patience).await);
        let took = env.clock.elapsed().saturating_sub(begun);
        assert!(took >= patience * 3, "{took:?}");
        assert!(stub.asked().len() == 3, "and not asked again: {:?}", stub.asked());
    });
}

#[test]
fn what_is_no_answer_of_a_provider_leaves_the_outcome_unknown() {
    env::live(|env| async move {
        let other =
            json!({ "charge_key": "ORD-2", "refund_key": "ORD-2:refund", "outcome": "captured" });
        let maybe = json!({ "charge_key": "ORD-1", "refund_key": "?", "outcome": "maybe" });
        let answers = [
            "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            "\0\u{1}\u{2}".to_owned(),
            http(200, ""),
            http(200, "<html>"),
            http(200, "{\"charge_key\":"),
            http(200, "[]"),
            http(200, "{}"),
            http(200, &other.to_string()),
            http(200, &maybe.to_string()),
            http(202, "{}"),
            http(302, ""),
            http(400, "<html>Bad Request</html>"),
            http(500, ""),
            http(502, "<html>Bad Gateway</html>"),
            http(503, &json!({ "detail": "a proxy's words" }).to_string()),
            http(504, ""),
        ];
        for answer in answers {
            unknown(&answer, &ask(&env, &Stub::saying(answer.clone()).url).await);
        }
    });
}

#[test]
fn what_settings_or_load_are_to_blame_for_is_not_the_charges_fault() {
    env::live(|env| async move {
        let problem = json!({ "type": "urn:ecom:problem:not-found", "detail": "no" }).to_string();
        for status in [401, 403, 404, 405, 408, 429] {
            for body in ["", "<html>", &problem] {
                let stub = Stub::saying(http(status, body));
                not_done(&format!("{status} {body}"), &ask(&env, &stub.url).await);
            }
        }
    });
}

#[test]
fn the_providers_own_words_are_a_refusal_or_an_answer() {
    env::live(|env| async move {
        let no = http(409, &json!({ "detail": "account closed" }).to_string());
        let refused = Err(GatewayError::Refused("account closed".into()));
        for outcome in ask(&env, &Stub::saying(no).url).await {
            assert_eq!(outcome, refused);
        }
        let none = json!({ "type": "urn:ecom:problem:no-such-charge", "detail": "none" });
        let never = ask(&env, &Stub::saying(http(404, &none.to_string())).url).await;
        assert_eq!(never[1], Ok(None));
        assert!(matches!(never[0], Err(GatewayError::Unavailable(_))), "no answer to a charge");
        let declined = json!({
            "charge_key": "ORD-1", "refund_key": "ORD-1:refund", "more": 1,
            "outcome": "declined", "reason": "expired_card",
        });
        let decision = Decision::Declined(DeclineReason::ExpiredCard);
        let outcomes = ask(&env, &Stub::saying(http(200, &declined.to_string())).url).await;
        assert_eq!(outcomes, [Ok(Some(decision)), Ok(Some(decision)), Ok(None)]);
    });
}

#[test]
fn a_request_says_what_it_is_about_and_shows_the_secret() {
    env::live(|env| async move {
        let stub = Stub::saying(http(500, ""));
        let secret: Secret = "s3cret".parse().unwrap();
        let (patience, clock) = (Duration::from_secs(20), std::sync::Arc::clone(&env.clock));
        let base = format!("{}/pay/", stub.url);
        let gateway = HttpGateway::new(&base, Some(&secret), patience, clock).unwrap();
        let _ = gateway.charge(&charge("ORD-1", 999)).await;
        let _ = gateway.status("ORD-1:x/y").await;
        let _ = gateway.refund(&refund("ORD-1", 999)).await;
        let asked = stub.asked();
        assert!(asked[0].starts_with("POST /pay/v1/charges HTTP/1.1\r\n"), "{}", asked[0]);
        assert!(asked[0].contains("\r\nidempotency-key: ORD-1\r\n"));
        assert!(asked[0].contains("\r\necom-deadline: "));
        assert!(asked[0].contains("\"amount\":999,\"currency\":\"USD\""));
        assert!(asked[1].starts_with("GET /pay/v1/charges/ORD-1%3Ax%2Fy HTTP/1.1\r\n"));
        assert!(asked[2].contains("\r\nidempotency-key: ORD-1:refund\r\n"));
        assert!(asked.iter().all(|request| request.contains("\r\nauthorization: Bearer s3cret")));
    });
}

#[test]
fn a_ledger_whose_pages_overlap_is_no_evidence() {
    env::live(|_| async move {
        let row = |n: u32| json!({ "refund_key": format!("{n:04}"), "charge_key": "", "amount_minor": 1, "at": "2026-01-31T12:00:00Z" });
        let page: Vec<_> = (0..1_000).map(row).collect();
        let stub = Stub::saying(http(200, &json!(page).to_string()));
        let ledger = HttpLedger::new(&stub.url, None).unwrap();
        let e = ledger.refunds().await.unwrap_err();
        assert!(e.to_string().contains("overlap at 0999"), "{e}");
    });
}
