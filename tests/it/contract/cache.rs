//! The contract of the cache.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ecom::adapters::cache::MemoryCache;
use ecom::ports::Cache;

use super::env::{self, Env, let_others_run};
use super::redis::Place;

suite! {
    in_memory: super::in_memory,
    on_redis: super::on_redis;
    {
        what_was_set_is_found_until_it_is_deleted,
        bytes_are_kept_exactly,
        a_value_is_there_until_its_time_is_up,
        setting_again_starts_the_time_anew,
        a_shorter_time_replaces_a_longer_one,
        a_value_is_set_only_where_it_was_absent,
        a_value_is_replaced_only_if_it_is_the_expected_one,
        an_expired_value_counts_as_absent,
        one_of_many_writers_is_the_first,
        two_writers_never_lose_an_item,
        an_entry_that_outlives_all_others_can_still_be_replaced,
    }
}

/// No case waits for it.
const LONG: Duration = Duration::from_hours(24);

fn in_memory<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::simulated(|env| {
        let cache = Arc::new(MemoryCache::new(Arc::clone(&env.clock)));
        case(Rig { cache, env })
    });
}

fn on_redis<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    let Some(place) = Place::on_the_server() else { return };
    env::live(|env| async move {
        let cache = Arc::new(place.cache(&env));
        let env = place.skipping(env);
        case(Rig { cache, env }).await;
        place.clear().await;
    });
}

/// An empty cache, and the time that it goes by.
struct Rig {
    cache: Arc<dyn Cache>,
    env: Env,
}

impl Rig {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.cache.get(key).await.unwrap()
    }

    async fn set(&self, key: &str, value: &'static str, ttl: Duration) {
        self.cache.set(key, value.into(), ttl).await.unwrap();
    }

    async fn swap(&self, key: &str, expected: Option<&'static str>, value: &'static str) -> bool {
        let expected = expected.map(Bytes::from);
        self.cache.compare_and_set(key, expected.as_ref(), value.into(), LONG).await.unwrap()
    }
}

async fn what_was_set_is_found_until_it_is_deleted(rig: Rig) {
    assert_eq!(rig.get("basic").await, None);
    rig.set("basic", "one", LONG).await;
    rig.set("basic.other", "other", LONG).await;
    assert_eq!(rig.get("basic").await, Some("one".into()));
    rig.set("basic", "two", LONG).await;
    assert_eq!(rig.get("basic").await, Some("two".into()));
    for _ in 0..2 {
        rig.cache.delete("basic").await.unwrap();
        assert_eq!(rig.get("basic").await, None);
    }
    assert_eq!(rig.get("basic.other").await, Some("other".into()));
}

async fn bytes_are_kept_exactly(rig: Rig) {
    let every: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let values = [Bytes::new(), every, vec![0; 1 << 20].into(), "🛒".into()];
    for (n, value) in values.iter().enumerate() {
        let key = format!("bytes:{n} 🛒\r\n*{{}}");
        rig.cache.set(&key, value.clone(), LONG).await.unwrap();
        assert_eq!(rig.get(&key).await.as_ref(), Some(value));
        let swapped = rig.cache.compare_and_set(&key, Some(value), "x".into(), LONG).await;
        assert!(swapped.unwrap(), "every byte is compared");
    }
}

async fn a_value_is_there_until_its_time_is_up(rig: Rig) {
    rig.set("ttl", "v", rig.env.tick * 10).await;
    rig.env.pass(9).await;
    assert_eq!(rig.get("ttl").await, Some("v".into()));
    rig.env.pass(1).await;
    assert_eq!(rig.get("ttl").await, None, "at its time it is gone");
    rig.set("ttl", "again", rig.env.tick * 10).await;
    assert_eq!(rig.get("ttl").await, Some("again".into()));
}

async fn setting_again_starts_the_time_anew(rig: Rig) {
    let ttl = rig.env.tick * 10;
    rig.set("anew", "a", ttl).await;
    rig.env.pass(6).await;
    rig.set("anew", "b", ttl).await;
    rig.env.pass(6).await;
    let (a, b) = (Bytes::from("b"), Bytes::from("c"));
    assert!(rig.cache.compare_and_set("anew", Some(&a), b, ttl).await.unwrap());
    rig.env.pass(6).await;
    assert_eq!(rig.get("anew").await, Some("c".into()));
    rig.env.pass(4).await;
    assert_eq!(rig.get("anew").await, None);
}

async fn a_shorter_time_replaces_a_longer_one(rig: Rig) {
    rig.set("shorter", "a", LONG).await;
    rig.set("shorter", "b", rig.env.tick * 2).await;
    rig.env.pass(2).await;
    assert_eq!(rig.get("shorter").await, None, "nor is the earlier value back");
}

async fn a_value_is_set_only_where_it_was_absent(rig: Rig) {
    assert!(rig.swap("absent", None, "first").await);
    assert!(!rig.swap("absent", None, "second").await);
    assert_eq!(rig.get("absent").await, Some("first".into()));
    rig.cache.delete("absent").await.unwrap();
    assert!(rig.swap("absent", None, "third").await);
}

async fn a_value_is_replaced_only_if_it_is_the_expected_one(rig: Rig) {
    assert!(!rig.swap("expected", Some("a"), "b").await, "an absent value is not `a`");
    assert_eq!(rig.get("expected").await, None);
    rig.set("expected", "a", rig.env.tick * 4).await;
    assert!(!rig.swap("expected", Some("x"), "b").await);
    assert!(!rig.swap("expected", Some(""), "b").await);
    assert!(!rig.swap("expected", Some("aa"), "b").await);
    assert_eq!(rig.get("expected").await, Some("a".into()));
    rig.env.pass(4).await;
    assert_eq!(rig.get("expected").await, None, "a refusal prolongs nothing");
    rig.set("expected", "a", LONG).await;
    assert!(rig.swap("expected", Some("a"), "b").await);
    assert_eq!(rig.get("expected").await, Some("b".into()));
}

async fn an_expired_value_counts_as_absent(rig: Rig) {
    rig.set("expired", "old", rig.env.tick * 2).await;
    rig.env.pass(2).await;
    assert!(!rig.swap("expired", Some("old"), "new").await);
    assert!(rig.swap("expired", None, "new").await);
    assert_eq!(rig.get("expired").await, Some("new".into()));
}

async fn one_of_many_writers_is_the_first(rig: Rig) {
    let claim = |n: u32| {
        let cache = Arc::clone(&rig.cache);
        let name = Bytes::from(n.to_string());
        async move {
            let won = cache.compare_and_set("race", None, name.clone(), LONG).await.unwrap();
            won.then_some(name)
        }
    };
    let winners: Vec<Bytes> =
        rig.env.at_once((0..20).map(claim)).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(rig.get("race").await.as_ref(), winners.first());
}

async fn two_writers_never_lose_an_item(rig: Rig) {
    let add = |writer: u32| {
        let cache = Arc::clone(&rig.cache);
        async move {
            for n in 0..20 {
                loop {
                    let seen = cache.get("items").await.unwrap();
                    let_others_run().await;
                    let mut items = seen.as_ref().map_or_else(Vec::new, |seen| seen.to_vec());
                    items.extend(format!("{writer}/{n} ").as_bytes());
                    let items = Bytes::from(items);
                    if cache.compare_and_set("items", seen.as_ref(), items, LONG).await.unwrap() {
                        break;
                    }
                }
            }
        }
    };
    rig.env.at_once([add(1), add(2)]).await;
    let items = rig.get("items").await.unwrap();
    let items: BTreeSet<&str> = std::str::from_utf8(&items).unwrap().split_whitespace().collect();
    assert_eq!(items.len(), 40, "{items:?}");
}

async fn an_entry_that_outlives_all_others_can_still_be_replaced(rig: Rig) {
    rig.cache.set("for.ever", "a".into(), Duration::MAX).await.unwrap();
    assert_eq!(rig.get("for.ever").await, Some("a".into()));
    assert!(rig.swap("for.ever", Some("a"), "b").await);
    assert_eq!(rig.get("for.ever").await, Some("b".into()));
}

/// Beyond the port: memory is bounded.
const ENTRIES_MAX: u64 = 100_000;

#[test]
fn a_full_memory_gives_up_what_would_expire_first() {
    in_memory(|rig| async move {
        for n in 0..=ENTRIES_MAX {
            let ttl = LONG + Duration::from_millis(n);
            rig.cache.set(&n.to_string(), Bytes::new(), ttl).await.unwrap();
        }
        assert_eq!(rig.get("0").await, None);
        assert_eq!(rig.get("1").await, Some(Bytes::new()));
        assert_eq!(rig.get(&ENTRIES_MAX.to_string()).await, Some(Bytes::new()));
    });
}
