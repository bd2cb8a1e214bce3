//! A broker that falls silent: publishing waits, then says so, and nothing is lost or out of order.

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::bus::kafka::KafkaOptions;
use ecom::ports::bus::{BusError, EventBus, Position};
use futures::future::join_all;

use super::{LONG, all, by_key, connect, counted, expected, firsts, keyed, options, publish};
use crate::contract::env;
use crate::harness::own_stack::OwnStack;

/// More than librdkafka's queue takes, `queue.buffering.max.messages`.
const MANY: u64 = 100_200;
/// Records that the relay publishes together at most.
const PAGE: usize = 512;

#[test]
fn a_full_queue_is_said_to_be_one_and_nothing_is_lost_or_out_of_order() {
    let Some(broker) = OwnStack::kafka(1, |_| String::new()) else { return };
    env::live(|env| async move {
        let timeout = Duration::from_secs(4);
        let options = KafkaOptions { timeout, ..options(&broker.bootstrap()) };
        let bus = connect(&env, &options).await;
        bus.create_topic("full", 3, None).await.unwrap();
        let records =
            |numbers: std::ops::Range<u64>| numbers.map(|n| counted("full", n)).collect::<Vec<_>>();
        publish(&env, &bus, records(0..100)).await;
        broker.signal(1, "STOP");
        let (begun, all_of_them) = (env.clock.elapsed(), records(100..MANY));
        let first = Arc::clone(&bus);
        let refused = env.spawn(async move { first.publish(all_of_them).await });
        let mut full = false;
        while env.clock.elapsed() < begun + timeout {
            // Somebody else, with another key, meets the full queue.
            let other = bus.publish(vec![keyed("full", "other", "0")]);
            match env.briefly(other).await {
                Some(Err(BusError::Unavailable(text))) if text.contains("queue is full") => {
                    full = true;
                    break;
                }
                Some(outcome) => drop(outcome.unwrap_err()),
                None => {}
            }
        }
        assert!(full, "it is said at once that there is no room");
        let refused = env.patiently(refused).await.unwrap().unwrap_err();
        assert!(refused.is_transient(), "{refused}");
        assert!(refused.to_string().contains("has not confirmed within 4s"), "{refused}");
        broker.signal(1, "CONT");
        for page in records(100..MANY).chunks(PAGE) {
            publish(&env, &bus, page.to_vec()).await;
        }
        // Each connection that gave up on the broker meanwhile is made anew by and by.
        let begun = env.clock.elapsed();
        while let Err(e) = bus.topics().await {
            assert!(env.clock.elapsed() < begun + LONG, "no answer yet: {e}");
            env.pass(5).await;
        }
        let mut found = by_key(&all(&bus, "full").await);
        found.remove("other".as_bytes());
        assert!(firsts(&found) == expected(MANY), "every record, and in order");
    });
}

#[test]
fn leaving_a_silent_cluster_holds_nobody_up() {
    let Some(broker) = OwnStack::kafka(1, |_| String::new()) else { return };
    env::live(|env| async move {
        let bus = connect(&env, &options(&broker.bootstrap())).await;
        bus.create_topic("left", 1, None).await.unwrap();
        publish(&env, &bus, vec![counted("left", 1)]).await;
        let mut members = vec![];
        for n in 0..4 {
            let mut member = bus.subscribe(&format!("group-{n}"), &["left"]).await.unwrap();
            let read = env.patiently(member.poll(1)).await.unwrap();
            member.commit(&[Position { offset: 1, ..read[0].at.clone() }]).await.unwrap();
            members.push(member);
        }
        broker.signal(1, "STOP");
        // More than there are threads to wait in.
        let leave = |member| env.spawn(async move { drop(member) });
        let mut left = Box::pin(join_all(members.into_iter().map(leave)));
        let (mut longest, mut last) = (Duration::ZERO, env.clock.elapsed());
        while env.briefly(&mut left).await.is_none() {
            let now = env.clock.elapsed();
            longest = longest.max(now.saturating_sub(last));
            last = now;
        }
        broker.signal(1, "CONT");
        assert!(longest < Duration::from_secs(2), "nothing else went on for {longest:?}");
    });
}
