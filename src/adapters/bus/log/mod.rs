//! The embedded event log: partitions are ranges of one table of the journal, so that publishing
//! shares the store's writer and fsync. The newest records of each partition are kept in memory,
//! where consumers that keep up find them without reading the disk.

mod append;
mod codec;
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
use group::{Groups, Member};
use partition::Partition;

const UPSERT_OFFSET: &str = "insert into log_offsets (group_id, topic, partition, committed, updated_at)
 values (?1, ?2, ?3, ?4, ?5)
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

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, batch: Batch) -> Result<(), BusError> {
        self.run(move |tx| batch.writes.iter().try_for_each(|w| tx.run(w))).await
    }

    /// Runs `work` as a job of the journal.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BusError> {
        let (reply, outcome) = oneshot::channel();
        self.journal.submit(Box::new(Work { task: work, output: None, reply }));
        match outcome.await {
            Ok(outcome) => outcome.map_err(bus_error),
            Err(_) => Err(BusError::Unavailable("the log is closed".into())),
        }
    }
}

struct Work<T, F> {
    task: F,
    output: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send> Job for Work<T, F> {
    fn apply(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.output = Some((self.task)(tx)?);
        Ok(())
    }

    fn done(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { output, reply, .. } = *self;
        let lost = || StoreError::Broken("a finished job has no output".into());
        let _ = reply.send(outcome.and_then(|()| output.ok_or_else(lost)));
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
        let id = state.groups.join(group, joined);
        drop(state);
        self.shared.pulse.give();
        Ok(Box::new(Member::new(Arc::clone(&self.shared), group.to_owned(), id)))
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
        let end = |topic: &str, partition: u32| {
            let topic = state.topics.get(topic)?;
            topic.partitions.get(partition as usize).map(|p| p.end)
        };
        Ok(state.groups.offsets(end))
    }

    async fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        retention: Option<Duration>,
    ) -> Result<bool, BusError> {
        if let Some(existing) = self.shared.state().topics.get(topic) {
            let found = existing.partitions.len();
            if found != partitions as usize {
                let text = format!("topic {topic} has {found} partitions, not {partitions}");
                return Err(BusError::Broken(text));
            }
            return Ok(false);
        }
        let name = topic.to_owned();
        let tps = self.shared.run(move |tx| create(tx, &name, partitions, retention)).await?;
        let partitions = tps.into_iter().map(|tp| Partition::load(tp, 0, None)).collect();
        self.shared.state().topics.insert(topic.into(), Topic { retention, partitions });
        Ok(true)
    }

    async fn set_offsets(&self, group: &str, next: &[Position]) -> Result<(), BusError> {
        if self.shared.state().groups.is_active(group) {
            return Err(BusError::GroupActive(group.to_owned()));
        }
        commit(&self.shared, group, next).await
    }
}

fn create(
    tx: &Tx<'_>,
    topic: &str,
    partitions: u32,
    retention: Option<Duration>,
) -> Result<Vec<u64>, StoreError> {
    let retention_ms = retention.map(|r| r.as_millis() as i64);
    tx.execute(
        "insert into log_topics (topic, retention_ms) values (?1, ?2)",
        &[topic.into(), retention_ms.into()],
    )?;
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
    rows.iter().map(|row| Ok(row.int(0)? as u64)).collect()
}

async fn commit(shared: &Arc<Shared>, group: &str, next: &[Position]) -> Result<(), BusError> {
    let now = shared.clock.now();
    let mut batch = Batch::default();
    for at in next {
        batch.one(
            UPSERT_OFFSET,
            values![group, at.topic.as_ref(), at.partition, at.offset as i64, now],
        );
    }
    shared.write(batch).await?;
    let mut state = shared.state();
    for at in next {
        state.groups.restore(group, &at.topic, at.partition, at.offset);
    }
    Ok(())
}
