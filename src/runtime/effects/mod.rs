//! Performs effects: many at once, outside of any transaction, each only when the row that asks for
//! it is on disk, and commits what came of them together.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Either, FutureExt, select};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::members::Members;
use super::{Stop, Tracer};
use crate::domain::Timestamp;
use crate::ports::{Clock, Signal, StoreError};
use crate::services::{Effects, Failure};
use queue::{Demand, Queue};

/// Effects under way at most.
const IN_FLIGHT_MAX: usize = 1_024;
/// Results committed together at most.
const RECORD_MAX: usize = 256;
/// A look at the rows without having been woken, for what nobody handed over.
const SCAN_EVERY: Duration = Duration::from_secs(5);
/// Rows that became due in this run are handed over by whoever writes them; only one that is overdue
/// by this much was forgotten.
const HANDOVER_MAX: Duration = Duration::from_secs(30);
/// Pause after trouble with the store.
const PAUSE: Duration = Duration::from_millis(100);
/// Tries to record one result that the store does not understand, before it is left to a later scan.
const TRIES: usize = 5;

type Done<S> = (<S as Effects>::Effect, <S as Effects>::Outcome);

/// Performs one service's effects.
pub struct EffectRunner<S: Effects> {
    service: Arc<S>,
    clock: Arc<dyn Clock>,
    members: Members,
    /// What is older than this run was handed over to nobody who still knows.
    started: Timestamp,
    queue: Mutex<Queue<S::Effect>>,
    /// Given when results are recorded: rows that were in hand are so no more.
    recorded: Signal,
    tracer: Tracer,
}

impl<S: Effects + 'static> EffectRunner<S> {
    /// A runner for `service` in a process that is one of `members`; `tracer` is told what led to what.
    pub fn new(service: Arc<S>, members: Members, tracer: Tracer) -> Self {
        let clock = Arc::clone(&service.desk().clock);
        let started = clock.now();
        let (queue, recorded) = (Mutex::default(), Signal::default());
        Self { service, clock, members, started, queue, recorded, tracer }
    }

    /// Performs until told to stop; then finishes what is under way.
    pub async fn run(&self, stop: &Stop) -> Result<(), String> {
        // Bounded by what is under way.
        let (finished, results) = unbounded_channel();
        futures::join!(self.perform(stop, finished), self.record(results));
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, Queue<S::Effect>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn perform(&self, stop: &Stop, finished: UnboundedSender<Done<S>>) {
        let mut handed_over = self.service.handover().waiter();
        let mut recorded = self.recorded.waiter();
        let mut underway: FuturesUnordered<BoxFuture<'_, Done<S>>> = FuturesUnordered::new();
        let (mut next_scan, mut more) = (Duration::ZERO, false);
        loop {
            self.take(self.service.handover().take());
            if self.clock.elapsed() >= next_scan || more && self.has_room() {
                more = self.scan().await;
                next_scan = self.clock.elapsed() + SCAN_EVERY;
            }
            while let Some(effect) = self.next_due(underway.len(), stop) {
                underway.push(self.start(effect).boxed());
            }
            if stop.is_said() && underway.is_empty() {
                return;
            }
            let wake = select(Box::pin(handed_over.wait()), Box::pin(recorded.wait()));
            let wake = select(wake, self.rest(next_scan));
            let wake = select(Box::pin(stop.heard()), wake);
            if underway.is_empty() {
                wake.await;
            } else if stop.is_said() {
                underway.next().await.into_iter().for_each(|done| drop(finished.send(done)));
            } else if let Either::Left((done, _)) = select(underway.next(), wake).await {
                done.into_iter().for_each(|done| drop(finished.send(done)));
            }
        }
    }

    /// Whether so little is in hand that most of what a scan finds would be new.
    fn has_room(&self) -> bool {
        let queue = self.queue();
        !queue.is_due(self.clock.now()) && queue.underway() < IN_FLIGHT_MAX / 2
    }

    /// The next effect whose time has come, if another may be begun.
    fn next_due(&self, underway: usize, stop: &Stop) -> Option<S::Effect> {
        if self.members.share(self.clock.as_ref()).is_none() {
            // Others may be at it by now. What is still ours the next scan finds.
            self.queue().forget_waiting();
            return None;
        }
        let may = underway < IN_FLIGHT_MAX && !stop.is_said();
        may.then(|| self.queue().begin(self.clock.now()))?
    }

    async fn start(&self, effect: S::Effect) -> Done<S> {
        // Nobody outside may be asked for what a power cut could make us forget.
        while let Err(error) = self.service.desk().store.durable().await {
            tracing::error!(%error, "effects wait for the store");
            self.clock.sleep(PAUSE).await;
        }
        let (name, origin) = (self.service.desk().name, || S::origin(&effect));
        let outcome = self.tracer.because(name, origin, self.service.perform(&effect)).await;
        (effect, outcome)
    }

    fn rest(&self, next_scan: Duration) -> BoxFuture<'static, ()> {
        let queue = self.queue();
        let until_scan = next_scan.saturating_sub(self.clock.elapsed());
        let until_due = queue.next_due().map(|at| at.since(self.clock.now()));
        // What is due already waits for a free place, not for the clock.
        let until_due = until_due.filter(|rest| !rest.is_zero());
        self.clock.sleep(until_due.unwrap_or(until_scan).min(until_scan))
    }

    fn take(&self, effects: Vec<S::Effect>) {
        let mut queue = self.queue();
        for effect in effects {
            let (step, due) = (S::step(&effect), S::due_at(&effect));
            queue.offer(S::key(&effect), Demand { step, due, effect });
        }
    }

    /// Takes up rows that nobody hands over; whether there may be more of them.
    async fn scan(&self) -> bool {
        let limit = 2 * IN_FLIGHT_MAX;
        // What was in hand when the rows were read may be recorded by now: they would be stale.
        let in_hand = self.queue().names();
        let forgotten = (self.clock.now() - HANDOVER_MAX).max(self.started);
        let adopted = async {
            if self.members.is_shared() {
                self.service.adopt(self.clock.now(), forgotten).await?;
            }
            self.service.due(forgotten, limit as u32).await
        };
        match adopted.await {
            Ok(mut effects) => {
                let more = effects.len() == limit;
                effects.retain(|effect| !in_hand.contains(&S::key(effect)));
                self.take(effects);
                more
            }
            Err(error) => {
                tracing::warn!(%error, "due effects not read, trying again");
                false
            }
        }
    }

    async fn record(&self, mut results: UnboundedReceiver<Done<S>>) {
        let mut batch = vec![];
        while results.recv_many(&mut batch, RECORD_MAX).await > 0 {
            if self.record_all(&batch).await.is_err() {
                for done in &batch {
                    self.record_alone(done).await;
                }
            }
            batch.clear();
        }
    }

    async fn record_alone(&self, done: &Done<S>) {
        for _ in 0..TRIES {
            match self.record_all(std::slice::from_ref(done)).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(effect = S::key(&done.0), error, "outcome not recorded");
                }
            }
            self.clock.sleep(PAUSE).await;
        }
        self.release(std::slice::from_ref(done));
    }

    /// Commits results together; an error is not for now but for good.
    async fn record_all(&self, batch: &[Done<S>]) -> Result<(), String> {
        loop {
            match self.record_once(batch).await {
                Ok(()) => return Ok(()),
                Err(Failure::Transient(error)) => {
                    tracing::debug!(error, "outcomes not recorded, trying again");
                    self.service.desk().pause_after_conflict().await;
                }
                Err(failure) => return Err(failure.to_string()),
            }
        }
    }

    async fn record_once(&self, batch: &[Done<S>]) -> Result<(), Failure> {
        let desk = self.service.desk();
        let mut unit = desk.unit();
        self.service.record(&mut unit, batch).await?;
        if let Err(error) = desk.commit(unit).await {
            if let StoreError::Full(_) | StoreError::Unavailable(_) = &error {
                self.clock.sleep(PAUSE).await;
            }
            return Err(error.into());
        }
        self.release(batch);
        Ok(())
    }

    /// Lets go of what is recorded, and goes on with what was asked for meanwhile.
    fn release(&self, batch: &[Done<S>]) {
        let mut queue = self.queue();
        batch.iter().for_each(|(effect, _)| queue.finish(&S::key(effect)));
        drop(queue);
        self.recorded.give();
    }
}
