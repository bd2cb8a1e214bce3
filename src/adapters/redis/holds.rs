//! Holds on a Redis server: one Lua script per verb, so that each call is one atomic step between those
//! of all other processes. What is kept under which key is said in `lua/keys.lua`.
//!
//! A call whose connection breaks is repeated once, on another connection, since nobody knows whether
//! the server has carried it out. Holding, releasing, correcting, expiring and rebuilding twice is like
//! doing it once (though what was expired is then counted only once). Consuming and adjusting would
//! shift the stock twice: these calls carry an id that the server remembers for [`REMEMBERED`]. A call
//! that takes too long is not repeated; whoever asked is told, and the reconciler finds the difference
//! if there is one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redis::{FromRedisValue, Script};

use super::{LinkError, RedisLink};
use crate::domain::{OrderId, ProductId, Timestamp};
use crate::events::inventory::Units;
use crate::ports::Dice;
use crate::ports::holds::{Correction, Held, Hold, HoldLevel, Holds, HoldsError, Short};

/// How long the server knows a call again: much longer than a repetition can take.
const REMEMBERED: Duration = Duration::from_mins(5);
/// Items of one run of a script: it keeps everybody else waiting for some ten milliseconds at most.
const ITEMS_MAX: usize = 1_000;

/// Holds on a server.
pub struct RedisHolds {
    link: RedisLink,
    dice: Mutex<Dice>,
    keys: [String; 4],
    scripts: Scripts,
}

struct Scripts {
    hold: Script,
    consume: Script,
    release: Script,
    adjust: Script,
    correct: Script,
    expire: Script,
    rebuild: Script,
    levels: Script,
}

macro_rules! script {
    ($path:literal) => {
        Script::new(concat!(include_str!("lua/keys.lua"), include_str!($path)))
    };
}

impl RedisHolds {
    /// Holds on what is behind `link`; `dice` makes ids of calls, which must differ between processes.
    pub fn new(link: RedisLink, dice: Dice) -> Self {
        // All under one hash tag: in a cluster, on one server.
        let keys =
            ["stock", "held", "orders", "expiry"].map(|of| link.key(&format!("{{holds}}:{of}")));
        let scripts = Scripts {
            hold: script!("lua/hold.lua"),
            consume: script!("lua/consume.lua"),
            release: script!("lua/release.lua"),
            adjust: script!("lua/adjust.lua"),
            correct: script!("lua/correct.lua"),
            expire: script!("lua/expire.lua"),
            rebuild: script!("lua/rebuild.lua"),
            levels: script!("lua/levels.lua"),
        };
        Self { link, dice: Mutex::new(dice), keys, scripts }
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        args: &[String],
    ) -> Result<T, HoldsError> {
        self.invoke(script.key(&self.keys).arg(args)).await
    }

    /// Runs a script that must take effect once.
    async fn run_once(&self, script: &Script, args: &[String]) -> Result<(), HoldsError> {
        let now = self.link.clock().now();
        let id = self.dice.lock().unwrap_or_else(PoisonError::into_inner).event_id(now);
        let known = self.link.key(&format!("{{holds}}:done:{id}"));
        let ms = REMEMBERED.as_millis() as u64;
        self.invoke(script.key(&self.keys).key(known).arg(ms).arg(args)).await
    }

    async fn invoke<T: FromRedisValue>(
        &self,
        invocation: &redis::ScriptInvocation<'_>,
    ) -> Result<T, HoldsError> {
        let answer = self.link.again(|mut connection| async move {
            invocation.invoke_async::<T>(&mut connection).await
        });
        Ok(answer.await?)
    }
}

impl From<LinkError> for HoldsError {
    fn from(e: LinkError) -> Self {
        match e.code() {
            Some("NOTREADY") => Self::NotReady,
            _ => Self::Unavailable(e.to_string()),
        }
    }
}

/// All 64 bits of a rank as a text that sorts like it.
fn sortable(rank: i64) -> String {
    format!("{:020}", rank.abs_diff(i64::MIN))
}

fn push_units(args: &mut Vec<String>, units: &[Units]) {
    args.push(units.len().to_string());
    for units in units {
        args.extend([units.product_id.to_string(), units.quantity.to_string()]);
    }
}

fn push_hold(args: &mut Vec<String>, hold: &Hold) {
    let expires = hold.expires_at.millis().to_string();
    args.extend([hold.order_id.to_string(), sortable(hold.rank), expires]);
    push_units(args, &hold.units);
}

fn foreign<E: std::fmt::Display>(what: &str, error: E) -> HoldsError {
    HoldsError::Unavailable(format!("redis has {what} that is not of the holds: {error}"))
}

/// The numbers of a hash, without its marker.
fn numbers(hash: Vec<(String, String)>) -> Result<BTreeMap<ProductId, i64>, HoldsError> {
    let number = |(product, number): (String, String)| {
        let product = product.parse().map_err(|e| foreign("a product", e))?;
        Ok((product, number.parse().map_err(|e| foreign("a number", e))?))
    };
    hash.into_iter().filter(|(product, _)| !product.is_empty()).map(number).collect()
}

#[async_trait]
impl Holds for RedisHolds {
    async fn hold(&self, holds: &[Hold], now: Timestamp) -> Result<Vec<Held>, HoldsError> {
        let mut all = Vec::with_capacity(holds.len());
        for holds in holds.chunks(ITEMS_MAX) {
            let mut args = vec![now.millis().to_string()];
            holds.iter().for_each(|hold| push_hold(&mut args, hold));
            let answers: Vec<Vec<(String, u64)>> = self.run(&self.scripts.hold, &args).await?;
            for short in answers {
                let short = short.into_iter().map(|(product, available)| {
                    let product_id = product.parse().map_err(|e| foreign("a product", e))?;
                    Ok(Short { product_id, available })
                });
                let short: Vec<Short> = short.collect::<Result<_, HoldsError>>()?;
                all.push(if short.is_empty() { Ok(()) } else { Err(short) });
            }
        }
        Ok(all)
    }

    async fn consume(&self, orders: &[(OrderId, Vec<Units>)]) -> Result<(), HoldsError> {
        for orders in orders.chunks(ITEMS_MAX) {
            let mut args = vec![];
            for (order_id, units) in orders {
                args.push(order_id.to_string());
                push_units(&mut args, units);
            }
            self.run_once(&self.scripts.consume, &args).await?;
        }
        Ok(())
    }

    async fn release(&self, orders: &[OrderId]) -> Result<(), HoldsError> {
        for orders in orders.chunks(ITEMS_MAX) {
            let args: Vec<String> = orders.iter().map(ToString::to_string).collect();
            self.run::<()>(&self.scripts.release, &args).await?;
        }
        Ok(())
    }

    async fn adjust(&self, changes: &[(ProductId, i64)]) -> Result<(), HoldsError> {
        for changes in changes.chunks(ITEMS_MAX) {
            let both =
                |(product, change): &(ProductId, i64)| [product.to_string(), change.to_string()];
            let args: Vec<String> = changes.iter().flat_map(both).collect();
            self.run_once(&self.scripts.adjust, &args).await?;
        }
        Ok(())
    }

    async fn correct(&self, corrections: &[Correction]) -> Result<(), HoldsError> {
        for corrections in corrections.chunks(ITEMS_MAX) {
            let all = |c: &Correction| {
                [c.product_id.to_string(), c.seen.to_string(), c.stock.to_string()]
            };
            let args: Vec<String> = corrections.iter().flat_map(all).collect();
            self.run::<()>(&self.scripts.correct, &args).await?;
        }
        Ok(())
    }

    async fn expire(&self, now: Timestamp) -> Result<u64, HoldsError> {
        self.run(&self.scripts.expire, &[now.millis().to_string()]).await
    }

    /// In one run, however much it is: it must be one step.
    async fn rebuild(&self, stock: &[(ProductId, i64)], live: &[Hold]) -> Result<(), HoldsError> {
        let mut args = vec![stock.len().to_string()];
        for (product, units) in stock {
            args.extend([product.to_string(), units.to_string()]);
        }
        live.iter().for_each(|hold| push_hold(&mut args, hold));
        self.run(&self.scripts.rebuild, &args).await
    }

    async fn levels(&self) -> Result<Vec<HoldLevel>, HoldsError> {
        type Hash = Vec<(String, String)>;
        let (stock, held): (Hash, Hash) = self.run(&self.scripts.levels, &[]).await?;
        let held = numbers(held)?;
        let level = |(product_id, stock): (ProductId, i64)| {
            let held = held.get(&product_id).copied().unwrap_or(0);
            HoldLevel { product_id, stock, held }
        };
        Ok(numbers(stock)?.into_iter().map(level).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_as_texts_like_numbers() {
        let ranks = [i64::MIN, -1, 0, 1, 9, 10, 1 << 53, (1 << 53) + 1, i64::MAX - 1, Hold::FINAL];
        let texts = ranks.map(sortable);
        assert!(texts.is_sorted_by(|a, b| a < b), "{texts:?}");
        assert!(texts.iter().all(|text| text.len() == 20), "{texts:?}");
    }
}
