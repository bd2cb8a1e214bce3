//! The provider's own API: its secret, its ledger, its dials, and answers that never come.

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::gateway::wire::{Ask, Reply, Wire};
use ecom::adapters::gateway::{HttpGateway, HttpLedger};
use ecom::adapters::sqlite::Schema;
use ecom::domain::Secret;
use ecom::ports::gateway::{Decision, Gateway, GatewayError};
use ecom::ports::{GatewayDials, SharedDials};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::contract::env::{self, Env};
use crate::contract::journal::Place;
use crate::harness::provider::{Server, charge, refund};

const PATIENCE: Duration = Duration::from_secs(20);

fn serve(env: &Env, dials: GatewayDials, secret: Option<&Secret>) -> Server {
    let journal = Place::memory(Schema::OUTSIDE).open();
    Server::start(env, journal, SharedDials::new(dials), secret, None)
}

fn gateway(env: &Env, url: &str, secret: Option<&Secret>, patience: Duration) -> HttpGateway {
    HttpGateway::new(url, secret, patience, Arc::clone(&env.clock)).unwrap()
}

struct Caller(Wire);

impl Caller {
    fn new(env: &Env, server: &Server) -> Self {
        Self(Wire::new(&server.url, None, PATIENCE, Arc::clone(&env.clock)).unwrap())
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<Json>,
    ) -> (u16, Json) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let body = body.map(|body| body.to_string().into_bytes());
        let Reply { status, body } =
            self.0.exchange(&Ask { method, path, headers, body }).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn good() -> Json {
    json!({ "order_id": "ORD-1", "user_id": "ann", "amount": 999, "currency": "USD" })
}

#[test]
fn without_the_secret_only_its_health_is_told() {
    env::live(|env| async move {
        let (secret, wrong): (Secret, Secret) =
            ("right".parse().unwrap(), "wrong".parse().unwrap());
        let server = serve(&env, GatewayDials::instant(), Some(&secret));
        for given in [None, Some(&wrong)] {
            let gateway = gateway(&env, &server.url, given, PATIENCE);
            for e in [
                gateway.charge(&charge("ORD-1", 1)).await.unwrap_err(),
                gateway.status("ORD-1").await.unwrap_err(),
                gateway.refund(&refund("ORD-1", 1)).await.unwrap_err(),
                gateway.dials(None).await.unwrap_err(),
                HttpLedger::new(&server.url, given).unwrap().charges().await.unwrap_err(),
            ] {
                assert!(matches!(&e, GatewayError::Unavailable(text) if text.contains("401")));
                assert!(!e.to_string().contains("right") && !e.to_string().contains("wrong"));
            }
        }
        let (status, health) = Caller::new(&env, &server).ask("GET", "/health", &[], None).await;
        assert_eq!((status, &health["service"]), (200, &json!("payment-provider")));
        let ledger = HttpLedger::new(&server.url, Some(&secret)).unwrap();
        assert_eq!(ledger.charges().await, Ok(vec![]), "nothing was done");
    });
}

#[test]
fn the_ledger_is_read_page_by_page() {
    env::live(|env| async move {
        let server = serve(&env, GatewayDials::instant(), None);
        let gateway = gateway(&env, &server.url, None, PATIENCE);
        for n in 0..7 {
            gateway.charge(&charge(&format!("ORD-{n}"), 100 + n)).await.unwrap();
            gateway.refund(&refund(&format!("ORD-{n}"), 100 + n)).await.unwrap();
        }
        let ledger = HttpLedger::new(&server.url, None).unwrap();
        let (charges, refunds) = (ledger.charges().await.unwrap(), ledger.refunds().await.unwrap());
        assert_eq!((charges.len(), refunds.len()), (7, 7));
        let first = &charges[0];
        assert_eq!((first.charge_key.as_str(), first.amount_minor), ("ORD-0", 100));
        assert_eq!((first.user_id.as_str(), first.outcome.as_str()), ("ann", "captured"));
        assert!(first.asked_at.is_some() && !first.lost_reply);
        assert_eq!(refunds[6].refund_key, "ORD-6:refund");
        let caller = Caller::new(&env, &server);
        let page = "/v1/ledger/charges?after=ORD-2&limit=3";
        let (status, page) = caller.ask("GET", page, &[], None).await;
        let keys = page.as_array().unwrap().iter().map(|row| row["charge_key"].clone());
        assert_eq!((status, keys.collect()), (200, json!(["ORD-3", "ORD-4", "ORD-5"])));
        for bad in ["limit=0", "limit=1001", "limit=x", "after", "more=1"] {
            let path = format!("/v1/ledger/refunds?{bad}");
            let (status, _) = caller.ask("GET", &path, &[], None).await;
            assert_eq!(status, if bad == "after" { 200 } else { 400 }, "{bad}");
        }
    });
}

#[test]
fn a_wrong_request_is_refused_and_nothing_is_done() {
    env::live(|env| async move {
        let server = serve(&env, GatewayDials::instant(), None);
        let caller = Caller::new(&env, &server);
        let key = [("idempotency-key", "ORD-1")];
        let with = |field: &str, value: Json| {
            let mut body = good();
            body[field] = value;
            body
        };
        for body in [
            with("amount", json!(-1)),
            with("amount", json!(9.99)),
            with("amount", json!("999")),
            with("amount", json!(i64::MAX)),
            with("currency", json!("EUR")),
            with("order_id", json!("1")),
            with("user_id", json!("")),
            with("more", json!(1)),
            json!({}),
        ] {
            let (status, problem) =
                caller.ask("POST", "/v1/charges", &key, Some(body.clone())).await;
            assert_eq!((status, problem["status"].clone()), (422, json!(422)), "{body}");
        }
        assert_eq!(caller.ask("POST", "/v1/charges", &[], Some(good())).await.0, 422, "no key");
        let late = [key[0], ("ecom-deadline", "1000")];
        assert_eq!(caller.ask("POST", "/v1/charges", &late, Some(good())).await.0, 408);
        let wrong = [key[0], ("ecom-deadline", "soon")];
        assert_eq!(caller.ask("POST", "/v1/charges", &wrong, Some(good())).await.0, 422);
        let (status, problem) = caller.ask("GET", "/v1/charges/ORD-1", &[], None).await;
        assert_eq!((status, &problem["type"]), (404, &json!("urn:ecom:problem:no-such-charge")));
        let (status, problem) = caller.ask("GET", "/v2/charges/ORD-1", &[], None).await;
        assert_eq!((status, &problem["type"]), (404, &json!("urn:ecom:problem:not-found")));
        let soon = [key[0], ("ecom-deadline", "4000000000000")];
        assert_eq!(caller.ask("POST", "/v1/charges", &soon, Some(good())).await.0, 200);
    });
}

#[test]
fn its_dials_are_turned_at_its_url() {
    env::live(|env| async move {
        let server = serve(&env, GatewayDials::instant(), None);
        let gateway = gateway(&env, &server.url, None, PATIENCE);
        let mut dials = gateway.dials(None).await.unwrap();
        dials.success = 0.0;
        assert_eq!(gateway.dials(Some(&dials)).await, Ok(dials.clone()));
        let decision = gateway.charge(&charge("ORD-1", 1)).await.unwrap();
        assert!(matches!(decision, Decision::Declined(_)));
        dials.success = 2.0;
        let refused = gateway.dials(Some(&dials)).await.unwrap_err();
        assert!(refused.to_string().contains("success must be between 0 and 1"), "{refused}");
    });
}

#[test]
fn an_answer_that_never_comes_is_not_a_byte_until_somebody_gives_up() {
    env::live(|env| async move {
        let lost = |timeout_ms| GatewayDials {
            ambiguous: 1.0,
            ambiguous_captured: 1.0,
            timeout_ms,
            ..GatewayDials::instant()
        };
        let patient = serve(&env, lost(60_000), None);
        let (begun, patience) = (env.clock.elapsed(), Duration::from_millis(200));
        let outcome = gateway(&env, &patient.url, None, patience).charge(&charge("ORD-1", 5)).await;
        assert_eq!(outcome, Err(GatewayError::Unknown));
        assert!(env.clock.elapsed() >= begun + patience, "the caller gave up first");
        let told = gateway(&env, &patient.url, None, PATIENCE).status("ORD-1").await;
        assert_eq!(told, Ok(Some(Decision::Captured)));
        let server = serve(&env, lost(100), None);
        let address = server.url.strip_prefix("http://").unwrap();
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let (body, mut answer) = (good().to_string(), vec![]);
        let head = "POST /v1/charges HTTP/1.1\r\nhost: x\r\nidempotency-key: ORD-1";
        let length = body.len();
        let request = format!(
            "{head}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let begun = env.clock.elapsed();
        socket.write_all(request.as_bytes()).await.unwrap();
        env.patiently(socket.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, b"", "then the provider did");
        assert!(env.clock.elapsed() >= begun + Duration::from_millis(100));
    });
}

#[test]
fn nobody_is_told_that_a_charge_does_not_exist_while_it_is_decided() {
    env::live(|env| async move {
        let slow =
            GatewayDials { latency_ms_p50: 800, latency_ms_p99: 800, ..GatewayDials::instant() };
        let server = serve(&env, slow.clone(), None);
        let hasty = gateway(&env, &server.url, None, Duration::from_millis(200));
        assert_eq!(hasty.charge(&charge("ORD-1", 5)).await, Err(GatewayError::Unknown));
        let turner = gateway(&env, &server.url, None, PATIENCE);
        turner.dials(Some(&GatewayDials::instant())).await.unwrap();
        let e = turner.status("ORD-1").await.unwrap_err();
        assert!(e.to_string().contains("is being decided"), "{e}");
        let begun = env.clock.elapsed();
        while turner.status("ORD-1").await != Ok(Some(Decision::Captured)) {
            assert!(env.clock.elapsed() < begun + PATIENCE, "though its caller left");
            env.pass(1).await;
        }
    });
}
