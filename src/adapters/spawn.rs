//! Tasks on the tokio runtime.

use futures::future::BoxFuture;

use crate::ports::Spawn;

/// Starts tasks on a tokio runtime.
pub struct TokioSpawn(tokio::runtime::Handle);

impl TokioSpawn {
    /// On the runtime that calls this.
    pub fn current() -> Self {
        Self(tokio::runtime::Handle::current())
    }
}

impl Spawn for TokioSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(self.0.spawn(task));
    }
}
