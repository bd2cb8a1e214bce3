//! What can be set about the shop's rules.

use std::time::Duration;

use crate::domain::closed_set::closed_set;
use crate::domain::{Email, Secret};

/// The shop's rules.
#[derive(Debug, Clone)]
pub struct ShopSettings {
    /// How long stock is held for a checkout.
    pub hold_ttl: Duration,
    /// How long an order may stay PENDING.
    pub pending_deadline: Duration,
    /// How long an order may stay PAID.
    pub paid_deadline: Duration,
    /// How long an untouched cart is kept.
    pub cart_ttl: Duration,
    /// How long an earlier price may still be put into a cart.
    pub price_grace: Duration,
    /// How long an answer is kept for its idempotency key.
    pub idempotency_ttl: Duration,
    /// Stock at or below which a product is low.
    pub low_stock: i64,
    /// Who hears of low stock.
    pub admin_email: Email,
    /// What the payment provider signs its messages with; without it none are taken.
    pub webhook_secret: Option<Secret>,
    /// A deliberate bug, in tests of the checker.
    pub mutation: Mutation,
}

closed_set! {
    /// Bugs that other shops have, to test that the checker finds them. Compiled in by the feature
    /// `mutants` only.
    Mutant {
        /// Stock is taken without looking whether it is there.
        Oversell = "oversell",
        /// Events are published before the change they tell of is committed.
        PublishBeforeCommit = "publish_before_commit",
        /// A repeated charge gets a new key.
        DoubleCharge = "double_charge",
        /// What could be reserved of a short order stays reserved.
        PartialReservation = "partial_reservation",
        /// Redelivered events are handled again.
        InboxSkipped = "inbox_skipped",
        /// A captured charge of a cancelled order is kept.
        RefundForgotten = "refund_forgotten",
        /// A charge is asked for without looking whether the units are still held.
        HoldIgnored = "hold_ignored",
        /// Records that cannot be processed are dropped.
        DeadLetterDropped = "dead_letter_dropped",
        /// An e-mail gets a new id with every attempt.
        UnstableMessageId = "unstable_message_id",
    }
}

/// The bug that is switched on, if any. Without the feature `mutants` there is none and nothing to
/// look up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mutation {
    #[cfg(feature = "mutants")]
    active: Option<Mutant>,
}

impl Mutation {
    /// Switches a bug on.
    #[cfg(feature = "mutants")]
    pub fn of(mutant: Mutant) -> Self {
        Self { active: Some(mutant) }
    }

    /// Whether this bug is on.
    pub fn is(self, mutant: Mutant) -> bool {
        #[cfg(feature = "mutants")]
        return self.active == Some(mutant);
        #[cfg(not(feature = "mutants"))]
        {
            let _ = mutant;
            false
        }
    }
}
