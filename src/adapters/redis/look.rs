//! What a Redis server says of itself.

use std::collections::BTreeMap;

use super::link::{LinkError, RedisLink};

/// What a server is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisFacts {
    /// Its version.
    pub version: String,
    /// Bytes in use.
    pub used: u64,
    /// Bytes at most; none: as many as there are.
    pub max: Option<u64>,
    /// What goes first when memory is short; none if it is not told.
    pub eviction: Option<String>,
    /// Whether it only copies another server and takes no writes.
    pub replica: bool,
    /// How far its clock is ahead of ours, in ms; none if it is not told.
    pub ahead_ms: Option<i64>,
}

impl RedisLink {
    /// Asks the server what it is.
    pub async fn look(&self) -> Result<RedisFacts, LinkError> {
        self.ping().await?;
        let info = self.again(|mut connection| async move {
            redis::cmd("INFO").query_async::<String>(&mut connection).await
        });
        // Who may use a server need not be allowed to ask it about itself.
        let mut facts = told(&info.await.unwrap_or_default());
        let before = self.clock().now().millis();
        let time = self.again(|mut connection| async move {
            redis::cmd("TIME").query_async::<(i64, i64)>(&mut connection).await
        });
        if let Ok((seconds, micros)) = time.await {
            let after = self.clock().now().millis();
            facts.ahead_ms = Some(seconds * 1_000 + micros / 1_000 - i64::midpoint(before, after));
        }
        Ok(facts)
    }
}

fn told(info: &str) -> RedisFacts {
    let fields: BTreeMap<&str, &str> =
        info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
    let text = |name: &str| fields.get(name).map(|text| (*text).to_owned());
    RedisFacts {
        version: text("redis_version").unwrap_or_else(|| "not told".into()),
        used: number("used_memory").unwrap_or_default(),
        max: number("maxmemory").filter(|max| *max > 0),
        eviction: text("maxmemory_policy"),
        replica: fields.get("role") == Some(&"slave"),
        ahead_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_read_and_what_it_keeps_to_itself_is_not_made_up() {
        let info = "# Server\r\nredis_version:7.4.1\r\n# Memory\r\nused_memory:1048576\r\nmaxmemory:4194304\r\nmaxmemory_policy:allkeys-lru\r\n# Replication\r\nrole:slave\r\n";
        let facts = told(info);
        assert_eq!(
            (facts.version.as_str(), facts.used, facts.max),
            ("7.4.1", 1 << 20, Some(1 << 22))
        );
        assert_eq!((facts.eviction.as_deref(), facts.replica), (Some("allkeys-lru"), true));
        let nothing = told("");
        assert_eq!(
            (nothing.version.as_str(), nothing.max, nothing.eviction),
            ("not told", None, None)
        );
        assert_eq!(told("maxmemory:0\r\nrole:master").max, None);
    }
}
