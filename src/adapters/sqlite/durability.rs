//! Bringing the disk up to date: one thread that syncs the write-ahead log whenever somebody waits
//! for it, one fsync for all that wait. A job is on disk once a sync that began after its commit has
//! ended; if its pages were checkpointed meanwhile, SQLite has synced them with the database file.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::ports::Signal;
use crate::ports::store::StoreError;

/// Marks a log that could not be synced: what is on disk is unknown from then on.
const FAILED: u64 = u64::MAX;

/// What a journal has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Transactions, each a group of jobs.
    pub transactions: u64,
    /// Rows changed.
    pub rows: u64,
    /// How often the disk was brought up to date.
    pub syncs: u64,
    /// Microseconds that each of the newest syncs took, at most 4,096 of them.
    pub micros: Vec<u32>,
}

/// What is committed and what is on disk, as counters of groups of jobs.
#[derive(Default)]
pub(super) struct Durability {
    committed: AtomicU64,
    rows: AtomicU64,
    synced: AtomicU64,
    /// Given when `synced` has changed.
    progress: Signal,
    wanted: Mutex<u64>,
    wake: Condvar,
    stopped: AtomicBool,
    figures: Mutex<JournalFigures>,
}

impl Durability {
    /// A group of jobs was committed.
    pub(super) fn committed(&self) {
        self.committed.fetch_add(1, Ordering::SeqCst);
    }

    /// All that is committed is as durable as it will get (memory).
    pub(super) fn all_synced(&self) {
        self.reach(self.committed.load(Ordering::SeqCst));
    }

    fn reach(&self, synced: u64) {
        self.synced.store(synced, Ordering::SeqCst);
        self.progress.give();
    }

    fn synced(&self) -> u64 {
        self.synced.load(Ordering::SeqCst)
    }

    pub(super) fn failed(&self) -> bool {
        self.synced() == FAILED
    }

    pub(super) async fn wait(&self) -> Result<(), StoreError> {
        let target = self.committed.load(Ordering::SeqCst);
        if self.synced() < target {
            self.want(target);
            self.progress.until(|| self.synced() >= target).await;
        }
        if self.failed() {
            return Err(StoreError::Broken("the journal could not be synced".into()));
        }
        Ok(())
    }

    fn want(&self, target: u64) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = target.max(*wanted);
        drop(wanted);
        self.wake.notify_one();
    }

    pub(super) fn figures(&self) -> JournalFigures {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let transactions = self.committed.load(Ordering::Relaxed);
        JournalFigures { transactions, rows: self.rows.load(Ordering::Relaxed), ..figures }
    }

    /// A job changed this many rows.
    pub(super) fn changed(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    fn note(&self, micros: u32) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = (figures.syncs % 4096) as usize;
        if figures.micros.len() <= slot {
            figures.micros.push(micros);
        } else {
            figures.micros[slot] = micros;
        }
        figures.syncs += 1;
    }
}

/// Starts the thread that syncs the log at `wal_path`.
pub(super) fn start(wal_path: &Path, durability: Arc<Durability>) -> Result<(), StoreError> {
    let unavailable =
        |e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", wal_path.display()));
    let wal = File::open(wal_path).map_err(unavailable)?;
    // A synced file that its folder does not know of is lost in a power cut.
    let folder = wal_path.parent().unwrap_or(wal_path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unavailable)?;
    std::thread::Builder::new()
        .name("ecom-sync".into())
        .spawn(move || run(&wal, &durability))
        .map_err(unavailable)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measures the disk, decides nothing")]
fn run(wal: &File, durability: &Durability) {
    loop {
        let done = durability.synced();
        let mut wanted = durability.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        while *wanted <= done && !durability.stopped.load(Ordering::SeqCst) {
            wanted = durability.wake.wait(wanted).unwrap_or_else(PoisonError::into_inner);
        }
        drop(wanted);
        let reached = durability.committed.load(Ordering::SeqCst);
        let started = std::time::Instant::now();
        if let Err(e) = wal.sync_data() {
            tracing::error!(error = %e, "the journal could not be synced; no more writes are taken");
            durability.reach(FAILED);
            return;
        }
        durability.note(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        durability.reach(reached);
        if durability.stopped.load(Ordering::SeqCst) {
            return;
        }
    }
}
