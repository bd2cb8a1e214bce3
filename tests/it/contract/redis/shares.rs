//! Several processes, and several shops, on one server.

use std::sync::Arc;

use ecom::ports::Cache;
use ecom::ports::holds::{Holds, HoldsError};

use super::super::env;
use super::super::holds::{T0, TTL, hold, product};
use super::Place;

#[test]
fn processes_race_for_the_last_units() {
    let Some(place) = Place::on_the_server() else { return };
    env::live(|env| async move {
        let processes: Vec<_> = (0..3).map(|_| Arc::new(place.holds(&env))).collect();
        processes[0].rebuild(&[(product("P"), 7)], &[]).await.unwrap();
        let race = |n: usize| {
            let holds = Arc::clone(&processes[n % 3]);
            async move {
                let wanted = [hold(&n.to_string(), &[("P", 1)], T0 + TTL)];
                holds.hold(&wanted, T0).await.unwrap().remove(0).is_ok()
            }
        };
        let won = env.at_once((0..60).map(race)).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 7);
        let level = processes[2].levels().await.unwrap().remove(0);
        assert_eq!((level.stock, level.held), (7, 7));
        place.clear().await;
    });
}

#[test]
fn processes_that_find_holds_empty_fill_them_once() {
    let Some(place) = Place::on_the_server() else { return };
    env::live(|env| async move {
        let fill = |n: i64| {
            let holds = place.holds(&env);
            async move {
                let live = [hold(&format!("of-{n}"), &[("P", 1)], T0 + TTL)];
                holds.rebuild(&[(product("P"), 100 + n)], &live).await.unwrap();
                holds.adjust(&[(product("P"), 1_000)]).await.unwrap();
            }
        };
        env.at_once((0..5).map(fill)).await;
        let level = place.holds(&env).levels().await.unwrap().remove(0);
        assert!((5_100..5_105).contains(&level.stock), "{level:?}");
        assert_eq!(level.held, 1);
        place.clear().await;
    });
}

#[test]
fn shops_with_other_prefixes_know_nothing_of_each_other() {
    let (Some(one), Some(other)) = (Place::on_the_server(), Place::on_the_server()) else { return };
    env::live(|env| async move {
        one.holds(&env).rebuild(&[(product("P"), 7)], &[]).await.unwrap();
        assert_eq!(other.holds(&env).levels().await, Err(HoldsError::NotReady));
        one.cache(&env).set("cart:ann", "one".into(), TTL).await.unwrap();
        assert_eq!(other.cache(&env).get("cart:ann").await, Ok(None));
        let keys: Vec<String> = one.ask(&["KEYS", &format!("{}*", one.prefix)]).await;
        assert_eq!(keys.len(), 5, "four of the holds, one of the cache: {keys:?}");
        one.clear().await;
        other.clear().await;
    });
}

#[test]
fn what_a_shop_removes_is_its_own() {
    let (Some(one), Some(other)) = (Place::on_the_server(), Place::on_the_server()) else { return };
    env::live(|env| async move {
        let (mine, theirs) = (one.cache(&env), other.cache(&env));
        theirs.set("cart:ann", "theirs".into(), TTL).await.unwrap();
        for n in 0..2_500 {
            mine.set(&format!("cart:{n}"), "mine".into(), TTL).await.unwrap();
        }
        one.link(&env).remove_all().await.unwrap();
        let keys: Vec<String> = one.ask(&["KEYS", &format!("{}*", one.prefix)]).await;
        assert_eq!(keys, Vec::<String>::new());
        assert_eq!(theirs.get("cart:ann").await.unwrap().as_deref(), Some(&b"theirs"[..]));
        other.clear().await;
    });
}
