//! Members that come and go in the middle of their work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::bus::kafka::KafkaOptions;
use ecom::ports::bus::{BusError, EventBus, Position, Record, Subscription};

use super::{connect, keyed, number, options};
use crate::contract::bus::after;
use crate::contract::env::{self, Env};
use crate::harness::stack::Server;

/// Rounds in which a group must have settled.
const ROUNDS_MAX: u32 = 200;
const EACH: u64 = 40;

/// On a group's time-scale.
fn slowly(env: Env) -> Env {
    Env { tick: Duration::from_millis(100), ..env }
}

/// Publishes these numbers to both partitions.
async fn publish(env: &Env, bus: &dyn EventBus, topic: &str, numbers: std::ops::Range<u64>) {
    let record = |partition, n: u64| {
        let record = keyed(topic, "k", n.to_string());
        ecom::ports::bus::NewRecord { partition: Some(partition), ..record }
    };
    let both = numbers.flat_map(|n| [record(0, n), record(1, n)]).collect();
    env.patiently(bus.publish(both)).await.unwrap();
}

/// A member with what it has polled and not committed.
struct Worker {
    member: Box<dyn Subscription>,
    open: Vec<Arc<Record>>,
}

impl Worker {
    async fn join(env: &Env, bus: &dyn EventBus, topic: &str) -> Self {
        let member = env.patiently(bus.subscribe("work", &[topic])).await.unwrap();
        Self { member, open: vec![] }
    }

    async fn poll(&mut self, env: &Env) {
        if let Some(polled) = env.briefly(self.member.poll(3)).await {
            self.open.extend(polled.unwrap());
        }
    }

    /// Commits what it has polled, and then it is done. Fenced, it begins anew, as the shop's worker does.
    async fn commit(&mut self, env: &Env, bus: &dyn EventBus, done: &mut Vec<(u32, u64)>) {
        let mut next: BTreeMap<u32, Position> = BTreeMap::new();
        for record in &self.open {
            next.insert(record.at.partition, after(record));
        }
        let next: Vec<Position> = next.into_values().collect();
        match self.member.commit(&next).await {
            Ok(()) => done.extend(self.open.drain(..).map(|r| (r.at.partition, r.at.offset))),
            Err(BusError::Fenced(_)) => *self = Self::join(env, bus, "work").await,
            Err(e) => assert!(e.is_transient(), "{e}"), // with the next
        }
    }
}

#[test]
fn nothing_is_skipped_and_no_commit_goes_back_when_a_member_joins_in_the_middle() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let env = slowly(env);
        let bus = connect(&env, &options(&bootstrap)).await;
        bus.create_topic("work", 2, None).await.unwrap();
        publish(&env, bus.as_ref(), "work", 0..EACH).await;
        let mut one = Worker::join(&env, bus.as_ref(), "work").await;
        while one.open.is_empty() {
            one.poll(&env).await;
        }
        // In the middle of a batch.
        let mut other = Worker::join(&env, bus.as_ref(), "work").await;
        let (mut done, mut reached) = (vec![], BTreeMap::new());
        let mut shared = false;
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "{} are done, shared: {shared}", done.len());
            let before = done.len();
            other.poll(&env).await;
            other.commit(&env, bus.as_ref(), &mut done).await;
            shared |= done.len() > before;
            one.poll(&env).await;
            one.commit(&env, bus.as_ref(), &mut done).await;
            for group in bus.groups().await.unwrap() {
                let last = reached.insert(group.partition, group.committed);
                assert!(last <= Some(group.committed), "from {last:?} to {}", group.committed);
            }
            if shared && done.len() as u64 >= EACH * 2 {
                break;
            }
            if done.len() as u64 == EACH * 2 {
                publish(&env, bus.as_ref(), "work", 0..1).await;
            }
        }
        let once: BTreeSet<(u32, u64)> = done.iter().copied().collect();
        assert_eq!(once.len(), done.len(), "nobody does what is done");
        let of = |partition| once.iter().filter(|(p, _)| *p == partition).count() as u64;
        // The last commits take effect a moment later.
        for round in 0.. {
            let groups = bus.groups().await.unwrap();
            assert!(groups.iter().all(|g| g.committed <= of(g.partition)), "more than is done");
            if groups.iter().all(|g| g.committed == of(g.partition)) {
                break;
            }
            assert!(round < ROUNDS_MAX, "all that is done is committed: {groups:?}");
            env.clock.sleep(Duration::from_millis(20)).await;
        }
    });
}

/// The partitions from which a member gets something now.
async fn partitions(env: &Env, member: &mut dyn Subscription, wanted: u64) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    while let Some(polled) = env.briefly(member.poll(100)).await {
        let polled = polled.unwrap();
        let meant = polled.iter().filter(|record| number(record) == wanted);
        found.extend(meant.map(|record| record.at.partition));
    }
    found
}

#[test]
fn the_partitions_of_a_named_member_wait_for_it_to_come_back() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let env = slowly(env);
        let session_timeout = Duration::from_secs(45);
        let options = KafkaOptions { session_timeout, ..options(&bootstrap) };
        let named =
            |name: &str| KafkaOptions { instance: Some(name.to_owned()), ..options.clone() };
        let (first, second) = (connect(&env, &named("a")).await, connect(&env, &named("b")).await);
        first.create_topic("named", 2, None).await.unwrap();
        let mut a = first.subscribe("named", &["named"]).await.unwrap();
        let mut b = second.subscribe("named", &["named"]).await.unwrap();
        let mut round = 0;
        let (of_a, of_b) = loop {
            assert!(round < u64::from(ROUNDS_MAX), "they do not share");
            publish(&env, first.as_ref(), "named", round..round + 1).await;
            let of_a = partitions(&env, a.as_mut(), round).await;
            let of_b = partitions(&env, b.as_mut(), round).await;
            round += 1;
            if of_a.len() == 1 && of_b.len() == 1 {
                break (of_a, of_b);
            }
        };
        let end = |partition| {
            let topics = first.topics();
            async move { topics.await.unwrap()[0].partitions[partition as usize].end }
        };
        let mine = *of_a.first().unwrap();
        let next = Position { topic: "named".into(), partition: mine, offset: end(mine).await };
        a.commit(&[next]).await.unwrap();
        drop(a);
        publish(&env, second.as_ref(), "named", round..round + 1).await;
        assert_eq!(partitions(&env, b.as_mut(), round).await, of_b, "b takes nothing of it");
        let again = connect(&env, &named("a")).await;
        let mut a = again.subscribe("named", &["named"]).await.unwrap();
        let polled = env.patiently(a.poll(100)).await.unwrap();
        let found: Vec<_> = polled.iter().map(|r| (r.at.partition, number(r))).collect();
        assert_eq!(found, [(mine, round)], "what has come meanwhile, and its own");
        publish(&env, second.as_ref(), "named", round + 1..round + 2).await;
        assert_eq!(partitions(&env, b.as_mut(), round + 1).await, of_b, "b never noticed");
    });
}
