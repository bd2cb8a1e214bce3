//! The set of adapters that a shop runs on.

use std::sync::Arc;

use crate::ports::{
    Cache, Clock, EventBus, Gateway, Holds, Mailbox, Mailer, Randomness, Sms, Spawn, Store,
};

/// One adapter per port. Decorators (faults, meters, scheduling) wrap the members before a shop is
/// built on them.
#[derive(Clone)]
pub struct Ports {
    /// Events.
    pub bus: Arc<dyn EventBus>,
    /// Tables.
    pub store: Arc<dyn Store>,
    /// Whether bus and store share a journal.
    pub one_journal: bool,
    /// Copies of carts.
    pub cache: Arc<dyn Cache>,
    /// Holds on stock.
    pub holds: Arc<dyn Holds>,
    /// The payment provider.
    pub gateway: Arc<dyn Gateway>,
    /// E-mail.
    pub mailer: Arc<dyn Mailer>,
    /// Text messages.
    pub sms: Arc<dyn Sms>,
    /// What arrived, where that can be looked at.
    pub mailbox: Option<Arc<dyn Mailbox>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and choices.
    pub randomness: Randomness,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
}
