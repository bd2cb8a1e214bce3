//! Where a service works: its store, its clock, its ids, and the bells it can ring.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use super::unit::UnitOfWork;
use super::{ServiceName, ShopSettings};
use crate::domain::{CartId, EventId, OrderId, Timestamp};
use crate::ports::store::{Read, Row, Store, StoreError};
use crate::ports::{Clock, Dice, Signal, Value};

/// Changes of orders remembered for slow listeners.
const CHANGES_KEPT: usize = 16_384;
/// Pause before a unit of work that lost a race is decided again, at most, in ms.
const CONFLICT_PAUSE_MS: u64 = 20;

/// An order took another status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderChange {
    /// The order.
    pub order_id: OrderId,
    /// Its new status.
    pub status: &'static str,
}

/// The bells of a shop.
#[derive(Clone)]
pub struct Bells {
    /// There is something in the outbox.
    pub outbox: Signal,
    /// Orders whose status changed.
    pub orders: broadcast::Sender<OrderChange>,
    /// Set while new orders should not be taken: the outbox or the disk is full.
    pub pressure: Arc<AtomicBool>,
}

impl Default for Bells {
    fn default() -> Self {
        Self {
            outbox: Signal::default(),
            orders: broadcast::Sender::new(CHANGES_KEPT),
            pressure: Arc::default(),
        }
    }
}

/// A service's working place. Cheap to share.
pub struct Desk {
    /// Whose.
    pub name: ServiceName,
    /// Its tables.
    pub store: Arc<dyn Store>,
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// The shop's rules.
    pub settings: Arc<ShopSettings>,
    /// The shop's bells.
    pub bells: Bells,
    /// This process, among those that share the store; empty if it is alone.
    pub owner: Arc<str>,
    dice: Mutex<Dice>,
}

impl Desk {
    /// A desk for `name`; `dice` makes its ids.
    pub fn new(
        name: ServiceName,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        dice: Dice,
        settings: Arc<ShopSettings>,
        bells: Bells,
    ) -> Self {
        let (dice, owner) = (Mutex::new(dice), Arc::from(""));
        Self { name, store, clock, settings, bells, owner, dice }
    }

    /// The same in a process that shares the store with others.
    #[must_use]
    pub fn owned_by(mut self, owner: &str) -> Self {
        self.owner = owner.into();
        self
    }

    /// A unit of work that begins now.
    pub fn unit(&self) -> UnitOfWork {
        let dice = self.with_dice(Dice::fork);
        UnitOfWork::new(self.name, self.clock.now(), Arc::clone(&self.owner), dice)
    }

    /// A new cart's id.
    pub fn cart_id(&self, now: Timestamp) -> CartId {
        self.with_dice(|dice| dice.cart_id(now))
    }

    /// A new event's id.
    pub fn event_id(&self, now: Timestamp) -> EventId {
        self.with_dice(|dice| dice.event_id(now))
    }

    fn with_dice<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commits a unit of work, rings the bells it asks for and does what should follow.
    pub async fn commit(&self, unit: UnitOfWork) -> Result<(), StoreError> {
        let UnitOfWork { batch, afterwards, emitted, changed_orders, .. } = unit;
        if !batch.is_empty() {
            self.store.write(batch).await?;
        }
        if emitted > 0 {
            self.bells.outbox.give();
        }
        for follow_up in afterwards {
            follow_up.await;
        }
        for change in changed_orders {
            // Nobody may be listening, which is fine.
            let _ = self.bells.orders.send(change);
        }
        Ok(())
    }

    /// All rows of all `reads`, of one snapshot.
    pub async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.store.read(reads).await
    }

    /// The rows of one query.
    pub async fn query(&self, sql: &'static str, row: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        crate::ports::store::query(self.store.as_ref(), sql, row).await
    }

    /// Waits a moment, differently long for everyone, before deciding again after a conflict.
    pub async fn pause_after_conflict(&self) {
        let ms = self.with_dice(|dice| dice.below(CONFLICT_PAUSE_MS));
        self.clock.sleep(Duration::from_millis(ms)).await;
    }

    /// Whether new orders should be refused for now.
    pub fn under_pressure(&self) -> bool {
        self.bells.pressure.load(Ordering::Relaxed)
    }
}
