//! Waking a sleeper: no polling where a word will do.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells waiters that there may be work. A signal given while nobody waits is not lost.
#[derive(Clone)]
pub struct Signal(Arc<watch::Sender<u64>>);

impl Default for Signal {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Signal {
    /// Wakes every waiter.
    pub fn give(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// A waiter that sees every signal from now on.
    pub fn waiter(&self) -> Waiter {
        Waiter(self.0.subscribe())
    }
}

/// Waits for a [`Signal`].
pub struct Waiter(watch::Receiver<u64>);

impl Waiter {
    /// Completes at the next signal, at once if one was given since the last time.
    pub async fn wait(&mut self) {
        if self.0.changed().await.is_err() {
            // Whoever could give it is gone; so will be the waiter.
            std::future::pending::<()>().await;
        }
    }
}
