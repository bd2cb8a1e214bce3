//! A payment and how its state may change. Pure.
//!
//! ```text
//!               captured                 order.cancelled           refunded
//!  PENDING ───────────────▶ SUCCEEDED ───────────────▶ REFUND_DUE ─────────▶ REFUNDED
//!     │ declined, hold lapsed                               ▲  │ refused for good
//!     ├──────────────────▶ FAILED                           │  └──────────▶ REFUND_FAILED
//!     │                                                     │ an operator asks again │
//!     │                                                     ├◀───────────────────────┘
//!     │ captured, but its order was cancelled meanwhile ────┘
//!     └ never charged, and its order was cancelled ──▶ CANCELLED
//! ```

use std::time::Duration;

use crate::domain::closed_set::closed_set;
use crate::domain::{DeclineReason, EventId, Money, OrderId, PaymentId, Timestamp, UserId};
use crate::events::{Event, payment};
use crate::ports::gateway::Decision;

closed_set! {
    /// Where a payment stands.
    Status {
        /// A charge is due or under way.
        Pending = "PENDING",
        /// The money was taken.
        Succeeded = "SUCCEEDED",
        /// No money was taken.
        Failed = "FAILED",
        /// The order was cancelled before any charge.
        Cancelled = "CANCELLED",
        /// The money was taken and must be given back.
        RefundDue = "REFUND_DUE",
        /// The money was given back.
        Refunded = "REFUNDED",
        /// The provider will not give the money back: a human must.
        RefundFailed = "REFUND_FAILED",
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The order it pays.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: Status,
    /// Why no money was taken, or why it cannot be given back.
    pub reason: Option<String>,
    /// Its order was cancelled: what is captured is due back.
    pub order_cancelled: bool,
    /// The event that asked for what is due.
    pub cause: EventId,
    /// Attempts of what is due that had no clear outcome.
    pub attempts: i64,
    /// When the gateway is asked next; none when nothing is due.
    pub next_attempt_at: Option<Timestamp>,
    /// No charge starts after this.
    pub hold_expires_at: Timestamp,
    /// Counts the changes, from 1.
    pub version: i64,
    /// When it came up.
    pub created_at: Timestamp,
}

/// What the gateway said, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A charge was decided.
    Decided(Decision),
    /// There is no charge, and none will be started.
    NeverCharged,
    /// The money was given back.
    Refunded,
    /// No answer, or no connection: to be asked again.
    Unclear,
    /// The provider will never do it.
    Refused(String),
}

/// First pause before the gateway is asked again; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest pause before the gateway is asked again.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl Payment {
    /// A payment that an order asks for.
    pub fn ask(
        order_id: OrderId,
        user_id: UserId,
        amount: Money,
        hold_expires_at: Timestamp,
        cause: EventId,
        now: Timestamp,
    ) -> Self {
        Self {
            order_id,
            user_id,
            amount,
            status: Status::Pending,
            reason: None,
            order_cancelled: false,
            cause,
            attempts: 0,
            next_attempt_at: Some(now),
            hold_expires_at,
            version: 1,
            created_at: now,
        }
    }

    /// Stands in for a payment whose order was cancelled before it came up.
    pub fn tombstone(order_id: OrderId, user_id: UserId, cause: EventId, now: Timestamp) -> Self {
        let asked = Self::ask(order_id, user_id, Money::ZERO, now, cause, now);
        Self { status: Status::Cancelled, order_cancelled: true, next_attempt_at: None, ..asked }
    }

    /// Its id.
    pub fn payment_id(&self) -> PaymentId {
        PaymentId::of_order(&self.order_id)
    }

    /// Whether a charge may (still) be started at `now`.
    pub fn may_charge(&self, now: Timestamp) -> bool {
        !self.order_cancelled && now < self.hold_expires_at
    }

    /// Its order was cancelled. Whether that changed anything.
    pub fn cancel_order(&mut self, cause: EventId, now: Timestamp) -> bool {
        match self.status {
            Status::Pending if !self.order_cancelled => {
                self.order_cancelled = true;
                self.cause = cause;
                self.next_attempt_at = Some(now);
            }
            Status::Succeeded => {
                self.order_cancelled = true;
                self.refund_due(cause, now);
            }
            _ => return false,
        }
        self.version += 1;
        true
    }

    /// The provider, which would not give the money back, is asked once more. Whether it had refused.
    pub fn ask_again(&mut self, now: Timestamp) -> bool {
        if self.status != Status::RefundFailed {
            return false;
        }
        self.reason = None;
        self.refund_due(self.cause, now);
        self.version += 1;
        true
    }

    fn refund_due(&mut self, cause: EventId, now: Timestamp) {
        self.status = Status::RefundDue;
        self.cause = cause;
        self.attempts = 0;
        self.next_attempt_at = Some(now);
    }

    /// Takes in what the gateway said about what was due; the event that tells of it, if one does.
    pub fn settle(&mut self, outcome: &Outcome, now: Timestamp) -> Option<Event> {
        self.version += 1;
        match (self.status, outcome) {
            (Status::Pending, Outcome::Decided(Decision::Captured)) => Some(self.captured(now)),
            (Status::Pending, Outcome::Decided(Decision::Declined(reason))) => {
                Some(self.failed(*reason))
            }
            (Status::Pending, Outcome::NeverCharged) if self.order_cancelled => {
                self.end(Status::Cancelled);
                None
            }
            (Status::Pending, Outcome::NeverCharged) => {
                Some(self.failed(DeclineReason::HoldExpired))
            }
            (Status::Pending, Outcome::Refused(_)) => {
                Some(self.failed(DeclineReason::CardDeclined))
            }
            (Status::RefundDue, Outcome::Refunded) => Some(self.refunded()),
            (Status::RefundDue, Outcome::Refused(text)) => {
                self.end(Status::RefundFailed);
                self.reason = Some(text.clone());
                None
            }
            // No clear answer, or one to a question that is no longer open: ask again later.
            _ => {
                self.attempts += 1;
                let pause = PAUSE_MIN * 2u32.saturating_pow(self.attempts.min(16) as u32 - 1);
                self.next_attempt_at = Some(now + pause.min(PAUSE_MAX));
                None
            }
        }
    }

    fn captured(&mut self, now: Timestamp) -> Event {
        if self.order_cancelled {
            self.refund_due(self.cause, now);
        } else {
            self.end(Status::Succeeded);
        }
        Event::PaymentProcessed(payment::Processed {
            payment_id: self.payment_id(),
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            amount: self.amount,
            currency: Money::CURRENCY.into(),
            method: "card".into(),
        })
    }

    fn failed(&mut self, reason: DeclineReason) -> Event {
        self.end(Status::Failed);
        self.reason = Some(reason.as_str().to_owned());
        Event::PaymentFailed(payment::Failed {
            payment_id: self.payment_id(),
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            reason,
        })
    }

    fn refunded(&mut self) -> Event {
        self.end(Status::Refunded);
        Event::PaymentRefunded(payment::Refunded {
            payment_id: self.payment_id(),
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            amount: self.amount,
            currency: Money::CURRENCY.into(),
        })
    }

    fn end(&mut self, status: Status) {
        self.status = status;
        self.next_attempt_at = None;
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
