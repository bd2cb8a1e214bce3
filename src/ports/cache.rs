//! A cache of copies: losing it costs time, never data.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Why the cache did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cache unavailable: {0}")]
pub struct CacheError(pub String);

impl CacheError {
    /// A cache only ever fails for now.
    pub const fn is_transient(&self) -> bool {
        true
    }
}

/// Values that expire.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value of `key`, if it is there and has not expired.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    /// Sets `key` for `ttl`; once that has passed it is absent. An earlier value and what was left
    /// of its time are forgotten.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError>;

    /// Sets `key` for `ttl` if it now holds `expected` (none: is absent), in one step. Whether it
    /// did; otherwise nothing changes.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Bytes>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, CacheError>;

    /// Removes `key`, if it is there.
    async fn delete(&self, key: &str) -> Result<(), CacheError>;
}
