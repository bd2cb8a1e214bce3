//! Operations directly on the adapters: inside a running shop, or on a stopped shop's folder.

use std::sync::Arc;

use async_trait::async_trait;

use super::dlq::{self, DeadLetter, DeadLetterDetail, DlqFilter};
use super::ledger::Ledger;
use super::replay::{OneAtATime, ReplayReport, ReplayRequest, Replayer};
use super::topics::{self, NewRecordView, RecordView, TailQuery, TailStart, TopicView};
use super::{Ops, OpsError};
use crate::ports::{Clock, EventBus, GatewayDials, Randomness, SharedDials, Store};

/// Operations on these adapters.
pub struct LocalOps {
    bus: Arc<dyn EventBus>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    dials: Option<SharedDials>,
    replays: OneAtATime,
    running: bool,
}

impl LocalOps {
    /// Operations inside a running shop, whose provider has these dials.
    pub fn inside(ports: &crate::app::Ports, dials: SharedDials) -> Self {
        Self { dials: Some(dials), running: true, ..Self::on(ports) }
    }

    /// Operations on a stopped shop's adapters.
    pub fn stopped(ports: &crate::app::Ports) -> Self {
        Self::on(ports)
    }

    fn on(ports: &crate::app::Ports) -> Self {
        Self {
            bus: Arc::clone(&ports.bus),
            store: Arc::clone(&ports.store),
            clock: Arc::clone(&ports.clock),
            dials: None,
            replays: Arc::new(tokio::sync::Mutex::new(Randomness::stream(
                &ports.randomness,
                "replay-jobs",
            ))),
            running: false,
        }
    }

    fn ledger(&self, idle: bool) -> Ledger<'_> {
        Ledger { store: self.store.as_ref(), clock: self.clock.as_ref(), idle }
    }
}

#[async_trait]
impl Ops for LocalOps {
    async fn topics(&self) -> Result<Vec<TopicView>, OpsError> {
        topics::list(self.bus.as_ref()).await
    }

    async fn tail_start(&self, topic: &str, start: &TailStart) -> Result<TailQuery, OpsError> {
        topics::tail_start(self.bus.as_ref(), topic, start, self.clock.now()).await
    }

    async fn tail(&self, query: &TailQuery) -> Result<(Vec<RecordView>, TailQuery), OpsError> {
        topics::tail(self.bus.as_ref(), query).await
    }

    async fn produce(&self, record: NewRecordView) -> Result<String, OpsError> {
        let at = topics::produce(self.bus.as_ref(), record).await?;
        self.store.durable().await?;
        Ok(at)
    }

    async fn dead_letters(&self, filter: &DlqFilter) -> Result<Vec<DeadLetter>, OpsError> {
        let idle = self.replays.try_lock().ok(); // kept, so that none begins meanwhile
        dlq::list(self.bus.as_ref(), &self.ledger(idle.is_some()), filter).await
    }

    async fn dead_letter(&self, id: &str) -> Result<DeadLetterDetail, OpsError> {
        let idle = self.replays.try_lock().ok();
        dlq::show(self.bus.as_ref(), &self.ledger(idle.is_some()), id).await
    }

    async fn replay(&self, request: &ReplayRequest) -> Result<ReplayReport, OpsError> {
        let mut dice = self.replays.lock().await;
        let replayer = Replayer {
            bus: self.bus.as_ref(),
            ledger: self.ledger(true),
            clock: self.clock.as_ref(),
            running: self.running,
        };
        let report = replayer.run(request, &mut dice).await?;
        drop(dice);
        self.store.durable().await?;
        Ok(report)
    }

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
