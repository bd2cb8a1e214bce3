//! The simulated payment provider as a server of its own: its ledger in its own data folder, its API
//! over HTTP, and messages to its customer about what it decided. No part of the shop.

mod api;
mod messenger;

use std::sync::Arc;

use anyhow::Context;

use super::embedded::{self, Environment};
use super::{DataFolder, Settings};
use crate::adapters::clock::SystemClock;
use crate::adapters::gateway::{HttpGateway, Ledger, Messages, SimulatedGateway};
use crate::adapters::sqlite::{Journal, Schema};
use crate::adapters::store::SqliteStore;
use crate::domain::{Invalid, Secret};
use crate::http::hang_up;
use crate::http::listen::Bound;
use crate::ports::{Clock, Randomness, SharedDials, Signal, Spawn};
use crate::runtime::{Stop, Tracer};
pub use messenger::Customer;
use messenger::Messenger;

/// How long the command line waits for a provider.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A provider, not yet served.
pub struct Provider {
    journal: Arc<Journal>,
    gateway: Arc<SimulatedGateway>,
    dials: SharedDials,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    messenger: Option<Messenger>,
    tracer: Tracer,
    stop: Stop,
}

impl Provider {
    /// The same, telling `tracer` of what it is asked.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// The provider whose ledger is in `folder`. Its customer is told of decisions, if there is one.
    pub fn open(
        folder: &DataFolder,
        settings: &Settings,
        customer: Option<&Customer>,
        env: Environment,
    ) -> anyhow::Result<Self> {
        let path = folder.outside_db();
        let (journal, opened) = Journal::open(&path, Schema::OUTSIDE)
            .with_context(|| format!("cannot open {}", path.display()))?;
        embedded::report(&path, &opened);
        let env = match settings.gateway.seed {
            0 => env,
            seed => Environment { randomness: Randomness::seeded(seed), ..env },
        };
        let dials = SharedDials::new(settings.dials());
        Ok(Self::on(Arc::new(journal), dials, customer, env)?)
    }

    /// The provider with its ledger on this journal.
    pub fn on(
        journal: Arc<Journal>,
        dials: SharedDials,
        customer: Option<&Customer>,
        env: Environment,
    ) -> Result<Self, Invalid> {
        let Environment { clock, randomness, spawn } = env;
        let ledger = Arc::clone(&journal);
        let gateway = SimulatedGateway::new(ledger, Arc::clone(&clock), randomness, dials.clone());
        let told = Signal::default();
        let (gateway, messenger) = match customer {
            None => (gateway, None),
            Some(customer) => {
                let messages = Messages::new(Arc::clone(&journal));
                let clock = Arc::clone(&clock);
                let messenger = Messenger::new(messages, customer, told.clone(), clock)?;
                (gateway.telling(told), Some(messenger))
            }
        };
        Ok(Self {
            journal,
            gateway: Arc::new(gateway),
            dials,
            clock,
            spawn,
            messenger,
            tracer: Tracer::default(),
            stop: Stop::default(),
        })
    }

    /// Its API. With a secret, callers must know it.
    pub fn router(&self, secret: Option<Secret>) -> axum::Router {
        let api = api::Api {
            gateway: Arc::clone(&self.gateway),
            ledger: Arc::new(Ledger::new(Arc::new(SqliteStore::new(Arc::clone(&self.journal))))),
            dials: self.dials.clone(),
            clock: Arc::clone(&self.clock),
        };
        api::router(api, secret, Arc::clone(&self.spawn), self.tracer.clone())
    }

    /// Answers and tells until it shall stop; then finishes what is under way.
    pub async fn serve(&self, bound: Bound, secret: Option<Secret>) {
        let tell = async {
            if let Some(messenger) = &self.messenger {
                messenger.run(&self.stop).await;
            }
        };
        let (router, stop) = (self.router(secret), self.stop.clone());
        let answer = hang_up::serve(bound, router, stop, self.clock.as_ref());
        futures::join!(answer, tell);
    }

    /// Ends [`Provider::serve`].
    pub fn stop(&self) {
        self.stop.say();
    }

    /// Closes the ledger.
    pub fn close(&self) {
        self.journal.close();
    }
}

/// The provider at `url`, for who turns its dials.
pub fn remote(url: &str, secret: Option<&Secret>) -> Result<HttpGateway, Invalid> {
    HttpGateway::new(url, secret, PATIENCE, Arc::new(SystemClock::default()))
}
