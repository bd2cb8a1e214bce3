//! A cache in this process's memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Timestamp;
use crate::ports::{Cache, CacheError, Clock};

/// Entries kept at most; past that, what would expire first goes first.
const ENTRIES_MAX: usize = 100_000;

/// Values in memory until they expire.
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, (Bytes, Timestamp)>,
    by_expiry: BTreeSet<(Timestamp, String)>,
}

impl State {
    fn live(&self, key: &str, now: Timestamp) -> Option<&Bytes> {
        self.values.get(key).filter(|(_, expires)| *expires > now).map(|(value, _)| value)
    }

    fn remove(&mut self, key: &str) {
        if let Some((_, expires)) = self.values.remove(key) {
            self.by_expiry.remove(&(expires, key.to_owned()));
        }
    }

    fn put(&mut self, key: &str, value: Bytes, expires: Timestamp) {
        self.remove(key);
        self.values.insert(key.to_owned(), (value, expires));
        self.by_expiry.insert((expires, key.to_owned()));
    }

    fn evict(&mut self, now: Timestamp) {
        while let Some((expires, key)) = self.by_expiry.first() {
            if *expires > now && self.values.len() <= ENTRIES_MAX {
                break;
            }
            self.values.remove(key);
            self.by_expiry.pop_first();
        }
    }
}

impl MemoryCache {
    /// An empty cache.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        Ok(self.state().live(key, self.clock.now()).cloned())
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        let now = self.clock.now();
        let mut state = self.state();
        state.put(key, value, now + ttl);
        state.evict(now);
        Ok(())
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Bytes>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        let now = self.clock.now();
        let mut state = self.state();
        if state.live(key, now) != expected {
            return Ok(false);
        }
        state.put(key, value, now + ttl);
        state.evict(now);
        Ok(true)
    }

    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        self.state().remove(key);
        Ok(())
    }
}
