//! Waking a sleeper: no polling where a word will do. Sleepers are woken in the order in which they
//! lay down, which tokio's `watch` does not promise: it picks by a random number of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Tells waiters that there may be work. A signal given while nobody waits is not lost.
#[derive(Clone, Default)]
pub struct Signal(Arc<Inner>);

#[derive(Default)]
struct Inner {
    given: AtomicU64,
    notify: Notify,
}

impl Signal {
    /// Wakes every waiter.
    pub fn give(&self) {
        self.0.given.fetch_add(1, Ordering::SeqCst);
        self.0.notify.notify_waiters();
    }

    /// A waiter that sees every signal from now on.
    pub fn waiter(&self) -> Waiter {
        Waiter { signal: self.clone(), seen: self.0.given.load(Ordering::SeqCst) }
    }

    /// Completes when `reached` holds; looks again at every signal. Whoever makes it hold gives the
    /// signal afterwards.
    pub async fn until(&self, reached: impl Fn() -> bool) {
        loop {
            let notified = self.0.notify.notified();
            let mut notified = std::pin::pin!(notified);
            // From here on no signal is missed, so that looking afterwards is safe.
            notified.as_mut().enable();
            if reached() {
                return;
            }
            notified.await;
        }
    }
}

/// Waits for a [`Signal`].
pub struct Waiter {
    signal: Signal,
    seen: u64,
}

impl Waiter {
    /// Completes at the next signal, at once if one was given since the last time.
    pub async fn wait(&mut self) {
        let given = || self.signal.0.given.load(Ordering::SeqCst);
        let seen = self.seen;
        self.signal.until(|| given() != seen).await;
        self.seen = given();
    }

    /// Forgets the signals given so far.
    pub fn catch_up(&mut self) {
        self.seen = self.signal.0.given.load(Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_signal_between_two_waits_is_not_lost() {
        let signal = Signal::default();
        let mut waiter = signal.waiter();
        assert!(waiter.wait().now_or_never().is_none());
        signal.give();
        signal.give();
        assert!(waiter.wait().now_or_never().is_some());
        assert!(waiter.wait().now_or_never().is_none(), "two signals at once are one");
        signal.give();
        waiter.catch_up();
        assert!(waiter.wait().now_or_never().is_none());
    }
}
