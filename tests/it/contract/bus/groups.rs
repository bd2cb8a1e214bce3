//! Consumer groups with one member: what is delivered, and what is delivered again.

use std::sync::Arc;

use ecom::ports::bus::GroupOffset;

use super::{Rig, after, at, numbers};

on_every_bus! {
    a_new_group_starts_at_the_beginning,
    what_was_not_committed_comes_again,
    a_group_continues_after_its_commit,
    polls_go_on_without_a_commit,
    an_idle_poll_waits_and_may_be_dropped,
    a_waiting_poll_is_woken_by_the_next_record,
    two_groups_each_get_everything,
    one_member_reads_many_topics,
    groups_tell_how_far_they_are,
}

async fn a_new_group_starts_at_the_beginning(rig: Rig) {
    let topic = rig.topic("beginning", 1).await;
    rig.publish_numbers(topic, 0, 0..3).await;
    let mut reader = rig.subscribe("beginning", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 3).await;
    assert_eq!(numbers(&polled), [0, 1, 2]);
    assert_eq!(polled[0].at, at(topic, 0, 0));
}

async fn what_was_not_committed_comes_again(rig: Rig) {
    let topic = rig.topic("again", 1).await;
    rig.publish_numbers(topic, 0, 0..5).await;
    let mut reader = rig.subscribe("again", &[topic]).await;
    let first = rig.next(reader.as_mut(), 5).await;
    drop(reader);
    let mut reader = rig.subscribe("again", &[topic]).await;
    assert_eq!(rig.next(reader.as_mut(), 5).await, first);
}

async fn a_group_continues_after_its_commit(rig: Rig) {
    let topic = rig.topic("continue", 2).await;
    rig.publish_numbers(topic, 0, 0..6).await;
    rig.publish_numbers(topic, 1, 10..12).await;
    let mut reader = rig.subscribe("continue", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 8).await;
    let third = polled.iter().filter(|record| record.at.partition == 0).nth(2).unwrap();
    reader.commit(&[after(third)]).await.unwrap();
    drop(reader);
    let mut reader = rig.subscribe("continue", &[topic]).await;
    let mut rest = numbers(&rig.next(reader.as_mut(), 5).await);
    rest.sort_unstable();
    assert_eq!(rest, [3, 4, 5, 10, 11], "of the other partition nothing was committed");
}

async fn polls_go_on_without_a_commit(rig: Rig) {
    let topic = rig.topic("polls", 3).await;
    for partition in 0..3 {
        rig.publish_numbers(topic, partition, 0..20).await;
    }
    let mut reader = rig.subscribe("polls", &[topic]).await;
    let mut polled = vec![];
    while polled.len() < 60 {
        let some = rig.env.patiently(reader.poll(7)).await.unwrap();
        assert!((1..=7).contains(&some.len()), "at most what was asked for");
        polled.extend(some);
    }
    for partition in 0..3 {
        let of_one: Vec<_> =
            polled.iter().filter(|record| record.at.partition == partition).cloned().collect();
        assert_eq!(numbers(&of_one), (0..20).collect::<Vec<_>>(), "each once, in order");
    }
}

async fn an_idle_poll_waits_and_may_be_dropped(rig: Rig) {
    let topic = rig.topic("idle", 1).await;
    let mut reader = rig.subscribe("idle", &[topic]).await;
    for n in 0..3 {
        let nothing = rig.env.briefly(reader.poll(10)).await;
        assert!(nothing.is_none(), "{nothing:?}");
        rig.publish_numbers(topic, 0, [n]).await;
        assert_eq!(numbers(&rig.next(reader.as_mut(), 1).await), [n]);
    }
}

async fn a_waiting_poll_is_woken_by_the_next_record(rig: Rig) {
    let topic = rig.topic("woken", 1).await;
    let mut reader = rig.subscribe("woken", &[topic]).await;
    let publish = async {
        rig.env.pass(2).await;
        rig.publish_numbers(topic, 0, [7]).await;
    };
    let poll = rig.env.patiently(reader.poll(10));
    let (polled, ()) = futures::future::join(poll, publish).await;
    assert_eq!(numbers(&polled.unwrap()), [7]);
}

async fn two_groups_each_get_everything(rig: Rig) {
    let topic = rig.topic("everything", 2).await;
    rig.publish_numbers(topic, 0, 0..5).await;
    rig.publish_numbers(topic, 1, 5..10).await;
    let mut one = rig.subscribe("everything.one", &[topic]).await;
    let mut other = rig.subscribe("everything.other", &[topic]).await;
    let polled = rig.next(one.as_mut(), 10).await;
    one.commit(&[after(&polled[9])]).await.unwrap();
    for reader in [&mut other, &mut rig.subscribe("everything.late", &[topic]).await] {
        let mut all = numbers(&rig.next(reader.as_mut(), 10).await);
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}

async fn one_member_reads_many_topics(rig: Rig) {
    let topics = [rig.topic("many.a", 1).await, rig.topic("many.b", 2).await];
    rig.topic("many.c", 1).await;
    rig.publish_numbers("many.a", 0, [1]).await;
    rig.publish_numbers("many.b", 1, [2]).await;
    rig.publish_numbers("many.c", 0, [3]).await;
    let mut reader = rig.subscribe("many", &topics).await;
    let polled = rig.next(reader.as_mut(), 2).await;
    let mut found: Vec<_> =
        polled.iter().map(|r| (Arc::clone(&r.at.topic), r.at.partition)).collect();
    found.sort();
    assert_eq!(found, [("many.a".into(), 0), ("many.b".into(), 1)]);
    let nothing = rig.env.briefly(reader.poll(1)).await;
    assert!(nothing.is_none(), "the third topic is not subscribed: {nothing:?}");
}

async fn groups_tell_how_far_they_are(rig: Rig) {
    let topic = rig.topic("lag", 2).await;
    let positions = rig.publish_numbers(topic, 0, 0..5).await;
    let mut reader = rig.subscribe("lag", &[topic]).await;
    rig.next(reader.as_mut(), 5).await;
    reader.commit(&[positions[2].clone()]).await.unwrap();
    let rows = async |active: bool| {
        let row = |o: GroupOffset| (o.topic, o.partition, o.committed, o.lag);
        rig.comes("lag", vec![(topic.to_owned(), 0, 2, 3)], |rows| {
            rows.into_iter().map(row).collect()
        })
        .await;
        let of_group = rig.bus.groups().await.unwrap();
        assert!(of_group.iter().filter(|o| o.group == "lag").all(|o| o.active == active));
    };
    rows(true).await;
    drop(reader);
    rows(false).await;
}
