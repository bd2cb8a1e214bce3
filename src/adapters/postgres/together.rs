//! Group commit: small batches of one shape that come while others are being written go together, as one
//! transaction. If they cannot, because one of them conflicts or two of them meet, each goes alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::channel::oneshot;
use tokio::sync::{Mutex, mpsc};

use super::errors::Trouble;
use super::{Mode, PostgresStore};
use crate::ports::Spawn;
use crate::ports::store::{Batch, Expect, StoreError};

/// Transactions at a time: while these are on their way, what comes is collected.
const AT_A_TIME: usize = 4;
/// Batches of one transaction at most.
const TOGETHER_MAX: usize = 64;
/// Rows of a batch from which on it is worth a transaction of its own.
const LARGE: usize = 32;

/// What becomes of a batch that waits.
#[derive(Clone)]
enum Outcome {
    /// It was written with others, or its fate is unknown with theirs.
    Done(Result<(), StoreError>),
    /// Nothing was written.
    Alone,
}

struct Waiting {
    batch: Arc<Batch>,
    told: oneshot::Sender<Outcome>,
}

/// The batches that wait: no more than there are tasks that wait for them.
#[derive(Clone)]
pub(super) struct Together(mpsc::UnboundedSender<Waiting>);

impl Together {
    /// Starts writing for as long as anybody may hand something in.
    pub(super) fn start(store: &PostgresStore, spawn: &dyn Spawn) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..AT_A_TIME {
            let (store, receiver) = (store.clone(), Arc::clone(&receiver));
            spawn.spawn(Box::pin(async move {
                loop {
                    let mut taken = vec![];
                    // In the statement of its own: the next one takes over while this one writes.
                    if receiver.lock().await.recv_many(&mut taken, TOGETHER_MAX).await == 0 {
                        return;
                    }
                    write_by_shape(&store, taken).await;
                }
            }));
        }
        Self(sender)
    }

    /// Writes `batch` with others; none if it must be written alone.
    pub(super) async fn write(&self, batch: &Arc<Batch>) -> Option<Result<(), StoreError>> {
        if batch.row_count() >= LARGE {
            return None;
        }
        let (told, answer) = oneshot::channel();
        self.0.send(Waiting { batch: Arc::clone(batch), told }).ok()?;
        match answer.await {
            Ok(Outcome::Done(done)) => Some(done),
            Ok(Outcome::Alone) => None,
            Err(_) => {
                Some(Err(StoreError::Unavailable("the process ends; nobody knows more".into())))
            }
        }
    }
}

/// The same statements in the same order: what may be written row by row of each in turn.
fn shape(batch: &Batch) -> Vec<(&'static str, bool)> {
    batch.writes.iter().map(|write| (write.sql, write.expect == Expect::One)).collect()
}

async fn write_by_shape(store: &PostgresStore, taken: Vec<Waiting>) {
    let mut shapes: BTreeMap<_, Vec<Waiting>> = BTreeMap::new();
    for waiting in taken {
        shapes.entry(shape(&waiting.batch)).or_default().push(waiting);
    }
    for group in shapes.into_values() {
        let outcome = match group.as_slice() {
            [one] => Outcome::Done(store.write_alone(&one.batch).await),
            group => write_together(store, group).await,
        };
        for waiting in group {
            let _ = waiting.told.send(outcome.clone());
        }
    }
}

async fn write_together(store: &PostgresStore, group: &[Waiting]) -> Outcome {
    let mut all = Batch::default();
    for write in group.iter().flat_map(|waiting| &waiting.batch.writes) {
        for row in &write.rows {
            match write.expect {
                Expect::One => all.one(write.sql, row.clone()),
                Expect::Any => all.any(write.sql, row.clone()),
            }
        }
    }
    match store.write_once(&all, Mode::Sets).await {
        Ok(()) => Outcome::Done(Ok(())),
        Err((Trouble::Lost(text), true)) => Outcome::Done(Err(StoreError::Unavailable(text))),
        Err(_) => Outcome::Alone,
    }
}
