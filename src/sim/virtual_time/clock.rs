//! Time that passes when the executor says so.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::domain::Timestamp;
use crate::ports::Clock;

/// Every virtual run begins on 2026-01-01T00:00:00Z.
const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A clock whose hands the executor moves.
#[derive(Clone, Default)]
pub struct VirtualClock {
    timers: Arc<Mutex<Timers>>,
}

#[derive(Default)]
struct Timers {
    elapsed: Duration,
    next: u64,
    waiting: BTreeMap<(Duration, u64), Waker>,
}

impl VirtualClock {
    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to the next time that somebody waits for, and wakes all who wait for it; false if
    /// nobody waits.
    pub(super) fn advance(&self) -> bool {
        let mut timers = self.lock();
        let Some((&(at, _), _)) = timers.waiting.first_key_value() else { return false };
        timers.elapsed = at;
        let mut due = vec![];
        while let Some(first) = timers.waiting.first_entry()
            && first.key().0 <= at
        {
            due.push(first.remove());
        }
        drop(timers);
        due.into_iter().for_each(Waker::wake);
        true
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        EPOCH + self.lock().elapsed
    }

    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let at = self.lock().elapsed.saturating_add(duration);
        Box::pin(Sleep { clock: self.clone(), at, place: None })
    }
}

struct Sleep {
    clock: VirtualClock,
    at: Duration,
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut timers = clock.lock();
        if timers.elapsed >= self.at {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| {
            timers.next += 1;
            timers.next
        });
        timers.waiting.insert((self.at, place), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.clock.lock().waiting.remove(&(self.at, place));
        }
    }
}
