//! The embedded event log: partitions are ranges of one table of the journal, so that publishing
//! shares the store's writer and fsync. The newest records of each partition are kept in memory,
//! where consumers that keep up find them without reading the disk.

mod admin;
mod append;
mod codec;
mod emptying;
mod group;
mod partition;
mod reading;
mod retention;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::adapters::sqlite::{Job, Journal, Tx};
use crate::domain::Timestamp;
use crate::ports::Signal;
use crate::ports::bus::{
    BusError, EventBus, GroupOffset, NewRecord, PartitionInfo, Position, Record, Subscription,
    TopicInfo,
};
use crate::ports::clock::Clock;
use crate::ports::store::{Batch, Read, StoreError};
use crate::values;
pub use emptying::{BEGIN_ANEW, EMPTY};
use group::{Groups, Member};
use partition::Partition;

/// Of a topic that is gone by now nothing is noted: one of its name would begin there.
const UPSERT_OFFSET: &str = "insert into log_offsets (group_id, topic, partition, committed, updated_at)
 select ?1, ?2, ?3, ?4, ?5 where exists (select 1 from log_partitions where topic = ?2 and partition = ?3)
 on conflict (group_id, topic, partition) do update set committed = excluded.committed, updated_at = excluded.updated_at";

/// An event log on a journal.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Counts what readers may want to look at again: appends and changes of membership.
    pulse: Signal,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<Arc<str>, Topic>,
    groups: Groups,
    /// Spreads records without a key.
    keyless: u32,
}

struct Topic {
    retention: Option<Duration>,
    partitions: Vec<Partition>,
}

impl State {
    fn partition(&self, topic: &str, partition: u32) -> Result<&Partition, BusError> {
        let found = self.topics.get(topic).and_then(|t| t.partitions.get(partition as usize));
        found.ok_or_else(|| BusError::Unknown(format!("{topic}/{partition}")))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `task` as a job of the journal. Once it is committed, `note` takes up what came of it:
    /// in commit order, and even if nobody waits for it any more.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        task: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        note: impl FnOnce(&mut State, &T) + Send + 'static,
    ) -> Result<T, BusError> {
        let (reply, outcome) = oneshot::channel();
        let shared = Arc::clone(self);
        self.journal.submit(Box::new(Change { shared, task, output: None, note, reply }));
        match outcome.await {
            Ok(outcome) => outcome.map_err(bus_error),
            Err(_) => Err(BusError::Unavailable("the log is closed".into())),
        }
    }
}

struct Change<T, F, N> {
    shared: Arc<Shared>,
    task: F,
    output: Option<T>,
    note: N,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F, N> Job for Change<T, F, N>
where
    T: Send,
    F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send,
    N: FnOnce(&mut State, &T) + Send,
{
    fn apply(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.output = Some((self.task)(tx)?);
        Ok(())
    }

    fn done(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { shared, output, note, reply, .. } = *self;
        let lost = || StoreError::Broken("a finished job has no output".into());
        let outcome = outcome.and_then(|()| output.ok_or_else(lost));
        if let Ok(output) = &outcome {
            note(&mut shared.state(), output);
        }
        // Whoever gets the answer may be the last to know the log, and close it.
        drop(shared);
        let _ = reply.send(outcome);
    }
}

fn bus_error(e: StoreError) -> BusError {
    match e {
        StoreError::Full(text) => BusError::Full(text),
        StoreError::Broken(text) => BusError::Broken(text),
        StoreError::Conflict(text) | StoreError::Unavailable(text) => BusError::Unavailable(text),
    }
}

impl EmbeddedLog {
    /// The log on `journal`, with the topics and offsets that it holds.
    pub fn open(journal: Arc<Journal>, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        let state = load(&journal).map_err(bus_error)?;
        let shared = Shared { journal, clock, state: Mutex::new(state), pulse: Signal::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Removes what is older than its topic's retention; how many records.
    pub async fn prune(&self) -> Result<u64, BusError> {
        retention::prune(&self.shared).await
    }
}

fn load(journal: &Journal) -> Result<State, StoreError> {
    let mut state = State::default();
    let results = journal.read(&[
        Read::new("select topic, retention_ms from log_topics order by topic", vec![]),
        Read::new(
            "select topic, partition, tp, start_offset,
               (select max(position) from log_records
                where position between p.tp * 1099511627776 and p.tp * 1099511627776 + 1099511627775)
             from log_partitions p order by topic, partition",
            vec![],
        ),
        Read::new(
            "select group_id, topic, partition, committed from log_offsets
             order by group_id, topic, partition",
            vec![],
        ),
    ])?;
    for row in &results[0] {
        let retention = match row.0.get(1) {
            Some(crate::ports::store::Value::Int(ms)) => Some(Duration::from_millis(*ms as u64)),
            _ => None,
        };
        state.topics.insert(row.text(0)?.into(), Topic { retention, partitions: vec![] });
    }
    for row in &results[1] {
        let (tp, start) = (row.int(2)? as u64, row.int(3)? as u64);
        let last = row.int(4).ok().map(|position| position as u64);
        if let Some(topic) = state.topics.get_mut(row.text(0)?) {
            topic.partitions.push(Partition::load(tp, start, last));
        }
    }
    for row in &results[2] {
        state.groups.restore(row.text(0)?, row.text(1)?, row.int(2)? as u32, row.int(3)? as u64);
    }
    Ok(state)
}

#[async_trait]
impl EventBus for EmbeddedLog {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, BusError> {
        append::publish(&self.shared, records).await
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<Box<dyn Subscription>, BusError> {
        let mut state = self.shared.state();
        let mut joined = vec![];
        for name in topics {
            let (name, topic) = state
                .topics
                .get_key_value(*name)
                .ok_or_else(|| BusError::Unknown((*name).to_owned()))?;
            joined.push((Arc::clone(name), topic.partitions.len() as u32));
        }
        let joined = state.groups.join(group, joined);
        drop(state);
        self.shared.pulse.give();
        Ok(Box::new(Member::new(Arc::clone(&self.shared), group.to_owned(), joined)))
    }

    async fn read(&self, from: &Position, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        reading::read(&self.shared, from, max)
    }

    async fn offset_at(
        &self,
        topic: &str,
        partition: u32,
        time: Timestamp,
    ) -> Result<u64, BusError> {
        reading::offset_at(&self.shared, topic, partition, time)
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, BusError> {
        let info = |(name, topic): (&Arc<str>, &Topic)| TopicInfo {
            name: name.to_string(),
            partitions: (0u32..)
                .zip(&topic.partitions)
                .map(|(partition, p)| PartitionInfo { partition, start: p.start, end: p.end })
                .collect(),
        };
        Ok(self.shared.state().topics.iter().map(info).collect())
    }

    async fn groups(&self) -> Result<Vec<GroupOffset>, BusError> {
        let state = self.shared.state();
        let unread = |topic: &str, partition: u32, next: u64| {
            state.partition(topic, partition).map_or(0, |p| p.end.saturating_sub(next.max(p.start)))
        };
        Ok(state.groups.offsets(unread))
    }

    async fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        retention: Option<Duration>,
    ) -> Result<bool, BusError> {
        let (name, noted) = (topic.to_owned(), topic.to_owned());
        let created = self.shared.change(
            move |tx| create(tx, &name, partitions, retention),
            move |state, tps| {
                if let Some(tps) = tps {
                    let partitions = tps.iter().map(|tp| Partition::load(*tp, 0, None)).collect();
                    state.groups.topic_made(&noted, tps.len() as u32);
                    state.topics.insert(noted.into(), Topic { retention, partitions });
                }
            },
        );
        if created.await?.is_some() {
            return Ok(true);
        }
        let found = self.shared.state().topics.get(topic).map_or(0, |topic| topic.partitions.len());
        if found != partitions as usize {
            let text = format!(
                "topic {topic} has {found} partitions, not {partitions}: set delivery.partitions = {found}, or keep the data elsewhere"
            );
            return Err(BusError::Broken(text));
        }
        Ok(false)
    }

    async fn set_offsets(&self, group: &str, next: &[Position]) -> Result<(), BusError> {
        {
            let state = self.shared.state();
            for at in next {
                state.partition(&at.topic, at.partition)?;
            }
            if state.groups.is_active(group) {
                return Err(BusError::GroupActive(group.to_owned()));
            }
        }
        commit(&self.shared, group, next).await
    }
}

/// The new partitions' names in positions; none if there is such a topic.
fn create(
    tx: &Tx<'_>,
    topic: &str,
    partitions: u32,
    retention: Option<Duration>,
) -> Result<Option<Vec<u64>>, StoreError> {
    let retention_ms = retention.map(|r| r.as_millis() as i64);
    let created = tx.execute(
        "insert into log_topics (topic, retention_ms) values (?1, ?2) on conflict do nothing",
        &[topic.into(), retention_ms.into()],
    )?;
    if created == 0 {
        return Ok(None);
    }
    for partition in 0..partitions {
        tx.execute(
            "insert into log_partitions (topic, partition, start_offset) values (?1, ?2, 0)",
            &[topic.into(), partition.into()],
        )?;
    }
    let rows = tx.query(
        "select tp from log_partitions where topic = ?1 order by partition",
        &[topic.into()],
    )?;
    rows.iter().map(|row| Ok(row.int(0)? as u64)).collect::<Result<_, _>>().map(Some)
}

async fn commit(shared: &Arc<Shared>, group: &str, next: &[Position]) -> Result<(), BusError> {
    let now = shared.clock.now();
    let mut batch = Batch::default();
    for at in next {
        batch.any(
            UPSERT_OFFSET,
            values![group, at.topic.as_ref(), at.partition, at.offset as i64, now],
        );
    }
    let (group, next) = (group.to_owned(), next.to_vec());
    shared
        .change(
            move |tx| batch.writes.iter().try_for_each(|write| tx.run(write)),
            move |state, ()| {
                for at in &next {
                    if state.partition(&at.topic, at.partition).is_ok() {
                        state.groups.restore(&group, &at.topic, at.partition, at.offset);
                    }
                }
            },
        )
        .await
}
