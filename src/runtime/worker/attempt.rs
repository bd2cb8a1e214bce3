//! One try at a batch: handler, inbox and commit, again and again as long as only the world is to
//! blame.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::{PAUSE_MAX, PAUSE_MIN, StepError, Worker};
use crate::ports::StoreError;
use crate::ports::store::Read;
use crate::runtime::Stop;
use crate::runtime::supervisor::panic_text;
use crate::runtime::trace::Handled;
use crate::services::{Failure, Incoming, Mutant, UnitOfWork};
use crate::values;

const INSERT_PROCESSED: &str =
    "insert into processed_events (consumer, event_id, event_type, processed_at)
 values (?1, ?2, ?3, ?4)";
const SELECT_PROCESSED: &str =
    "select event_id from processed_events where consumer = ?1 and event_id = ?2";

/// How a try ended.
pub(super) enum Attempt {
    /// All events have taken effect, now or before.
    Done,
    /// None has; one of them may be to blame.
    Failed(Failure),
    /// It is time to stop.
    Stopped,
}

impl Worker {
    /// Lets the service decide on `batch`, the `nth` time, and commits. Conflicts and a missing store
    /// are waited out.
    pub(super) async fn attempt(
        &self,
        batch: &[Incoming],
        nth: u64,
        stop: &Stop,
    ) -> Result<Attempt, StepError> {
        let meters = &self.deps.meters;
        let tell = |began, how: Handled<'_>, events: &[Incoming]| {
            self.deps.tracer.handled(began, self.service.desk().name, nth, how, events);
        };
        let mut events: Vec<Incoming> = batch.to_vec();
        let mut pause = PAUSE_MIN;
        loop {
            let began = self.deps.tracer.begin();
            match self.try_once(&events).await {
                Ok(()) => {
                    tell(began, Handled::Now, &events);
                    if pause > PAUSE_MIN {
                        self.deps.health.up(&self.group);
                    }
                    meters.handled.get_or_create(&self.labels).inc_by(events.len() as u64);
                    return Ok(Attempt::Done);
                }
                Err(TryError::Conflict) => {
                    let fresh = self.unprocessed(&events).await;
                    if let Ok((fresh, repeats)) = fresh {
                        tell(began, Handled::Before, &repeats);
                        let known = repeats.len();
                        meters.duplicates.get_or_create(&self.labels).inc_by(known as u64);
                        if known == 0 {
                            meters.conflicts.get_or_create(&self.labels).inc();
                            self.service.desk().pause_after_conflict().await;
                        }
                        events = fresh;
                    }
                    if events.is_empty() {
                        return Ok(Attempt::Done);
                    }
                }
                Err(TryError::Transient(error)) => {
                    tracing::warn!(
                        service = self.labels.service,
                        error,
                        "not handled, trying again"
                    );
                    self.deps.health.down(&self.group, error);
                    stop.unless_said(self.deps.clock.sleep(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(TryError::Failed(failure)) => {
                    // Of many events, each is tried alone before it is said to have failed.
                    if events.len() == 1 {
                        tell(began, Handled::Not(&failure), &events);
                    }
                    return Ok(Attempt::Failed(failure));
                }
            }
            if stop.is_said() {
                return Ok(Attempt::Stopped);
            }
        }
    }

    async fn try_once(&self, events: &[Incoming]) -> Result<(), TryError> {
        let desk = self.service.desk();
        let mut unit = desk.unit();
        let handled = AssertUnwindSafe(self.service.handle(&mut unit, events)).catch_unwind().await;
        match handled {
            Ok(Ok(())) => {}
            Ok(Err(Failure::Transient(error))) => return Err(TryError::Transient(error)),
            Ok(Err(failure)) => return Err(TryError::Failed(failure)),
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                return Err(TryError::Failed(Failure::Retry { code: "handler.panic", text }));
            }
        }
        self.add_inbox(&mut unit, events);
        if desk.settings.mutation.is(Mutant::PublishBeforeCommit) {
            self.publish_before_commit(&mut unit).await;
        }
        match desk.commit(unit).await {
            Ok(()) => Ok(()),
            Err(StoreError::Conflict(_)) => Err(TryError::Conflict),
            Err(e) if e.is_transient() => Err(TryError::Transient(e.to_string())),
            Err(e) => Err(TryError::Failed(e.into())),
        }
    }

    fn add_inbox(&self, unit: &mut UnitOfWork, events: &[Incoming]) {
        if self.service.desk().settings.mutation.is(Mutant::InboxSkipped) {
            return;
        }
        let now = unit.now;
        for incoming in events {
            let (id, topic) = (incoming.header.event_id, incoming.header.event_type.as_str());
            unit.one(INSERT_PROCESSED, values![self.labels.service, id, topic, now]);
        }
    }

    /// Those of `events` that have not taken effect yet, and those that have.
    async fn unprocessed(
        &self,
        events: &[Incoming],
    ) -> Result<(Vec<Incoming>, Vec<Incoming>), StoreError> {
        let row = |incoming: &Incoming| values![self.labels.service, incoming.header.event_id];
        let read = Read::each(SELECT_PROCESSED, events.iter().map(row));
        let rows = self.service.desk().read(&[read]).await?.concat();
        let known: BTreeSet<&str> = rows.iter().filter_map(|row| row.text(0).ok()).collect();
        let fresh =
            |incoming: &Incoming| !known.contains(incoming.header.event_id.to_string().as_str());
        Ok(events.iter().cloned().partition(fresh))
    }

    /// The bug of publishing from the handler: what is told may never become true.
    async fn publish_before_commit(&self, unit: &mut UnitOfWork) {
        let told = unit.take_outbox();
        let _ = self.deps.bus.publish(told).await;
    }
}

enum TryError {
    Conflict,
    Transient(String),
    Failed(Failure),
}
