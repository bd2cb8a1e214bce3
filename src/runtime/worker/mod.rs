//! The consumer of one service. [`Worker::step`] is the one primitive: take up records, drop what
//! has taken effect before, let the service decide, commit its writes with the inbox in one
//! transaction, then commit offsets. If a batch fails it is decided again event by event; an event
//! that fails alone waits in its lane for its retries, and at last becomes a dead letter.

mod attempt;
mod breaker;
pub mod deadletter;
mod lanes;
mod progress;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};

use super::meters::{ConsumerLabels, DeadLetterLabels};
use super::trace::Letter;
use super::{Health, Meters, Stop, Tracer};
use crate::events::{Event, Topic};
use crate::ports::Clock;
use crate::ports::bus::{BusError, EventBus, NewRecord, Position, Record, Subscription};
use crate::services::{Failure, Incoming, Mutant, Service};
use attempt::Attempt;
use breaker::{Allowed, Breaker};
use deadletter::{Cause, Stage, dead_letter};
use lanes::{Lanes, Next, Tries, lane_of};
use progress::Progress;

/// Records taken up in one step at most.
const BATCH_MAX: usize = 512;
/// Records waiting in lanes from which on no new ones are taken up.
const PARKED_MAX: usize = 10_000;
/// First pause after trouble that is nobody's fault; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The header by which a replay names the one group that shall take it.
pub const REPLAY_GROUP: &str = "ecom-replay-group";

/// What a worker needs besides its service.
#[derive(Clone)]
pub struct WorkerDeps {
    /// Where events come from, and dead letters go to.
    pub bus: Arc<dyn EventBus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub meters: Arc<Meters>,
    /// How the worker is.
    pub health: Health,
    /// Who is told of what is handled.
    pub tracer: Tracer,
}

/// Consumes for one service.
pub struct Worker {
    service: Arc<dyn Service>,
    deps: WorkerDeps,
    group: String,
    subscription: Box<dyn Subscription>,
    progress: Progress,
    lanes: Lanes,
    breaker: Breaker,
    dlq_partitions: u32,
    labels: ConsumerLabels,
}

/// Why a step could not be finished; the worker is started again.
pub type StepError = String;

impl Worker {
    /// Joins the service's group.
    pub async fn join(service: Arc<dyn Service>, deps: WorkerDeps) -> Result<Self, BusError> {
        let name = service.desk().name;
        let topics: Vec<&str> = service.topics().iter().map(|topic| topic.as_str()).collect();
        // Before joining: who joins and does not poll keeps partitions from others.
        let known = deps.bus.topics().await?;
        let subscription = deps.bus.subscribe(&name.group(), &topics).await?;
        let dlq = known.iter().find(|topic| topic.name == Topic::DlqEvents.as_str());
        Ok(Self {
            dlq_partitions: dlq.map_or(0, |topic| topic.partitions.len() as u32),
            group: name.group(),
            labels: ConsumerLabels { service: name.as_str() },
            service,
            deps,
            subscription,
            progress: Progress::default(),
            lanes: Lanes::default(),
            breaker: Breaker::default(),
        })
    }

    /// Works until told to stop.
    pub async fn run(mut self, stop: &Stop) -> Result<(), StepError> {
        while !stop.is_said() {
            self.step(stop).await?;
        }
        Ok(())
    }

    /// Handles what is due: retries first, else new records, for which it waits.
    pub async fn step(&mut self, stop: &Stop) -> Result<(), StepError> {
        let now = self.deps.clock.elapsed();
        match self.breaker.allows(now) {
            Allowed::NothingUntil(until) => {
                let rest = until.saturating_sub(now);
                stop.unless_said(self.deps.clock.sleep(rest)).await;
                return Ok(());
            }
            Allowed::ProbeOld if self.lanes.parked() > 0 => return self.retry_soonest(stop).await,
            Allowed::ProbeNew if self.lanes.parked() > 0 => return self.probe_new(stop).await,
            Allowed::All if self.lanes.due(now).is_some() => {
                return self.retry_soonest(stop).await;
            }
            Allowed::ProbeOld | Allowed::ProbeNew | Allowed::All => {}
        }
        let polled = self.poll(BATCH_MAX, stop).await.map_err(|e| e.to_string())?;
        self.take_up(polled, stop).await?;
        self.commit_offsets().await
    }

    /// Takes up one new record, if there is one at once.
    async fn probe_new(&mut self, stop: &Stop) -> Result<(), StepError> {
        let polled = self.poll(1, stop).await.map_err(|e| e.to_string())?;
        if polled.is_empty() {
            self.breaker.nothing_new();
        }
        self.take_up(polled, stop).await?;
        if !self.breaker.is_open() {
            self.deps.health.up(&self.group);
        }
        self.commit_offsets().await
    }

    /// Up to `max` new records, or none when a retry comes due or it is time to stop.
    async fn poll(&mut self, max: usize, stop: &Stop) -> Result<Vec<Arc<Record>>, BusError> {
        let clock = &self.deps.clock;
        let until_retry = self.lanes.next_due().map(|due| due.saturating_sub(clock.elapsed()));
        let retry = async {
            match until_retry {
                Some(rest) => clock.sleep(rest).await,
                None => std::future::pending().await,
            }
        };
        if self.lanes.parked() >= PARKED_MAX {
            stop.unless_said(retry).await;
            return Ok(vec![]);
        }
        let poll = Box::pin(self.subscription.poll(max));
        match stop.unless_said(select(poll, Box::pin(retry))).await {
            Some(Either::Left((polled, _))) => polled,
            Some(Either::Right(_)) | None => Ok(vec![]),
        }
    }

    async fn take_up(&mut self, records: Vec<Arc<Record>>, stop: &Stop) -> Result<(), StepError> {
        let mut batch: Vec<Incoming> = vec![];
        let mut ids = BTreeSet::new();
        let mut repeats = vec![];
        for record in records {
            self.progress.begin(&record.at);
            if self.is_anothers(&record) {
                self.progress.finish(&record.at);
            } else if self.lanes.queue_behind(&record) {
                // Its key waits; so does it.
            } else {
                match decode(&record) {
                    Ok(incoming) if ids.insert(incoming.header.event_id) => batch.push(incoming),
                    // Twice in one batch: done with the first.
                    Ok(_) => repeats.push(record),
                    Err(failure) => {
                        let once = self.tried_once();
                        self.give_up(&record, Stage::Decode, &failure, once, stop).await?;
                    }
                }
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        match self.attempt(&batch, 1, stop).await? {
            Attempt::Done => {
                for incoming in &batch {
                    self.finish(incoming);
                }
            }
            Attempt::Failed(failure) if batch.len() == 1 => {
                self.first_failure(&batch[0], &failure, stop).await?;
            }
            Attempt::Failed(_) => self.one_by_one(&batch, stop).await?,
            Attempt::Stopped => return Ok(()),
        }
        for record in repeats {
            if !self.lanes.queue_behind(&record) {
                self.deps.meters.duplicates.get_or_create(&self.labels).inc();
                self.progress.finish(&record.at);
            }
        }
        Ok(())
    }

    async fn one_by_one(&mut self, batch: &[Incoming], stop: &Stop) -> Result<(), StepError> {
        for incoming in batch {
            if self.lanes.queue_behind(&incoming.record) {
                continue;
            }
            if self.breaker.is_open() {
                self.lanes.open(&incoming.record, self.deps.clock.elapsed());
                continue;
            }
            match self.attempt(std::slice::from_ref(incoming), 1, stop).await? {
                Attempt::Done => self.finish(incoming),
                Attempt::Failed(failure) => self.first_failure(incoming, &failure, stop).await?,
                Attempt::Stopped => return Ok(()),
            }
        }
        Ok(())
    }

    fn finish(&mut self, incoming: &Incoming) {
        let now = self.deps.clock.elapsed();
        self.breaker.note(now, key_hash(&incoming.record), true);
        self.progress.finish(&incoming.record.at);
    }

    /// A delivery failed: poison is given up at once, everything else gets its retries.
    async fn first_failure(
        &mut self,
        incoming: &Incoming,
        failure: &Failure,
        stop: &Stop,
    ) -> Result<(), StepError> {
        if let Failure::Poison { .. } = failure {
            let once = self.tried_once();
            return self.give_up(&incoming.record, Stage::Handle, failure, once, stop).await;
        }
        let now = self.deps.clock.elapsed();
        tracing::warn!(
            service = self.labels.service, topic = %incoming.record.at.topic,
            event_id = %incoming.header.event_id, order_id = incoming.event.order_id().map(crate::domain::OrderId::as_str),
            error = %failure, "event failed, trying again"
        );
        self.deps.meters.retries.get_or_create(&self.labels).inc();
        self.breaker.note(now, key_hash(&incoming.record), false);
        self.lanes.open(&incoming.record, now);
        Ok(())
    }

    async fn retry_soonest(&mut self, stop: &Stop) -> Result<(), StepError> {
        let far = Duration::MAX;
        let Some((key, record)) = self.lanes.due(far) else { return Ok(()) };
        let outcome = match decode(&record) {
            Ok(incoming) => self.attempt(&[incoming], self.lanes.tries(&key) + 1, stop).await?,
            Err(failure) => Attempt::Failed(failure),
        };
        let now = self.deps.clock.elapsed();
        match outcome {
            Attempt::Stopped => return Ok(()),
            Attempt::Done => {
                self.breaker.note(now, key_hash(&record), true);
                self.progress.finish(&record.at);
                self.lanes.finished(&key, now);
            }
            Attempt::Failed(failure) => {
                let poison = matches!(failure, Failure::Poison { .. });
                if !poison {
                    self.deps.meters.retries.get_or_create(&self.labels).inc();
                    self.breaker.note(now, key_hash(&record), false);
                }
                if self.breaker.is_open() && !self.breaker.has_lost_patience() && !poison {
                    self.lanes.postpone(&key, now);
                    self.deps.health.down(&self.group, "most events fail; paused");
                } else {
                    let stage = if poison && decode(&record).is_err() {
                        Stage::Decode
                    } else {
                        Stage::Handle
                    };
                    let next = if poison {
                        Next::GiveUp(self.tried_once())
                    } else {
                        self.lanes.failed(&key, now)
                    };
                    if let Next::GiveUp(tries) = next {
                        self.give_up(&record, stage, &failure, tries, stop).await?;
                        self.lanes.finished(&key, now);
                    }
                }
            }
        }
        if !self.breaker.is_open() {
            self.deps.health.up(&self.group);
        }
        self.commit_offsets().await
    }

    fn tried_once(&self) -> Tries {
        Tries { retries: 0, first: self.deps.clock.elapsed() }
    }

    /// Makes a dead letter of the record. Returns when the log has it; never without.
    async fn give_up(
        &mut self,
        record: &Arc<Record>,
        stage: Stage,
        failure: &Failure,
        tries: Tries,
        stop: &Stop,
    ) -> Result<(), StepError> {
        let (at, since) = (self.deps.clock.now(), self.deps.clock.elapsed());
        let (code, text) = match failure {
            Failure::Retry { code, text } | Failure::Poison { code, text } => (*code, text.clone()),
            Failure::Transient(text) => ("transient", text.clone()),
        };
        let cause = Cause {
            group: self.group.clone(),
            service: self.labels.service,
            stage,
            code: code.to_owned(),
            text,
            retries: tries.retries,
            first_tried_at: at - since.saturating_sub(tries.first),
            at,
        };
        tracing::warn!(
            service = self.labels.service, at = %record.at, code, error = %cause.text,
            retries = tries.retries,
            "event given up, see `ecom dlq list`"
        );
        let (began, mut place) = (self.deps.tracer.begin(), None);
        let letter = dead_letter(record, &cause, self.dlq_partitions);
        if !self.service.desk().settings.mutation.is(Mutant::DeadLetterDropped) {
            place = self.publish(letter, stop).await?.pop();
        }
        self.deps.tracer.given_up(began, record, &Letter { cause: &cause, at: place.as_ref() });
        let labels = DeadLetterLabels { service: self.labels.service, code: cause.code };
        self.deps.meters.dead_letters.get_or_create(&labels).inc();
        self.progress.finish(&record.at);
        Ok(())
    }

    async fn publish(&self, letter: NewRecord, stop: &Stop) -> Result<Vec<Position>, StepError> {
        let mut pause = PAUSE_MIN;
        loop {
            match self.deps.bus.publish(vec![letter.clone()]).await {
                Ok(place) => return Ok(place),
                Err(e) if e.is_transient() && !stop.is_said() => {
                    tracing::warn!(error = %e, "dead letter not written, trying again");
                    stop.unless_said(self.deps.clock.sleep(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                // The offset stays where it is: the record will be delivered again.
                Err(e) => return Err(format!("dead letter not written: {e}")),
            }
        }
    }

    async fn commit_offsets(&mut self) -> Result<(), StepError> {
        let next = self.progress.to_commit();
        if next.is_empty() {
            return Ok(());
        }
        match self.subscription.commit(&next).await {
            Ok(()) => self.progress.committed(&next),
            // Another member has a partition of ours: what was in hand of it is its business now.
            Err(e @ BusError::Fenced(_)) => return Err(e.to_string()),
            // Not committed now, then with the next step; what is handled again is dropped as known.
            Err(e) if e.is_transient() => tracing::debug!(error = %e, "offsets not committed"),
            Err(e) => return Err(e.to_string()),
        }
        Ok(())
    }

    fn is_anothers(&self, record: &Record) -> bool {
        record.header(REPLAY_GROUP).is_some_and(|group| group != self.group)
    }
}

fn decode(record: &Arc<Record>) -> Result<Incoming, Failure> {
    let Some(topic) = Topic::parse(&record.at.topic) else {
        let text = format!("topic {} is not one of the shop's", record.at.topic);
        return Err(Failure::Poison { code: "decode.foreign_topic", text });
    };
    match Event::decode(topic, record.value.as_deref().unwrap_or_default()) {
        Ok((header, event)) => Ok(Incoming { header, event, record: Arc::clone(record) }),
        Err(e) => Err(Failure::Poison { code: e.code(), text: e.to_string() }),
    }
}

/// Tells keys apart for the breaker (FNV-1a).
fn key_hash(record: &Record) -> u64 {
    lane_of(record).iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
