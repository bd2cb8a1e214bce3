//! The processes that share a store: who is alive, and which share of the work is whose. Nothing here
//! is a lock. Two who believe that the same share is theirs do the same work twice, in the same order,
//! which everybody downstream recognises; a share that is nobody's waits until the dead one's time is
//! up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Health, Stop};
use crate::domain::closed_set::closed_set;
use crate::ports::store::{Batch, Store, StoreError, query};
use crate::ports::{Clock, Signal};
use crate::values;

/// Pause between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// After this long without one a process counts as gone. Clocks of machines may differ by less.
const ALIVE_FOR: Duration = Duration::from_secs(4);

closed_set! {
    /// Work that processes share.
    Part {
        /// Publishing the outbox.
        Relay = "relay",
    }
}

const BEAT: &str = "insert into members (instance, part, alive_until) values (?1, ?2, ?3)
 on conflict (instance, part) do update set alive_until = excluded.alive_until";
const ALIVE: &str =
    "select instance from members where part = ?1 and alive_until > ?2 order by instance";
const GAP: &str = "insert into process_gaps (gone_since, back_at) values (?1, ?2)";
const ENDED: &str = "insert into process_gaps (gone_since, back_at)
 select alive_until, alive_until from members where instance = ?1 and alive_until < ?2";
const LEAVE: &str = "delete from members where instance = ?1";
const ALL_ENDED: &str = "insert into process_gaps (gone_since, back_at)
 select alive_until, alive_until from members where alive_until < ?1";
const FORGET: &str = "delete from members where alive_until < ?1";

/// A share of work: those numbers that leave `index` when divided by `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which of the shares.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// This process among those that share its store.
#[derive(Clone)]
pub struct Members {
    instance: Arc<str>,
    seen: Arc<Mutex<Option<Seen>>>,
    changed: Signal,
}

/// What was seen at the last sign of life.
#[derive(Debug, Clone, Copy)]
struct Seen {
    share: Share,
    /// By [`Clock::elapsed`]; none: for ever.
    until: Option<Duration>,
}

impl Members {
    /// A process that shares its store with nobody.
    pub fn alone() -> Self {
        let seen = Seen { share: Share { index: 0, of: 1 }, until: None };
        Self::named("", Some(seen))
    }

    /// A process called `instance` that has given no sign of life yet.
    pub fn among_others(instance: &str) -> Self {
        Self::named(instance, None)
    }

    fn named(instance: &str, seen: Option<Seen>) -> Self {
        let seen = Arc::new(Mutex::new(seen));
        Self { instance: instance.into(), seen, changed: Signal::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name; empty if it is alone.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether there may be others.
    pub fn is_shared(&self) -> bool {
        !self.instance.is_empty()
    }

    /// The share that is its own; none while others may take it for gone: then it does nothing that
    /// they may be doing.
    pub fn share(&self, clock: &dyn Clock) -> Option<Share> {
        let seen = (*self.lock())?;
        seen.until.is_none_or(|until| clock.elapsed() < until).then_some(seen.share)
    }

    /// Given when its share is another.
    pub fn changed(&self) -> &Signal {
        &self.changed
    }

    /// Gives a sign of life, and looks who else does.
    pub async fn beat(&self, store: &dyn Store, clock: &dyn Clock) -> Result<(), StoreError> {
        let (begun, now) = (clock.elapsed(), clock.now());
        let part = Part::Relay.as_str();
        let until = self.lock().and_then(|seen| seen.until);
        let lapsed = until.and_then(|until| begun.checked_sub(until));
        let mut batch = Batch::default();
        // Who judges must know when others may have taken its work over, or that of its namesake before it.
        match (until, lapsed) {
            (None, _) => batch.any(ENDED, values![&*self.instance, now]),
            (_, Some(ago)) => batch.one(GAP, values![now - ago, now]),
            (Some(_), None) => {}
        }
        batch.one(BEAT, values![&*self.instance, part, now + ALIVE_FOR]);
        store.write(batch).await?;
        let rows = query(store, ALIVE, values![part, now]).await?;
        let index = rows.iter().position(|row| row.text(0) == Ok(&self.instance)).unwrap_or(0);
        let share = Share { index: index as u32, of: rows.len().max(1) as u32 };
        let last = self.lock().replace(Seen { share, until: Some(begun + ALIVE_FOR) });
        if last.map(|seen| seen.share) != Some(share) {
            tracing::info!(share = share.index + 1, of = share.of, "share of the outbox");
            self.changed.give();
        }
        Ok(())
    }

    /// Gives signs of life until told to stop, and then says that it leaves.
    pub async fn run(
        &self,
        store: &dyn Store,
        clock: &dyn Clock,
        health: &Health,
        stop: &Stop,
    ) -> Result<(), String> {
        const PART: &str = "members";
        while stop.unless_said(clock.sleep(BEAT_EVERY)).await.is_some() {
            match self.beat(store, clock).await {
                Ok(()) => health.up(PART),
                Err(e) => health.down(PART, e.to_string()),
            }
        }
        Ok(())
    }

    /// Says that it is gone: others take its share at once.
    pub async fn leave(&self, store: &dyn Store, clock: &dyn Clock) -> Result<(), StoreError> {
        *self.lock() = None;
        let mut batch = Batch::default();
        batch.any(LEAVE, values![&*self.instance]);
        let long_ago = clock.now() - ALIVE_FOR * 100;
        batch.any(ALL_ENDED, values![long_ago]);
        batch.any(FORGET, values![long_ago]);
        store.write(batch).await
    }
}
