//! Operations directly on the adapters: inside a running shop, on a stopped shop's folder, or on a cluster.

mod admin;
mod backup;
mod dlq;
mod groups;
mod jobs;
mod live;
mod orders;
mod queries;
mod trace;

use std::sync::Arc;

use async_trait::async_trait;

use super::dlq::Progress;
use super::dlq::index::Index;
use super::dlq::ledger::Ledger;
use super::dlq::running::Replayer;
use super::tail::{self, TailFrom, TailPage, TailQuery};
use super::tails::Tails;
use super::topics::{self, NewRecordView, TopicView};
use super::{Ops, OpsError, TopicOps};
use crate::app::backup::Keeper;
use crate::app::{Console, Office};
use crate::ports::spawn::Spawn;
use crate::ports::{BusAdmin, Clock, EventBus, GatewayDials, Randomness, SharedDials, Store};
use jobs::Jobs;

/// Other processes that could run a replay of the same letters.
pub enum Others {
    /// There are none.
    None,
    /// Who runs one holds the lock of this file.
    Locked(Console),
    /// Only what they write down tells.
    Heard,
}

/// What operations work on.
pub struct Ground {
    /// Events.
    pub bus: Arc<dyn EventBus>,
    /// Looking after them.
    pub admin: Arc<dyn BusAdmin>,
    /// The shop's tables, the ledger of dead letters among them.
    pub store: Arc<dyn Store>,
    /// A database for the index of dead letters.
    pub index: Arc<dyn Store>,
    /// Whether the store is a shop's, and not just a ledger.
    pub inbox: bool,
    /// Whether somebody consumes there now.
    pub running: bool,
    /// Whether other processes can run replays there, too.
    pub others: Others,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names of jobs.
    pub randomness: Randomness,
    /// Where jobs run.
    pub spawn: Arc<dyn Spawn>,
}

impl Ground {
    /// A shop's adapters, and a database for the index.
    pub fn of_shop(ports: &crate::app::Ports, index: Arc<dyn Store>, running: bool) -> Self {
        Self {
            bus: Arc::clone(&ports.bus),
            admin: Arc::clone(&ports.admin),
            store: Arc::clone(&ports.store),
            index,
            inbox: true,
            running,
            others: if ports.others.is_none() { Others::None } else { Others::Heard },
            clock: Arc::clone(&ports.clock),
            randomness: ports.randomness.clone(),
            spawn: Arc::clone(&ports.spawn),
        }
    }
}

/// Operations on these adapters.
pub struct LocalOps {
    shared: Arc<Shared>,
    dials: Option<SharedDials>,
    /// The services that own orders, where the shop's tables are in reach.
    office: Option<Office>,
    keeper: Option<Keeper>,
}

struct Shared {
    ground: Ground,
    /// One brings the index up to date at a time.
    looking: tokio::sync::Mutex<()>,
    jobs: Jobs,
    tails: Tails,
    progress: Progress,
}

impl Shared {
    fn index(&self) -> Index<'_> {
        let (db, bus) = (self.ground.index.as_ref(), self.ground.bus.as_ref());
        Index { db, bus, looking: &self.looking }
    }

    fn ledger(&self) -> Ledger<'_> {
        let Ground { store, clock, inbox, .. } = &self.ground;
        Ledger { store: store.as_ref(), clock: clock.as_ref(), inbox: *inbox }
    }

    fn replayer(&self) -> Replayer<'_> {
        let Ground { bus, clock, running, .. } = &self.ground;
        Replayer {
            bus: bus.as_ref(),
            index: self.index(),
            ledger: self.ledger(),
            clock: clock.as_ref(),
            running: *running,
        }
    }
}

impl LocalOps {
    /// Operations on `ground`.
    pub fn new(ground: Ground) -> Self {
        Self::telling(ground, Arc::new(|_, _| {}))
    }

    /// The same; `progress` is told while dead letters are looked for.
    pub fn telling(ground: Ground, progress: Progress) -> Self {
        let jobs = Jobs::new(&ground.randomness);
        let looking = tokio::sync::Mutex::default();
        let shared = Shared { ground, looking, jobs, tails: Tails::default(), progress };
        Self { shared: Arc::new(shared), dials: None, office: None, keeper: None }
    }

    /// The same, with a simulated provider that has these dials.
    #[must_use]
    pub fn with_dials(self, dials: SharedDials) -> Self {
        Self { dials: Some(dials), ..self }
    }

    /// The same, where orders can be acted on.
    #[must_use]
    pub fn with_office(self, office: Office) -> Self {
        Self { office: Some(office), ..self }
    }

    /// The same, with somebody who makes backups.
    #[must_use]
    pub fn with_keeper(self, keeper: Keeper) -> Self {
        Self { keeper: Some(keeper), ..self }
    }
}

#[async_trait]
impl TopicOps for LocalOps {
    async fn topics(&self) -> Result<Vec<TopicView>, OpsError> {
        topics::list(self.shared.ground.bus.as_ref()).await
    }

    async fn tail_start(&self, from: &TailFrom) -> Result<TailQuery, OpsError> {
        let Ground { bus, clock, .. } = &self.shared.ground;
        tail::start(bus.as_ref(), from, clock.now()).await
    }

    async fn tail(&self, query: &TailQuery) -> Result<TailPage, OpsError> {
        let Ground { admin, clock, .. } = &self.shared.ground;
        self.shared.tails.next(admin.as_ref(), clock.as_ref(), query).await
    }

    async fn produce(&self, record: NewRecordView) -> Result<String, OpsError> {
        let Ground { bus, store, .. } = &self.shared.ground;
        let at = topics::produce(bus.as_ref(), record).await?;
        store.durable().await?;
        Ok(at)
    }
}

#[async_trait]
impl Ops for LocalOps {
    async fn gateway(&self, set: Option<GatewayDials>) -> Result<GatewayDials, OpsError> {
        let Some(dials) = &self.dials else {
            let text =
                "the simulated provider belongs to a running shop; start one with `ecom serve`";
            return Err(OpsError::Unavailable(text.into()));
        };
        if let Some(set) = set {
            dials.set(set).map_err(|e| OpsError::Invalid(e.to_string()))?;
        }
        Ok(dials.get())
    }
}
