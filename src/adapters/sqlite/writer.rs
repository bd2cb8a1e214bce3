//! The one writer of a database: applies all jobs that have queued up in one transaction.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::checkpoint::Checkpointer;
use super::durability::Durability;
use super::{Job, Tx, convert};
use crate::ports::store::StoreError;

/// Jobs in one transaction at most, so that the first never waits long for the last.
const GROUP_JOBS_MAX: usize = 64;

enum Message {
    Job(Box<dyn Job>),
    /// The checkpointer copied all but the newest pages: finish, so that the log starts over.
    FinishCheckpoint,
    Stop,
}

/// A handle to the writer's thread.
pub(super) struct Writer {
    queue: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        path: &Path,
        connection: Connection,
        durability: Arc<Durability>,
    ) -> Result<Self, StoreError> {
        let (queue, inbox) = channel();
        let again = queue.clone();
        let checkpointer = Checkpointer::start(path, move || {
            let _ = again.send(Message::FinishCheckpoint);
        })?;
        let thread = std::thread::Builder::new()
            .name("ecom-writer".into())
            .spawn(move || {
                run(&connection, &inbox, &durability, &checkpointer);
                drop(checkpointer);
                let _ = super::exec(&connection, "pragma wal_checkpoint(truncate)");
            })
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn submit(&self, job: Box<dyn Job>) {
        if let Err(refused) = self.queue.send(Message::Job(job))
            && let Message::Job(job) = refused.0
        {
            job.done(Err(StoreError::Unavailable("the store is closed".into())));
        }
    }

    pub(super) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = self.queue.send(Message::Stop);
            // A job may have been the last to know the journal; it is dropped on this very thread.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn run(
    connection: &Connection,
    inbox: &Receiver<Message>,
    durability: &Durability,
    checkpointer: &Checkpointer,
) {
    let mut open = true;
    while open && let Ok(first) = inbox.recv() {
        let mut jobs: Vec<Box<dyn Job>> = vec![];
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::FinishCheckpoint => super::checkpoint::finish(connection),
                Message::Stop => open = false,
            }
            next = if open && jobs.len() < GROUP_JOBS_MAX { inbox.try_recv().ok() } else { None };
        }
        if jobs.is_empty() {
            continue;
        }
        if durability.failed() {
            let broken =
                StoreError::Broken("an fsync failed; the store takes no more writes".into());
            jobs.into_iter().for_each(|job| job.done(Err(broken.clone())));
            continue;
        }
        if together(connection, &mut jobs, durability).is_ok() {
            durability.committed();
            jobs.into_iter().for_each(|job| job.done(Ok(())));
        } else {
            // Somebody in the group failed: each alone, so that nobody else suffers.
            for mut job in jobs {
                let outcome = alone(connection, job.as_mut(), durability);
                durability.committed();
                job.done(outcome);
            }
        }
        checkpointer.note_commit();
    }
}

fn together(
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
    durability: &Durability,
) -> Result<(), StoreError> {
    transaction(connection, durability, |tx| jobs.iter_mut().try_for_each(|job| job.apply(tx)))
}

/// Runs one job in a transaction of its own.
pub(super) fn alone(
    connection: &Connection,
    job: &mut dyn Job,
    durability: &Durability,
) -> Result<(), StoreError> {
    transaction(connection, durability, |tx| job.apply(tx))
}

fn transaction(
    connection: &Connection,
    durability: &Durability,
    work: impl FnOnce(&Tx<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let behavior = rusqlite::TransactionBehavior::Immediate;
    let transaction = rusqlite::Transaction::new_unchecked(connection, behavior)
        .map_err(|e| convert::error(&e))?;
    let tx = Tx { connection, changed: std::cell::Cell::new(0) };
    // On an early return `transaction` is dropped, which rolls back.
    work(&tx)?;
    transaction.commit().map_err(|e| convert::error(&e))?;
    durability.changed(tx.changed.get());
    Ok(())
}
