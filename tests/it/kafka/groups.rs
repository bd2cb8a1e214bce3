//! What is told of groups that nobody asks about all the time, and sweeping them.

use std::collections::BTreeMap;
use std::time::Duration;

use ecom::ports::admin::{BusAdmin, GroupState};
use ecom::ports::bus::{BusError, EventBus, Position};

use super::{connect, counted, options};
use crate::contract::env;
use crate::harness::stack::Server;

/// Longer than a coordinator's word needs to settle (`kafka/commits.rs`).
const SETTLED: Duration = Duration::from_millis(2_100);
/// More than there are clients kept for.
const GROUPS: usize = 18;

/// Where each group reads next.
async fn told(bus: &dyn EventBus) -> BTreeMap<String, u64> {
    bus.groups().await.unwrap().into_iter().map(|row| (row.group, row.committed)).collect()
}

#[test]
fn what_others_commit_is_told_at_once() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let options = options(&bootstrap);
        let (ours, theirs) = (connect(&env, &options).await, connect(&env, &options).await);
        ours.create_topic("t", 1, None).await.unwrap();
        ours.publish((0..9).map(|n| counted("t", n)).collect()).await.unwrap();
        // Names of all lengths are kept in many partitions; one is not in ASCII.
        let names: Vec<String> = (0..GROUPS).map(|n| format!("g{}é", "x".repeat(n))).collect();
        let mut expected = BTreeMap::new();
        for round in 1..3 {
            for group in &names {
                let next = Position { topic: "t".into(), partition: 0, offset: round };
                theirs.set_offsets(group, &[next]).await.unwrap();
                expected.insert(group.clone(), round);
            }
            // Asked while it settles, asked once more after that, and then not asked any more.
            for _ in 0..3 {
                assert_eq!(told(ours.as_ref()).await, expected, "round {round}");
                env.clock.sleep(SETTLED).await;
            }
            let next = Position { topic: "t".into(), partition: 0, offset: 9 };
            theirs.set_offsets(&names[round as usize], &[next]).await.unwrap();
            expected.insert(names[round as usize].clone(), 9);
            assert_eq!(told(ours.as_ref()).await, expected, "round {round}");
        }
        theirs.delete_group(&names[0]).await.unwrap();
        expected.remove(&names[0]);
        assert_eq!(told(ours.as_ref()).await, expected);
        ours.create_topic("u", 1, None).await.unwrap();
        let next = Position { topic: "u".into(), partition: 0, offset: 0 };
        theirs.set_offsets(&names[1], &[next]).await.unwrap();
        let rows = ours.groups().await.unwrap();
        assert!(rows.iter().any(|row| row.group == names[1] && row.topic == "u"), "{rows:?}");
        ours.sweep().await.unwrap();
    });
}

#[test]
fn a_sweep_leaves_no_group_behind_but_those_that_are_in_use() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let bus = connect(&env, &options(&bootstrap)).await;
        bus.sweep().await.unwrap();
        bus.create_topic("t", 1, None).await.unwrap();
        bus.publish(vec![counted("t", 1)]).await.unwrap();
        for group in ["one", "two"] {
            let next = Position { topic: "t".into(), partition: 0, offset: 1 };
            bus.set_offsets(group, &[next]).await.unwrap();
        }
        let mut member = bus.subscribe("used", &["t"]).await.unwrap();
        assert_eq!(env.patiently(member.poll(1)).await.unwrap().len(), 1);
        bus.sweep().await.unwrap();
        for group in ["one", "two"] {
            let found = bus.describe_group(group).await;
            assert!(matches!(found, Err(BusError::Unknown(_))), "{group}: {found:?}");
        }
        assert_eq!(bus.describe_group("used").await.unwrap().state, GroupState::Stable);
        drop(member);
        while bus.describe_group("used").await.is_ok_and(|used| used.state != GroupState::Empty) {
            env.pass(1).await;
        }
        bus.sweep().await.unwrap();
        let found = bus.describe_group("used").await;
        assert!(matches!(found, Err(BusError::Unknown(_))), "{found:?}");
        assert_eq!(bus.topics().await.unwrap(), []);
    });
}
