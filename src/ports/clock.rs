//! Time. Nothing in the shop asks the operating system for it.

use std::future::Future;
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};

use crate::domain::Timestamp;

/// A source of time.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;

    /// Time since some fixed start; never goes back. For measuring.
    fn elapsed(&self) -> Duration;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Runs `work` for at most `limit`; none if it took longer.
pub async fn timeout<T>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(Box::pin(work), clock.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
