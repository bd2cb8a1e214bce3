//! Holds are filled from what is durable when they are empty, and only then.

use std::sync::Arc;

use super::{Rig, T0, TTL, hold, level, order, product};

pub(super) async fn a_rebuild_fills_only_what_is_empty(rig: Rig) {
    rig.stock(&[("P", 5), ("Q", 5)]).await;
    rig.hold("a", &[("P", 3)]).await.unwrap();
    rig.holds.adjust(&[(product("Q"), -1)]).await.unwrap();
    let live = [hold("b", &[("P", 2)], T0 + TTL)];
    rig.holds.rebuild(&[(product("P"), 9), (product("R"), 1)], &live).await.unwrap();
    assert_eq!(rig.levels().await, [level("P", 5, 3), level("Q", 4, 0)], "as before");
    assert_eq!(rig.holds.expire(T0 + TTL).await.unwrap(), 1);
    rig.holds.rebuild(&[(product("P"), 9)], &[]).await.unwrap();
    assert_eq!(
        rig.levels().await,
        [level("P", 5, 0), level("Q", 4, 0)],
        "nothing held is not lost"
    );
}

pub(super) async fn rebuilt_holds_are_holds_like_others(rig: Rig) {
    let live = [
        hold("a", &[("P", 2)], T0 + TTL),
        hold("b", &[("P", 1), ("R", 1)], T0 + TTL),
        hold("c", &[("N", 1)], T0 + TTL),
    ];
    rig.holds.rebuild(&[(product("P"), 4), (product("R"), 1)], &live).await.unwrap();
    assert_eq!(rig.levels().await, [level("N", 0, 1), level("P", 4, 3), level("R", 1, 1)]);
    rig.release("b").await;
    assert_eq!(rig.hold("d", &[("P", 2), ("R", 1)]).await, Ok(()));
    assert_eq!(rig.hold("a", &[("P", 2)]).await, Ok(()), "its own units are free for it");
    rig.holds.consume(&[(order("c"), vec![])]).await.unwrap();
    assert_eq!(rig.holds.expire(T0 + TTL).await.unwrap(), 2, "they lapse");
    assert_eq!(rig.levels().await, [level("N", 0, 0), level("P", 4, 0), level("R", 1, 0)]);
}

pub(super) async fn of_many_rebuilds_at_once_one_takes_effect(rig: Rig) {
    let rebuild = |stock: i64| {
        let holds = Arc::clone(&rig.holds);
        async move {
            let live = [hold(&format!("of-{stock}"), &[("P", 1)], T0 + TTL)];
            holds.rebuild(&[(product("P"), stock)], &live).await.unwrap();
            let taken = hold(&format!("by-{stock}"), &[("P", 1)], T0 + TTL);
            holds.hold(&[taken], T0).await.unwrap()
        }
    };
    let held = rig.env.at_once((10..20).map(rebuild)).await;
    let held = held.concat().into_iter().flatten().count() as i64;
    let levels = rig.levels().await;
    let [(_, stock, held_now)] = levels.as_slice() else { panic!("{levels:?}") };
    assert!((10..20).contains(stock), "one of them filled it: {levels:?}");
    assert_eq!(*held_now, held + 1, "what was held meanwhile is still held");
    assert_eq!(held, (*stock - 1).min(10));
}
