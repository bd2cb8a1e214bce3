//! The server loses what it knew: all of it, a part, its scripts, or itself.

use ecom::ports::Cache;
use ecom::ports::holds::{Holds, HoldsError};

use super::super::env::{self, Env};
use super::super::holds::{T0, TTL, hold, order, product, units};
use super::server::OwnServer;

/// Runs `case` with a server of its own.
fn on_its_own<F>(case: fn(OwnServer, Env) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(server) = OwnServer::start(&[]) else { return };
    env::live(|env| case(server, env));
}

async fn stock_and_held(holds: &dyn Holds) -> Vec<(i64, i64)> {
    holds.levels().await.unwrap().iter().map(|level| (level.stock, level.held)).collect()
}

#[test]
fn flushed_holds_are_not_ready_until_they_are_rebuilt() {
    on_its_own(|server, env| async move {
        let holds = server.place(None).holds(&env);
        let wanted = [hold("a", &[("P", 2)], T0 + TTL)];
        holds.rebuild(&[(product("P"), 5)], &[]).await.unwrap();
        holds.hold(&wanted, T0).await.unwrap();
        server.cli(&["flushall"]);
        let attempts = [
            holds.hold(&wanted, T0).await.map(drop),
            holds.consume(&[(order("a"), units(&[("P", 2)]))]).await,
            holds.release(&[order("a")]).await,
            holds.adjust(&[(product("P"), 1)]).await,
            holds.expire(T0).await.map(drop),
            holds.levels().await.map(drop),
        ];
        assert!(
            attempts.iter().all(|attempt| *attempt == Err(HoldsError::NotReady)),
            "{attempts:?}"
        );
        assert_eq!(server.cli(&["dbsize"]).trim(), "0", "nothing is written into a lost place");
        holds.rebuild(&[(product("P"), 5)], &wanted).await.unwrap();
        assert_eq!(stock_and_held(&holds).await, [(5, 2)]);
    });
}

#[test]
fn a_part_that_is_gone_is_a_loss_of_all() {
    on_its_own(|server, env| async move {
        let holds = server.place(None).holds(&env);
        let live = [hold("a", &[("P", 2)], T0 + TTL)];
        for part in ["stock", "held", "orders", "expiry"] {
            holds.rebuild(&[(product("P"), 5)], &live).await.unwrap();
            assert_eq!(server.cli(&["del", &format!("{{holds}}:{part}")]).trim(), "1");
            assert_eq!(holds.levels().await, Err(HoldsError::NotReady), "{part}");
            holds.rebuild(&[(product("P"), 7)], &live).await.unwrap();
            assert_eq!(stock_and_held(&holds).await, [(7, 2)], "{part}");
            server.cli(&["flushall"]);
        }
    });
}

#[test]
fn holds_that_were_all_released_are_not_lost() {
    on_its_own(|server, env| async move {
        let holds = server.place(None).holds(&env);
        holds.rebuild(&[(product("P"), 2)], &[]).await.unwrap();
        holds.hold(&[hold("a", &[("P", 2)], T0 + TTL)], T0).await.unwrap();
        holds.release(&[order("a")]).await.unwrap();
        assert_eq!(stock_and_held(&holds).await, [(2, 0)]);
        assert_eq!(server.cli(&["hlen", "{holds}:held"]).trim(), "1", "nothing but the marker");
        assert_eq!(server.cli(&["zcard", "{holds}:expiry"]).trim(), "1");
    });
}

#[test]
fn a_script_that_the_server_has_forgotten_is_told_again() {
    on_its_own(|server, env| async move {
        let (holds, cache) = (server.place(None).holds(&env), server.place(None).cache(&env));
        holds.rebuild(&[(product("P"), 5)], &[]).await.unwrap();
        for n in 1..=3 {
            server.cli(&["script", "flush"]);
            holds.adjust(&[(product("P"), 1)]).await.unwrap();
            server.cli(&["script", "flush"]);
            assert_eq!(stock_and_held(&holds).await, [(5 + n, 0)], "once");
            server.cli(&["script", "flush"]);
            let key = n.to_string();
            let swapped = cache.compare_and_set(&key, None, "x".into(), TTL).await;
            assert_eq!(swapped, Ok(true));
        }
    });
}

#[test]
fn a_server_that_comes_back_empty_is_found_again() {
    on_its_own(|mut server, env| async move {
        let holds = server.place(None).holds(&env);
        holds.rebuild(&[(product("P"), 5)], &[]).await.unwrap();
        server.stop();
        for _ in 0..3 {
            let error = holds.levels().await.unwrap_err();
            assert!(matches!(error, HoldsError::Unavailable(_)), "{error:?}");
        }
        server.run(&[]);
        let came_back = async {
            loop {
                match holds.levels().await {
                    Err(HoldsError::Unavailable(_)) => env.pass(5).await,
                    answer => return answer,
                }
            }
        };
        assert_eq!(env.patiently(came_back).await, Err(HoldsError::NotReady));
        holds.rebuild(&[(product("P"), 5)], &[]).await.unwrap();
        assert_eq!(stock_and_held(&holds).await, [(5, 0)]);
    });
}

#[test]
fn a_value_expires_by_the_servers_own_time() {
    on_its_own(|server, env| async move {
        let cache = server.place(None).cache(&env);
        cache.set("cart:ann", "x".into(), env.tick).await.unwrap();
        let gone = async {
            while cache.get("cart:ann").await.unwrap().is_some() {
                env.pass(1).await;
            }
        };
        env.patiently(gone).await;
        cache.set("cart:ann", "x".into(), TTL).await.unwrap();
        cache.set("cart:ann", "y".into(), std::time::Duration::ZERO).await.unwrap();
        assert_eq!(cache.get("cart:ann").await, Ok(None), "no time at all");
        let swapped = cache.compare_and_set("cart:ann", None, "x".into(), TTL / u32::MAX).await;
        assert_eq!((swapped, cache.get("cart:ann").await), (Ok(true), Ok(None)));
    });
}

#[test]
fn a_cart_can_be_read_with_the_servers_own_tool() {
    on_its_own(|server, env| async move {
        let cart = r#"{"user_id":"ann","items":[],"total_amount":0.00,"version":3}"#;
        let cache = server.place(None).cache(&env);
        cache.set("cart:ann", cart.into(), TTL).await.unwrap();
        assert_eq!(server.cli(&["get", "cart:ann"]).trim_end(), cart);
        assert_eq!(server.cli(&["keys", "*"]).trim_end(), "cart:ann");
        let ms: u128 = server.cli(&["pttl", "cart:ann"]).trim().parse().unwrap();
        assert!(ms <= TTL.as_millis() && ms > TTL.as_millis() / 2, "{ms}");
    });
}
