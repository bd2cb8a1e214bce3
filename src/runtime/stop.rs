//! One word that ends everything: said once, heard by all.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{Either, select};

use crate::ports::Signal;

/// Whether it is time to end.
#[derive(Clone, Default)]
pub struct Stop {
    said: Arc<AtomicBool>,
    signal: Signal,
}

impl Stop {
    /// Says it.
    pub fn say(&self) {
        self.said.store(true, Ordering::SeqCst);
        self.signal.give();
    }

    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        self.said.load(Ordering::SeqCst)
    }

    /// Completes when it is said.
    pub async fn heard(&self) {
        self.signal.until(|| self.is_said()).await;
    }

    /// Runs `work` until it is done, or until the word is said; none if that came first.
    pub async fn unless_said<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match select(Box::pin(self.heard()), Box::pin(work)).await {
            Either::Left(((), _)) => None,
            Either::Right((done, _)) => Some(done),
        }
    }
}
