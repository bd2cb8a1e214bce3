//! Bounds how many send at once and how long any of them takes. A server that is down may not keep
//! a thousand senders waiting one after the other, nor be met by a thousand connections.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::ports::clock::{Clock, timeout};
use crate::ports::mail::MailError;

/// Places for those who send.
pub(super) struct Turns {
    places: Semaphore,
    pub(super) patience: Duration,
    clock: Arc<dyn Clock>,
}

impl Turns {
    /// So many at once, each of which takes `patience` at most, waiting for a place included.
    pub(super) fn new(places: usize, patience: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { places: Semaphore::new(places), patience, clock }
    }

    /// Does `work` when there is a place. Half of the time is for the place and half for the work, so
    /// that work is not broken off because the place was late: the message might have arrived.
    pub(super) async fn take<T>(
        &self,
        work: impl Future<Output = Result<T, MailError>>,
    ) -> Result<T, MailError> {
        let half = self.patience / 2;
        let place = timeout(self.clock.as_ref(), half, self.places.acquire()).await;
        let Some(_place) = place else {
            return Err(MailError::Later(format!("no connection was free within {half:?}")));
        };
        let done = timeout(self.clock.as_ref(), half, work).await;
        done.unwrap_or_else(|| Err(MailError::Later(format!("no answer within {half:?}"))))
    }
}
