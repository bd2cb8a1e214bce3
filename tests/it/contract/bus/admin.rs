//! Looking after topics and groups, and reading whole topics.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ecom::domain::Timestamp;
use ecom::ports::admin::{ConfigOrigin, Glimpse, GroupState, Look, NewTopic, RETENTION_MS};
use ecom::ports::bus::{BusError, NewRecord, Record};
use ecom::ports::clock::timeout;

use super::{Rig, after, at, fixed, numbers};

on_every_bus! {
    a_topic_is_described_with_what_there_is,
    a_topic_is_made_as_it_is_asked_for,
    what_cannot_be_made_is_refused_and_not_made,
    a_deleted_topic_is_gone_with_all_that_was_known_of_it,
    what_is_truncated_is_gone_and_the_rest_stays_where_it_is,
    a_group_behind_what_was_truncated_goes_on_with_what_is_left,
    a_group_tells_its_members,
    a_group_is_forgotten_only_without_members,
    a_scan_reads_all_partitions_to_their_ends_and_on,
    a_scan_copies_what_is_wanted_and_tells_how_far_it_looked,
}

fn wanted(name: &str, partitions: u32) -> NewTopic {
    NewTopic { name: name.to_owned(), partitions, ..NewTopic::default() }
}

/// Looks until `holds`.
async fn until<F: Future<Output = bool>>(rig: &Rig, what: &str, holds: impl Fn() -> F) {
    let looking = async {
        while !holds().await {
            rig.env.pass(1).await;
        }
    };
    let long = Duration::from_secs(20);
    timeout(rig.env.clock.as_ref(), long, looking).await.unwrap_or_else(|| panic!("{what}"));
}

async fn a_topic_is_described_with_what_there_is(rig: Rig) {
    let topic = rig.topic("described", 2).await;
    rig.publish_numbers(topic, 1, 0..3).await;
    let found = rig.admin.describe_topic(topic).await.unwrap();
    let infos: Vec<_> = found.partitions.iter().map(|p| p.info.clone()).collect();
    assert_eq!(infos, [rig.partition(topic, 0).await, rig.partition(topic, 1).await]);
    let kept = found.config.iter().find(|entry| entry.name == RETENTION_MS).unwrap();
    assert_eq!(kept.value.as_deref(), Some("-1"));
    assert!(found.config.is_sorted_by_key(|entry| &entry.name));
    for p in &found.partitions {
        assert!(p.copies.is_some() != p.bytes.is_some(), "copies are a cluster's: {p:?}");
        if let Some(copies) = &p.copies {
            let leader = copies.leader.unwrap();
            assert!(copies.replicas.contains(&leader) && copies.in_sync.contains(&leader));
        }
    }
    if let Some(bytes) = found.partitions[1].bytes {
        assert_eq!((bytes, found.partitions[0].bytes), (6, Some(0)), "three keys, three digits");
    }
    let unknown = rig.admin.describe_topic("unheard.of").await.unwrap_err();
    assert!(matches!(unknown, BusError::Unknown(_)), "{unknown}");
}

async fn a_topic_is_made_as_it_is_asked_for(rig: Rig) {
    let config: BTreeMap<_, _> = [(RETENTION_MS.to_owned(), "60000".to_owned())].into();
    let topic = NewTopic { config, replication: Some(1), ..wanted("made", 2) };
    rig.admin.make_topic(&topic).await.unwrap();
    let rig = rig.restarted();
    let found = rig.admin.describe_topic("made").await.unwrap();
    assert_eq!(found.partitions.len(), 2);
    let kept = found.config.iter().find(|entry| entry.name == RETENTION_MS).unwrap();
    assert_eq!((kept.value.as_deref(), kept.origin), (Some("60000"), ConfigOrigin::Topic));
    rig.publish_numbers("made", 1, [7]).await;
    let again = rig.admin.make_topic(&topic).await.unwrap_err();
    assert!(matches!(&again, BusError::Invalid(text) if text.contains("already")), "{again}");
    assert_eq!(rig.partition("made", 1).await.end, 1, "and it keeps its records");
}

async fn what_cannot_be_made_is_refused_and_not_made(rig: Rig) {
    let with = |name: &str, value: &str| NewTopic {
        config: [(name.to_owned(), value.to_owned())].into(),
        ..wanted("never", 1)
    };
    let cases = [
        wanted("a b", 1),
        wanted("", 1),
        wanted("gr\u{fc}n", 1),
        NewTopic { replication: Some(99), ..wanted("never", 1) },
        with("no.such.setting", "1"),
        with(RETENTION_MS, "soon"),
    ];
    for case in cases {
        let refused = rig.admin.make_topic(&case).await.unwrap_err();
        assert!(matches!(refused, BusError::Invalid(_)), "{case:?}: {refused}");
    }
    assert!(rig.bus.topics().await.unwrap().iter().all(|topic| topic.name != "never"));
}

async fn a_deleted_topic_is_gone_with_all_that_was_known_of_it(rig: Rig) {
    let topic = rig.topic("deleted", 2).await;
    let other = rig.topic("kept", 1).await;
    rig.publish_numbers(topic, 1, 0..5).await;
    rig.publish_numbers(other, 0, 0..5).await;
    let next = [at(topic, 1, 4), at(other, 0, 3)];
    rig.bus.set_offsets("readers", &next).await.unwrap();
    rig.comes("readers", 2, |rows| rows.len()).await;
    rig.admin.delete_topic(topic).await.unwrap();
    let gone = rig.bus.read(&at(topic, 1, 0), 1).await.unwrap_err();
    assert!(matches!(gone, BusError::Unknown(_)), "{gone}");
    let refused = rig.bus.publish(vec![fixed(topic, 0, 1)]).await.unwrap_err();
    assert!(matches!(refused, BusError::Unknown(_)), "{refused}");
    let twice = rig.admin.delete_topic(topic).await.unwrap_err();
    assert!(matches!(twice, BusError::Unknown(_)), "{twice}");
    let rig = rig.restarted();
    assert!(rig.bus.topics().await.unwrap().iter().all(|known| known.name != topic));
    rig.comes("readers", vec![other.to_owned()], |rows| {
        rows.into_iter().map(|row| row.topic).collect()
    })
    .await;
    rig.topic("deleted", 1).await;
    rig.publish_numbers(topic, 0, [8, 9]).await;
    assert_eq!(numbers(&rig.all_from(topic, 0, 0).await), [8, 9], "nothing of before");
    let mut reader = rig.subscribe("readers", &[topic]).await;
    assert_eq!(numbers(&rig.next(reader.as_mut(), 2).await), [8, 9]);
}

async fn what_is_truncated_is_gone_and_the_rest_stays_where_it_is(rig: Rig) {
    let topic = rig.topic("truncated", 2).await;
    rig.publish_numbers(topic, 0, 0..10).await;
    rig.publish_numbers(topic, 1, 0..3).await;
    rig.admin.truncate(topic, &[(0, 4)].into()).await.unwrap();
    let bounds = async |partition| {
        let p = rig.partition(topic, partition).await;
        (p.start, p.end)
    };
    assert_eq!((bounds(0).await, bounds(1).await), ((4, 10), (0, 3)));
    let left = rig.all_from(topic, 0, 0).await;
    assert_eq!((numbers(&left), left[0].at.offset), ((4..10).collect(), 4));
    rig.admin.truncate(topic, &[(0, 2)].into()).await.unwrap();
    assert_eq!(bounds(0).await, (4, 10), "what is gone is gone");
    let beyond = rig.admin.truncate(topic, &[(0, 11)].into()).await.unwrap_err();
    assert!(matches!(beyond, BusError::Invalid(_)), "{beyond}");
    rig.admin.truncate(topic, &[(0, 10), (1, 3)].into()).await.unwrap();
    assert_eq!((bounds(0).await, bounds(1).await), ((10, 10), (3, 3)));
    assert_eq!(rig.publish_numbers(topic, 0, [10]).await, [at(topic, 0, 10)], "offsets go on");
    assert_eq!(numbers(&rig.all_from(topic, 0, 0).await), [10]);
    for unknown in [
        rig.admin.truncate("unheard.of", &[(0, 0)].into()).await,
        rig.admin.truncate(topic, &[(2, 0)].into()).await,
    ] {
        assert!(matches!(unknown, Err(BusError::Unknown(_))), "{unknown:?}");
    }
    let rig = rig.restarted();
    assert_eq!(numbers(&rig.all_from(topic, 0, 0).await), [10], "on disk, too");
}

async fn a_group_behind_what_was_truncated_goes_on_with_what_is_left(rig: Rig) {
    let topic = rig.topic("overtaken", 1).await;
    rig.publish_numbers(topic, 0, 0..10).await;
    rig.bus.set_offsets("overtaken", &[at(topic, 0, 2)]).await.unwrap();
    rig.comes("overtaken", 1, |rows| rows.len()).await;
    rig.admin.truncate(topic, &[(0, 6)].into()).await.unwrap();
    rig.comes("overtaken", vec![4], |rows| rows.into_iter().map(|row| row.lag).collect()).await;
    let mut reader = rig.subscribe("overtaken", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 4).await;
    assert_eq!(numbers(&polled), [6, 7, 8, 9]);
    reader.commit(&[after(&polled[3])]).await.unwrap();
    rig.publish_numbers(topic, 0, [10]).await;
    assert_eq!(numbers(&rig.next(reader.as_mut(), 1).await), [10]);
}

async fn a_group_tells_its_members(rig: Rig) {
    let topic = rig.topic("members", 3).await;
    rig.publish_numbers(topic, 0, 0..2).await;
    let unknown = rig.admin.describe_group("told").await.unwrap_err();
    assert!(matches!(unknown, BusError::Unknown(_)), "{unknown}");
    let mut reader = rig.subscribe("told", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 2).await;
    reader.commit(&[after(&polled[1])]).await.unwrap();
    let stable = || async {
        let found = rig.admin.describe_group("told").await.unwrap();
        found.state == GroupState::Stable && !found.members[0].partitions.is_empty()
    };
    until(&rig, "it has a member", stable).await;
    let found = rig.admin.describe_group("told").await.unwrap();
    let [member] = &found.members[..] else { panic!("{found:?}") };
    let all: Vec<(String, u32)> = (0..3).map(|p| (topic.to_owned(), p)).collect();
    assert_eq!(member.partitions, all);
    assert!(!member.id.is_empty());
    assert_eq!(member.client.is_some(), member.host.is_some(), "a cluster's have both");
    drop(reader);
    let empty = || async {
        let found = rig.admin.describe_group("told").await.unwrap();
        (found.state, found.members.len()) == (GroupState::Empty, 0)
    };
    until(&rig, "it has none", empty).await;
}

async fn a_group_is_forgotten_only_without_members(rig: Rig) {
    let topic = rig.topic("forgotten", 1).await;
    rig.publish_numbers(topic, 0, 0..3).await;
    let mut reader = rig.subscribe("forgotten", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 3).await;
    reader.commit(&[after(&polled[2])]).await.unwrap();
    rig.comes("forgotten", 1, |rows| rows.len()).await;
    let refused = rig.admin.delete_group("forgotten").await.unwrap_err();
    assert_eq!(refused, BusError::GroupActive("forgotten".into()));
    rig.comes("forgotten", 1, |rows| rows.len()).await;
    drop(reader);
    until(&rig, "it is deleted", || async { rig.admin.delete_group("forgotten").await.is_ok() })
        .await;
    let twice = rig.admin.delete_group("forgotten").await.unwrap_err();
    assert!(matches!(twice, BusError::Unknown(_)), "{twice}");
    let rig = rig.restarted();
    let groups = rig.bus.groups().await.unwrap();
    assert!(groups.iter().all(|row| row.group != "forgotten"), "{groups:?}");
    let mut reader = rig.subscribe("forgotten", &[topic]).await;
    assert_eq!(numbers(&rig.next(reader.as_mut(), 3).await), [0, 1, 2], "from the beginning");
}

async fn a_scan_reads_all_partitions_to_their_ends_and_on(rig: Rig) {
    let topic = rig.topic("scanned", 3).await;
    rig.publish_numbers(topic, 0, 0..500).await;
    rig.publish_numbers(topic, 1, 0..20).await;
    let from = [(0, 0), (1, 15), (2, 0)].into();
    let mut scan = rig.admin.scan(topic, &from).await.unwrap();
    let look = look(u64::MAX, |_| true);
    let mut all: BTreeMap<u32, Vec<Arc<Record>>> = BTreeMap::new();
    for partition in [1, 2, 0] {
        loop {
            let looked = rig.env.patiently(scan.next(partition, &look)).await.unwrap();
            assert!(looked.count <= 64 && looked.records.len() as u64 == looked.count);
            assert!(looked.records.iter().all(|r| r.at.partition == partition));
            let last = looked.records.last().map(|r| (r.at.offset, r.timestamp));
            assert_eq!(looked.last, last);
            all.entry(partition).or_default().extend(looked.records);
            if looked.end {
                break;
            }
        }
    }
    assert_eq!(numbers(&all[&0]), (0..500).collect::<Vec<_>>());
    assert_eq!(numbers(&all[&1]), (15..20).collect::<Vec<_>>());
    assert_eq!(all[&0][..10], rig.bus.read(&at(topic, 0, 0), 10).await.unwrap());
    assert!(all[&2].is_empty());
    // At the end it looks again each time.
    rig.publish_numbers(topic, 2, [7]).await;
    let looking = async {
        loop {
            let looked = scan.next(2, &look).await.unwrap();
            if looked.count > 0 {
                return looked.records;
            }
            rig.env.pass(1).await;
        }
    };
    assert_eq!(numbers(&rig.env.patiently(looking).await), [7]);
    for unknown in [
        rig.admin.scan("unheard.of", &[(0, 0)].into()).await.map(drop),
        rig.admin.scan(topic, &[(3, 0)].into()).await.map(drop),
    ] {
        assert!(matches!(unknown, Err(BusError::Unknown(_))), "{unknown:?}");
    }
}

/// A look at 64 records at most, for those that are wanted.
fn look(until: u64, wanted: fn(&dyn Glimpse) -> bool) -> Look {
    Look { until, records: 64, bytes: 1 << 20, choice: Arc::new(wanted) }
}

async fn a_scan_copies_what_is_wanted_and_tells_how_far_it_looked(rig: Rig) {
    let topic = rig.topic("wanted", 1).await;
    let record = |n: u64| NewRecord {
        headers: vec![("kind".into(), "first".into()), ("kind".into(), n.to_string().into())],
        ..fixed(topic, 0, n)
    };
    rig.publish((0..200).map(record).collect()).await;
    rig.admin.truncate(topic, &[(0, 10)].into()).await.unwrap();
    let mut scan = rig.admin.scan(topic, &[(0, 0)].into()).await.unwrap();
    // Everything that can be seen of a record without a copy of it.
    let look = look(150, |seen| {
        assert_eq!((seen.topic(), seen.partition(), seen.key()), ("wanted", 0, Some(&b"k"[..])));
        let number = seen.offset().to_string();
        assert_eq!(seen.header("kind"), Some(number.as_bytes()), "the last of that name");
        assert_eq!((seen.value(), seen.header("none")), (Some(number.as_bytes()), None));
        assert!(seen.timestamp() >= Timestamp::default());
        seen.offset() % 50 == 0
    });
    let (mut found, mut count, mut ends) = (vec![], 0, 0);
    while ends < 2 {
        let looked = rig.env.patiently(scan.next(0, &look)).await.unwrap();
        found.extend(looked.records);
        count += looked.count;
        ends += u32::from(looked.end);
    }
    assert_eq!(numbers(&found), [50, 100]);
    assert_eq!(count, 140, "from the first that is left to the last before the end");
}
