//! How the simulated provider behaves; can be turned while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Dice;
use crate::domain::{DeclineReason, Invalid};

/// Probabilities and latencies of the simulated payment provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayDials {
    /// Share of charges that are captured, 0 to 1.
    pub success: f64,
    /// Share of calls whose answer never comes, 0 to 1.
    pub ambiguous: f64,
    /// Share of those calls that were carried out all the same, 0 to 1.
    pub ambiguous_captured: f64,
    /// Median of the answer time in ms; times are log-normal.
    pub latency_ms_p50: u64,
    /// 99th percentile of the answer time in ms.
    pub latency_ms_p99: u64,
    /// How long a caller waits for an answer that never comes, in ms.
    pub timeout_ms: u64,
    /// Share of refund calls that fail for now, 0 to 1.
    pub refund_failure: f64,
    /// Relative weights of the reasons why a charge is declined.
    pub declines: Declines,
}

/// Relative weights of decline reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Declines {
    /// Not enough money.
    pub insufficient_funds: f64,
    /// The issuer said no.
    pub card_declined: f64,
    /// The card is past its date.
    pub expired_card: f64,
}

impl Default for Declines {
    fn default() -> Self {
        Self { insufficient_funds: 0.5, card_declined: 0.35, expired_card: 0.15 }
    }
}

impl Default for GatewayDials {
    /// Four of five charges succeed, as in the original shop; answers as of a card network.
    fn default() -> Self {
        Self {
            success: 0.8,
            ambiguous: 0.0,
            ambiguous_captured: 0.5,
            latency_ms_p50: 180,
            latency_ms_p99: 1_500,
            timeout_ms: 2_000,
            refund_failure: 0.0,
            declines: Declines::default(),
        }
    }
}

impl GatewayDials {
    /// A provider that takes every charge at once.
    pub fn instant() -> Self {
        Self { success: 1.0, latency_ms_p50: 0, latency_ms_p99: 0, ..Self::default() }
    }

    /// Checks that shares are shares and weights can be drawn from.
    pub fn check(&self) -> Result<(), Invalid> {
        let shares = [
            ("success", self.success),
            ("ambiguous", self.ambiguous),
            ("ambiguous_captured", self.ambiguous_captured),
            ("refund_failure", self.refund_failure),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(Invalid(format!("{name} must be between 0 and 1").into()));
            }
        }
        let d = &self.declines;
        let weights = [d.insufficient_funds, d.card_declined, d.expired_card];
        if weights.iter().any(|w| !w.is_finite() || *w < 0.0) || weights.iter().sum::<f64>() <= 0.0
        {
            return Err(Invalid::new("declines must be weights of at least 0, not all 0"));
        }
        if self.latency_ms_p99 < self.latency_ms_p50 {
            return Err(Invalid::new("latency_ms_p99 must not be below latency_ms_p50"));
        }
        Ok(())
    }

    /// Why a charge is declined.
    pub fn decline(&self, dice: &mut Dice) -> DeclineReason {
        let d = &self.declines;
        let mut at = dice.unit() * (d.insufficient_funds + d.card_declined + d.expired_card);
        at -= d.insufficient_funds;
        if at < 0.0 {
            return DeclineReason::InsufficientFunds;
        }
        if at < d.card_declined { DeclineReason::CardDeclined } else { DeclineReason::ExpiredCard }
    }
}

/// The dials, shared between the provider and whoever turns them.
#[derive(Clone, Default)]
pub struct SharedDials(Arc<Mutex<GatewayDials>>);

impl SharedDials {
    /// Set to `dials`.
    pub fn new(dials: GatewayDials) -> Self {
        Self(Arc::new(Mutex::new(dials)))
    }

    /// As they are now.
    pub fn get(&self) -> GatewayDials {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns them, if the new ones make sense.
    pub fn set(&self, dials: GatewayDials) -> Result<(), Invalid> {
        dials.check()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = dials;
        Ok(())
    }
}
