//! Who decides what. Each service is a folder: a pure `model`, SQL in `store`, event handlers in
//! `mod`, HTTP in `api`. A service reads and writes only its own tables, and never names another
//! service, an adapter, a vendor's crate or the runtime. What it needs is on its [`Desk`].

pub mod desk;
pub mod effects;
pub mod idempotency;
pub mod settings;
pub mod unit;

pub mod cart;
pub mod catalog;
pub mod inventory;
pub mod notification;
pub mod order;
pub mod payment;

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::closed_set::closed_set;
use crate::events::{Event, Header, Topic};
use crate::ports::bus::Record;
use crate::ports::{HoldsError, StoreError};
pub use desk::Desk;
pub use effects::{Effects, Handover};
pub use settings::{Mutant, Mutation, ShopSettings};
pub use unit::UnitOfWork;

closed_set! {
    /// A service of the shop.
    ServiceName {
        /// Carts and checkout.
        Cart = "cart",
        /// Orders and their saga.
        Order = "order",
        /// Charges and refunds.
        Payment = "payment",
        /// Stock, holds and reservations.
        Inventory = "inventory",
        /// E-mail and SMS.
        Notification = "notification",
        /// What sellers offer.
        Catalog = "catalog",
    }
}

impl ServiceName {
    /// The consumer group of its event handlers.
    pub fn group(self) -> String {
        format!("{self}-service-group")
    }
}

/// An event to be handled.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its envelope.
    pub header: Header,
    /// Its body.
    pub event: Event,
    /// The record it came in.
    pub record: Arc<Record>,
}

/// Why a handler did not take effect. Business outcomes (a declined card, an empty shelf) are not
/// failures but events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not the event's fault: a conflict, a lost connection. Retried until it works.
    #[error("{0}")]
    Transient(String),
    /// May be the event's fault: retried a few times, then dead-lettered.
    #[error("{code}: {text}")]
    Retry {
        /// A stable word to group by.
        code: &'static str,
        /// What happened.
        text: String,
    },
    /// The event's fault: dead-lettered at once.
    #[error("{code}: {text}")]
    Poison {
        /// A stable word to group by.
        code: &'static str,
        /// What is wrong with it.
        text: String,
    },
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        if e.is_transient() {
            Self::Transient(e.to_string())
        } else {
            Self::Retry { code: "store.broken", text: e.to_string() }
        }
    }
}

impl From<HoldsError> for Failure {
    fn from(e: HoldsError) -> Self {
        Self::Transient(e.to_string())
    }
}

/// A service's event handlers.
#[async_trait]
pub trait Service: Send + Sync {
    /// Where it works.
    fn desk(&self) -> &Desk;

    /// The topics it reads.
    fn topics(&self) -> &'static [Topic];

    /// Decides what `events` mean and puts the writes into `unit`, which is committed whole. Called
    /// with many events at once, or with one if the many failed; called again, with fresh reads,
    /// after a conflict.
    async fn handle(&self, unit: &mut UnitOfWork, events: &[Incoming]) -> Result<(), Failure>;

    /// Housekeeping by the clock: deadlines, expiries. Called again at once while it returns true.
    async fn sweep(&self, unit: &mut UnitOfWork) -> Result<bool, Failure> {
        let _ = unit;
        Ok(false)
    }

    /// Gets ready, before any event is handled.
    async fn start(&self) -> Result<(), Failure> {
        Ok(())
    }
}
