//! Seeking by offset and by time, and what a restart finds.

use std::time::Duration;

use ecom::ports::bus::BusError;

use super::{Rig, after, at, numbers};

on_every_bus! {
    an_inactive_group_can_be_moved_back_and_forth,
    a_group_that_never_was_can_be_given_offsets,
    a_group_with_members_is_not_moved,
    a_time_finds_the_first_record_from_then_on,
    an_empty_partition_has_no_record_at_any_time,
    a_restart_finds_records_and_offsets,
}

async fn an_inactive_group_can_be_moved_back_and_forth(rig: Rig) {
    let topic = rig.topic("seek", 1).await;
    let positions = rig.publish_numbers(topic, 0, 0..10).await;
    let mut reader = rig.subscribe("seek", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 5).await;
    reader.commit(&[after(&polled[4])]).await.unwrap();
    drop(reader);
    for to in [8, 2, 0] {
        rig.bus.set_offsets("seek", &positions[to..=to]).await.unwrap();
        let mut reader = rig.subscribe("seek", &[topic]).await;
        assert_eq!(numbers(&rig.next(reader.as_mut(), 1).await), [to as u64]);
    }
    let end = rig.partition(topic, 0).await.end;
    rig.bus.set_offsets("seek", &[at(topic, 0, end)]).await.unwrap();
    let mut reader = rig.subscribe("seek", &[topic]).await;
    let nothing = rig.env.briefly(reader.poll(1)).await;
    assert!(nothing.is_none(), "{nothing:?}");
    rig.publish_numbers(topic, 0, [10]).await;
    assert_eq!(numbers(&rig.next(reader.as_mut(), 1).await), [10]);
}

async fn a_group_that_never_was_can_be_given_offsets(rig: Rig) {
    let topic = rig.topic("given", 1).await;
    let positions = rig.publish_numbers(topic, 0, 0..4).await;
    rig.bus.set_offsets("given", &positions[2..3]).await.unwrap();
    let mut reader = rig.subscribe("given", &[topic]).await;
    assert_eq!(numbers(&rig.next(reader.as_mut(), 2).await), [2, 3]);
}

async fn a_group_with_members_is_not_moved(rig: Rig) {
    let topic = rig.topic("busy", 1).await;
    rig.publish_numbers(topic, 0, 0..4).await;
    let mut reader = rig.subscribe("busy", &[topic]).await;
    rig.next(reader.as_mut(), 1).await;
    let refused = rig.bus.set_offsets("busy", &[at(topic, 0, 3)]).await.unwrap_err();
    assert_eq!(refused, BusError::GroupActive("busy".into()));
    assert_eq!(numbers(&rig.next(reader.as_mut(), 1).await), [1]);
    drop(reader);
    rig.bus.set_offsets("busy", &[at(topic, 0, 3)]).await.unwrap();
}

async fn a_time_finds_the_first_record_from_then_on(rig: Rig) {
    let topic = rig.topic("times", 2).await;
    let mut positions = vec![];
    for n in 0..3 {
        rig.env.pass(2).await;
        positions.extend(rig.publish_numbers(topic, 0, [n * 2, n * 2 + 1]).await);
        rig.publish_numbers(topic, 1, [n]).await;
    }
    rig.env.pass(2).await;
    let records = rig.all_from(topic, 0, 0).await;
    assert!(records.is_sorted_by_key(|record| record.timestamp));
    let find = async |time| rig.bus.offset_at(topic, 0, time).await.unwrap();
    for pair in [0, 2, 4] {
        let time = records[pair].timestamp;
        assert_eq!(find(time).await, positions[pair].offset, "at its time: the first of two");
        let earlier = time - Duration::from_millis(1);
        assert_eq!(find(earlier).await, positions[pair].offset, "just before its time");
    }
    let first = records[0].timestamp - Duration::from_hours(1);
    assert_eq!(find(first).await, positions[0].offset);
    let end = rig.partition(topic, 0).await.end;
    assert_eq!(find(records[5].timestamp + Duration::from_millis(1)).await, end);
    assert_eq!(find(records[5].timestamp + Duration::from_hours(1)).await, end);
}

async fn an_empty_partition_has_no_record_at_any_time(rig: Rig) {
    let topic = rig.topic("timeless", 1).await;
    let now = rig.env.clock.now();
    for time in [now - Duration::from_mins(1), now, now + Duration::from_mins(1)] {
        assert_eq!(rig.bus.offset_at(topic, 0, time).await.unwrap(), 0, "the end");
    }
}

async fn a_restart_finds_records_and_offsets(rig: Rig) {
    let topic = rig.topic("restart", 2).await;
    rig.publish_numbers(topic, 0, 0..5).await;
    rig.publish_numbers(topic, 1, 5..8).await;
    let mut reader = rig.subscribe("restart", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 8).await;
    let second = polled.iter().filter(|record| record.at.partition == 0).nth(1).unwrap();
    reader.commit(&[after(second)]).await.unwrap();
    drop(reader);
    let before = [rig.all_from(topic, 0, 0).await, rig.all_from(topic, 1, 0).await];
    let ends = [rig.partition(topic, 0).await, rig.partition(topic, 1).await];
    let rig = rig.restarted();
    assert_eq!([rig.all_from(topic, 0, 0).await, rig.all_from(topic, 1, 0).await], before);
    assert_eq!([rig.partition(topic, 0).await, rig.partition(topic, 1).await], ends);
    let mut reader = rig.subscribe("restart", &[topic]).await;
    let mut rest = numbers(&rig.next(reader.as_mut(), 6).await);
    rest.sort_unstable();
    assert_eq!(rest, [2, 3, 4, 5, 6, 7]);
    assert_eq!(rig.publish_numbers(topic, 0, [9]).await, [at(topic, 0, ends[0].end)]);
}
