//! The order service: takes checkouts, follows each order through the saga, cancels what is overdue.

pub mod api;
pub mod model;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, select};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::desk::OrderChange;
use super::{Desk, Failure, Incoming, Service, UnitOfWork};
use crate::domain::{OrderId, PaymentId};
use crate::events::{Event, Topic};
use crate::ports::{CheckoutLookup, StoreError};
use model::{Happening, Order, Status, Verdict};
use store::Tracked;

/// Overdue orders cancelled in one unit of work.
const SWEEP_MAX: u32 = 200;
/// How long a cancellation waits for an order that is being taken up.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(2);
/// A look at an order without having been told of a change, for changes by other processes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a cancellation is decided again because the order changed meanwhile.
const CANCEL_TRIES: usize = 20;

/// The order service.
pub struct Orders {
    desk: Desk,
    checkouts: Arc<dyn CheckoutLookup>,
}

/// Somebody who does something about an order that is not their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who.
    pub actor: String,
    /// Why, in their words; may be empty.
    pub why: String,
}

/// What became of a customer's wish to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// The order is cancelled; whether it was not before.
    Done(Order, bool),
    /// It is fulfilled and stays so.
    TooLate(Order),
    /// Checked out, but not yet taken up: ask again in a moment.
    NotYet,
    /// Never checked out.
    Unknown,
}

impl Orders {
    /// The service at `desk`. `checkouts` answers for orders that are not taken up yet.
    pub fn new(desk: Desk, checkouts: Arc<dyn CheckoutLookup>) -> Self {
        Self { desk, checkouts }
    }

    /// Cancels an order on the customer's behalf.
    pub async fn cancel(&self, id: &OrderId) -> Result<Cancellation, StoreError> {
        self.cancel_for(id, None).await
    }

    /// The same; if an operator does it, who and why is written down with it.
    pub async fn cancel_for(
        &self,
        id: &OrderId,
        by: Option<&Operator>,
    ) -> Result<Cancellation, StoreError> {
        let clock = &self.desk.clock;
        let give_up = clock.elapsed() + TAKEN_UP_WITHIN;
        for _ in 0..CANCEL_TRIES {
            let mut changes = self.desk.bells.orders.subscribe();
            let Some(mut tracked) = store::load(&self.desk, [id]).await?.pop() else {
                if self.checkouts.checkout(id).await?.is_none() {
                    return Ok(Cancellation::Unknown);
                }
                let rest = give_up.saturating_sub(clock.elapsed());
                if rest.is_zero() {
                    return Ok(Cancellation::NotYet);
                }
                changed(&mut changes, id, clock.sleep(rest.min(LOOK_EVERY))).await;
                continue;
            };
            let mut unit = self.desk.unit();
            match tracked.order.apply(&Happening::CancelRequested) {
                Verdict::Changed(events) => tracked.note(&mut unit, None, &events),
                Verdict::Ignored | Verdict::TooEarly
                    if tracked.order.status == Status::Cancelled =>
                {
                    return Ok(Cancellation::Done(tracked.order, false));
                }
                Verdict::Ignored | Verdict::TooEarly => {
                    return Ok(Cancellation::TooLate(tracked.order));
                }
            }
            tracked.save(&mut unit);
            if let Some(by) = by {
                store::note(&mut unit, id, by, "cancelled");
            }
            match self.desk.commit(unit).await {
                Ok(()) => return Ok(Cancellation::Done(tracked.order, true)),
                Err(StoreError::Conflict(_)) => self.desk.pause_after_conflict().await,
                Err(e) => return Err(e),
            }
        }
        Err(StoreError::Unavailable(format!("order {id} changes too fast to be cancelled")))
    }

    /// Writes down what an operator did about an order, where that is all there is to write.
    pub async fn note(
        &self,
        id: &OrderId,
        by: &Operator,
        action: &'static str,
    ) -> Result<(), StoreError> {
        let mut unit = self.desk.unit();
        store::note(&mut unit, id, by, action);
        self.desk.commit(unit).await
    }

    fn happening(&self, event: &Event, unit: &UnitOfWork) -> Option<(OrderId, Happening)> {
        let deadline = unit.now + self.desk.settings.paid_deadline;
        let (order_id, happening) = match event {
            Event::PaymentProcessed(e) => {
                let payment_id = PaymentId::of_order(&e.order_id);
                (&e.order_id, Happening::Paid { payment_id, deadline })
            }
            Event::PaymentFailed(e) => (&e.order_id, Happening::PaymentFailed(e.reason)),
            Event::InventoryReserved(e) => (&e.order_id, Happening::Reserved),
            Event::InventoryReservationFailed(e) => (&e.order_id, Happening::ReservationFailed),
            _ => return None,
        };
        Some((order_id.clone(), happening))
    }

    fn take_in(
        &self,
        unit: &mut UnitOfWork,
        orders: &mut BTreeMap<OrderId, Tracked>,
        incoming: &Incoming,
    ) -> Result<(), Failure> {
        let cause = Some(incoming.header.event_id);
        if let Event::CartCheckoutInitiated(checkout) = &incoming.event {
            if !orders.contains_key(&checkout.order_id) {
                let (order, events) = Order::place(checkout, incoming.header.timestamp, unit.now);
                let tracked = Tracked::new(order);
                tracked.note(unit, cause, &events);
                orders.insert(checkout.order_id.clone(), tracked);
            }
            return Ok(());
        }
        let Some((order_id, happening)) = self.happening(&incoming.event, unit) else {
            return Ok(());
        };
        let Some(tracked) = orders.get_mut(&order_id) else {
            let text = format!("there is no order {order_id}");
            return Err(Failure::Retry { code: "order.unknown", text });
        };
        match tracked.order.apply(&happening) {
            Verdict::Changed(events) => tracked.note(unit, cause, &events),
            Verdict::Ignored => {}
            Verdict::TooEarly => {
                let text = format!("order {order_id} is not paid");
                return Err(Failure::Retry { code: "order.not_paid", text });
            }
        }
        Ok(())
    }
}

/// Waits until the order changes, or `limit` has passed.
async fn changed(changes: &mut Receiver<OrderChange>, id: &OrderId, limit: BoxFuture<'static, ()>) {
    let changed = Box::pin(async {
        loop {
            match changes.recv().await {
                Ok(change) if change.order_id == *id => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    });
    select(changed, limit).await;
}

#[async_trait]
impl Service for Orders {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn topics(&self) -> &'static [Topic] {
        &[
            Topic::CartCheckoutInitiated,
            Topic::PaymentProcessed,
            Topic::PaymentFailed,
            Topic::InventoryReserved,
            Topic::InventoryReservationFailed,
        ]
    }

    async fn handle(&self, unit: &mut UnitOfWork, events: &[Incoming]) -> Result<(), Failure> {
        let ids = events.iter().filter_map(|incoming| incoming.event.order_id());
        let loaded =
            store::load(&self.desk, ids.collect::<std::collections::BTreeSet<_>>()).await?;
        let mut orders: BTreeMap<OrderId, Tracked> =
            loaded.into_iter().map(|t| (t.order.order_id.clone(), t)).collect();
        for incoming in events {
            self.take_in(unit, &mut orders, incoming)?;
        }
        orders.values().for_each(|tracked| tracked.save(unit));
        Ok(())
    }

    async fn sweep(&self, unit: &mut UnitOfWork) -> Result<bool, Failure> {
        let mut overdue = store::load_overdue(&self.desk, unit.now, SWEEP_MAX).await?;
        for tracked in &mut overdue {
            if let Verdict::Changed(events) = tracked.order.apply(&Happening::Overdue) {
                tracked.note(unit, None, &events);
                tracked.save(unit);
            }
        }
        Ok(overdue.len() == SWEEP_MAX as usize)
    }
}
