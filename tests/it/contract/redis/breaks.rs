//! The connection breaks in the middle of a call, or the server does not answer.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ecom::ports::holds::{Correction, Hold, HoldLevel, Holds, HoldsError};
use ecom::ports::{Cache, CacheError};

use super::super::env::{self, Env};
use super::super::holds::{T0, TTL, hold, order, product, units};
use super::Place;
use super::proxy::{Cut, Proxy};

const LONG: Duration = Duration::from_mins(1);

/// Runs `case` with a proxy before a place of its own.
fn through_a_proxy<F>(case: fn(Proxy, Place, Env) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(place) = Place::on_the_server() else { return };
    env::live(|env| async move {
        let proxy = Proxy::before(&place).await;
        case(proxy, place.clone(), env).await;
        place.clear().await;
    });
}

/// Stock and held units of the product P.
async fn level(holds: &dyn Holds) -> (i64, i64) {
    let levels = holds.levels().await.unwrap();
    let of_p = |level: &&HoldLevel| level.product_id == product("P");
    levels.iter().find(of_p).map_or((0, 0), |level| (level.stock, level.held))
}

#[test]
fn a_verb_whose_connection_breaks_takes_effect_once() {
    through_a_proxy(|proxy, place, env| async move {
        let (holds, direct) = (proxy.place.holds(&env), place.holds(&env));
        let wanted: [Hold; 1] = [hold("a", &[("P", 2)], T0 + TTL)];
        for cut in [Cut::Before, Cut::After] {
            place.clear().await;
            proxy.cut(&[cut]);
            holds.rebuild(&[(product("P"), 10)], &[]).await.unwrap();
            assert_eq!(level(&direct).await, (10, 0), "rebuild, {cut:?}");

            proxy.cut(&[cut]);
            assert_eq!(holds.hold(&wanted, T0).await, Ok(vec![Ok(())]));
            assert_eq!(level(&direct).await, (10, 2), "hold, {cut:?}");

            proxy.cut(&[cut]);
            holds.consume(&[(order("a"), units(&[("P", 2)]))]).await.unwrap();
            assert_eq!(level(&direct).await, (8, 0), "consume, {cut:?}");

            proxy.cut(&[cut]);
            holds.adjust(&[(product("P"), 5)]).await.unwrap();
            assert_eq!(level(&direct).await, (13, 0), "adjust, {cut:?}");

            proxy.cut(&[cut]);
            let correction = Correction { product_id: product("P"), seen: 13, stock: 7 };
            holds.correct(&[correction]).await.unwrap();
            assert_eq!(level(&direct).await, (7, 0), "correct, {cut:?}");

            direct.hold(&wanted, T0).await.unwrap();
            proxy.cut(&[cut]);
            holds.release(&[order("a")]).await.unwrap();
            assert_eq!(level(&direct).await, (7, 0), "release, {cut:?}");

            direct.hold(&wanted, T0).await.unwrap();
            proxy.cut(&[cut]);
            holds.expire(T0 + TTL).await.unwrap();
            assert_eq!(level(&direct).await, (7, 0), "expire, {cut:?}");

            proxy.cut(&[cut]);
            assert_eq!(level(&holds).await, (7, 0), "levels, {cut:?}");
            assert!(proxy.has_cut());
        }
    });
}

#[test]
fn a_connection_that_breaks_again_and_again_is_told_of_and_the_next_call_works() {
    through_a_proxy(|proxy, place, env| async move {
        let (holds, direct) = (proxy.place.holds(&env), place.holds(&env));
        holds.rebuild(&[(product("P"), 10)], &[]).await.unwrap();
        for cut in [Cut::Before, Cut::After] {
            let (stock, _) = level(&direct).await;
            proxy.cut(&[cut, cut]);
            let error = holds.adjust(&[(product("P"), 1)]).await.unwrap_err();
            let HoldsError::Unavailable(text) = error else { panic!("{error:?}") };
            assert!(text.contains("cannot be reached"), "{text}");
            let done = i64::from(cut == Cut::After);
            assert_eq!(level(&direct).await, (stock + done, 0), "at most once, {cut:?}");
            holds.adjust(&[(product("P"), 1)]).await.unwrap();
            assert_eq!(level(&direct).await, (stock + done + 1, 0));
        }
    });
}

#[test]
fn a_server_that_falls_silent_is_waited_for_until_the_time_out_and_no_longer() {
    through_a_proxy(|proxy, place, env| async move {
        let quick = Place { timeout: Duration::from_millis(300), ..proxy.place.clone() };
        let (holds, direct) = (quick.holds(&env), place.holds(&env));
        holds.rebuild(&[(product("P"), 10)], &[]).await.unwrap();
        proxy.cut(&[Cut::Stall]);
        let began = Instant::now();
        let error = holds.adjust(&[(product("P"), 1)]).await.unwrap_err();
        let took = began.elapsed();
        assert!(took >= quick.timeout && took < LONG / 10, "{took:?}");
        let silent = matches!(&error, HoldsError::Unavailable(text) if text.contains("not answered within 300ms"));
        assert!(silent, "{error:?}");
        holds.adjust(&[(product("P"), 2)]).await.unwrap();
        assert_eq!(level(&direct).await, (12, 0), "on a new connection");
    });
}

#[test]
fn a_cache_whose_connection_breaks_never_says_what_is_not_so() {
    through_a_proxy(|proxy, place, env| async move {
        let (cache, direct) = (proxy.place.cache(&env), place.cache(&env));
        direct.set("k", "a".into(), LONG).await.unwrap();
        for cut in [Cut::Before, Cut::After] {
            proxy.cut(&[cut]);
            assert_eq!(cache.get("k").await, Ok(Some("a".into())), "read again, {cut:?}");

            proxy.cut(&[cut]);
            let error: CacheError = cache.set("k", "b".into(), LONG).await.unwrap_err();
            assert!(error.0.contains("cannot be reached"), "{error}");
            let there = if cut == Cut::After { "b" } else { "a" };
            assert_eq!(direct.get("k").await, Ok(Some(there.into())), "not repeated, {cut:?}");

            proxy.cut(&[cut]);
            let expected = Bytes::from(there);
            let swapped = cache.compare_and_set("k", Some(&expected), "c".into(), LONG).await;
            assert!(swapped.is_err(), "nobody knows, {cut:?}: {swapped:?}");

            direct.set("k", "a".into(), LONG).await.unwrap();
            proxy.cut(&[cut]);
            cache.delete("k").await.unwrap();
            assert_eq!(direct.get("k").await, Ok(None), "{cut:?}");
            direct.set("k", "a".into(), LONG).await.unwrap();
            assert!(proxy.has_cut());
        }
    });
}

#[test]
fn calls_at_the_same_time_survive_each_others_broken_connection() {
    through_a_proxy(|proxy, place, env| async move {
        let holds = std::sync::Arc::new(proxy.place.holds(&env));
        holds.rebuild(&[(product("P"), 0)], &[]).await.unwrap();
        let adjust = |_| {
            let holds = std::sync::Arc::clone(&holds);
            async move { holds.adjust(&[(product("P"), 1)]).await }
        };
        proxy.cut(&[Cut::After]);
        let done = env.at_once((0..100).map(adjust)).await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        assert_eq!(level(&place.holds(&env)).await, (100, 0));
    });
}
