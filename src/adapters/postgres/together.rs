//! What comes at the same time goes together: small batches of one shape as one transaction, runs of one
//! query as one. What cannot, because two batches meet or one of them conflicts, goes alone.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt, join_all};

use super::errors::Trouble;
use super::{Mode, Numbered, PostgresStore};
use crate::ports::Spawn;
use crate::ports::store::{Batch, Expect, Read, Row, StoreError, Value, Write};

/// Statements of one kind at a time: while these are on their way, what comes is collected.
const AT_A_TIME: usize = 2;
/// Jobs of one statement at most.
const TOGETHER_MAX: usize = 64;
/// Rows of a job from which on it is worth a statement of its own.
const LARGE: usize = 32;

/// The same statements in the same order: what may be written row by row of each in turn.
type Shape = Vec<(&'static str, bool)>;

/// Where batches and queries meet. Nobody waits here but those whose work it is.
#[derive(Clone)]
pub(super) struct Together {
    writes: Lanes<Shape, Writing>,
    reads: Lanes<&'static str, Reading>,
}

struct Writing {
    batch: Arc<Batch>,
    /// None if it must be written alone, and nothing was.
    told: oneshot::Sender<Option<Result<(), StoreError>>>,
}

struct Reading {
    read: Read,
    told: oneshot::Sender<Result<Vec<Row>, StoreError>>,
}

impl Together {
    /// For the work of `store`, which does each piece of it alone.
    pub(super) fn new(store: &PostgresStore, spawn: &Arc<dyn Spawn>) -> Self {
        let (writer, reader) = (store.clone(), store.clone());
        Self {
            writes: Lanes::new(spawn, move |group| {
                let store = writer.clone();
                async move { write(&store, group).await }.boxed()
            }),
            reads: Lanes::new(spawn, move |group| {
                let store = reader.clone();
                async move { read(&store, group).await }.boxed()
            }),
        }
    }

    /// Writes `batch` with others; none if it must be written alone.
    pub(super) async fn write(&self, batch: &Arc<Batch>) -> Option<Result<(), StoreError>> {
        if batch.relaxed || batch.row_count() >= LARGE {
            return None;
        }
        let shape = |write: &Write| (write.sql, write.expect == Expect::One);
        let shape = batch.writes.iter().map(shape).collect();
        let (told, answer) = oneshot::channel();
        self.writes.hand_in(shape, Writing { batch: Arc::clone(batch), told });
        answer.await.unwrap_or_else(|_| Some(Err(nobody_knows())))
    }

    /// Reads with others; none if it must be read alone.
    pub(super) async fn read(&self, read: &Read) -> Option<Result<Vec<Row>, StoreError>> {
        let has_parameters = read.rows.first().is_some_and(|row| !row.is_empty());
        if !has_parameters || read.rows.len() >= LARGE {
            return None;
        }
        let (told, answer) = oneshot::channel();
        self.reads.hand_in(read.sql, Reading { read: read.clone(), told });
        Some(answer.await.unwrap_or_else(|_| Err(nobody_knows())))
    }
}

fn nobody_knows() -> StoreError {
    StoreError::Unavailable("the process ends; nobody knows more".into())
}

/// Work of one kind that comes while other work of that kind is under way waits, and is done together.
struct Lanes<K, J> {
    open: Arc<Mutex<BTreeMap<K, Lane<J>>>>,
    spawn: Arc<dyn Spawn>,
    perform: Arc<dyn Fn(Vec<J>) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl<K, J> Clone for Lanes<K, J> {
    fn clone(&self) -> Self {
        let (open, spawn) = (Arc::clone(&self.open), Arc::clone(&self.spawn));
        Self { open, spawn, perform: Arc::clone(&self.perform) }
    }
}

struct Lane<J> {
    running: usize,
    waiting: VecDeque<J>,
}

impl<K: Ord + Clone + Send + 'static, J: Send + 'static> Lanes<K, J> {
    fn new(
        spawn: &Arc<dyn Spawn>,
        perform: impl Fn(Vec<J>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        let (open, spawn) = (Arc::default(), Arc::clone(spawn));
        Self { open, spawn, perform: Arc::new(perform) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, Lane<J>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_in(&self, kind: K, job: J) {
        let mut lanes = self.lock();
        let fresh = || Lane { running: 0, waiting: VecDeque::new() };
        let lane = lanes.entry(kind.clone()).or_insert_with(fresh);
        lane.waiting.push_back(job);
        if lane.running == AT_A_TIME {
            return;
        }
        lane.running += 1;
        drop(lanes);
        let ours = self.clone();
        self.spawn.spawn(Box::pin(async move {
            while let Some(group) = ours.next(&kind) {
                // Whoever handed in what panics learns that nobody knows; the lane goes on.
                let _ = AssertUnwindSafe((ours.perform)(group)).catch_unwind().await;
            }
        }));
    }

    /// What waits in a lane; if nothing does, whoever asks runs in it no more.
    fn next(&self, kind: &K) -> Option<Vec<J>> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(kind)?;
        let count = lane.waiting.len().min(TOGETHER_MAX);
        if count > 0 {
            return Some(lane.waiting.drain(..count).collect());
        }
        lane.running -= 1;
        if lane.running == 0 {
            lanes.remove(kind);
        }
        None
    }
}

async fn write(store: &PostgresStore, group: Vec<Writing>) {
    let outcome = match group.as_slice() {
        [one] => Some(store.write_alone(&one.batch).await),
        group => write_together(store, group).await,
    };
    for writing in group {
        let _ = writing.told.send(outcome.clone());
    }
}

/// None if nothing was written.
async fn write_together(
    store: &PostgresStore,
    group: &[Writing],
) -> Option<Result<(), StoreError>> {
    let mut all = Batch::default();
    for write in group.iter().flat_map(|writing| &writing.batch.writes) {
        for row in &write.rows {
            match write.expect {
                Expect::One => all.one(write.sql, row.clone()),
                Expect::Any => all.any(write.sql, row.clone()),
            }
        }
    }
    // Two groups take their locks in the same order.
    for update in all.writes.iter_mut().filter(|write| write.sql.starts_with("update")) {
        update.rows.sort_by(|one, other| key(one).cmp(&key(other)));
    }
    match store.write_once(&all, Mode::Sets).await {
        Ok(()) => Some(Ok(())),
        Err((Trouble::Lost(text), true) | (Trouble::Told(StoreError::Unavailable(text)), _)) => {
            Some(Err(StoreError::Unavailable(text)))
        }
        Err(_) => None,
    }
}

/// The key of a row that an update changes is its first parameter.
fn key(row: &[Value]) -> Option<&str> {
    match row.first() {
        Some(Value::Text(key)) => Some(key),
        _ => None,
    }
}

async fn read(store: &PostgresStore, mut group: Vec<Reading>) {
    group.retain(|reading| !reading.told.is_canceled());
    let together = match group.as_slice() {
        [] | [_] => None,
        group => read_together(store, group).await,
    };
    match together {
        Some(Ok(results)) => {
            for (reading, rows) in group.into_iter().zip(results) {
                let _ = reading.told.send(Ok(rows));
            }
        }
        Some(Err(error)) => {
            for reading in group {
                let _ = reading.told.send(Err(error.clone()));
            }
        }
        None => {
            let alone = group.into_iter().map(|Reading { read, told }| async move {
                let results = store.read_again(&[read], Numbered::No).await;
                let _ = told.send(results.map(|mut results| results.pop().unwrap_or_default()));
            });
            join_all(alone).await;
        }
    }
}

/// The rows of each, or what holds for all of them; none if they must be read alone.
async fn read_together(
    store: &PostgresStore,
    group: &[Reading],
) -> Option<Result<Vec<Vec<Row>>, StoreError>> {
    let runs = group.iter().flat_map(|reading| reading.read.rows.iter().cloned());
    let all = Read::each(group[0].read.sql, runs);
    let found = match store.read_again(&[all], Numbered::Yes).await {
        Ok(mut found) => found.pop()?,
        Err(error @ StoreError::Unavailable(_)) => return Some(Err(error)),
        Err(_) => return None,
    };
    let whose = group.iter().enumerate();
    let whose: Vec<usize> =
        whose.flat_map(|(n, reading)| reading.read.rows.iter().map(move |_| n)).collect();
    let mut results = vec![vec![]; group.len()];
    for mut row in found {
        let Some(Value::Int(run)) = row.0.pop() else { return None };
        let whose = whose.get(usize::try_from(run).ok()?.checked_sub(1)?)?;
        results[*whose].push(row);
    }
    Some(Ok(results))
}
