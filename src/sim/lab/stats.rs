//! What has happened so far, for progress and report.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::sim::figures::micros_histogram;

/// Counters of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Sessions that should have started.
    pub offered: u64,
    /// Sessions that started.
    pub sessions: u64,
    /// Sessions that ended.
    pub ended: u64,
    /// Sessions that could not be started because too many were under way.
    pub dropped: u64,
    /// Requests answered.
    pub requests: u64,
    /// Requests without an answer, or answered with 5xx, by what came instead.
    pub http_errors: BTreeMap<String, u64>,
    /// Refusals (4xx), by status: part of the game.
    pub refused: BTreeMap<String, u64>,
    /// How late the lab itself was, at most, in ms.
    pub lag_ms_max: u64,
    /// Carts that were filled and left.
    pub abandoned: u64,
    /// Checkouts given up without an answer.
    pub checkouts_given_up: u64,
    /// Orders given up on before they were seen final.
    pub orders_given_up: u64,
    /// What sellers did.
    pub seller_actions: u64,
}

/// Orders as their shoppers saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Orders answered with 202.
    pub placed: u64,
    /// Seen FULFILLED.
    pub fulfilled: u64,
    /// Seen CANCELLED.
    pub cancelled: u64,
}

/// All figures of a run.
#[derive(Default)]
pub struct Stats {
    inner: Mutex<Inner>,
}

struct Inner {
    load: Load,
    seen: Seen,
    checkout: Histogram<u64>,
    to_terminal: Histogram<u64>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            load: Load::default(),
            seen: Seen::default(),
            checkout: micros_histogram(),
            to_terminal: micros_histogram(),
        }
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1)
}

impl Stats {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the counters.
    pub fn load(&self, change: impl FnOnce(&mut Load)) {
        change(&mut self.lock().load);
    }

    /// Changes the orders seen.
    pub fn seen(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock().seen);
    }

    /// A checkout was answered this long after it was meant to start.
    pub fn checkout_took(&self, took: Duration) {
        self.lock().checkout.saturating_record(micros(took));
    }

    /// An order was seen final this long after its checkout was meant to start.
    pub fn terminal_after(&self, took: Duration) {
        self.lock().to_terminal.saturating_record(micros(took));
    }

    /// A checkout was given up this long after it was meant to start: it would have taken longer.
    pub fn checkout_given_up(&self, after: Duration) {
        self.checkout_took(after);
        self.load(|load| load.checkouts_given_up += 1);
    }

    /// An order was given up on this long after its checkout was meant to start.
    pub fn order_given_up(&self, after: Duration) {
        self.terminal_after(after);
        self.load(|load| load.orders_given_up += 1);
    }

    /// The counters now.
    pub fn snapshot(&self) -> (Load, Seen) {
        let inner = self.lock();
        (inner.load.clone(), inner.seen.clone())
    }

    /// The two histograms, of microseconds: answers to checkouts, and until orders were final. What
    /// was given up is in them with the age it had.
    pub fn histograms(&self) -> (Histogram<u64>, Histogram<u64>) {
        let inner = self.lock();
        (inner.checkout.clone(), inner.to_terminal.clone())
    }
}

impl Load {
    /// Counts an answer, or that there was none.
    pub fn count(&mut self, reply: &Result<super::Reply, super::client::NoAnswer>) {
        match reply {
            Ok(reply) => {
                self.requests += 1;
                let status = reply.status.to_string();
                if reply.status >= 500 {
                    *self.http_errors.entry(status).or_default() += 1;
                } else if reply.is_refused() {
                    *self.refused.entry(status).or_default() += 1;
                }
            }
            Err(_) => *self.http_errors.entry("no_answer".to_owned()).or_default() += 1,
        }
    }
}
