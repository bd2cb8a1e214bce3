//! The embedded adapters of one data folder.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::{Console, DataFolder, Ports, Remains, Settings, Shop};
use crate::adapters::bus::EmbeddedLog;
use crate::adapters::cache::MemoryCache;
use crate::adapters::clock::SystemClock;
use crate::adapters::gateway::SimulatedGateway;
use crate::adapters::holds::MemoryHolds;
use crate::adapters::mail::LocalMailbox;
use crate::adapters::random::system_randomness;
use crate::adapters::spawn::TokioSpawn;
use crate::adapters::sqlite::{Journal, Opened, Schema};
use crate::adapters::store::SqliteStore;
use crate::ports::{Clock, Randomness, SharedDials, Spawn, Store};
use crate::runtime::Tracer;

/// Adapters on a data folder, or in memory, and what can be done with them beyond their ports.
pub struct Embedded {
    /// The adapters.
    pub ports: Ports,
    /// The event log, to be pruned.
    pub log: EmbeddedLog,
    /// The shop's tables and events.
    pub journal: Arc<Journal>,
    /// The world outside: the provider's ledger and the mailbox.
    pub outside: Arc<Journal>,
    /// How the simulated provider behaves.
    pub dials: SharedDials,
    /// The console's own database.
    pub console: Console,
}

/// What an environment brings: real or simulated.
pub struct Environment {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and choices.
    pub randomness: Randomness,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
}

impl Environment {
    /// The operating system's time and chance, and the current tokio runtime.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            randomness: system_randomness(),
            spawn: Arc::new(TokioSpawn::current()),
        }
    }
}

impl Embedded {
    /// Opens the databases of `folder`.
    pub fn open(
        folder: &DataFolder,
        settings: &Settings,
        env: Environment,
    ) -> anyhow::Result<Self> {
        let open = |path: std::path::PathBuf, schema: Schema| {
            let (journal, opened) = Journal::open(&path, schema)
                .with_context(|| format!("cannot open {}", path.display()))?;
            report(&path, &opened);
            anyhow::Ok(Arc::new(journal))
        };
        let journal = open(folder.shop_db(), Schema::SHOP)?;
        let outside = open(folder.outside_db(), Schema::OUTSIDE)?;
        Self::on((journal, outside), Console::in_folder(folder)?, settings, env)
    }

    /// Databases in memory, for virtual time.
    pub fn in_memory(settings: &Settings, env: Environment) -> anyhow::Result<Self> {
        let journal = Arc::new(Journal::in_memory(Schema::SHOP)?);
        let outside = Arc::new(Journal::in_memory(Schema::OUTSIDE)?);
        Self::on((journal, outside), Console::in_memory()?, settings, env)
    }

    fn on(
        (journal, outside): (Arc<Journal>, Arc<Journal>),
        console: Console,
        settings: &Settings,
        env: Environment,
    ) -> anyhow::Result<Self> {
        let Environment { clock, randomness, spawn } = env;
        let log = EmbeddedLog::open(Arc::clone(&journal), Arc::clone(&clock))
            .context("cannot open the event log")?;
        let dials = SharedDials::new(settings.dials());
        let provider = match settings.gateway.seed {
            0 => randomness.clone(),
            seed => Randomness::seeded(seed),
        };
        let gateway = SimulatedGateway::new(
            Arc::clone(&outside),
            Arc::clone(&clock),
            provider,
            dials.clone(),
        );
        let mailbox = Arc::new(LocalMailbox::new(Arc::clone(&outside), Arc::clone(&clock)));
        let ports = Ports {
            bus: Arc::new(log.clone()),
            admin: Arc::new(log.clone()),
            store: Arc::new(SqliteStore::new(Arc::clone(&journal))),
            one_journal: true,
            servers: vec![],
            others: None,
            cache: Arc::new(MemoryCache::new(Arc::clone(&clock))),
            holds: Arc::new(MemoryHolds::default()),
            gateway: Arc::new(gateway),
            mailer: Arc::clone(&mailbox) as _,
            sms: Arc::clone(&mailbox) as _,
            mailbox: Some(mailbox),
            clock,
            randomness,
            spawn,
            tracer: Tracer::default(),
        };
        Ok(Self { ports, log, journal, outside, dials, console })
    }

    /// What has been written down so far, here and in the world outside.
    pub fn remains(&self) -> Remains {
        let on = |journal: &Arc<Journal>| Arc::new(SqliteStore::new(Arc::clone(journal)));
        let outside = on(&self.outside) as Arc<dyn Store>;
        Remains {
            shop: on(&self.journal),
            bus: None,
            log: None,
            outside: Some(outside),
            ledger: None,
            inbox: None,
        }
    }

    /// Removes from the log what is past its retention, as a part of `shop`, every so often.
    pub fn prune_log(&self, shop: &Shop, every: Duration) {
        let (log, clock, stop) =
            (self.log.clone(), Arc::clone(&self.ports.clock), shop.stop.clone());
        shop.run_part("log-retention", move || {
            let (log, clock, stop) = (log.clone(), Arc::clone(&clock), stop.clone());
            async move {
                while stop.unless_said(clock.sleep(every)).await.is_some() {
                    log.prune().await.map_err(|e| e.to_string())?;
                }
                Ok(())
            }
        });
    }

    /// Closes the databases: what is left in their logs is written back.
    pub fn close(&self) {
        self.journal.close();
        self.outside.close();
        self.console.close();
    }
}

pub(super) fn report(path: &std::path::Path, opened: &Opened) {
    if opened.torn_bytes > 0 {
        tracing::warn!(
            file = %path.display(), bytes = opened.torn_bytes,
            "the last run ended in the middle of a write; its unfinished bytes were discarded, nothing acknowledged was in them"
        );
    }
}
