//! What leaves the process: charges, refunds, mail. A handler commits a row that asks for it; a
//! runner performs it outside of any transaction, under a stable key, and commits what came of it.
//! The handler also hands the runner a copy in memory, so that nothing is read back on the way; the
//! rows are what a restart goes by.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Desk, Failure, UnitOfWork};
use crate::domain::{EventId, OrderId, Timestamp};
use crate::ports::StoreError;
use crate::ports::signal::{Signal, Waiter};

/// The effects of one service.
#[async_trait]
pub trait Effects: Send + Sync {
    /// One thing to be done.
    type Effect: Clone + Send + Sync + 'static;
    /// What came of it.
    type Outcome: Send + Sync;

    /// Where the service works.
    fn desk(&self) -> &Desk;

    /// What its handlers hand over.
    fn handover(&self) -> &Handover<Self::Effect>;

    /// Names the effect among those in flight.
    fn key(effect: &Self::Effect) -> String;

    /// Grows whenever what is asked for changes or is tried once more: tells a new demand from another
    /// copy of the same.
    fn step(effect: &Self::Effect) -> i64;

    /// The order that it is for, if it is for one, and the event that led to it, as far as that is known.
    fn origin(effect: &Self::Effect) -> Option<(OrderId, Option<EventId>)>;

    /// When it should be done.
    fn due_at(effect: &Self::Effect) -> Timestamp;

    /// Takes over the rows of processes that are not alive at `now`; they are due at `due` or before.
    async fn adopt(&self, now: Timestamp, due: Timestamp) -> Result<(), StoreError>;

    /// This process's rows whose effect is due at `now`, oldest first, at most `limit`.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Self::Effect>, StoreError>;

    /// Does it. Writes nothing.
    async fn perform(&self, effect: &Self::Effect) -> Self::Outcome;

    /// Puts what came of it into `unit`. Called again, with fresh reads, after a conflict.
    async fn record(
        &self,
        unit: &mut UnitOfWork,
        done: &[(Self::Effect, Self::Outcome)],
    ) -> Result<(), Failure>;
}

/// Effects on their way from a service's handlers to its runner.
pub struct Handover<E> {
    shared: Arc<(Mutex<Vec<E>>, Signal)>,
}

impl<E> Default for Handover<E> {
    fn default() -> Self {
        Self { shared: Arc::new((Mutex::new(vec![]), Signal::default())) }
    }
}

impl<E: Send + 'static> Handover<E> {
    /// Hands `effects` over once `unit` is committed.
    pub fn after(&self, unit: &mut UnitOfWork, effects: Vec<E>) {
        if effects.is_empty() {
            return;
        }
        let handover = Self { shared: Arc::clone(&self.shared) };
        unit.afterwards(Box::pin(async move { handover.give(effects) }));
    }

    /// Hands `effects` over now.
    pub fn give(&self, effects: Vec<E>) {
        if effects.is_empty() {
            return;
        }
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).extend(effects);
        self.shared.1.give();
    }

    /// Takes all that was handed over.
    pub fn take(&self) -> Vec<E> {
        std::mem::take(&mut *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes when something is handed over.
    pub fn waiter(&self) -> Waiter {
        self.shared.1.waiter()
    }
}
