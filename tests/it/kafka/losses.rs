//! Brokers that are killed: what was confirmed is there, once and in order, and groups go on where they
//! were.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ecom::ports::bus::{BusError, EventBus, Position, Subscription};

use super::{BATCH, Producer, all, by_key, connect, counted, expected, leader, number, options};
use crate::contract::bus::after;
use crate::contract::env;
use crate::harness::own_stack::OwnStack;

/// Partitions of the internal topic for offsets, as `scripts/stack` has it.
const OFFSETS_PARTITIONS: i32 = 6;

#[test]
fn what_was_confirmed_outlives_the_leader_once_and_in_order() {
    let Some(cluster) = OwnStack::kafka(3, |_| String::new()) else { return };
    env::live(|env| async move {
        let options = options(&cluster.bootstrap());
        let bus = connect(&env, &options).await;
        bus.create_topic("loss", 3, None).await.unwrap();
        let producer = Producer::start(&env, &bus, "loss");
        producer.gets_on(&env, 20).await;
        let leading = leader(&options.bootstrap, &format!("{}loss", options.prefix), 0);
        cluster.signal(leading, "KILL");
        producer.gets_on(&env, 20).await;
        let count = producer.stop().await;
        assert_eq!(by_key(&all(&bus, "loss").await), expected(count), "broker {leading} died");
    });
}

/// Which partition of the internal topic keeps a group's offsets. Source: `GroupCoordinator` of Kafka,
/// the group's `String.hashCode` by the number of partitions.
fn offsets_partition(group: &str) -> i32 {
    let hash = group.bytes().fold(0_i32, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    hash.checked_abs().unwrap_or(0) % OFFSETS_PARTITIONS
}

/// Commits as often as it takes; whether it took effect, or the partition is another's.
async fn commit(env: &env::Env, member: &mut dyn Subscription, next: &Position) -> bool {
    loop {
        match env.patiently(member.commit(std::slice::from_ref(next))).await {
            Ok(()) => return true,
            Err(BusError::Fenced(_)) => return false,
            Err(e) => assert!(e.is_transient(), "{e}"),
        }
        env.pass(5).await;
    }
}

#[test]
fn a_group_goes_on_from_its_commit_when_its_coordinator_dies() {
    let Some(cluster) = OwnStack::kafka(3, |_| String::new()) else { return };
    env::live(|env| async move {
        let options = options(&cluster.bootstrap());
        let bus = connect(&env, &options).await;
        bus.create_topic("moved", 1, None).await.unwrap();
        let records = |from: u64| (from..from + BATCH).map(|n| counted("moved", n)).collect();
        super::publish(&env, &bus, records(0)).await;
        let mut member = bus.subscribe("moved", &["moved"]).await.unwrap();
        let mut committed = 0;
        while committed < BATCH / 2 {
            let polled = env.patiently(member.poll(1)).await.unwrap();
            committed = number(&polled[0]) + 1;
            let next = Position { offset: committed, ..polled[0].at.clone() };
            assert!(commit(&env, member.as_mut(), &next).await);
        }
        let group = format!("{}moved", options.prefix);
        let of_group = offsets_partition(&group);
        cluster.signal(leader(&options.bootstrap, "__consumer_offsets", of_group), "KILL");
        super::publish(&env, &bus, records(BATCH)).await;
        let mut seen = BTreeSet::new();
        while committed < BATCH * 2 {
            let polled = env.patiently(member.poll(10)).await.unwrap();
            let first = number(&polled[0]);
            let skipped = (committed..first).find(|n| !seen.contains(n));
            assert_eq!(skipped, None, "{first} came after the commit of {committed}");
            seen.extend(polled.iter().map(|record| number(record)));
            let next = after(polled.last().unwrap());
            if commit(&env, member.as_mut(), &next).await {
                // What was committed in the last moment before may come again, nothing else.
                committed = committed.max(next.offset);
            }
        }
        // Where the group stands is told the cluster by and by; who leaves while it is away tells nothing.
        let begun = Instant::now();
        let mut known = 0;
        while known < BATCH * 2 {
            assert!(begun.elapsed() < Duration::from_mins(1), "the cluster knows of {known}");
            env.pass(5).await;
            let groups = env.patiently(bus.groups()).await.unwrap_or_default();
            known = groups.iter().find(|at| at.group == "moved").map_or(0, |at| at.committed);
        }
        drop(member);
        super::publish(&env, &bus, vec![counted("moved", BATCH * 2)]).await;
        let mut next = bus.subscribe("moved", &["moved"]).await.unwrap();
        let polled = env.patiently(next.poll(10)).await.unwrap();
        assert_eq!(number(&polled[0]), BATCH * 2, "its offsets are where they were");
    });
}
