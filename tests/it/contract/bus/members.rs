//! Consumer groups with several members: every partition has one reader, and a reader that lost its
//! partition has no say in it.

use ecom::ports::bus::{BusError, GroupOffset, Subscription};

use super::{Rig, after, at, numbers};

on_every_bus! {
    two_members_share_the_partitions,
    a_leaving_member_hands_its_partitions_over,
    members_of_other_topics_take_nothing_away,
    a_member_cannot_commit_what_it_has_lost,
    what_comes_back_begins_where_the_other_member_committed,
}

/// Rounds in which a group must have settled.
const ROUNDS_MAX: u64 = 50;

const NONE: [u32; 0] = [];

/// Publishes one record to each of two partitions and sees who gets which, until both members get
/// one; the partition of each.
async fn share(
    rig: &Rig,
    topic: &str,
    one: &mut dyn Subscription,
    other: &mut dyn Subscription,
) -> (u32, u32) {
    for round in 0..ROUNDS_MAX {
        let number = 1_000 + round;
        rig.publish_numbers(topic, 0, [number]).await;
        rig.publish_numbers(topic, 1, [number]).await;
        let mine = partitions_of(rig, one, number).await;
        let theirs = partitions_of(rig, other, number).await;
        if let ([mine], [theirs]) = (mine.as_slice(), theirs.as_slice()) {
            return (*mine, *theirs);
        }
    }
    panic!("the members do not share");
}

/// The partitions from which `reader` gets a record with this number now.
async fn partitions_of(rig: &Rig, reader: &mut dyn Subscription, number: u64) -> Vec<u32> {
    let mut found = vec![];
    while let Some(polled) = rig.env.briefly(reader.poll(100)).await {
        let polled = polled.unwrap();
        let carried = polled.iter().zip(numbers(&polled)).filter(|(_, n)| *n == number);
        found.extend(carried.map(|(record, _)| record.at.partition));
    }
    found.sort_unstable();
    found
}

async fn two_members_share_the_partitions(rig: Rig) {
    let topic = rig.topic("share", 2).await;
    let mut one = rig.subscribe("share", &[topic]).await;
    let mut other = rig.subscribe("share", &[topic]).await;
    let (mine, theirs) = share(&rig, topic, one.as_mut(), other.as_mut()).await;
    assert_ne!(mine, theirs, "no partition has two readers");
    rig.publish_numbers(topic, mine, [1]).await;
    assert_eq!(partitions_of(&rig, other.as_mut(), 1).await, NONE);
    assert_eq!(partitions_of(&rig, one.as_mut(), 1).await, [mine]);
}

async fn a_leaving_member_hands_its_partitions_over(rig: Rig) {
    let topic = rig.topic("leave", 2).await;
    let mut one = rig.subscribe("leave", &[topic]).await;
    let mut other = rig.subscribe("leave", &[topic]).await;
    let (_, theirs) = share(&rig, topic, one.as_mut(), other.as_mut()).await;
    let committed = rig.publish_numbers(topic, theirs, [1, 2]).await;
    let mut polled = rig.next(other.as_mut(), 1).await;
    while polled.last().unwrap().at < committed[0] {
        polled = rig.next(other.as_mut(), 1).await;
    }
    other.commit(&[after(&polled[0])]).await.unwrap();
    drop(other);
    let next = rig.next(one.as_mut(), 1).await;
    assert_eq!((numbers(&next), &next[0].at), (vec![2], &committed[1]), "after the commit");
    rig.publish_numbers(topic, 0, [3]).await;
    rig.publish_numbers(topic, 1, [3]).await;
    assert_eq!(partitions_of(&rig, one.as_mut(), 3).await, [0, 1], "one reads all");
}

async fn members_of_other_topics_take_nothing_away(rig: Rig) {
    let topics = [rig.topic("mixed.a", 2).await, rig.topic("mixed.b", 2).await];
    let mut both = rig.subscribe("mixed", &topics).await;
    let mut single = rig.subscribe("mixed", &topics[1..]).await;
    // Whether they share the second topic or one has all of it is the bus's choice.
    for round in 0.. {
        assert!(round < ROUNDS_MAX, "the second member gets nothing");
        let number = 1_000 + round;
        rig.publish_numbers(topics[1], 0, [number]).await;
        rig.publish_numbers(topics[1], 1, [number]).await;
        let mut found = partitions_of(&rig, single.as_mut(), number).await;
        let has_some = !found.is_empty();
        found.extend(partitions_of(&rig, both.as_mut(), number).await);
        found.sort_unstable();
        if has_some && found == [0, 1] {
            break;
        }
    }
    rig.publish_numbers(topics[0], 0, [1]).await;
    rig.publish_numbers(topics[0], 1, [1]).await;
    assert_eq!(partitions_of(&rig, single.as_mut(), 1).await, NONE);
    assert_eq!(partitions_of(&rig, both.as_mut(), 1).await, [0, 1]);
}

async fn a_member_cannot_commit_what_it_has_lost(rig: Rig) {
    let topic = rig.topic("fenced", 2).await;
    rig.publish_numbers(topic, 0, [0]).await;
    rig.publish_numbers(topic, 1, [1]).await;
    let mut one = rig.subscribe("fenced", &[topic]).await;
    rig.next(one.as_mut(), 2).await;
    let mut other = rig.subscribe("fenced", &[topic]).await;
    let (mine, theirs) = share(&rig, topic, one.as_mut(), other.as_mut()).await;
    let refused = one.commit(&[at(topic, mine, 1), at(topic, theirs, 1)]).await.unwrap_err();
    assert!(matches!(refused, BusError::Fenced(_)), "{refused}");
    assert!(refused.is_transient());
    let committed = async || {
        let groups = rig.bus.groups().await.unwrap();
        let ours = groups.into_iter().filter(|o| o.group == "fenced" && o.committed > 0);
        ours.map(|o| o.partition).collect::<Vec<_>>()
    };
    assert_eq!(committed().await, NONE, "none of them was committed");
    let partitions = |rows: Vec<GroupOffset>| rows.into_iter().map(|o| o.partition).collect();
    one.commit(&[at(topic, mine, 1)]).await.unwrap();
    // What was refused does not come along with what takes effect later.
    rig.comes("fenced", vec![mine], partitions).await;
    other.commit(&[at(topic, theirs, 1)]).await.unwrap();
    rig.comes("fenced", vec![0, 1], partitions).await;
}

async fn what_comes_back_begins_where_the_other_member_committed(rig: Rig) {
    let topic = rig.topic("back", 2).await;
    let mut one = rig.subscribe("back", &[topic]).await;
    let mut other = rig.subscribe("back", &[topic]).await;
    let (_, theirs) = share(&rig, topic, one.as_mut(), other.as_mut()).await;
    rig.publish_numbers(topic, theirs, 0..5).await;
    let polled = rig.next(other.as_mut(), 4).await;
    other.commit(&[after(&polled[3])]).await.unwrap();
    drop(other);
    let refused = one.commit(&[after(&polled[1])]).await.unwrap_err();
    assert!(matches!(refused, BusError::Fenced(_)), "it would undo the other's commit: {refused}");
    let again = rig.next(one.as_mut(), 1).await;
    assert_eq!((again[0].at.partition, numbers(&again)), (theirs, vec![4]));
    one.commit(&[after(&again[0])]).await.unwrap();
}
