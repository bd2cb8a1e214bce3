//! The relay: publishes what the outbox holds, in its order, and marks it once the log has it: what comes within
//! some milliseconds together, while it publishes what comes next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, join, select};

use super::members::{Members, Share};
use super::trace::{Outgoing, TRACEPARENT, event_context};
use super::{Health, Meters, Stop, Tracer};
use crate::ports::bus::{BusError, EventBus, NewRecord, Position};
use crate::ports::store::{Batch, Row, Store, StoreError, query};
use crate::ports::{Clock, Notice, Notices, Signal};
use crate::values;

const SELECT: &str =
    "select seq, id, event_type, record_key, order_id, event_data, service from outbox_events
 where published = 'N' order by seq limit ?1";
// The slot of a row is made of its key: one key's events are published by one process at a time.
const SELECT_SHARE: &str =
    "select seq, id, event_type, record_key, order_id, event_data, service from outbox_events
 where published = 'N' and slot % ?2 = ?3 order by seq limit ?1";
const MARK: &str = "update outbox_events set published = 'Y', published_at = ?2 where seq = ?1";

/// Events published in one step at most.
const BATCH_MAX: usize = 512;
/// Events that the log has and the store was not told of; with more, nothing is published.
const TOLD_MAX: usize = 4 * BATCH_MAX;
/// What the log has is marked together, at most this long after the first of it.
const MARK_AFTER: Duration = Duration::from_millis(25);
/// As many as this are marked at once.
const MARK_MIN: usize = 128;
/// A look at the outbox without having been woken, for what a crash left there.
const FALLBACK: Duration = Duration::from_secs(30);
/// The same where other processes write to it, whose word may get lost.
const FALLBACK_SHARED: Duration = Duration::from_secs(1);
/// First pause after an error; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause after an error.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Publishes the outbox of one store.
pub struct Relay {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Where to.
    pub bus: Arc<dyn EventBus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Rung when there is something new.
    pub bell: Signal,
    /// Who else publishes it.
    pub members: Members,
    /// A way to tell the others; none where there are none.
    pub notices: Option<Arc<dyn Notices>>,
    /// Whether bus and store share a journal: then what the bus has survives only together with what
    /// the store has. Otherwise the store must be on disk before the bus may know.
    pub one_journal: bool,
    /// Counters.
    pub meters: Arc<Meters>,
    /// How the relay is.
    pub health: Health,
    /// Who is told of what is published.
    pub tracer: Tracer,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
    /// All others were published, but for what follows it under its key.
    #[error("event {id} cannot be published on {topic} under the key {key}: {error}")]
    Refused { id: String, topic: String, key: String, error: BusError },
}

/// Events that the log has and the store was not told of.
#[derive(Default)]
struct Told {
    seqs: BTreeSet<i64>,
    /// When the first of them was published.
    since: Duration,
}

impl Told {
    fn add(&mut self, seqs: Vec<i64>, now: Duration) {
        if self.seqs.is_empty() {
            self.since = now;
        }
        self.seqs.extend(seqs);
    }

    /// How long they may still wait to be marked; none if there are none.
    fn rest(&self, now: Duration) -> Option<Duration> {
        let waits = if self.seqs.len() >= MARK_MIN { Duration::ZERO } else { MARK_AFTER };
        (!self.seqs.is_empty()).then(|| (self.since + waits).saturating_sub(now))
    }
}

/// What a step came to.
#[derive(Default)]
struct Stepped {
    published: usize,
    /// Whether there is more to be published, as far as is known.
    more: bool,
}

impl Relay {
    /// Publishes until told to stop, and then what is left.
    pub async fn run(&self, stop: &Stop) -> Result<(), String> {
        let mut bell = self.bell.waiter();
        let heard = self.notices.as_ref().map(|notices| notices.heard(Notice::Outbox));
        let mut heard = heard.unwrap_or_default().waiter();
        let mut moved = self.members.changed().waiter();
        let fallback = if self.members.is_shared() { FALLBACK_SHARED } else { FALLBACK };
        let (mut pause, mut refused, mut told) = (PAUSE_MIN, String::new(), Told::default());
        // Whether there may be something new, and whether what was published must be marked now.
        let (mut look, mut due) = (true, false);
        loop {
            if look {
                // What was rung for before this is there to be seen.
                bell.catch_up();
                heard.catch_up();
            }
            due |= stop.is_said()
                || told.rest(self.clock.elapsed()).is_some_and(|rest| rest.is_zero());
            let (rest, e) = match self.step(look, due, &mut told).await {
                Ok(Stepped { published: 0, .. }) if stop.is_said() => return Ok(()),
                Ok(Stepped { published, more }) => {
                    if published > 0 {
                        refused = String::new();
                    }
                    if more || stop.is_said() {
                        self.health.up("outbox-relay");
                        (pause, look, due) = (PAUSE_MIN, true, false);
                        continue;
                    }
                    (fallback, None)
                }
                Err(e) if stop.is_said() => {
                    let marked = self.mark(&told.seqs).await;
                    return Err(marked.err().map_or(e, StepError::from).to_string());
                }
                Err(e @ StepError::Refused { .. }) => (PAUSE_MAX, Some(e.to_string())),
                Err(e) => {
                    tracing::warn!(error = %e, "outbox not published, trying again");
                    self.health.down("outbox-relay", e.to_string());
                    stop.unless_said(self.clock.sleep(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                    look = true;
                    continue;
                }
            };
            pause = PAUSE_MIN;
            match e {
                None if look => self.health.up("outbox-relay"),
                // What stood in the way may stand there still.
                None => {}
                // Said once, for it is met again with every new event.
                Some(e) => {
                    self.health.down("outbox-relay", e.clone());
                    if e != refused {
                        tracing::error!(error = %e, "all but this event are published");
                        refused = e;
                    }
                }
            }
            let marks = told.rest(self.clock.elapsed());
            let rung = select(Box::pin(heard.wait()), Box::pin(bell.wait()));
            let called = select(Box::pin(moved.wait()), rung);
            let rest = self.clock.sleep(marks.unwrap_or(rest).min(rest));
            (look, due) = match stop.unless_said(select(rest, called)).await {
                // Time to mark; or to look, where nothing waits for that.
                Some(Either::Left(_)) => (marks.is_none(), marks.is_some()),
                // Whoever publishes these keys from now on shall know what is published.
                Some(Either::Right((Either::Left(_), _))) | None => (true, true),
                Some(Either::Right((Either::Right(_), _))) => (true, false),
            };
        }
    }

    /// Tells the others of what this process puts into the outbox, as long as there are others.
    pub async fn tell_others(&self, stop: &Stop) -> Result<(), String> {
        let Some(notices) = &self.notices else { return Ok(()) };
        let mut bell = self.bell.waiter();
        while stop.unless_said(bell.wait()).await.is_some() {
            if self.members.share(self.clock.as_ref()).is_none_or(|share| share.of > 1) {
                notices.tell(Notice::Outbox).await;
            }
        }
        Ok(())
    }

    /// Publishes the next events, if it shall `look`, while those in `told`, which the log has, are marked, if
    /// that is `due`.
    async fn step(&self, look: bool, due: bool, told: &mut Told) -> Result<Stepped, StepError> {
        let mut published = vec![];
        let next = async {
            if look { self.publish_next(&told.seqs, &mut published).await } else { Ok(false) }
        };
        let mark = async { if due { self.mark(&told.seqs).await } else { Ok(()) } };
        let (marked, more) = join(mark, next).await;
        if due && marked.is_ok() {
            told.seqs.clear();
        }
        let count = published.len();
        told.add(published, self.clock.elapsed());
        let more = more?;
        marked?;
        Ok(Stepped { published: count, more })
    }

    /// Publishes the oldest unpublished events of this process's share that are not in `told`, and notes
    /// the `seq` of each in `published`; whether there may be more.
    async fn publish_next(
        &self,
        told: &BTreeSet<i64>,
        published: &mut Vec<i64>,
    ) -> Result<bool, StepError> {
        let limit = BATCH_MAX + told.len();
        let rows = match self.members.share(self.clock.as_ref()) {
            _ if told.len() >= TOLD_MAX => return Ok(true),
            None => return Ok(false),
            Some(Share { of: 1, .. }) => query(self.store.as_ref(), SELECT, values![limit as i64]),
            Some(Share { index, of }) => {
                query(self.store.as_ref(), SELECT_SHARE, values![limit as i64, of, index])
            }
        };
        let mut rows = rows.await?;
        let more = rows.len() == limit;
        rows.retain(|row| row.int(0).is_ok_and(|seq| !told.contains(&seq)));
        if rows.is_empty() {
            return Ok(more);
        }
        if !self.one_journal {
            self.store.durable().await?;
        }
        match self.publish(&rows, published).await {
            Err(StepError::Bus(e)) if !e.is_transient() => {
                self.one_by_one(&rows, published).await?;
            }
            done => done?,
        }
        Ok(more)
    }

    /// Publishes events each for itself, where the log will never take all of them. One that it does
    /// not take holds back what follows under its key, and nothing else; the error tells of the first.
    async fn one_by_one(&self, rows: &[Row], published: &mut Vec<i64>) -> Result<(), StepError> {
        let (mut held, mut refused) = (BTreeSet::new(), None);
        for row in rows {
            let place = (row.text(2)?, row.text(3)?);
            if held.contains(&place) {
                continue;
            }
            match self.publish(std::slice::from_ref(row), published).await {
                Err(StepError::Bus(error)) if !error.is_transient() => {
                    held.insert(place);
                    let (topic, key) = (place.0.to_owned(), place.1.to_owned());
                    let id = row.text(1)?.to_owned();
                    refused.get_or_insert(StepError::Refused { id, topic, key, error });
                }
                done => done?,
            }
        }
        refused.map_or(Ok(()), Err)
    }

    async fn publish(&self, rows: &[Row], published: &mut Vec<i64>) -> Result<(), StepError> {
        let records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        let began = self.tracer.begin();
        let places = self.bus.publish(records).await?;
        for (row, at) in rows.iter().zip(&places) {
            published.push(row.int(0)?);
            if let Some(began) = began {
                self.tracer.published(began, &outgoing(row, at)?);
            }
        }
        self.meters.published.inc_by(rows.len() as u64);
        Ok(())
    }

    /// Notes that these events are published.
    async fn mark(&self, told: &BTreeSet<i64>) -> Result<(), StoreError> {
        if told.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        // What is not marked is published again, and dropped by whoever has seen it.
        let mut batch = Batch { relaxed: true, ..Batch::default() };
        for seq in told {
            batch.any(MARK, values![*seq, now]);
        }
        self.store.write(batch).await
    }
}

fn record(row: &Row) -> Result<NewRecord, StoreError> {
    let (id, topic, key) = (row.text(1)?, row.text(2)?, row.text(3)?);
    let header = |name: &str, value: String| (name.to_owned(), Bytes::from(value));
    Ok(NewRecord {
        topic: topic.to_owned(),
        partition: None,
        key: Some(Bytes::from(key.to_owned())),
        headers: vec![
            header("event_id", id.to_owned()),
            header("event_type", topic.to_owned()),
            header(TRACEPARENT, event_context(row.text_opt(4)?.unwrap_or(key), id).to_string()),
        ],
        value: Some(Bytes::from(row.text(5)?.to_owned())),
    })
}

fn outgoing<'a>(row: &'a Row, at: &'a Position) -> Result<Outgoing<'a>, StoreError> {
    Ok(Outgoing {
        event_id: row.text(1)?,
        service: row.text(6)?,
        key: row.text(3)?,
        order: row.text_opt(4)?,
        json: row.text(5)?,
        at,
    })
}
