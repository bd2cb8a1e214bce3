//! Holds and a cache as they are on a server: now and then out of reach.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ecom::adapters::holds::MemoryHolds;
use ecom::domain::{OrderId, ProductId, Timestamp};
use ecom::events::inventory::Units;
use ecom::ports::holds::{Correction, Held, Hold, HoldLevel, Holds, HoldsError};
use ecom::ports::{Cache, CacheError};

/// Holds elsewhere: they can be out of reach, and lose all they know.
pub(crate) struct RemoteHolds {
    inner: Mutex<Arc<MemoryHolds>>,
    out_of_reach: AtomicBool,
    /// Rebuilds that were asked for.
    pub(crate) rebuilds: AtomicU64,
}

impl RemoteHolds {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            out_of_reach: AtomicBool::new(false),
            rebuilds: AtomicU64::new(0),
        })
    }

    /// Loses everything.
    pub(crate) fn lose(&self) {
        *self.inner.lock().unwrap() = Arc::default();
    }

    pub(crate) fn out_of_reach(&self, yes: bool) {
        self.out_of_reach.store(yes, Ordering::SeqCst);
    }

    fn reach(&self) -> Result<Arc<MemoryHolds>, HoldsError> {
        if self.out_of_reach.load(Ordering::SeqCst) {
            return Err(HoldsError::Unavailable("test".into()));
        }
        Ok(Arc::clone(&self.inner.lock().unwrap()))
    }
}

#[async_trait]
impl Holds for RemoteHolds {
    async fn hold(&self, holds: &[Hold], now: Timestamp) -> Result<Vec<Held>, HoldsError> {
        self.reach()?.hold(holds, now).await
    }

    async fn consume(&self, orders: &[(OrderId, Vec<Units>)]) -> Result<(), HoldsError> {
        self.reach()?.consume(orders).await
    }

    async fn release(&self, orders: &[OrderId]) -> Result<(), HoldsError> {
        self.reach()?.release(orders).await
    }

    async fn adjust(&self, changes: &[(ProductId, i64)]) -> Result<(), HoldsError> {
        self.reach()?.adjust(changes).await
    }

    async fn correct(&self, corrections: &[Correction]) -> Result<(), HoldsError> {
        self.reach()?.correct(corrections).await
    }

    async fn expire(&self, now: Timestamp) -> Result<u64, HoldsError> {
        self.reach()?.expire(now).await
    }

    async fn rebuild(&self, stock: &[(ProductId, i64)], live: &[Hold]) -> Result<(), HoldsError> {
        self.rebuilds.fetch_add(1, Ordering::SeqCst);
        self.reach()?.rebuild(stock, live).await
    }

    async fn levels(&self) -> Result<Vec<HoldLevel>, HoldsError> {
        self.reach()?.levels().await
    }
}

/// A cache elsewhere: it can be out of reach, and keeps what it has.
pub(crate) struct RemoteCache {
    pub(crate) inner: Arc<dyn Cache>,
    pub(crate) out_of_reach: Arc<AtomicBool>,
}

impl RemoteCache {
    fn reach(&self) -> Result<&dyn Cache, CacheError> {
        if self.out_of_reach.load(Ordering::SeqCst) {
            return Err(CacheError("test".into()));
        }
        Ok(self.inner.as_ref())
    }
}

#[async_trait]
impl Cache for RemoteCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.reach()?.get(key).await
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        self.reach()?.set(key, value, ttl).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Bytes>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        self.reach()?.compare_and_set(key, expected, value, ttl).await
    }

    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        self.reach()?.delete(key).await
    }
}
