//! The payment service: charges an order once, finds out about charges without an answer, and gives
//! the money of cancelled orders back.

pub mod api;
pub mod model;
mod store;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::{Desk, Effects, Failure, Handover, Incoming, Mutant, Service, UnitOfWork};
use crate::domain::{EventId, OrderId, Timestamp};
use crate::events::{Event, Topic};
use crate::ports::StoreError;
use crate::ports::gateway::{Charge, Gateway, GatewayError, Refund};
use model::{Outcome, Payment, Status};

/// The payment service.
pub struct Payments {
    desk: Desk,
    gateway: Arc<dyn Gateway>,
    handover: Handover<Payment>,
}

impl Payments {
    /// The service at `desk`, with the provider that it uses.
    pub fn new(desk: Desk, gateway: Arc<dyn Gateway>) -> Self {
        Self { desk, gateway, handover: Handover::default() }
    }

    async fn charge(&self, payment: &Payment) -> Outcome {
        let mut key = payment.order_id.to_string();
        if self.desk.settings.mutation.is(Mutant::DoubleCharge) && payment.attempts > 0 {
            key = format!("{key}-{}", payment.attempts);
        }
        let uncertain = payment.attempts > 0;
        let may_charge = || {
            let careless = self.desk.settings.mutation.is(Mutant::HoldIgnored);
            careless || payment.may_charge(self.desk.clock.now())
        };
        if !may_charge() {
            // Not only asked: a charge of another process, or of one that was killed, may be on its way.
            return match self.gateway.cancel(&key).await {
                Ok(Some(decision)) => Outcome::Decided(decision),
                Ok(None) => Outcome::NeverCharged,
                Err(_) => Outcome::Unclear,
            };
        }
        if uncertain {
            match self.gateway.status(&key).await {
                Ok(Some(decision)) => return Outcome::Decided(decision),
                Ok(None) => {}
                Err(_) => return Outcome::Unclear,
            }
        }
        let charge = Charge {
            key,
            order_id: payment.order_id.clone(),
            user_id: payment.user_id.clone(),
            amount: payment.amount,
        };
        match self.gateway.charge(&charge).await {
            Ok(decision) => Outcome::Decided(decision),
            Err(GatewayError::Refused(text)) => Outcome::Refused(text),
            Err(GatewayError::Unknown | GatewayError::Unavailable(_)) => Outcome::Unclear,
        }
    }

    /// Asks the provider once more for a refund that it had refused for good; whether it had. The status
    /// that the payment has then, if there is such a payment.
    pub async fn ask_again(&self, id: &OrderId) -> Result<Option<(bool, Status)>, StoreError> {
        loop {
            let Some(mut payment) = store::load(&self.desk, [id]).await?.pop() else {
                return Ok(None);
            };
            let (mut unit, version) = (self.desk.unit(), payment.version);
            if !payment.ask_again(unit.now) {
                return Ok(Some((false, payment.status)));
            }
            store::update(&mut unit, &payment, version);
            let status = payment.status;
            self.handover.after(&mut unit, vec![payment]);
            match self.desk.commit(unit).await {
                Ok(()) => return Ok(Some((true, status))),
                Err(StoreError::Conflict(_)) => self.desk.pause_after_conflict().await,
                Err(e) => return Err(e),
            }
        }
    }

    async fn refund(&self, payment: &Payment) -> Outcome {
        let refund = Refund {
            key: format!("{}:refund", payment.order_id),
            charge_key: payment.order_id.to_string(),
            amount: payment.amount,
        };
        match self.gateway.refund(&refund).await {
            Ok(()) => Outcome::Refunded,
            Err(GatewayError::Refused(text)) => {
                tracing::error!(order_id = %payment.order_id, reason = text, "refund refused for good");
                Outcome::Refused(text)
            }
            Err(GatewayError::Unknown | GatewayError::Unavailable(_)) => Outcome::Unclear,
        }
    }
}

/// A payment in hand, and its version in the table; none if it is new.
struct Tracked {
    payment: Payment,
    stored_version: Option<i64>,
}

#[async_trait]
impl Service for Payments {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn topics(&self) -> &'static [Topic] {
        &[Topic::OrderCreated, Topic::OrderCancelled]
    }

    async fn handle(&self, unit: &mut UnitOfWork, events: &[Incoming]) -> Result<(), Failure> {
        let ids: BTreeSet<&OrderId> = events.iter().filter_map(|i| i.event.order_id()).collect();
        let mut payments: BTreeMap<OrderId, Tracked> = BTreeMap::new();
        for payment in store::load(&self.desk, ids).await? {
            let stored_version = Some(payment.version);
            payments.insert(payment.order_id.clone(), Tracked { payment, stored_version });
        }
        for incoming in events {
            let cause = incoming.header.event_id;
            match &incoming.event {
                Event::OrderCreated(e) => {
                    payments.entry(e.order_id.clone()).or_insert_with(|| {
                        let (order, user) = (e.order_id.clone(), e.user_id.clone());
                        let payment = Payment::ask(
                            order,
                            user,
                            e.total_amount,
                            e.hold_expires_at,
                            cause,
                            unit.now,
                        );
                        Tracked { payment, stored_version: None }
                    });
                }
                Event::OrderCancelled(e) => match payments.get_mut(&e.order_id) {
                    Some(_) if self.desk.settings.mutation.is(Mutant::RefundForgotten) => {}
                    Some(tracked) => drop(tracked.payment.cancel_order(cause, unit.now)),
                    None => {
                        let (order, user) = (e.order_id.clone(), e.user_id.clone());
                        let payment = Payment::tombstone(order.clone(), user, cause, unit.now);
                        payments.insert(order, Tracked { payment, stored_version: None });
                    }
                },
                _ => {}
            }
        }
        let mut due = vec![];
        for Tracked { payment, stored_version } in payments.into_values() {
            match stored_version {
                None => store::insert(unit, &payment),
                Some(version) if version != payment.version => {
                    store::update(unit, &payment, version);
                }
                Some(_) => continue,
            }
            due.extend(payment.next_attempt_at.is_some().then_some(payment));
        }
        self.handover.after(unit, due);
        Ok(())
    }
}

#[async_trait]
impl Effects for Payments {
    type Effect = Payment;
    type Outcome = Outcome;

    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn handover(&self) -> &Handover<Payment> {
        &self.handover
    }

    fn key(payment: &Payment) -> String {
        payment.order_id.to_string()
    }

    fn step(payment: &Payment) -> i64 {
        payment.version
    }

    fn origin(payment: &Payment) -> Option<(OrderId, Option<EventId>)> {
        Some((payment.order_id.clone(), Some(payment.cause)))
    }

    fn due_at(payment: &Payment) -> Timestamp {
        payment.next_attempt_at.unwrap_or_default()
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Payment>, StoreError> {
        store::due(&self.desk, now, limit).await
    }

    async fn adopt(&self, now: Timestamp, due: Timestamp) -> Result<(), StoreError> {
        store::adopt(&self.desk, now, due).await
    }

    async fn perform(&self, payment: &Payment) -> Outcome {
        match payment.status {
            Status::RefundDue => self.refund(payment).await,
            _ => self.charge(payment).await,
        }
    }

    async fn record(
        &self,
        unit: &mut UnitOfWork,
        done: &[(Payment, Outcome)],
    ) -> Result<(), Failure> {
        // Read again: the order may have been cancelled while the gateway was asked.
        let ids = done.iter().map(|(payment, _)| &payment.order_id);
        let mut current: BTreeMap<OrderId, Payment> = BTreeMap::new();
        for payment in store::load(&self.desk, ids).await? {
            current.insert(payment.order_id.clone(), payment);
        }
        let mut again = vec![];
        for (asked, outcome) in done {
            let Some(payment) = current.get_mut(&asked.order_id) else { continue };
            // Somebody else was faster: another instance, or the provider's own message. Whoever
            // changed what is due has handed that over.
            if payment.next_attempt_at.is_none() || payment.status != asked.status {
                continue;
            }
            let (version, cause) = (payment.version, payment.cause);
            if let Some(event) = payment.settle(outcome, unit.now) {
                unit.emit(Some(cause), &event);
            }
            store::update(unit, payment, version);
            again.extend(payment.next_attempt_at.is_some().then(|| payment.clone()));
        }
        self.handover.after(unit, again);
        Ok(())
    }
}
