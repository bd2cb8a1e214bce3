//! A cache on a Redis server. A key is there as it was given, after the prefix, so that `redis-cli get
//! cart:ann` shows a cart.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::Script;

use super::{LinkError, RedisLink};
use crate::ports::{Cache, CacheError};

/// Longest time that a value is kept; Redis refuses what it cannot add to the time of the day.
const TTL_MAX: Duration = Duration::from_hours(100 * 365 * 24);

/// Values on a server until they expire.
pub struct RedisCache {
    link: RedisLink,
    swap: Script,
}

impl RedisCache {
    /// A cache on what is behind `link`.
    pub fn new(link: RedisLink) -> Self {
        Self { link, swap: Script::new(include_str!("lua/swap.lua")) }
    }
}

impl From<LinkError> for CacheError {
    fn from(e: LinkError) -> Self {
        Self(e.to_string())
    }
}

/// In whole milliseconds; 0 means that the value is absent at once.
fn millis(ttl: Duration) -> u64 {
    ttl.min(TTL_MAX).as_millis() as u64
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let key = &self.link.key(key);
        let get = |mut connection| async move {
            redis::cmd("GET").arg(key).query_async::<Option<Vec<u8>>>(&mut connection).await
        };
        Ok(self.link.again(get).await?.map(Bytes::from))
    }

    /// Not repeated when the answer is lost: somebody may have set the key meanwhile.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        let ms = millis(ttl);
        if ms == 0 {
            return self.delete(key).await;
        }
        let (key, value) = (&self.link.key(key), value.as_ref());
        let set = |mut connection| async move {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(value).arg("PX").arg(ms).query_async::<()>(&mut connection).await
        };
        Ok(self.link.once(set).await?)
    }

    /// Not repeated when the answer is lost: the second time it would fail because of the first.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Bytes>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        let mut swap = self.swap.key(self.link.key(key));
        swap.arg(value.as_ref()).arg(millis(ttl));
        if let Some(expected) = expected {
            swap.arg(expected.as_ref());
        }
        let swap = &swap;
        let swapped = self
            .link
            .once(|mut connection| async move { swap.invoke_async::<bool>(&mut connection).await });
        Ok(swapped.await?)
    }

    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        let key = &self.link.key(key);
        let delete = |mut connection| async move {
            redis::cmd("DEL").arg(key).query_async::<()>(&mut connection).await
        };
        Ok(self.link.again(delete).await?)
    }
}
