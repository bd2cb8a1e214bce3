//! Cache and holds on Redis, beyond the contracts of their ports: what becomes of a call when the
//! connection breaks, the server forgets, or is none.

mod breaks;
mod forgets;
mod proxy;
mod refuses;
pub(crate) mod server;
mod shares;
mod skips;

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::random::system_randomness;
use ecom::adapters::redis::{RedisCache, RedisHolds, RedisLink};

use skips::SkippingClock;

use super::env::Env;
use crate::harness::stack::{Server, unique};

/// Longer than anything takes on a server that is well.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A place of its own on a server.
#[derive(Clone)]
pub(crate) struct Place {
    url: String,
    prefix: String,
    timeout: Duration,
}

impl Place {
    /// On the server that all cases share.
    pub(crate) fn on_the_server() -> Option<Self> {
        let url = Server::Redis.address_or_skip()?;
        Some(Self { url, prefix: format!("{}:", unique("ecom")), timeout: TIMEOUT })
    }

    fn at(url: &str, prefix: &str) -> Self {
        Self { url: url.to_owned(), prefix: prefix.to_owned(), timeout: TIMEOUT }
    }

    pub(crate) fn link(&self, env: &Env) -> RedisLink {
        let clock = Arc::clone(&env.clock);
        RedisLink::connect(&self.url, &self.prefix, self.timeout, clock).unwrap()
    }

    pub(crate) fn cache(&self, env: &Env) -> RedisCache {
        RedisCache::new(self.link(env))
    }

    pub(crate) fn holds(&self, env: &Env) -> RedisHolds {
        RedisHolds::new(self.link(env), system_randomness().stream("holds"))
    }

    /// The same, in which hours pass at once for what is kept here.
    pub(crate) fn skipping(&self, env: Env) -> Env {
        let clock = SkippingClock { place: self.clone(), real: Arc::clone(&env.clock) };
        Env { clock: Arc::new(clock), tick: skips::TICK, ..env }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What the server answers to a command, as nobody of the shop asks it.
    async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }

    /// Removes what is left here.
    pub(crate) async fn clear(&self) {
        let keys: Vec<String> = self.ask(&["KEYS", &format!("{}*", self.prefix)]).await;
        for keys in keys.chunks(1_000) {
            let mut command = vec!["DEL"];
            command.extend(keys.iter().map(String::as_str));
            self.ask::<()>(&command).await;
        }
    }
}
