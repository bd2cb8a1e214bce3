//! Topics: there or not, and made once.

use ecom::domain::Timestamp;
use ecom::ports::bus::BusError;
use futures::future::join_all;

use super::{Rig, at, fixed};

on_every_bus! {
    a_topic_is_created_once,
    many_who_create_a_topic_make_one,
    topics_are_listed_by_name_with_their_partitions,
    what_is_not_there_is_said_to_be_unknown,
}

async fn a_topic_is_created_once(rig: Rig) {
    assert!(rig.bus.create_topic("once", 3, None).await.unwrap());
    rig.publish_numbers("once", 2, [1]).await;
    assert!(!rig.bus.create_topic("once", 3, None).await.unwrap());
    assert_eq!(rig.partition("once", 2).await.end, 1, "and keeps its records");
    let refused = rig.bus.create_topic("once", 4, None).await.unwrap_err();
    assert!(!refused.is_transient(), "{refused}");
    let rig = rig.restarted();
    assert!(!rig.bus.create_topic("once", 3, None).await.unwrap());
}

async fn many_who_create_a_topic_make_one(rig: Rig) {
    let create = |_| rig.bus.create_topic("race", 3, None);
    let created = rig.env.patiently(join_all((0..8).map(create))).await;
    assert_eq!(created.iter().filter(|created| **created == Ok(true)).count(), 1, "{created:?}");
    assert_eq!(created.iter().filter(|created| **created == Ok(false)).count(), 7);
    assert_eq!(rig.partition("race", 2).await.end, 0);
}

async fn topics_are_listed_by_name_with_their_partitions(rig: Rig) {
    rig.topic("list.b", 2).await;
    rig.topic("list.a", 1).await;
    rig.publish_numbers("list.b", 1, [1, 2]).await;
    let listed = rig.bus.topics().await.unwrap();
    let ours: Vec<_> = listed
        .iter()
        .filter(|topic| topic.name.starts_with("list."))
        .map(|t| (&*t.name, t.partitions.iter().map(|p| (p.partition, p.start, p.end)).collect()))
        .collect::<Vec<(&str, Vec<_>)>>();
    assert_eq!(ours, [("list.a", vec![(0, 0, 0)]), ("list.b", vec![(0, 0, 0), (1, 0, 2)])]);
}

async fn what_is_not_there_is_said_to_be_unknown(rig: Rig) {
    let topic = rig.topic("known", 2).await;
    let bus = rig.bus.as_ref();
    let time = Timestamp::default();
    let attempts = [
        bus.publish(vec![fixed("unheard.of", 0, 1)]).await.map(drop),
        bus.publish(vec![fixed(topic, 2, 1)]).await.map(drop),
        bus.read(&at("unheard.of", 0, 0), 1).await.map(drop),
        bus.read(&at(topic, 2, 0), 1).await.map(drop),
        bus.offset_at("unheard.of", 0, time).await.map(drop),
        bus.offset_at(topic, 2, time).await.map(drop),
        bus.subscribe("lost", &[topic, "unheard.of"]).await.map(drop),
        bus.set_offsets("lost", &[at("unheard.of", 0, 0)]).await,
        bus.set_offsets("lost", &[at(topic, 0, 0), at(topic, 2, 0)]).await,
    ];
    for (n, attempt) in attempts.into_iter().enumerate() {
        let error = attempt.unwrap_err();
        assert!(matches!(error, BusError::Unknown(_)), "attempt {n}: {error}");
        assert!(!error.is_transient());
    }
    let groups = bus.groups().await.unwrap();
    assert!(groups.iter().all(|offset| offset.group != "lost"), "{groups:?}");
}
