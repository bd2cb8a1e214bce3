//! Telling other processes that there is something to look at. A notice may be late or lost: whoever
//! waits for one also looks by itself now and then.

use async_trait::async_trait;

use super::Signal;
use crate::domain::closed_set::closed_set;

closed_set! {
    /// What there is to look at.
    Notice {
        /// Events in the outbox.
        Outbox = "outbox",
    }
}

/// A way to the other processes of the shop.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Tells the others.
    async fn tell(&self, notice: Notice);

    /// Given when another process, or this one, has told it.
    fn heard(&self, notice: Notice) -> Signal;
}
