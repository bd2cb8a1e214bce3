//! Servers that are not there, are none, or want nothing to do with us: one clear error, in time.

use std::time::{Duration, Instant};

use ecom::adapters::redis::RedisLink;
use ecom::ports::holds::{Holds, HoldsError};
use ecom::ports::{Cache, CacheError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::env::{self, Env};
use super::super::holds::{T0, TTL, hold, product};
use super::Place;
use super::server::OwnServer;

const QUICK: Duration = Duration::from_millis(300);

fn link(url: &str, env: &Env) -> RedisLink {
    Place { timeout: QUICK, ..Place::at(url, "") }.link(env)
}

/// What comes of asking, and how long that took.
async fn asked(link: &RedisLink) -> (String, Duration) {
    let began = Instant::now();
    let error = link.ping().await.unwrap_err();
    (error.to_string(), began.elapsed())
}

/// Something on a port that says this to whatever it hears.
async fn answering(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut heard = [0; 1024];
                while stream.read(&mut heard).await.is_ok_and(|n| n > 0) {
                    let _ = stream.write_all(words).await;
                }
            });
        }
    });
    format!("redis://{address}")
}

#[test]
fn a_server_that_is_not_there_is_told_of_at_once() {
    env::live(|env| async move {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let link = link(&format!("redis://ann:secret@{gone}"), &env);
        for _ in 0..3 {
            let (text, took) = asked(&link).await;
            assert!(text.contains(&format!("redis at {gone} cannot be reached")), "{text}");
            assert!(!text.contains("secret"), "{text}");
            assert!(took < QUICK * 3, "{took:?}");
        }
    });
}

#[test]
fn a_server_that_says_nothing_is_waited_for_by_one_caller_only() {
    env::live(|env| async move {
        let link = link(&answering(b"").await, &env);
        let (text, took) = asked(&link).await;
        assert!(text.contains("has not answered within 300ms"), "{text}");
        assert!(took >= QUICK && took < QUICK * 10, "{took:?}");
        let (again, took) = asked(&link).await;
        assert_eq!(again, text);
        assert!(took < QUICK / 2, "{took:?}");
    });
}

#[test]
fn what_speaks_another_language_is_called_no_redis() {
    env::live(|env| async move {
        let strangers: [&[u8]; 3] = [
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            b"220 mail.example ESMTP\r\n",
            b"\x15\x03\x01\x00\x02\x02\x16",
        ];
        for words in strangers {
            let (text, _) = asked(&link(&answering(words).await, &env)).await;
            assert!(text.contains("is no redis"), "{text}");
        }
    });
}

#[test]
fn a_url_or_prefix_that_is_none_is_refused_before_anything_is_sent() {
    env::live(|env| async move {
        for url in ["", "redis", "http://127.0.0.1:1", "redis://u:secret@:x"] {
            let clock = std::sync::Arc::clone(&env.clock);
            let error = RedisLink::connect(url, "", QUICK, clock).err().expect(url);
            assert!(error.to_string().starts_with("redis url: "), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for prefix in ["{a}:", "a}"] {
            let clock = std::sync::Arc::clone(&env.clock);
            let url = "redis://127.0.0.1:1";
            assert!(RedisLink::connect(url, prefix, QUICK, clock).is_err(), "{prefix}");
        }
    });
}

#[test]
fn a_server_without_tls_is_an_error_to_who_wants_it() {
    env::live(|env| async move {
        let plain = answering(b"-ERR unknown command\r\n").await;
        let (text, _) = asked(&link(&plain.replace("redis:", "rediss:"), &env)).await;
        assert!(text.contains("cannot be reached"), "{text}");
    });
}

#[test]
fn a_wrong_password_is_told_of_and_a_right_one_works_without_a_restart() {
    let Some(server) = OwnServer::start(&["--requirepass", "first"]) else { return };
    env::live(|env| async move {
        for password in [None, Some("wrong-one")] {
            let (text, _) = asked(&server.place(password).link(&env)).await;
            assert!(text.contains("refuses this user or password"), "{text}");
            assert!(!text.contains("wrong-one"), "{text}");
        }
        server.place(Some("first")).link(&env).ping().await.unwrap();
        let early = server.place(Some("second")).holds(&env);
        let refused = early.levels().await.unwrap_err();
        assert!(matches!(refused, HoldsError::Unavailable(_)), "{refused:?}");
        server.cli(&["-a", "first", "--no-auth-warning", "config", "set", "requirepass", "second"]);
        let works = async {
            while early.levels().await != Err(HoldsError::NotReady) {
                env.pass(5).await;
            }
        };
        env.patiently(works).await;
    });
}

#[test]
fn a_server_with_too_many_clients_is_found_again() {
    let Some(server) = OwnServer::start(&["--maxclients", "1"]) else { return };
    env::live(|env| async move {
        let works = async |link: &RedisLink| {
            while link.ping().await.is_err() {
                env.pass(5).await;
            }
        };
        let (first, second) = (server.place(None).link(&env), server.place(None).link(&env));
        env.patiently(works(&first)).await;
        asked(&second).await;
        drop(first);
        env.patiently(works(&second)).await;
    });
}

#[test]
fn somebody_elses_data_is_neither_used_nor_touched() {
    let Some(place) = Place::on_the_server() else { return };
    env::live(|env| async move {
        let (holds, cache) = (place.holds(&env), place.cache(&env));
        for part in ["stock", "held", "orders", "expiry"] {
            let key = place.key(&format!("{{holds}}:{part}"));
            for theirs in [vec!["SET", &key, "theirs"], vec!["RPUSH", &key, "theirs"]] {
                place.ask::<()>(&theirs).await;
                let errors = [
                    holds.rebuild(&[(product("P"), 1)], &[]).await.unwrap_err(),
                    holds.hold(&[hold("a", &[("P", 1)], T0 + TTL)], T0).await.unwrap_err(),
                    holds.levels().await.unwrap_err(),
                ];
                for error in errors {
                    let text = error.to_string();
                    assert!(text.contains("something else under a key of the shop"), "{text}");
                }
                place.ask::<()>(&["DEL", &key]).await;
            }
        }
        for part in ["stock", "held", "orders"] {
            let key = place.key(&format!("{{holds}}:{part}"));
            place.ask::<()>(&["HSET", &key, "their", "field"]).await;
            assert_eq!(holds.levels().await, Err(HoldsError::NotReady));
            let error = holds.rebuild(&[(product("P"), 1)], &[]).await.unwrap_err();
            assert!(error.to_string().contains("is not of the holds"), "{error}");
            assert_eq!(place.ask::<String>(&["HGET", &key, "their"]).await, "field");
            place.ask::<()>(&["DEL", &key]).await;
        }
        place.ask::<()>(&["HSET", &place.key("cart:ann"), "their", "field"]).await;
        let CacheError(text) = cache.get("cart:ann").await.unwrap_err();
        assert!(text.contains("something else under a key of the shop"), "{text}");
        place.clear().await;
    });
}

#[test]
fn numbers_that_are_none_are_told_of_and_nothing_is_held() {
    let Some(place) = Place::on_the_server() else { return };
    env::live(|env| async move {
        let holds = place.holds(&env);
        holds.rebuild(&[(product("P"), 1), (product("Q"), 1)], &[]).await.unwrap();
        place.ask::<()>(&["HSET", &place.key("{holds}:stock"), "Q", "many"]).await;
        let wanted = [hold("a", &[("P", 1), ("Q", 1)], T0 + TTL)];
        let error = holds.hold(&wanted, T0).await.unwrap_err();
        assert!(matches!(error, HoldsError::Unavailable(_)), "{error:?}");
        let error = holds.levels().await.unwrap_err();
        assert!(error.to_string().contains("not of the holds"), "{error}");
        let held: Option<String> = place.ask(&["HGET", &place.key("{holds}:held"), "P"]).await;
        assert_eq!(held, None, "all or nothing");
        place.clear().await;
    });
}
