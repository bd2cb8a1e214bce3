//! A provider that is killed: what it decided stands, and is told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::gateway::{HttpGateway, HttpLedger};
use ecom::domain::{Secret, Timestamp};
use ecom::ports::gateway::{Decision, Gateway, GatewayError};
use ecom::ports::webhook;

use super::stub::{Stub, http};
use crate::contract::env::{self, Env};
use crate::harness::program::{Served, ecom};
use crate::harness::provider::{charge, refund};

const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a provider that behaves so.
fn start(data: &Path, more: &[&str], settings: &[(&str, &str)]) -> Served {
    let mut command = ecom();
    command.env("ECOM_GATEWAY_SUCCESS", "1").env("ECOM_GATEWAY_LATENCY_MS_P50", "0");
    command.envs(settings.iter().copied());
    Served::provider(command, data, more).unwrap()
}

fn gateway(env: &Env, at: &Served) -> HttpGateway {
    HttpGateway::new(at.gateway(), None, PATIENCE, Arc::clone(&env.clock)).unwrap()
}

#[test]
fn a_charge_is_found_by_its_status_when_a_kill_took_the_answer() {
    env::live(|env| async move {
        let folder = tempfile::tempdir().unwrap();
        // Every answer is held back once the money is taken.
        let held = [
            ("ECOM_GATEWAY_AMBIGUOUS", "1"),
            ("ECOM_GATEWAY_AMBIGUOUS_CAPTURED", "1"),
            ("ECOM_GATEWAY_TIMEOUT_MS", "60000"),
        ];
        let mut killed = start(folder.path(), &[], &held);
        let caller = gateway(&env, &killed);
        let answer = env.spawn(async move { caller.charge(&charge("ORD-1", 999)).await });
        let ledger = HttpLedger::new(killed.gateway(), None).unwrap();
        while ledger.charges().await.unwrap().is_empty() {
            env.pass(1).await;
        }
        killed.kill();
        assert_eq!(env.patiently(answer).await, Ok(Err(GatewayError::Unknown)));
        let mut next = start(folder.path(), &[], &[]);
        let caller = gateway(&env, &next);
        assert_eq!(caller.status("ORD-1").await, Ok(Some(Decision::Captured)));
        assert_eq!(caller.charge(&charge("ORD-1", 999)).await, Ok(Decision::Captured));
        assert_eq!(caller.refund(&refund("ORD-1", 999)).await, Ok(()));
        let ledger = HttpLedger::new(next.gateway(), None).unwrap();
        let charges = ledger.charges().await.unwrap();
        assert_eq!(charges.len(), 1, "{charges:?}");
        assert!(charges[0].lost_reply);
        assert_eq!(ledger.refunds().await.unwrap().len(), 1);
        assert_eq!(next.stop(), 0);
    });
}

#[test]
fn nothing_told_is_lost_in_a_storm_of_kills() {
    env::live(|env| async move {
        let folder = tempfile::tempdir().unwrap();
        let mut told = vec![];
        for round in 0..4 {
            let mut provider = start(folder.path(), &[], &[]);
            let caller = Arc::new(gateway(&env, &provider));
            let charges = (0..200).map(|n| {
                let (caller, key) = (Arc::clone(&caller), format!("ORD-{round}-{n}"));
                async move { caller.charge(&charge(&key, 1)).await.map(|_| key) }
            });
            let all = futures::future::join_all(charges);
            let killer = async {
                env.pass(1 + round).await;
                provider.kill();
            };
            let (answers, ()) = futures::join!(all, killer);
            told.extend(answers.into_iter().flatten());
        }
        let provider = start(folder.path(), &[], &[]);
        let charges = HttpLedger::new(provider.gateway(), None).unwrap().charges().await.unwrap();
        let keys: Vec<&String> = charges.iter().map(|charge| &charge.charge_key).collect();
        assert!(told.iter().all(|key| keys.binary_search(&key).is_ok()), "{told:?} {keys:?}");
    });
}

#[test]
fn a_message_that_a_kill_kept_back_is_sent_by_the_next_process() {
    env::live(|env| async move {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "w3bhook\n").unwrap();
        let secret = [("ECOM_GATEWAY_WEBHOOK_SECRET_FILE", file.to_str().unwrap())];
        let data = folder.path().join("provider");
        let mut killed = start(&data, &["--webhook", "http://127.0.0.1:1"], &secret);
        gateway(&env, &killed).charge(&charge("ORD-1", 999)).await.unwrap();
        killed.kill();
        let customer = Stub::saying(http(200, ""));
        let url = format!("{}/hook", customer.url);
        let _next = start(&data, &["--webhook", &url], &secret);
        let begun = env.clock.elapsed();
        while customer.asked().is_empty() {
            assert!(env.clock.elapsed() < begun + PATIENCE, "it is sent");
            env.pass(1).await;
        }
        let asked = customer.asked().remove(0);
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /hook HTTP/1.1"), "{head}");
        let signature = head.lines().find_map(|line| line.strip_prefix("ecom-signature: "));
        let (secret, now): (Secret, Timestamp) = ("w3bhook".parse().unwrap(), env.clock.now());
        assert_eq!(webhook::verify(&secret, now, signature, body.as_bytes()), Ok(()));
        assert!(body.contains("\"type\":\"charge.captured\""), "{body}");
        assert!(body.contains("\"charge_key\":\"ORD-1\""), "{body}");
    });
}
