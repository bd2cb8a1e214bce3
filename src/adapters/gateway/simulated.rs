//! A payment provider that misbehaves as told, with a ledger of its own that no service can write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::messages;
use crate::adapters::sqlite::Journal;
use crate::adapters::store::SqliteStore;
use crate::domain::{DeclineReason, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::dials::{GatewayDials, SharedDials};
use crate::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use crate::ports::random::{Dice, Randomness};
use crate::ports::signal::Signal;
use crate::ports::store::{Batch, Store, StoreError, query};
use crate::ports::webhook::{Told, Webhook};
use crate::values;

const INSERT_CHARGE: &str = "insert into gateway_charges
 (charge_key, order_id, user_id, amount_minor, outcome, lost_reply, asked_at, at)
 select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
 where not exists (select 1 from gateway_cancelled where charge_key = ?1)";
const INSERT_CANCELLED: &str = "insert into gateway_cancelled (charge_key, at) select ?1, ?2
 where not exists (select 1 from gateway_charges where charge_key = ?1)
   and not exists (select 1 from gateway_cancelled where charge_key = ?1)";
const SELECT_CHARGE: &str =
    "select outcome, amount_minor from gateway_charges where charge_key = ?1";
const INSERT_REFUND: &str = "insert into gateway_refunds (refund_key, charge_key, amount_minor, at) values (?1, ?2, ?3, ?4)";
const SELECT_REFUND: &str = "select amount_minor from gateway_refunds where refund_key = ?1";

const CAPTURED: &str = "captured";

/// A provider whose every decision follows from its seed, the charge's key and the dials.
pub struct SimulatedGateway {
    ledger: SqliteStore,
    clock: Arc<dyn Clock>,
    randomness: Randomness,
    dials: SharedDials,
    /// How often a key was asked for again; only keys whose reply was lost are here.
    repeats: Mutex<BTreeMap<String, u32>>,
    /// Charges that are being decided, and how often each.
    deciding: Mutex<BTreeMap<String, u32>>,
    /// Given at every decision, where messages tell of them.
    tells: Option<Signal>,
}

impl SimulatedGateway {
    /// A provider with its ledger on the outside's journal.
    pub fn new(
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        randomness: Randomness,
        dials: SharedDials,
    ) -> Self {
        Self {
            ledger: SqliteStore::new(journal),
            clock,
            randomness,
            dials,
            repeats: Mutex::default(),
            deciding: Mutex::default(),
            tells: None,
        }
    }

    /// The same, writing a message with every decision and giving this signal.
    #[must_use]
    pub fn telling(self, signal: Signal) -> Self {
        Self { tells: Some(signal), ..self }
    }

    async fn answer_time(&self, dials: &GatewayDials, dice: &mut Dice) {
        let (p50, p99) = (dials.latency_ms_p50 as f64, dials.latency_ms_p99 as f64);
        if p50 > 0.0 {
            // ln(p99) lies 2.326 standard deviations above ln(p50) in a log-normal distribution.
            let sigma = (p99 / p50).ln() / 2.326;
            let ms = p50 * (sigma * normal(dice)).exp();
            self.clock.sleep(Duration::from_micros((ms * 1_000.0) as u64)).await;
        }
    }

    async fn known(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        let rows = query(&self.ledger, SELECT_CHARGE, values![key]).await.map_err(|e| down(&e))?;
        match rows.first() {
            None => Ok(None),
            Some(row) => decision(row.text(0).map_err(|e| down(&e))?).map(Some),
        }
    }

    /// Writes a decision down, with the message that tells of it; whether it was the first.
    async fn record(&self, mut batch: Batch, webhook: Webhook) -> Result<bool, GatewayError> {
        if self.tells.is_some() {
            messages::insert(&mut batch, &webhook, self.clock.now());
        }
        match self.ledger.write(batch).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Ok(false),
            Err(e) => return Err(down(&e)),
        }
        if let Err(error) = self.ledger.durable().await {
            // It is written down, but perhaps not for ever.
            tracing::error!(%error, id = webhook.id, "decision not on disk");
            return Err(GatewayError::Unknown);
        }
        self.tells.iter().for_each(Signal::give);
        Ok(true)
    }

    async fn decide(
        &self,
        charge: &Charge,
        asked_at: Timestamp,
        decision: Decision,
        lost_reply: bool,
    ) -> Result<Decision, GatewayError> {
        let outcome = match decision {
            Decision::Captured => CAPTURED,
            Decision::Declined(reason) => reason.as_str(),
        };
        let (key, order, user) = (charge.key.as_str(), &charge.order_id, &charge.user_id);
        let mut batch = Batch::default();
        batch.one(
            INSERT_CHARGE,
            values![
                key,
                order,
                user,
                charge.amount,
                outcome,
                lost_reply,
                asked_at,
                self.clock.now()
            ],
        );
        if self.record(batch, told_of_charge(charge, decision, self.clock.now())).await? {
            return Ok(decision);
        }
        // Asked twice at the same time: the first answer stands.
        self.known(key).await?.ok_or_else(|| GatewayError::Refused("it was cancelled".into()))
    }

    /// The stream of the `n`th time that `key` was asked for, so that a repeat of a lost call is a
    /// new throw and everything else is not.
    fn dice(&self, key: &str) -> Dice {
        let repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        let n = repeats.get(key).copied().unwrap_or(0);
        self.randomness.stream(&format!("gateway:{key}:{n}"))
    }

    fn is_deciding(&self, key: &str) -> bool {
        self.deciding.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    fn lost(&self, key: &str) {
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        *repeats.entry(key.to_owned()).or_default() += 1;
    }
}

/// A charge that is being decided, until this is dropped.
struct Deciding<'a> {
    all: &'a Mutex<BTreeMap<String, u32>>,
    key: String,
}

impl<'a> Deciding<'a> {
    fn begin(all: &'a Mutex<BTreeMap<String, u32>>, key: &str) -> Self {
        let mut deciding = all.lock().unwrap_or_else(PoisonError::into_inner);
        *deciding.entry(key.to_owned()).or_default() += 1;
        Self { all, key: key.to_owned() }
    }
}

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        let mut deciding = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = deciding.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                deciding.remove(&self.key);
            }
        }
    }
}

fn told_of_charge(charge: &Charge, decision: Decision, now: Timestamp) -> Webhook {
    let (kind, reason) = match decision {
        Decision::Captured => (Told::ChargeCaptured, None),
        Decision::Declined(reason) => (Told::ChargeDeclined, Some(reason.to_string())),
    };
    Webhook {
        id: format!("charge:{}", charge.key),
        kind: kind.to_string(),
        charge_key: charge.key.clone(),
        refund_key: None,
        amount: charge.amount.minor(),
        reason,
        created_at: Some(now),
    }
}

fn told_of_refund(refund: &Refund, now: Timestamp) -> Webhook {
    Webhook {
        id: format!("refund:{}", refund.key),
        kind: Told::RefundDone.to_string(),
        charge_key: refund.charge_key.clone(),
        refund_key: Some(refund.key.clone()),
        amount: refund.amount.minor(),
        reason: None,
        created_at: Some(now),
    }
}

/// A standard normal deviate, by Box and Muller.
fn normal(dice: &mut Dice) -> f64 {
    let (a, b) = (1.0 - dice.unit(), dice.unit());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

fn decision(outcome: &str) -> Result<Decision, GatewayError> {
    if outcome == CAPTURED {
        return Ok(Decision::Captured);
    }
    let unknown = || GatewayError::Unavailable(format!("ledger holds unknown outcome {outcome}"));
    DeclineReason::parse(outcome).map(Decision::Declined).ok_or_else(unknown)
}

fn down(e: &StoreError) -> GatewayError {
    GatewayError::Unavailable(e.to_string())
}

#[async_trait]
impl Gateway for SimulatedGateway {
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        let asked_at = self.clock.now();
        let dials = self.dials.get();
        let mut dice = self.dice(&charge.key);
        let lost_reply = dice.chance(dials.ambiguous);
        let carried_out = !lost_reply || dice.chance(dials.ambiguous_captured);
        let fresh = if dice.chance(dials.success) || lost_reply {
            Decision::Captured
        } else {
            Decision::Declined(dials.decline(&mut dice))
        };
        let deciding = Deciding::begin(&self.deciding, &charge.key);
        if lost_reply {
            self.lost(&charge.key);
            if carried_out && self.known(&charge.key).await?.is_none() {
                self.decide(charge, asked_at, fresh, true).await?;
            }
            drop(deciding);
            self.clock.sleep(Duration::from_millis(dials.timeout_ms)).await;
            return Err(GatewayError::Unknown);
        }
        self.answer_time(&dials, &mut dice).await;
        match self.known(&charge.key).await? {
            Some(known) => Ok(known),
            None => self.decide(charge, asked_at, fresh, false).await,
        }
    }

    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        let dials = self.dials.get();
        self.answer_time(&dials, &mut self.dice(&format!("{key}:status"))).await;
        // Looked at first: what is decided between the two looks is found by the second.
        let deciding = self.is_deciding(key);
        match self.known(key).await? {
            None if deciding => {
                Err(GatewayError::Unavailable("the charge is being decided".into()))
            }
            known => Ok(known),
        }
    }

    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        let dials = self.dials.get();
        self.answer_time(&dials, &mut self.dice(&format!("{key}:cancel"))).await;
        let mut batch = Batch::default();
        batch.any(INSERT_CANCELLED, values![key, self.clock.now()]);
        self.ledger.write(batch).await.map_err(|e| down(&e))?;
        let known = self.known(key).await?;
        self.ledger.durable().await.map_err(|e| down(&e))?;
        Ok(known)
    }

    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        let dials = self.dials.get();
        let mut dice = self.dice(&refund.key);
        self.answer_time(&dials, &mut dice).await;
        if dice.chance(dials.refund_failure) {
            self.lost(&refund.key);
            return Err(GatewayError::Unavailable(
                "the provider takes no refunds right now".into(),
            ));
        }
        let rows = query(&self.ledger, SELECT_CHARGE, values![refund.charge_key.as_str()]).await;
        let rows = rows.map_err(|e| down(&e))?;
        let captured = match rows.first() {
            Some(row) if row.text(0) == Ok(CAPTURED) => row.int(1).map_err(|e| down(&e))?,
            _ => return Err(GatewayError::Refused("nothing was captured".into())),
        };
        if captured != refund.amount.minor() {
            return Err(GatewayError::Refused("amount differs from the charge".into()));
        }
        let done = query(&self.ledger, SELECT_REFUND, values![refund.key.as_str()]).await;
        if !done.map_err(|e| down(&e))?.is_empty() {
            return Ok(());
        }
        let (key, charge) = (refund.key.as_str(), refund.charge_key.as_str());
        let mut batch = Batch::default();
        batch.one(INSERT_REFUND, values![key, charge, refund.amount, self.clock.now()]);
        self.record(batch, told_of_refund(refund, self.clock.now())).await.map(drop)
    }
}
