//! The set of adapters that a shop runs on.

use std::sync::Arc;

use super::roles::Role;
use crate::domain::Timestamp;
use crate::ports::store::{Batch, StoreError};
use crate::ports::{
    BusAdmin, Cache, Clock, EventBus, Gateway, Holds, Mailbox, Mailer, Notices, Randomness, Sms,
    Spawn, Store,
};
use crate::runtime::Tracer;
use crate::runtime::servers::Server;
use crate::runtime::trace::Traced;
use crate::values;

/// What a process needs to know of others that share its store.
#[derive(Clone)]
pub struct Others {
    /// This process, among them.
    pub instance: String,
    /// A way to tell them.
    pub notices: Arc<dyn Notices>,
}

/// One adapter per port. Decorators (faults, meters, scheduling) wrap the members before a shop is
/// built on them.
#[derive(Clone)]
pub struct Ports {
    /// Events.
    pub bus: Arc<dyn EventBus>,
    /// Looking after them.
    pub admin: Arc<dyn BusAdmin>,
    /// Tables.
    pub store: Arc<dyn Store>,
    /// Whether bus and store share a journal.
    pub one_journal: bool,
    /// The other processes that share the store; none where it is this one's alone.
    pub others: Option<Others>,
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
    /// The servers behind them, and whose work each is for; empty: everybody's.
    pub servers: Vec<(Server, &'static [Role])>,
    /// Who is told of the way of orders; off unless somebody asks for it.
    pub tracer: Tracer,
}

impl Ports {
    /// The same ports, telling `tracer` of what goes through them; as they are if nobody listens.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        if !tracer.is_on() {
            return self;
        }
        Self {
            gateway: Traced::new(self.gateway, tracer.clone()),
            mailer: Traced::new(self.mailer, tracer.clone()),
            sms: Traced::new(self.sms, tracer.clone()),
            tracer,
            ..self
        }
    }

    /// Notes in the shop's tables that a process has begun to use them; when.
    pub async fn note_start(&self) -> Result<Timestamp, StoreError> {
        let (started, mut batch) = (self.clock.now(), Batch::default());
        batch.one("insert into process_starts (started_at) values (?1)", values![started]);
        self.store.write(batch).await?;
        Ok(started)
    }

    /// Notes that the process that began at `started` has ended in good order.
    pub async fn note_end(&self, started: Timestamp) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let end =
            "update process_starts set ended_at = ?2 where started_at = ?1 and ended_at is null";
        batch.any(end, values![started, self.clock.now()]);
        self.store.write(batch).await
    }
}
