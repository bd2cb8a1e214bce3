//! Removing keys by how they begin.

use super::link::{LinkError, RedisLink};

/// Keys that are looked at in one step of a search.
const SCANNED: usize = 1_000;

impl RedisLink {
    /// How many keys begin with our prefix and then `stem`.
    pub async fn count(&self, stem: &str) -> Result<u64, LinkError> {
        let (mut at, mut count) = (0, 0);
        loop {
            let (next, keys) = self.scan(stem, at).await?;
            count += keys.len() as u64;
            if next == 0 {
                return Ok(count);
            }
            at = next;
        }
    }

    /// Removes the keys that begin with our prefix and then `stem`, and nobody else's.
    pub async fn remove(&self, stem: &str) -> Result<(), LinkError> {
        let mut at = 0;
        loop {
            let (next, keys) = self.scan(stem, at).await?;
            if !keys.is_empty() {
                let keys = &keys;
                let unlink = |mut connection| async move {
                    redis::cmd("UNLINK").arg(keys).query_async::<()>(&mut connection).await
                };
                self.again(unlink).await?;
            }
            if next == 0 {
                return Ok(());
            }
            at = next;
        }
    }

    async fn scan(&self, stem: &str, at: u64) -> Result<(u64, Vec<Vec<u8>>), LinkError> {
        let literal = |c: char| if "*?[]\\".contains(c) { format!("\\{c}") } else { c.to_string() };
        let start: String = self.key(stem).chars().map(literal).collect();
        let pattern = &format!("{start}*");
        self.again(|mut connection| async move {
            let mut scan = redis::cmd("SCAN");
            scan.arg(at).arg("MATCH").arg(pattern).arg("COUNT").arg(SCANNED);
            scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut connection).await
        })
        .await
    }
}
