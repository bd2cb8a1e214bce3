//! Starting tasks, so that a simulation decides who runs next.

use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt, Shared};

/// Starts tasks.
pub trait Spawn: Send + Sync {
    /// Runs `task` to its end, concurrently.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// A started task.
#[derive(Clone)]
pub struct Task {
    abort: AbortHandle,
    done: Shared<BoxFuture<'static, ()>>,
}

impl Task {
    /// Starts `work`; it ends early on [`Task::abort`].
    pub fn start(spawn: &dyn Spawn, work: BoxFuture<'static, ()>) -> Self {
        let (abort, registration) = AbortHandle::new_pair();
        let (finished, done) = futures::channel::oneshot::channel::<()>();
        spawn.spawn(Box::pin(async move {
            let _ = Abortable::new(work, registration).await;
            let _ = finished.send(());
        }));
        Self { abort, done: done.map(|_| ()).boxed().shared() }
    }

    /// Drops the task at the point where it waits now: what a crash leaves behind.
    pub fn abort(&self) {
        self.abort.abort();
    }

    /// Completes when the task has ended.
    pub async fn ended(&self) {
        self.done.clone().await;
    }
}
