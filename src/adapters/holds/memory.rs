//! Holds in this process's memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::{OrderId, ProductId, Timestamp};
use crate::events::inventory::Units;
use crate::ports::holds::{Correction, Held, Hold, HoldLevel, Holds, HoldsError, Short};

/// Holds in memory; empty, and not ready, until the inventory has rebuilt them.
#[derive(Default)]
pub struct MemoryHolds {
    state: Mutex<Option<State>>,
}

#[derive(Default)]
struct State {
    levels: BTreeMap<ProductId, Level>,
    holds: BTreeMap<OrderId, Hold>,
    by_expiry: BTreeSet<(Timestamp, OrderId)>,
}

#[derive(Default, Clone, Copy)]
struct Level {
    stock: i64,
    held: i64,
}

impl State {
    fn take(&mut self, hold: Hold) {
        for units in &hold.units {
            let level = self.levels.entry(units.product_id.clone()).or_default();
            level.held += i64::from(units.quantity.get());
        }
        self.by_expiry.insert((hold.expires_at, hold.order_id.clone()));
        self.holds.insert(hold.order_id.clone(), hold);
    }

    fn give_back(&mut self, order_id: &OrderId) -> Option<Hold> {
        let hold = self.holds.remove(order_id)?;
        self.by_expiry.remove(&(hold.expires_at, hold.order_id.clone()));
        for units in &hold.units {
            if let Some(level) = self.levels.get_mut(&units.product_id) {
                level.held -= i64::from(units.quantity.get());
            }
        }
        Some(hold)
    }

    fn expire(&mut self, now: Timestamp) -> u64 {
        let mut lapsed = 0;
        while let Some((expires, order_id)) = self.by_expiry.first().cloned()
            && expires <= now
        {
            self.give_back(&order_id);
            lapsed += 1;
        }
        lapsed
    }

    fn hold(&mut self, hold: &Hold) -> Held {
        if self.holds.get(&hold.order_id).is_some_and(|held| held.rank > hold.rank) {
            return Ok(()); // what is held is newer; whoever asks will find out
        }
        let previous = self.give_back(&hold.order_id);
        let short: Vec<Short> = hold.units.iter().filter_map(|units| self.short(units)).collect();
        if short.is_empty() {
            self.take(hold.clone());
            return Ok(());
        }
        // What the order had before, it keeps.
        if let Some(previous) = previous {
            self.take(previous);
        }
        Err(short)
    }

    fn short(&self, units: &Units) -> Option<Short> {
        let level = self.levels.get(&units.product_id).copied().unwrap_or_default();
        let free = level.stock - level.held;
        (free < i64::from(units.quantity.get())).then(|| Short {
            product_id: units.product_id.clone(),
            available: u64::try_from(free).unwrap_or(0),
        })
    }
}

impl MemoryHolds {
    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> Result<T, HoldsError> {
        self.lock().as_mut().map(work).ok_or(HoldsError::NotReady)
    }
}

#[async_trait]
impl Holds for MemoryHolds {
    async fn hold(&self, holds: &[Hold], now: Timestamp) -> Result<Vec<Held>, HoldsError> {
        self.with(|state| {
            state.expire(now);
            holds.iter().map(|hold| state.hold(hold)).collect()
        })
    }

    async fn consume(&self, orders: &[(OrderId, Vec<Units>)]) -> Result<(), HoldsError> {
        self.with(|state| {
            for (order_id, taken) in orders {
                state.give_back(order_id);
                for units in taken {
                    let level = state.levels.entry(units.product_id.clone()).or_default();
                    level.stock -= i64::from(units.quantity.get());
                }
            }
        })
    }

    async fn release(&self, orders: &[OrderId]) -> Result<(), HoldsError> {
        self.with(|state| orders.iter().for_each(|order_id| drop(state.give_back(order_id))))
    }

    async fn adjust(&self, changes: &[(ProductId, i64)]) -> Result<(), HoldsError> {
        self.with(|state| {
            for (product, change) in changes {
                state.levels.entry(product.clone()).or_default().stock += change;
            }
        })
    }

    async fn correct(&self, corrections: &[Correction]) -> Result<(), HoldsError> {
        self.with(|state| {
            for Correction { product_id, seen, stock } in corrections {
                let known = state.levels.get(product_id).map_or(0, |level| level.stock);
                if known == *seen {
                    state.levels.entry(product_id.clone()).or_default().stock = *stock;
                }
            }
        })
    }

    async fn expire(&self, now: Timestamp) -> Result<u64, HoldsError> {
        self.with(|state| state.expire(now))
    }

    async fn rebuild(&self, stock: &[(ProductId, i64)], live: &[Hold]) -> Result<(), HoldsError> {
        self.lock().get_or_insert_with(|| {
            let mut state = State::default();
            for (product, units) in stock {
                state.levels.insert(product.clone(), Level { stock: *units, held: 0 });
            }
            live.iter().for_each(|hold| state.take(hold.clone()));
            state
        });
        Ok(())
    }

    async fn levels(&self) -> Result<Vec<HoldLevel>, HoldsError> {
        self.with(|state| {
            let level = |(product_id, level): (&ProductId, &Level)| HoldLevel {
                product_id: product_id.clone(),
                stock: level.stock,
                held: level.held,
            };
            state.levels.iter().map(level).collect()
        })
    }
}
