//! Starts the parts of the process, says why one ended, and starts it again.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;

use super::{Health, Stop};
use crate::ports::spawn::{Spawn, Task};
use crate::ports::{Clock, clock};

/// First pause before a failed part is started again; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause before a failed part is started again.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The parts of a process.
pub struct Supervisor {
    spawn: Arc<dyn Spawn>,
    clock: Arc<dyn Clock>,
    health: Health,
    stop: Stop,
    tasks: Mutex<Vec<(String, Task)>>,
}

/// Why a part ended although nobody said stop.
pub type Ended = Result<(), String>;

impl Supervisor {
    /// A supervisor without parts.
    pub fn new(spawn: Arc<dyn Spawn>, clock: Arc<dyn Clock>, health: Health, stop: Stop) -> Self {
        Self { spawn, clock, health, stop, tasks: Mutex::default() }
    }

    /// Runs `part` until the process stops: `make` is called again whenever it fails or panics.
    pub fn run<F>(&self, name: &str, mut make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = Ended> + Send + 'static,
    {
        let (clock, health, stop) =
            (Arc::clone(&self.clock), self.health.clone(), self.stop.clone());
        let part = name.to_owned();
        health.up(&part);
        let work = async move {
            let mut pause = PAUSE_MIN;
            while !stop.is_said() {
                let started = clock.elapsed();
                let ended = AssertUnwindSafe(make()).catch_unwind().await;
                let why = match ended {
                    Ok(Ok(())) => break,
                    Ok(Err(why)) => why,
                    Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
                };
                if stop.is_said() {
                    break;
                }
                tracing::error!(part, reason = why, "part failed, starting it again");
                health.restarting(&part, why);
                if clock.elapsed().saturating_sub(started) > PAUSE_MAX {
                    pause = PAUSE_MIN;
                }
                stop.unless_said(clock.sleep(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
                health.up(&part);
            }
        };
        let task = Task::start(self.spawn.as_ref(), Box::pin(work));
        self.lock().push((name.to_owned(), task));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Task)>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for all parts to end after [`Stop::say`], for at most `limit`; the parts that did not.
    pub async fn drained(&self, limit: Duration) -> Vec<String> {
        let tasks = self.lock().clone();
        let all = futures::future::join_all(tasks.iter().map(|(_, task)| task.ended()));
        let _ = clock::timeout(self.clock.as_ref(), limit, all).await;
        let late = |(name, task): &(String, Task)| {
            task.ended().now_or_never().is_none().then(|| name.clone())
        };
        tasks.iter().filter_map(late).collect()
    }

    /// Drops all parts where they stand: what a crash leaves behind.
    pub fn abort(&self) {
        self.lock().drain(..).for_each(|(_, task)| task.abort());
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
