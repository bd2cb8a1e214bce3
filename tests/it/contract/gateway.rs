//! The contract of the payment provider, held against its own books.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::gateway::{HttpGateway, SimulatedGateway};
use ecom::adapters::sqlite::Schema;
use ecom::adapters::store::SqliteStore;
use ecom::domain::{DeclineReason, Secret};
use ecom::ports::dials::Declines;
use ecom::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use ecom::ports::store::{query, values};
use ecom::ports::{GatewayDials, Randomness, SharedDials, Store};
use futures::future::join_all;

use super::env::{self, Env};
use super::journal::Place;
use crate::harness::provider::{Server, charge, refund};

suite! {
    in_a_folder: super::in_a_folder,
    in_memory: super::in_memory,
    over_http: super::over_http;
    {
        a_key_is_charged_once,
        what_was_cancelled_is_never_charged,
    what_was_decided_is_not_cancelled,
    a_charge_and_a_cancellation_at_once_agree,
    the_answer_to_a_key_never_changes,
        a_known_key_asks_for_no_other_amount,
        concurrent_charges_of_a_key_are_one_capture,
        status_tells_what_was_decided,
        a_key_is_refunded_once,
        concurrent_refunds_of_a_key_are_one,
        only_what_was_captured_is_refunded,
        a_provider_that_takes_no_refunds_now_takes_them_later,
        a_lost_answer_is_told_by_the_status,
        a_lost_call_was_never_made,
        repeating_a_lost_call_captures_once,
        every_charge_is_captured_or_none_as_the_dials_say,
        declines_have_the_reasons_that_the_dials_say,
        an_answer_takes_its_time,
        a_restart_changes_no_decision,
    }
}

fn in_a_folder<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::live(|env| case(Rig::simulated(env, Place::folder(Schema::OUTSIDE))));
}

fn in_memory<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::simulated(|env| case(Rig::simulated(env, Place::memory(Schema::OUTSIDE))));
}

fn over_http<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::live(|env| case(Rig::over_http(env, Place::folder(Schema::OUTSIDE))));
}

/// Nothing is lost by a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);
const NOTHING: [i64; 0] = [];

/// A provider and its books, how it is told to behave, and how to come back to it.
struct Rig {
    provider: Provider,
    dials: SharedDials,
    env: Env,
    connect: Box<dyn Fn() -> Provider + Send + Sync>,
}

struct Provider {
    gateway: Arc<dyn Gateway>,
    books: Arc<dyn Store>,
    /// The server that it is reached at, if it is.
    served: Option<Server>,
}

impl Rig {
    fn simulated(env: Env, place: Place) -> Self {
        let dials = SharedDials::new(quick(&env));
        let (clock, shared) = (Arc::clone(&env.clock), dials.clone());
        let connect = move || {
            let journal = place.open();
            let (clock, dials) = (Arc::clone(&clock), shared.clone());
            let books = Arc::new(SqliteStore::new(Arc::clone(&journal)));
            let gateway = SimulatedGateway::new(journal, clock, Randomness::seeded(1), dials);
            Provider { gateway: Arc::new(gateway), books, served: None }
        };
        Self { provider: connect(), dials, env, connect: Box::new(connect) }
    }

    /// The same as a server, behind a secret.
    fn over_http(env: Env, place: Place) -> Self {
        let dials = SharedDials::new(quick(&env));
        let (shared, with) = (dials.clone(), env.clone());
        let connect = move || {
            let journal = place.open();
            let books = Arc::new(SqliteStore::new(Arc::clone(&journal)));
            let secret: Secret = "contract".parse().unwrap();
            let served = Server::start(&with, journal, shared.clone(), Some(&secret), None);
            let clock = Arc::clone(&with.clock);
            let gateway = HttpGateway::new(&served.url, Some(&secret), PATIENCE, clock).unwrap();
            Provider { gateway: Arc::new(gateway), books, served: Some(served) }
        };
        Self { provider: connect(), dials, env, connect: Box::new(connect) }
    }

    async fn restarted(self) -> Self {
        let Self { provider, dials, env, connect } = self;
        let Provider { gateway, books, served } = provider;
        drop((gateway, books));
        if let Some(served) = served {
            env.patiently(served.stop()).await;
        }
        Self { provider: connect(), dials, env, connect }
    }

    fn turn(&self, change: impl FnOnce(&mut GatewayDials)) {
        let mut dials = quick(&self.env);
        change(&mut dials);
        self.dials.set(dials).unwrap();
    }

    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        self.env.patiently(self.provider.gateway.charge(charge)).await
    }

    async fn status(&self, key: &str) -> Option<Decision> {
        self.env.patiently(self.provider.gateway.status(key)).await.unwrap()
    }

    async fn cancel(&self, key: &str) -> Option<Decision> {
        self.env.patiently(self.provider.gateway.cancel(key)).await.unwrap()
    }

    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        self.env.patiently(self.provider.gateway.refund(refund)).await
    }

    /// The amounts that were taken under a key, as the provider's books have it.
    async fn captured(&self, key: &str) -> Vec<i64> {
        let sql = "select amount_minor from gateway_charges
             where charge_key = ?1 and outcome = 'captured'";
        self.amounts(sql, key).await
    }

    /// The amounts that were given back of a charge.
    async fn refunded(&self, charge_key: &str) -> Vec<i64> {
        self.amounts("select amount_minor from gateway_refunds where charge_key = ?1", charge_key)
            .await
    }

    async fn amounts(&self, sql: &'static str, key: &str) -> Vec<i64> {
        let rows = query(self.provider.books.as_ref(), sql, values![key]).await.unwrap();
        rows.iter().map(|row| row.int(0).unwrap()).collect()
    }
}

/// Captures everything at once, and keeps nobody waiting long for a lost answer.
fn quick(env: &Env) -> GatewayDials {
    GatewayDials { timeout_ms: env.tick.as_millis() as u64, ..GatewayDials::instant() }
}

async fn a_key_is_charged_once(rig: Rig) {
    for _ in 0..3 {
        assert_eq!(rig.charge(&charge("ORD-1", 999)).await, Ok(Decision::Captured));
    }
    assert_eq!(rig.charge(&charge("ORD-2", 1)).await, Ok(Decision::Captured));
    assert_eq!(rig.captured("ORD-1").await, [999]);
    assert_eq!(rig.captured("ORD-2").await, [1]);
}

async fn what_was_cancelled_is_never_charged(rig: Rig) {
    for _ in 0..2 {
        assert_eq!(rig.cancel("ORD-1").await, None);
    }
    assert_eq!(rig.status("ORD-1").await, None);
    let rig = rig.restarted().await;
    let late = rig.charge(&charge("ORD-1", 999)).await;
    assert!(matches!(late, Err(GatewayError::Refused(_))), "{late:?}");
    assert_eq!((rig.captured("ORD-1").await, rig.status("ORD-1").await), (vec![], None));
    assert_eq!(rig.cancel("ORD-1").await, None);
}

async fn what_was_decided_is_not_cancelled(rig: Rig) {
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    assert_eq!(rig.cancel("ORD-1").await, Some(Decision::Captured));
    assert_eq!(rig.captured("ORD-1").await, [999]);
    rig.turn(|dials| dials.success = 0.0);
    let declined = rig.charge(&charge("ORD-2", 999)).await.unwrap();
    assert_eq!(rig.cancel("ORD-2").await, Some(declined));
}

async fn a_charge_and_a_cancellation_at_once_agree(rig: Rig) {
    for n in 0..24 {
        let key = format!("ORD-{n}");
        let charge = charge(&key, 999);
        let gateway = &rig.provider.gateway;
        let both = async { futures::join!(gateway.charge(&charge), gateway.cancel(&key)) };
        let (charged, cancelled) = rig.env.patiently(both).await;
        let captured = rig.captured(&key).await.len();
        match cancelled.unwrap() {
            Some(Decision::Captured) => {
                assert_eq!((charged, captured), (Ok(Decision::Captured), 1));
            }
            None => assert!(matches!(charged, Err(GatewayError::Refused(_))) && captured == 0),
            declined => panic!("{declined:?}"),
        }
    }
}

async fn the_answer_to_a_key_never_changes(rig: Rig) {
    rig.turn(|dials| dials.success = 0.0);
    let declined = rig.charge(&charge("ORD-1", 999)).await.unwrap();
    assert!(matches!(declined, Decision::Declined(_)), "{declined:?}");
    rig.turn(|dials| dials.success = 1.0);
    rig.charge(&charge("ORD-2", 999)).await.unwrap();
    assert_eq!(rig.charge(&charge("ORD-1", 999)).await, Ok(declined));
    rig.turn(|dials| dials.success = 0.0);
    assert_eq!(rig.charge(&charge("ORD-2", 999)).await, Ok(Decision::Captured));
    assert_eq!(rig.captured("ORD-1").await, NOTHING);
    assert_eq!(rig.captured("ORD-2").await, [999]);
}

async fn a_known_key_asks_for_no_other_amount(rig: Rig) {
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    assert_eq!(rig.charge(&charge("ORD-1", 5_000)).await, Ok(Decision::Captured));
    assert_eq!(rig.captured("ORD-1").await, [999]);
}

async fn concurrent_charges_of_a_key_are_one_capture(rig: Rig) {
    rig.turn(|dials| dials.success = 0.5);
    for n in 0..8 {
        let key = format!("ORD-{n}");
        let charge = charge(&key, 999);
        // All have looked before any is written down.
        let attempts = (0..6).map(|_| rig.provider.gateway.charge(&charge));
        let decisions = rig.env.patiently(join_all(attempts)).await;
        assert!(decisions[0].is_ok());
        assert!(decisions.iter().all(|decision| *decision == decisions[0]), "{decisions:?}");
        let captures = usize::from(decisions[0] == Ok(Decision::Captured));
        assert_eq!(rig.captured(&key).await.len(), captures);
    }
}

async fn status_tells_what_was_decided(rig: Rig) {
    assert_eq!(rig.status("ORD-1").await, None, "never seen");
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    assert_eq!(rig.status("ORD-1").await, Some(Decision::Captured));
    rig.turn(|dials| dials.success = 0.0);
    let declined = rig.charge(&charge("ORD-2", 999)).await.unwrap();
    assert_eq!(rig.status("ORD-2").await, Some(declined));
    assert_eq!(rig.status("ORD-3").await, None);
}

async fn a_key_is_refunded_once(rig: Rig) {
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    assert_eq!(rig.refunded("ORD-1").await, NOTHING);
    for _ in 0..3 {
        assert_eq!(rig.refund(&refund("ORD-1", 999)).await, Ok(()));
        assert_eq!(rig.refunded("ORD-1").await, [999]);
    }
    assert_eq!(rig.status("ORD-1").await, Some(Decision::Captured), "what was decided stays");
    assert_eq!(rig.captured("ORD-1").await, [999]);
}

async fn concurrent_refunds_of_a_key_are_one(rig: Rig) {
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    let refund = refund("ORD-1", 999);
    let attempts = (0..10).map(|_| rig.provider.gateway.refund(&refund));
    let outcomes = rig.env.patiently(join_all(attempts)).await;
    assert_eq!(outcomes, vec![Ok(()); 10]);
    assert_eq!(rig.refunded("ORD-1").await, [999]);
}

async fn only_what_was_captured_is_refunded(rig: Rig) {
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    rig.turn(|dials| dials.success = 0.0);
    rig.charge(&charge("ORD-2", 999)).await.unwrap();
    for refund in
        [refund("ORD-1", 1_000), refund("ORD-1", 1), refund("ORD-2", 999), refund("ORD-3", 999)]
    {
        let error = rig.refund(&refund).await.unwrap_err();
        assert!(matches!(error, GatewayError::Refused(_)), "{refund:?}: {error}");
        assert!(!error.is_transient());
        assert_eq!(rig.refunded(&refund.charge_key).await, NOTHING);
    }
    assert_eq!(rig.refund(&refund("ORD-1", 999)).await, Ok(()), "a refusal uses up no key");
}

async fn a_provider_that_takes_no_refunds_now_takes_them_later(rig: Rig) {
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    rig.turn(|dials| dials.refund_failure = 1.0);
    for _ in 0..3 {
        let error = rig.refund(&refund("ORD-1", 999)).await.unwrap_err();
        assert!(matches!(error, GatewayError::Unavailable(_)), "{error}");
        assert!(error.is_transient());
        assert_eq!(rig.refunded("ORD-1").await, NOTHING, "nothing was done");
    }
    rig.turn(|dials| dials.refund_failure = 0.0);
    assert_eq!(rig.refund(&refund("ORD-1", 999)).await, Ok(()));
    assert_eq!(rig.refunded("ORD-1").await, [999]);
}

async fn a_lost_answer_is_told_by_the_status(rig: Rig) {
    rig.turn(|dials| (dials.ambiguous, dials.ambiguous_captured) = (1.0, 1.0));
    let begun = rig.env.clock.elapsed();
    let error = rig.charge(&charge("ORD-1", 999)).await.unwrap_err();
    assert_eq!(error, GatewayError::Unknown);
    assert!(error.is_transient());
    assert!(rig.env.clock.elapsed() >= begun + rig.env.tick, "not before the time-out");
    assert_eq!(rig.status("ORD-1").await, Some(Decision::Captured));
    rig.turn(|dials| dials.success = 0.0);
    assert_eq!(rig.charge(&charge("ORD-1", 999)).await, Ok(Decision::Captured));
    assert_eq!(rig.captured("ORD-1").await, [999]);
    assert_eq!(rig.refund(&refund("ORD-1", 999)).await, Ok(()));
}

async fn a_lost_call_was_never_made(rig: Rig) {
    rig.turn(|dials| (dials.ambiguous, dials.ambiguous_captured) = (1.0, 0.0));
    assert_eq!(rig.charge(&charge("ORD-1", 999)).await, Err(GatewayError::Unknown));
    assert_eq!(rig.status("ORD-1").await, None);
    assert_eq!(rig.captured("ORD-1").await, NOTHING);
    rig.turn(|dials| dials.ambiguous = 0.0);
    assert_eq!(rig.charge(&charge("ORD-1", 999)).await, Ok(Decision::Captured));
    assert_eq!(rig.captured("ORD-1").await, [999]);
}

async fn repeating_a_lost_call_captures_once(rig: Rig) {
    rig.turn(|dials| (dials.ambiguous, dials.ambiguous_captured) = (1.0, 0.5));
    for n in 0..4 {
        let key = format!("ORD-{n}");
        for _ in 0..6 {
            assert_eq!(rig.charge(&charge(&key, 999)).await, Err(GatewayError::Unknown));
        }
        let told = rig.status(&key).await.is_some();
        assert_eq!(rig.captured(&key).await.len(), usize::from(told));
    }
}

async fn every_charge_is_captured_or_none_as_the_dials_say(rig: Rig) {
    for (success, expected) in [(0.0, 0), (1.0, 20)] {
        rig.turn(|dials| dials.success = success);
        let mut captured = 0;
        for n in 0..20 {
            let decision = rig.charge(&charge(&format!("ORD-{success}-{n}"), 1)).await.unwrap();
            captured += usize::from(decision == Decision::Captured);
        }
        assert_eq!(captured, expected, "with success {success}");
    }
}

async fn declines_have_the_reasons_that_the_dials_say(rig: Rig) {
    let none = Declines { insufficient_funds: 0.0, card_declined: 0.0, expired_card: 0.0 };
    let only = [
        (DeclineReason::InsufficientFunds, Declines { insufficient_funds: 1.0, ..none.clone() }),
        (DeclineReason::CardDeclined, Declines { card_declined: 1.0, ..none.clone() }),
        (DeclineReason::ExpiredCard, Declines { expired_card: 1.0, ..none }),
    ];
    for (at, (reason, declines)) in only.into_iter().enumerate() {
        rig.turn(|dials| (dials.success, dials.declines) = (0.0, declines));
        for n in 0..5 {
            let decision = rig.charge(&charge(&format!("ORD-{at}-{n}"), 1)).await;
            assert_eq!(decision, Ok(Decision::Declined(reason)));
        }
    }
}

async fn an_answer_takes_its_time(rig: Rig) {
    let ms = rig.env.tick.as_millis() as u64;
    rig.turn(|dials| (dials.latency_ms_p50, dials.latency_ms_p99) = (ms, ms));
    let begun = rig.env.clock.elapsed();
    rig.charge(&charge("ORD-1", 1)).await.unwrap();
    rig.status("ORD-1").await;
    rig.refund(&refund("ORD-1", 1)).await.unwrap();
    let took = rig.env.clock.elapsed().saturating_sub(begun);
    // Three answers, each exact to the microsecond.
    assert!(took + Duration::from_micros(3) >= rig.env.tick * 3, "{took:?}");
}

async fn a_restart_changes_no_decision(rig: Rig) {
    rig.charge(&charge("ORD-1", 999)).await.unwrap();
    rig.refund(&refund("ORD-1", 999)).await.unwrap();
    rig.turn(|dials| dials.success = 0.0);
    let declined = rig.charge(&charge("ORD-2", 999)).await.unwrap();
    let rig = rig.restarted().await;
    rig.turn(|dials| dials.success = 1.0);
    assert_eq!(rig.status("ORD-1").await, Some(Decision::Captured));
    assert_eq!(rig.charge(&charge("ORD-2", 999)).await, Ok(declined));
    rig.refund(&refund("ORD-1", 999)).await.unwrap();
    assert_eq!(rig.captured("ORD-1").await, [999]);
    assert_eq!(rig.refunded("ORD-1").await, [999]);
}
