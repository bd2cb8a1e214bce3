//! The contract of the holds.

mod rebuilding;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::holds::MemoryHolds;
use ecom::domain::{OrderId, ProductId, Quantity, Timestamp};
use ecom::events::inventory::Units;
use ecom::ports::holds::{Correction, Held, Hold, Holds, HoldsError, Short};

use super::env::{self, Env};
use super::redis::Place;
use rebuilding::{
    a_rebuild_fills_only_what_is_empty, of_many_rebuilds_at_once_one_takes_effect,
    rebuilt_holds_are_holds_like_others,
};

suite! {
    in_memory: super::in_memory,
    on_redis: super::on_redis;
    {
        nothing_is_answered_before_the_first_rebuild,
        all_lines_are_held_or_none,
        who_is_short_is_told_of_every_line,
        nothing_of_an_unknown_product_is_free,
        holds_of_one_call_are_taken_in_order,
        two_holders_race_for_the_last_unit,
        a_hold_lapses_at_its_time_and_not_before,
        expiring_counts_what_lapsed,
        holding_twice_is_holding_once,
        a_hold_is_replaced_by_a_smaller_or_larger_one,
        what_cannot_be_replaced_is_kept,
        releasing_gives_back_once,
        consuming_shrinks_the_stock_and_ends_the_hold,
        stock_is_adjusted_by_what_came_and_went,
        stock_is_corrected_only_where_it_is_as_it_was_seen,
        a_rebuild_fills_only_what_is_empty,
        rebuilt_holds_are_holds_like_others,
        of_many_rebuilds_at_once_one_takes_effect,
        a_placed_orders_hold_is_not_taken_away_by_its_cart,
        many_items_are_worked_on_in_one_call,
    }
}

pub(super) const T0: Timestamp = Timestamp::from_millis(1_767_225_600_000);
pub(super) const TTL: Duration = Duration::from_mins(3);
const MS: Duration = Duration::from_millis(1);

fn in_memory<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::simulated(|env| case(Rig { holds: Arc::new(MemoryHolds::default()), env }));
}

fn on_redis<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    let Some(place) = Place::on_the_server() else { return };
    env::live(|env| async move {
        let holds = Arc::new(place.holds(&env));
        case(Rig { holds, env }).await;
        place.clear().await;
    });
}

/// Holds that have lost everything. They are told the time with every call.
struct Rig {
    holds: Arc<dyn Holds>,
    env: Env,
}

impl Rig {
    async fn stock(&self, stock: &[(&str, i64)]) {
        let stock: Vec<_> = stock.iter().map(|(p, units)| (product(p), *units)).collect();
        self.holds.rebuild(&stock, &[]).await.unwrap();
    }

    async fn hold(&self, order: &str, units: &[(&str, u32)]) -> Held {
        self.hold_at(order, units, T0).await
    }

    async fn hold_at(&self, order: &str, units: &[(&str, u32)], now: Timestamp) -> Held {
        let held = self.holds.hold(&[hold(order, units, now + TTL)], now).await.unwrap();
        let [held] = held.try_into().expect("one answer for one hold");
        held
    }

    async fn release(&self, name: &str) {
        self.holds.release(&[order(name)]).await.unwrap();
    }

    /// Product, stock and held units of every product.
    async fn levels(&self) -> Vec<(String, i64, i64)> {
        let levels = self.holds.levels().await.unwrap();
        levels.into_iter().map(|l| (l.product_id.as_str().to_owned(), l.stock, l.held)).collect()
    }
}

pub(super) fn order(name: &str) -> OrderId {
    format!("ORD-{name}").parse().unwrap()
}

pub(super) fn product(name: &str) -> ProductId {
    name.parse().unwrap()
}

pub(super) fn units(units: &[(&str, u32)]) -> Vec<Units> {
    let one = |(name, quantity): &(&str, u32)| Units {
        product_id: product(name),
        quantity: Quantity::new(*quantity).unwrap(),
    };
    units.iter().map(one).collect()
}

pub(super) fn hold(name: &str, lines: &[(&str, u32)], expires_at: Timestamp) -> Hold {
    Hold { order_id: order(name), units: units(lines), expires_at, rank: 1 }
}

fn correction(name: &str, seen: i64, stock: i64) -> Correction {
    Correction { product_id: product(name), seen, stock }
}

fn short(lines: &[(&str, u64)]) -> Held {
    let one = |(name, available): &(&str, u64)| Short {
        product_id: product(name),
        available: *available,
    };
    Err(lines.iter().map(one).collect())
}

fn level(name: &str, stock: i64, held: i64) -> (String, i64, i64) {
    (name.to_owned(), stock, held)
}

async fn nothing_is_answered_before_the_first_rebuild(rig: Rig) {
    let holds = rig.holds.as_ref();
    let attempts = [
        holds.hold(&[hold("a", &[("P", 1)], T0 + TTL)], T0).await.map(drop),
        holds.consume(&[(order("a"), units(&[("P", 1)]))]).await,
        holds.release(&[order("a")]).await,
        holds.adjust(&[(product("P"), 1)]).await,
        holds.correct(&[correction("P", 0, 1)]).await,
        holds.expire(T0).await.map(drop),
        holds.levels().await.map(drop),
    ];
    for (n, attempt) in attempts.into_iter().enumerate() {
        let error = attempt.unwrap_err();
        assert_eq!(error, HoldsError::NotReady, "attempt {n}");
        assert!(error.is_transient());
    }
    rig.stock(&[]).await;
    assert_eq!(rig.levels().await, []);
}

async fn all_lines_are_held_or_none(rig: Rig) {
    rig.stock(&[("P", 5), ("Q", 1)]).await;
    assert_eq!(rig.hold("a", &[("P", 2), ("Q", 2)]).await, short(&[("Q", 1)]));
    assert_eq!(rig.levels().await, [level("P", 5, 0), level("Q", 1, 0)], "nothing is held");
    assert_eq!(rig.hold("a", &[("P", 5), ("Q", 1)]).await, Ok(()));
    assert_eq!(rig.levels().await, [level("P", 5, 5), level("Q", 1, 1)]);
    assert_eq!(rig.hold("b", &[("P", 1)]).await, short(&[("P", 0)]));
}

async fn who_is_short_is_told_of_every_line(rig: Rig) {
    rig.stock(&[("P", 3), ("Q", 9), ("R", 0)]).await;
    rig.hold("a", &[("P", 1)]).await.unwrap();
    let refused = rig.hold("b", &[("P", 3), ("Q", 9), ("R", 1)]).await;
    assert_eq!(refused, short(&[("P", 2), ("R", 0)]));
}

async fn nothing_of_an_unknown_product_is_free(rig: Rig) {
    rig.stock(&[("P", 3)]).await;
    assert_eq!(rig.hold("a", &[("P", 1), ("X", 1)]).await, short(&[("X", 0)]));
    assert_eq!(rig.levels().await, [level("P", 3, 0)], "and it stays unknown");
}

async fn holds_of_one_call_are_taken_in_order(rig: Rig) {
    rig.stock(&[("P", 3)]).await;
    let wanted = [
        hold("a", &[("P", 2)], T0 + TTL),
        hold("b", &[("P", 2)], T0 + TTL),
        hold("c", &[("P", 1)], T0 + TTL),
        hold("a", &[("P", 1)], T0 + TTL),
    ];
    let held = rig.holds.hold(&wanted, T0).await.unwrap();
    assert_eq!(held, [Ok(()), short(&[("P", 1)]), Ok(()), Ok(())]);
    assert_eq!(rig.levels().await, [level("P", 3, 2)]);
    assert_eq!(rig.holds.hold(&[], T0).await.unwrap(), []);
}

async fn two_holders_race_for_the_last_unit(rig: Rig) {
    rig.stock(&[("P", 1), ("Q", 7)]).await;
    let race = |name: &'static str| {
        let holds = Arc::clone(&rig.holds);
        move |n: u32| async move {
            let wanted = hold(&format!("{name}{n}"), &[(name, 1)], T0 + TTL);
            holds.hold(&[wanted], T0).await.unwrap().remove(0).is_ok()
        }
    };
    for (name, racers, stock) in [("P", 2, 1), ("Q", 20, 7)] {
        let won = rig.env.at_once((0..racers).map(|n| race(name)(n))).await;
        assert_eq!(won.iter().filter(|won| **won).count(), stock, "of {name}");
    }
    assert_eq!(rig.levels().await, [level("P", 1, 1), level("Q", 7, 7)]);
}

async fn a_hold_lapses_at_its_time_and_not_before(rig: Rig) {
    rig.stock(&[("P", 1)]).await;
    rig.hold("a", &[("P", 1)]).await.unwrap();
    let edge = T0 + TTL;
    assert_eq!(rig.hold_at("b", &[("P", 1)], edge - MS).await, short(&[("P", 0)]));
    assert_eq!(rig.hold_at("b", &[("P", 1)], edge).await, Ok(()));
    rig.release("a").await;
    assert_eq!(rig.levels().await, [level("P", 1, 1)], "what lapsed is not given back again");
}

async fn expiring_counts_what_lapsed(rig: Rig) {
    rig.stock(&[("P", 9)]).await;
    for (n, name) in (0u32..).zip(["a", "b", "c"]) {
        rig.hold_at(name, &[("P", 2)], T0 + MS * n).await.unwrap();
    }
    let edge = T0 + TTL;
    assert_eq!(rig.holds.expire(edge - MS).await.unwrap(), 0);
    assert_eq!(rig.levels().await, [level("P", 9, 6)]);
    assert_eq!(rig.holds.expire(edge).await.unwrap(), 1);
    assert_eq!(rig.levels().await, [level("P", 9, 4)]);
    assert_eq!(rig.holds.expire(edge + TTL).await.unwrap(), 2);
    assert_eq!(rig.holds.expire(edge + TTL).await.unwrap(), 0);
    assert_eq!(rig.levels().await, [level("P", 9, 0)]);
}

async fn holding_twice_is_holding_once(rig: Rig) {
    rig.stock(&[("P", 2)]).await;
    for _ in 0..3 {
        assert_eq!(rig.hold("a", &[("P", 2)]).await, Ok(()), "its own units are free for it");
    }
    assert_eq!(rig.levels().await, [level("P", 2, 2)]);
    let later = T0 + TTL / 2;
    rig.hold_at("a", &[("P", 2)], later).await.unwrap();
    assert_eq!(rig.holds.expire(later + TTL - MS).await.unwrap(), 0, "it was prolonged");
    assert_eq!(rig.holds.expire(later + TTL).await.unwrap(), 1);
}

async fn a_hold_is_replaced_by_a_smaller_or_larger_one(rig: Rig) {
    rig.stock(&[("P", 5), ("Q", 5)]).await;
    rig.hold("a", &[("P", 2)]).await.unwrap();
    rig.hold("a", &[("P", 5)]).await.unwrap();
    assert_eq!(rig.levels().await, [level("P", 5, 5), level("Q", 5, 0)]);
    rig.hold("a", &[("P", 1), ("Q", 1)]).await.unwrap();
    assert_eq!(rig.levels().await, [level("P", 5, 1), level("Q", 5, 1)]);
    rig.hold("a", &[("Q", 2)]).await.unwrap();
    assert_eq!(rig.levels().await, [level("P", 5, 0), level("Q", 5, 2)]);
}

async fn what_cannot_be_replaced_is_kept(rig: Rig) {
    rig.stock(&[("P", 5)]).await;
    rig.hold("a", &[("P", 2)]).await.unwrap();
    rig.hold("b", &[("P", 1)]).await.unwrap();
    let later = T0 + TTL / 2;
    assert_eq!(rig.hold_at("a", &[("P", 5)], later).await, short(&[("P", 4)]));
    assert_eq!(rig.levels().await, [level("P", 5, 3)]);
    assert_eq!(rig.holds.expire(T0 + TTL).await.unwrap(), 2, "nor is it prolonged");
}

async fn releasing_gives_back_once(rig: Rig) {
    rig.stock(&[("P", 5)]).await;
    rig.hold("a", &[("P", 2)]).await.unwrap();
    rig.hold("b", &[("P", 3)]).await.unwrap();
    for _ in 0..3 {
        rig.holds.release(&[order("a"), order("a"), order("nobody")]).await.unwrap();
        assert_eq!(rig.levels().await, [level("P", 5, 3)]);
    }
    rig.hold("c", &[("P", 2)]).await.unwrap();
    assert_eq!(rig.holds.expire(T0 + TTL).await.unwrap(), 2, "a released hold does not lapse");
}

async fn consuming_shrinks_the_stock_and_ends_the_hold(rig: Rig) {
    rig.stock(&[("P", 5), ("Q", 5)]).await;
    rig.hold("a", &[("P", 2), ("Q", 1)]).await.unwrap();
    rig.hold("b", &[("P", 1)]).await.unwrap();
    let taken = [
        (order("a"), units(&[("P", 2), ("Q", 1)])),
        // Its hold had lapsed; the units are gone all the same.
        (order("late"), units(&[("Q", 3)])),
    ];
    rig.holds.consume(&taken).await.unwrap();
    assert_eq!(rig.levels().await, [level("P", 3, 1), level("Q", 1, 0)]);
    rig.release("a").await;
    assert_eq!(rig.levels().await, [level("P", 3, 1), level("Q", 1, 0)], "nothing to give back");
    assert_eq!(rig.hold("c", &[("P", 3)]).await, short(&[("P", 2)]));
    assert_eq!(rig.hold("c", &[("P", 2), ("Q", 1)]).await, Ok(()));
}

async fn stock_is_adjusted_by_what_came_and_went(rig: Rig) {
    rig.stock(&[("P", 1)]).await;
    rig.hold("a", &[("P", 1)]).await.unwrap();
    let changes = [(product("P"), 4), (product("N"), 2), (product("P"), -1)];
    rig.holds.adjust(&changes).await.unwrap();
    assert_eq!(rig.levels().await, [level("N", 2, 0), level("P", 4, 1)], "by product");
    assert_eq!(rig.hold("b", &[("P", 3), ("N", 2)]).await, Ok(()));
    rig.holds.adjust(&[(product("P"), -3)]).await.unwrap();
    assert_eq!(rig.levels().await, [level("N", 2, 2), level("P", 1, 4)], "more held than there is");
    assert_eq!(rig.hold("c", &[("P", 1)]).await, short(&[("P", 0)]));
    rig.release("b").await;
    assert_eq!(rig.hold("c", &[("P", 1)]).await, short(&[("P", 0)]));
}

async fn stock_is_corrected_only_where_it_is_as_it_was_seen(rig: Rig) {
    rig.stock(&[("P", 8), ("Q", 8)]).await;
    rig.hold("a", &[("P", 2)]).await.unwrap();
    let seen = [correction("P", 8, 5), correction("Q", 7, 5), correction("N", 0, 3)];
    for _ in 0..2 {
        rig.holds.correct(&seen).await.unwrap();
        assert_eq!(rig.levels().await, [level("N", 3, 0), level("P", 5, 2), level("Q", 8, 0)]);
    }
    rig.holds.correct(&[correction("P", 5, -1), correction("X", 1, 2)]).await.unwrap();
    assert_eq!(rig.levels().await[1..], [level("P", -1, 2), level("Q", 8, 0)]);
    assert_eq!(rig.hold("b", &[("P", 1)]).await, short(&[("P", 0)]));
}

async fn a_placed_orders_hold_is_not_taken_away_by_its_cart(rig: Rig) {
    rig.stock(&[("P", 5)]).await;
    let ranked = |rank, units| Hold { rank, ..hold("a", &[("P", units)], T0 + TTL) };
    let ranks = [-1, 1, 2, i64::MAX - 1, Hold::FINAL];
    for (units, rank) in (1..).zip(ranks) {
        rig.holds.hold(&[ranked(rank, units)], T0).await.unwrap().remove(0).unwrap();
        assert_eq!(rig.levels().await, [level("P", 5, i64::from(units))], "a higher rank");
    }
    for rank in [i64::MIN, 1, 10, i64::MAX - 1] {
        let held = rig.holds.hold(&[ranked(rank, 1)], T0).await.unwrap();
        assert_eq!(held, [Ok(())], "who asks will find out");
        assert_eq!(rig.levels().await, [level("P", 5, 5)], "rank {rank} takes nothing away");
    }
    rig.holds.hold(&[ranked(Hold::FINAL, 2)], T0).await.unwrap().remove(0).unwrap();
    assert_eq!(rig.levels().await, [level("P", 5, 2)], "the same rank");
}

async fn many_items_are_worked_on_in_one_call(rig: Rig) {
    const MANY: usize = 12_000;
    let product_of = |n: usize| product(&format!("P-{n:05}"));
    let stock: Vec<_> = (0..MANY).map(|n| (product_of(n), 2)).collect();
    let one = |stem: &str, n: usize| Hold {
        order_id: order(&format!("{stem}-{n}")),
        units: vec![Units { product_id: product_of(n), quantity: Quantity::ONE }],
        expires_at: T0 + TTL,
        rank: 1,
    };
    let live: Vec<_> = (0..MANY).map(|n| one("live", n)).collect();
    rig.holds.rebuild(&stock, &live).await.unwrap();
    let wanted: Vec<_> = (0..MANY).map(|n| one("new", n)).chain([one("late", 0)]).collect();
    let held = rig.holds.hold(&wanted, T0).await.unwrap();
    assert_eq!(held.len(), MANY + 1);
    assert!(held[..MANY].iter().all(Result::is_ok));
    assert!(held[MANY].is_err(), "in order: the last one came too late");
    let released: Vec<_> = live.iter().map(|hold| hold.order_id.clone()).collect();
    rig.holds.release(&released).await.unwrap();
    let consumed: Vec<_> =
        wanted[..MANY / 2].iter().map(|hold| (hold.order_id.clone(), hold.units.clone())).collect();
    rig.holds.consume(&consumed).await.unwrap();
    let changes: Vec<_> = (0..MANY).map(|n| (product_of(n), 1)).collect();
    rig.holds.adjust(&changes).await.unwrap();
    let levels = rig.levels().await;
    assert_eq!(levels.len(), MANY);
    assert!(levels[..MANY / 2].iter().all(|(_, stock, held)| (*stock, *held) == (2, 0)));
    assert!(levels[MANY / 2..].iter().all(|(_, stock, held)| (*stock, *held) == (3, 1)));
    assert_eq!(rig.holds.expire(T0 + TTL).await.unwrap(), (MANY / 2) as u64);
}
