//! One word that ends everything: said once, heard by all.

use std::future::Future;
use std::sync::Arc;

use futures::future::{Either, select};
use tokio::sync::watch;

/// Whether it is time to end.
#[derive(Clone)]
pub struct Stop {
    said: Arc<watch::Sender<bool>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { said: Arc::new(watch::Sender::new(false)) }
    }
}

impl Stop {
    /// Says it.
    pub fn say(&self) {
        self.said.send_replace(true);
    }

    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        *self.said.borrow()
    }

    /// Completes when it is said.
    pub async fn heard(&self) {
        let mut said = self.said.subscribe();
        // An error would mean that nobody can say it any more, but we hold a sender ourselves.
        let _ = said.wait_for(|said| *said).await;
    }

    /// Runs `work` until it is done, or until the word is said; none if that came first.
    pub async fn unless_said<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match select(Box::pin(self.heard()), Box::pin(work)).await {
            Either::Left(((), _)) => None,
            Either::Right((done, _)) => Some(done),
        }
    }
}
