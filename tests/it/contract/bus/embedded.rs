//! What the embedded log promises beyond the port: retention on demand, times that never fall, and
//! an end that outlives the records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ecom::adapters::bus::EmbeddedLog;
use ecom::adapters::sqlite::Schema;
use ecom::domain::Timestamp;
use ecom::ports::{BusError, Clock, EventBus};
use futures::future::BoxFuture;

use super::{Rig, after, at, numbers};
use crate::contract::env::{self, Env};
use crate::contract::journal::Place;

const KEPT: Duration = Duration::from_mins(1);

/// Runs `case` on a log in memory that can be pruned.
fn pruned<F: Future<Output = ()> + Send + 'static>(case: fn(Rig, EmbeddedLog, Arc<Place>) -> F) {
    env::simulated(|env| {
        let place = Arc::new(Place::memory(Schema::SHOP));
        let (log, rig) = open(&env, &place);
        case(rig, log, place)
    });
}

fn open(env: &Env, place: &Place) -> (EmbeddedLog, Rig) {
    let log = EmbeddedLog::open(place.open(), Arc::clone(&env.clock)).unwrap();
    let bus = log.clone();
    (log, Rig::new(env.clone(), move || Arc::new(bus.clone())))
}

/// Ten records, of which five are past their retention.
async fn half_are_old(rig: &Rig, topic: &str) {
    assert!(rig.bus.create_topic(topic, 1, Some(KEPT)).await.unwrap());
    rig.publish_numbers(topic, 0, 0..5).await;
    rig.env.clock.sleep(KEPT).await;
    rig.env.pass(1).await;
    rig.publish_numbers(topic, 0, 5..10).await;
}

#[test]
fn retention_removes_what_is_old_and_keeps_the_offsets() {
    pruned(|rig, log, place| async move {
        half_are_old(&rig, "old").await;
        assert_eq!(log.prune().await.unwrap(), 5);
        assert_eq!(log.prune().await.unwrap(), 0, "once");
        let info = rig.partition("old", 0).await;
        assert_eq!((info.start, info.end), (5, 10));
        let left = rig.bus.read(&at("old", 0, 0), 100).await.unwrap();
        assert_eq!((numbers(&left), left[0].at.offset), (vec![5, 6, 7, 8, 9], 5));
        assert_eq!(rig.bus.offset_at("old", 0, Timestamp::default()).await.unwrap(), 5);
        let (_, rig) = open(&rig.env, &place);
        assert_eq!(rig.partition("old", 0).await, info);
        assert_eq!(rig.bus.read(&at("old", 0, 0), 100).await.unwrap(), left);
    });
}

#[test]
fn a_group_that_is_behind_moves_on_to_the_first_that_is_left() {
    pruned(|rig, log, _| async move {
        half_are_old(&rig, "behind").await;
        rig.bus.set_offsets("behind", &[at("behind", 0, 2)]).await.unwrap();
        assert_eq!(log.prune().await.unwrap(), 5);
        let group = rig.bus.groups().await.unwrap().remove(0);
        assert_eq!((group.committed, group.lag), (2, 5), "what is gone is not unread");
        let mut reader = rig.subscribe("behind", &["behind"]).await;
        assert_eq!(numbers(&rig.next(reader.as_mut(), 5).await), [5, 6, 7, 8, 9]);
    });
}

#[test]
fn what_a_member_has_not_committed_is_not_removed() {
    pruned(|rig, log, place| async move {
        half_are_old(&rig, "unread").await;
        let mut reader = rig.subscribe("unread", &["unread"]).await;
        assert_eq!(log.prune().await.unwrap(), 0);
        let polled = rig.next(reader.as_mut(), 3).await;
        reader.commit(&[polled[2].at.clone()]).await.unwrap();
        assert_eq!(log.prune().await.unwrap(), 2);
        drop(reader);
        assert_eq!(log.prune().await.unwrap(), 0, "it may be starting again");
        let (log, _rig) = open(&rig.env, &place);
        assert_eq!(log.prune().await.unwrap(), 3, "nobody has asked for it since the start");
    });
}

#[test]
fn an_emptied_partition_goes_on_where_it_ended() {
    pruned(|rig, log, place| async move {
        half_are_old(&rig, "emptied").await;
        rig.env.clock.sleep(KEPT * 2).await;
        assert_eq!(log.prune().await.unwrap(), 10);
        for n in 0..2 {
            let (_, rig) = open(&rig.env, &place);
            let info = rig.partition("emptied", 0).await;
            assert_eq!((info.start, info.end), (10, 10 + n));
            let next = rig.publish_numbers("emptied", 0, [n]).await;
            assert_eq!(next, [at("emptied", 0, 10 + n)]);
        }
    });
}

#[test]
fn what_is_kept_for_ever_is_never_removed() {
    pruned(|rig, log, _| async move {
        let topic = rig.topic("for.ever", 1).await;
        rig.publish_numbers(topic, 0, 0..5).await;
        rig.env.clock.sleep(Duration::from_hours(87600)).await;
        assert_eq!(log.prune().await.unwrap(), 0);
    });
}

/// A clock that is set by hand, backwards too.
#[derive(Clone, Default)]
struct HandClock(Arc<AtomicI64>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn times_never_fall_even_if_the_clock_does() {
    env::simulated(|env| async move {
        let clock = HandClock::default();
        let journal = Place::memory(Schema::SHOP).open();
        let log = EmbeddedLog::open(journal, Arc::new(clock.clone())).unwrap();
        let bus = log.clone();
        let rig = Rig::new(env, move || Arc::new(bus.clone()));
        let topic = rig.topic("clock", 1).await;
        for (n, ms) in [(0, 1_000), (1, 400), (2, 700), (3, 2_000)] {
            clock.0.store(ms, Ordering::SeqCst);
            rig.publish_numbers(topic, 0, [n]).await;
        }
        let times = rig.all_from(topic, 0, 0).await;
        let times: Vec<i64> = times.iter().map(|record| record.timestamp.millis()).collect();
        assert_eq!(times, [1_000, 1_000, 1_000, 2_000]);
        for (ms, first) in [(400, 0), (1_000, 0), (1_001, 3), (2_000, 3), (2_001, 4)] {
            let found = log.offset_at(topic, 0, Timestamp::from_millis(ms)).await.unwrap();
            assert_eq!(found, first, "{ms} ms");
        }
    });
}

#[test]
fn a_log_may_be_dropped_with_the_answer_still_warm() {
    for _ in 0..5 {
        env::live(|env| async move {
            let rig = Rig::embedded(env, Place::folder(Schema::SHOP));
            let topic = rig.topic("warm", 1).await;
            rig.publish_numbers(topic, 0, 0..3).await;
            let rig = rig.restarted();
            assert_eq!(numbers(&rig.all_from(topic, 0, 0).await), [0, 1, 2]);
        });
    }
}

#[test]
fn a_member_that_did_not_look_still_lost_its_partition() {
    pruned(|rig, _, _| async move {
        let topic = rig.topic("unseen", 2).await;
        let mut one = rig.subscribe("unseen", &[topic]).await;
        rig.publish_numbers(topic, 0, 0..5).await;
        rig.publish_numbers(topic, 1, 0..5).await;
        rig.next(one.as_mut(), 10).await;
        // Another takes one of the partitions, gets further, and goes.
        let mut other = rig.subscribe("unseen", &[topic]).await;
        let taken = rig.next(other.as_mut(), 4).await;
        assert_eq!(numbers(&taken), [0, 1, 2, 3], "nothing was committed");
        other.commit(&[after(&taken[3])]).await.unwrap();
        drop(other);
        let refused = one.commit(&[after(&taken[1])]).await.unwrap_err();
        assert!(matches!(refused, BusError::Fenced(_)), "{refused}");
        let again = rig.next(one.as_mut(), 1).await;
        assert_eq!((again[0].at.partition, numbers(&again)), (taken[0].at.partition, vec![4]));
        let nothing = rig.env.briefly(one.poll(1)).await;
        assert!(nothing.is_none(), "what was never lost goes on: {nothing:?}");
    });
}

#[test]
fn many_members_take_every_record_once() {
    pruned(|rig, _, _| async move {
        let topic = rig.topic("crowd", 6).await;
        let mut members = vec![];
        for _ in 0..4 {
            members.push(rig.subscribe("crowd", &[topic]).await);
        }
        for partition in 0..6 {
            rig.publish_numbers(topic, partition, 0..20).await;
        }
        let mut taken: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        let mut readers: BTreeSet<(u32, usize)> = BTreeSet::new();
        for (n, member) in members.iter_mut().enumerate() {
            while let Some(polled) = rig.env.briefly(member.poll(7)).await {
                let polled = polled.unwrap();
                for (record, number) in polled.iter().zip(numbers(&polled)) {
                    taken.entry(record.at.partition).or_default().push(number);
                    readers.insert((record.at.partition, n));
                }
            }
        }
        assert_eq!(readers.len(), 6, "one reader for each partition: {readers:?}");
        assert!(taken.values().all(|numbers| *numbers == (0..20).collect::<Vec<_>>()), "{taken:?}");
    });
}
