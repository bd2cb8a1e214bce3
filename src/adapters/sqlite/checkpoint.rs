//! Moving pages from the write-ahead log into the database file, beside the writer: a thread with a
//! connection of its own copies the bulk while writes go on; the writer only copies what is left, so
//! that the log can start over.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{connect, exec};
use crate::ports::store::StoreError;

/// Pages in the log from which it should start over: 64 MiB of 4 KiB pages.
const LOG_PAGES_MAX: i64 = 16_384;
/// Pages that the writer may have to copy itself: some milliseconds of work.
const REST_PAGES_MAX: i64 = 2_048;
/// Pause between two rounds, so that a page written again and again is copied once.
const PAUSE: Duration = Duration::from_secs(1);

/// A handle to the checkpointer's thread, which ends before it does.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    dirty: bool,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to copy; false when it is time to end.
    fn wait_for_work(&self) -> bool {
        let idle = |state: &mut State| !state.dirty && !state.stopped;
        let woken = self.wake.wait_while(self.lock(), idle);
        let mut state = woken.unwrap_or_else(PoisonError::into_inner);
        state.dirty = false;
        !state.stopped
    }

    fn pause(&self) {
        let _ = self.wake.wait_timeout_while(self.lock(), PAUSE, |state| !state.stopped);
    }
}

impl Checkpointer {
    /// Starts the thread. `nearly_done` is called when only the writer can finish a round.
    pub(super) fn start(
        path: &Path,
        nearly_done: impl Fn() + Send + 'static,
    ) -> Result<Self, StoreError> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ecom-checkpoint".into())
            .spawn(move || {
                while ours.wait_for_work() {
                    if let Ok((pages, copied)) = checkpoint(&connection)
                        && pages > LOG_PAGES_MAX
                        && copied + REST_PAGES_MAX >= pages
                    {
                        nearly_done();
                    }
                    ours.pause();
                }
            })
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Something was committed: there may be work.
    pub(super) fn note_commit(&self) {
        let mut state = self.shared.lock();
        if !std::mem::replace(&mut state.dirty, true) {
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.wake.notify_one();
        // Its connection must be closed before the writer's, which takes the log away.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Copies what can be copied; pages in the log, and how many of them are copied.
fn checkpoint(connection: &Connection) -> Result<(i64, i64), StoreError> {
    connection
        .query_row("pragma wal_checkpoint(passive)", [], |row| Ok((row.get(1)?, row.get(2)?)))
        .map_err(|e| super::convert::error(&e))
}

/// Copies the rest from the writer's own thread: with nothing left, the next write starts the log
/// over.
pub(super) fn finish(connection: &Connection) {
    if let Err(e) = exec(connection, "pragma wal_checkpoint(passive)") {
        tracing::debug!(error = %e, "checkpoint not finished; the next round tries again");
    }
}
