//! An order and how its state may change. Pure.
//!
//! ```text
//!            payment.processed        inventory.reserved
//!  PENDING ───────────────────▶ PAID ───────────────────▶ FULFILLED
//!     │ payment.failed            │ inventory.reservation_failed
//!     │ overdue, customer         │ overdue, customer
//!     └───────────▶ CANCELLED ◀───┘
//! ```

use crate::domain::closed_set::closed_set;
use crate::domain::{
    CancelReason, DeclineReason, Email, Line, Money, OrderId, PaymentId, Phone, Timestamp, UserId,
};
use crate::events::notification::Outcome;
use crate::events::{Event, cart, notification, order};

closed_set! {
    /// Where an order stands.
    Status {
        /// Waits for its payment.
        Pending = "PENDING",
        /// Paid; waits for its stock.
        Paid = "PAID",
        /// Served. Final.
        Fulfilled = "FULFILLED",
        /// Not served. Final.
        Cancelled = "CANCELLED",
    }
}

impl Status {
    /// Whether it can still change.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Cancelled)
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// Where it stands.
    pub status: Status,
    /// What was bought.
    pub items: Vec<Line>,
    /// What it costs.
    pub total: Money,
    /// Where to write to.
    pub email: Option<Email>,
    /// Where to text to.
    pub phone: Option<Phone>,
    /// The payment, once paid.
    pub payment_id: Option<PaymentId>,
    /// Why it was cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// Why its payment was declined.
    pub decline_reason: Option<DeclineReason>,
    /// Counts the changes of status, from 1.
    pub version: i64,
    /// When it is cancelled as overdue; none once it is final.
    pub deadline: Option<Timestamp>,
    /// When the shopper checked out.
    pub created_at: Timestamp,
}

/// What may happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Its payment was captured; stock must be reserved until `deadline`.
    Paid {
        /// The payment.
        payment_id: PaymentId,
        /// The new deadline.
        deadline: Timestamp,
    },
    /// Its payment was declined.
    PaymentFailed(DeclineReason),
    /// Its stock was reserved.
    Reserved,
    /// Its stock could not be reserved.
    ReservationFailed,
    /// Its deadline has passed.
    Overdue,
    /// The customer wants out.
    CancelRequested,
}

/// What a happening means for the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The order changed; these events tell of it, the first names the change.
    Changed(Vec<Event>),
    /// Nothing: it has happened before, or comes too late to matter.
    Ignored,
    /// It cannot have happened to this order yet.
    TooEarly,
}

impl Order {
    /// The order that a checkout makes, and the events that tell of it. A checkout that comes after
    /// its deadline makes an order that is cancelled from the start.
    pub fn place(
        checkout: &cart::CheckoutInitiated,
        created_at: Timestamp,
        now: Timestamp,
    ) -> (Self, Vec<Event>) {
        let mut placed = Self {
            order_id: checkout.order_id.clone(),
            user_id: checkout.user_id.clone(),
            status: Status::Pending,
            items: checkout.items.clone(),
            total: checkout.total_amount,
            email: checkout.email.clone(),
            phone: checkout.phone.clone(),
            payment_id: None,
            cancel_reason: None,
            decline_reason: None,
            version: 1,
            deadline: Some(checkout.deadline),
            created_at,
        };
        if now >= checkout.deadline {
            placed.version = 0;
            let events = placed.cancel(CancelReason::Expired, None);
            return (placed, events);
        }
        let created = Event::OrderCreated(order::Created {
            order_id: placed.order_id.clone(),
            user_id: placed.user_id.clone(),
            items: placed.items.clone(),
            total_amount: placed.total,
            hold_expires_at: checkout.hold_expires_at,
            deadline: checkout.deadline,
        });
        (placed, vec![created])
    }

    /// Takes in what happened.
    pub fn apply(&mut self, happening: &Happening) -> Verdict {
        use Happening as H;
        use Status as S;
        match (self.status, happening) {
            (S::Pending, H::Paid { payment_id, deadline }) => {
                Verdict::Changed(self.pay(payment_id.clone(), *deadline))
            }
            (S::Pending, H::PaymentFailed(decline)) => {
                let reason = match decline {
                    DeclineReason::HoldExpired => CancelReason::Expired,
                    _ => CancelReason::PaymentFailed,
                };
                Verdict::Changed(self.cancel(reason, Some(*decline)))
            }
            (S::Paid, H::Reserved) => Verdict::Changed(self.fulfil()),
            (S::Paid, H::ReservationFailed) => {
                Verdict::Changed(self.cancel(CancelReason::OutOfStock, None))
            }
            (S::Pending | S::Paid, H::Overdue) => {
                Verdict::Changed(self.cancel(CancelReason::Expired, None))
            }
            (S::Pending | S::Paid, H::CancelRequested) => {
                Verdict::Changed(self.cancel(CancelReason::CustomerRequest, None))
            }
            (S::Pending, H::Reserved | H::ReservationFailed) => Verdict::TooEarly,
            (S::Paid | S::Fulfilled | S::Cancelled, H::Paid { .. } | H::PaymentFailed(_))
            | (S::Fulfilled | S::Cancelled, _) => Verdict::Ignored,
        }
    }

    fn pay(&mut self, payment_id: PaymentId, deadline: Timestamp) -> Vec<Event> {
        self.status = Status::Paid;
        self.version += 1;
        self.payment_id = Some(payment_id.clone());
        self.deadline = Some(deadline);
        vec![Event::OrderConfirmed(order::Confirmed {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            payment_id,
            items: self.items.clone(),
            total_amount: self.total,
        })]
    }

    fn fulfil(&mut self) -> Vec<Event> {
        self.status = Status::Fulfilled;
        self.version += 1;
        self.deadline = None;
        vec![self.notice(Outcome::Fulfilled)]
    }

    fn cancel(&mut self, reason: CancelReason, decline: Option<DeclineReason>) -> Vec<Event> {
        self.status = Status::Cancelled;
        self.version += 1;
        self.deadline = None;
        self.cancel_reason = Some(reason);
        self.decline_reason = decline;
        let cancelled = Event::OrderCancelled(order::Cancelled {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            reason,
            decline,
        });
        vec![cancelled, self.notice(Outcome::Cancelled)]
    }

    fn notice(&self, outcome: Outcome) -> Event {
        Event::NotificationSend(notification::Send {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            outcome,
            email: self.email.clone(),
            phone: self.phone.clone(),
            total_amount: self.total,
            reason: self.cancel_reason,
            decline: self.decline_reason,
        })
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
