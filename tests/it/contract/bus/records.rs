//! Publishing and reading: nothing is lost, added, changed or put in another order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ecom::events::Topic;
use ecom::ports::bus::{
    BusError, DEAD_LETTER_BYTES_MAX, NewRecord, RECORD_BYTES_MAX, Record, RecordHeader,
    partition_of,
};

use super::{Rig, at, fixed, keyed, numbers};

on_every_bus! {
    publishing_tells_where_each_record_stands,
    a_key_keeps_its_order_under_concurrent_producers,
    a_key_has_the_partition_that_kafka_gives_it,
    a_fixed_partition_overrules_the_key,
    a_record_without_a_key_lands_on_some_partition,
    bytes_are_kept_exactly,
    a_tombstone_is_not_an_empty_value,
    an_empty_batch_is_nothing,
    a_read_takes_what_was_asked_for_and_goes_on_after_it,
    reading_past_the_end_finds_nothing,
    a_large_record_is_taken_and_a_larger_one_refused,
    a_dead_letter_of_a_largest_record_fits,
    ten_thousand_small_records_arrive_in_order,
}

async fn publishing_tells_where_each_record_stands(rig: Rig) {
    let topic = rig.topic("positions", 2).await;
    let before = rig.partition(topic, 1).await;
    assert_eq!((before.start, before.end), (0, 0));
    let records = vec![fixed(topic, 1, 0), fixed(topic, 0, 1), fixed(topic, 1, 2)];
    let positions = rig.publish(records).await;
    assert_eq!(positions[0], at(topic, 1, 0), "offsets begin at 0");
    assert_eq!(positions[1], at(topic, 0, 0));
    assert!(positions[2].offset > positions[0].offset);
    for (n, position) in positions.iter().enumerate() {
        let found = rig.bus.read(position, 1).await.unwrap();
        assert_eq!((&found[0].at, numbers(&found)), (position, vec![n as u64]));
    }
    let next = rig.partition(topic, 1).await.end;
    assert_eq!(rig.publish_numbers(topic, 1, [3]).await, [at(topic, 1, next)]);
}

async fn a_key_keeps_its_order_under_concurrent_producers(rig: Rig) {
    let topic = rig.topic("producers", 3).await;
    let producers = (0..8u64).map(|producer| {
        let bus = Arc::clone(&rig.bus);
        async move {
            for n in 0..10u64 {
                // Each producer has a key of its own, and all share one.
                let value = (producer * 1_000 + n).to_string();
                let own = keyed(topic, format!("own-{producer}"), value.clone());
                bus.publish(vec![own, keyed(topic, "shared", value)]).await.unwrap();
            }
        }
    });
    rig.env.at_once(producers).await;
    let mut by_key_and_producer: BTreeMap<(Bytes, u64), Vec<u64>> = BTreeMap::new();
    let mut partitions: BTreeMap<Bytes, u32> = BTreeMap::new();
    for partition in 0..3 {
        let records = rig.all_from(topic, partition, 0).await;
        assert!(records.is_sorted_by(|a, b| a.at.offset < b.at.offset));
        for (record, number) in records.iter().zip(numbers(&records)) {
            let key = record.key.clone().unwrap();
            assert_eq!(*partitions.entry(key.clone()).or_insert(partition), partition);
            by_key_and_producer.entry((key, number / 1_000)).or_default().push(number % 1_000);
        }
    }
    assert_eq!(by_key_and_producer.len(), 16);
    for ((key, producer), sequence) in by_key_and_producer {
        assert_eq!(sequence, (0..10).collect::<Vec<_>>(), "{key:?} of producer {producer}");
    }
}

async fn a_key_has_the_partition_that_kafka_gives_it(rig: Rig) {
    // Hashes from org.apache.kafka.common.utils.UtilsTest.testMurmur2.
    let hashes: [(&str, i32); 4] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("abc", 479_470_107),
    ];
    let topic = rig.topic("murmur", 7).await;
    for (key, hash) in hashes {
        let expected = (hash as u32 & 0x7fff_ffff) % 7;
        let position = rig.publish(vec![keyed(topic, key, "")]).await.remove(0);
        assert_eq!(position.partition, expected, "{key}");
    }
    let rig = rig.restarted();
    for n in 0..50 {
        let key = format!("ORD-{n}");
        let position = rig.publish(vec![keyed(topic, key.clone(), "")]).await.remove(0);
        assert_eq!(position.partition, partition_of(key.as_bytes(), 7), "{key}");
    }
}

async fn a_fixed_partition_overrules_the_key(rig: Rig) {
    let topic = rig.topic("fixed", 3).await;
    for partition in 0..3 {
        let position = rig.publish(vec![fixed(topic, partition, 1)]).await.remove(0);
        assert_eq!(position.partition, partition);
    }
}

async fn a_record_without_a_key_lands_on_some_partition(rig: Rig) {
    let topic = rig.topic("keyless", 3).await;
    let keyless = NewRecord { key: None, ..keyed(topic, "", "v") };
    for position in rig.publish(vec![keyless; 10]).await {
        assert!(position.partition < 3);
        let found = rig.bus.read(&position, 1).await.unwrap().remove(0);
        assert_eq!((&found.key, found.value.as_deref()), (&None, Some(b"v".as_slice())));
    }
}

/// Publishes `records` to one partition; as they are right after, as they are once larger ones have
/// followed, which no memory of the newest holds any more, and as the next process finds them.
async fn kept(rig: Rig, topic: &'static str, records: Vec<NewRecord>) -> [Vec<Arc<Record>>; 3] {
    let count = records.len();
    rig.publish(records).await;
    let fresh = rig.bus.read(&at(topic, 0, 0), count).await.unwrap();
    for _ in 0..3 {
        rig.publish(vec![NewRecord { value: Some(vec![7; 1 << 20].into()), ..fixed(topic, 0, 0) }])
            .await;
    }
    let buried = rig.bus.read(&at(topic, 0, 0), count).await.unwrap();
    let rig = rig.restarted();
    let later = rig.bus.read(&at(topic, 0, 0), count).await.unwrap();
    [fresh, buried, later]
}

async fn bytes_are_kept_exactly(rig: Rig) {
    let topic = rig.topic("bytes", 1).await;
    let every: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let header = |name: &str, value: &[u8]| (name.to_owned(), Bytes::copy_from_slice(value));
    let headers: Vec<RecordHeader> = vec![
        header("z", b"last comes first"),
        header("a", &every),
        header("twice", b"1"),
        header("twice", b"2"),
        header("", b"no name"),
        header("Größe 🛒", b""),
    ];
    let written = vec![
        NewRecord { headers, ..keyed(topic, every.clone(), every.clone()) },
        keyed(topic, "", ""),
        keyed(topic, vec![0], vec![0xff, 0xfe, 0]),
    ];
    for read in kept(rig, topic, written.clone()).await {
        assert_eq!(read.len(), written.len());
        for (read, written) in read.iter().zip(&written) {
            assert_eq!(read.key, written.key);
            assert_eq!(read.headers, written.headers, "in order, with repeats");
            assert_eq!(read.value, written.value);
        }
        assert_eq!(read[0].header("twice"), Some("2"));
    }
}

async fn a_tombstone_is_not_an_empty_value(rig: Rig) {
    let topic = rig.topic("tombstones", 1).await;
    let empty = keyed(topic, "k", "");
    let tombstone = NewRecord { value: None, ..empty.clone() };
    let keyless = NewRecord { key: None, ..empty.clone() };
    for read in kept(rig, topic, vec![empty, tombstone, keyless]).await {
        let nothing = Some(Bytes::new());
        let found: Vec<_> = read.iter().map(|r| (r.key.clone(), r.value.clone())).collect();
        let key = Some(Bytes::from("k"));
        assert_eq!(found, [(key.clone(), nothing.clone()), (key, None), (None, nothing)]);
    }
}

async fn an_empty_batch_is_nothing(rig: Rig) {
    let topic = rig.topic("nothing", 1).await;
    assert_eq!(rig.publish(vec![]).await, []);
    assert_eq!(rig.partition(topic, 0).await.end, 0);
}

async fn a_read_takes_what_was_asked_for_and_goes_on_after_it(rig: Rig) {
    let topic = rig.topic("pages", 1).await;
    let positions = rig.publish_numbers(topic, 0, 0..10).await;
    let first = rig.bus.read(&positions[0], 4).await.unwrap();
    assert_eq!(numbers(&first), [0, 1, 2, 3]);
    let rest = rig.bus.read(&positions[4], 100).await.unwrap();
    assert_eq!(numbers(&rest), [4, 5, 6, 7, 8, 9]);
    let again = rig.bus.read(&positions[8], 1).await.unwrap();
    assert_eq!(numbers(&again), [8], "reading without a group remembers nothing");
}

async fn reading_past_the_end_finds_nothing(rig: Rig) {
    let topic = rig.topic("end", 2).await;
    rig.publish_numbers(topic, 0, 0..3).await;
    let end = rig.partition(topic, 0).await.end;
    for offset in [end, end + 1, end + 1_000_000] {
        assert_eq!(rig.bus.read(&at(topic, 0, offset), 10).await.unwrap(), []);
    }
    assert_eq!(rig.bus.read(&at(topic, 1, 0), 10).await.unwrap(), [], "never written to");
}

async fn a_large_record_is_taken_and_a_larger_one_refused(rig: Rig) {
    let topic = rig.topic("large", 1).await;
    let of_size = |size: usize| NewRecord {
        key: None,
        value: Some(vec![b'x'; size].into()),
        ..fixed(topic, 0, 0)
    };
    rig.publish(vec![of_size(1 << 20)]).await;
    rig.publish(vec![of_size(RECORD_BYTES_MAX)]).await;
    let mut too_large = of_size(RECORD_BYTES_MAX);
    too_large.headers.push(("h".to_owned(), Bytes::new()));
    let refused = rig.bus.publish(vec![too_large, fixed(topic, 0, 1)]).await.unwrap_err();
    assert!(matches!(&refused, BusError::TooLarge { size, max } if size > max), "{refused}");
    assert!(!refused.is_transient(), "it will never be smaller");
    rig.publish_numbers(topic, 0, [2]).await;
    let sizes: Vec<usize> = rig
        .all_from(topic, 0, 0)
        .await
        .iter()
        .map(|record| record.value.as_ref().unwrap().len())
        .filter(|size| *size > 1)
        .collect();
    assert_eq!(sizes, [1 << 20, RECORD_BYTES_MAX]);
}

async fn a_dead_letter_of_a_largest_record_fits(rig: Rig) {
    let topic = rig.topic(Topic::DlqEvents.as_str(), 1).await;
    let of_size = |size: usize| NewRecord { key: None, ..keyed(topic, "", vec![b'x'; size]) };
    let position = rig.publish(vec![of_size(DEAD_LETTER_BYTES_MAX)]).await.remove(0);
    let found = rig.bus.read(&position, 1).await.unwrap().remove(0);
    assert_eq!(found.value.as_ref().unwrap().len(), DEAD_LETTER_BYTES_MAX);
    let refused = rig.bus.publish(vec![of_size(DEAD_LETTER_BYTES_MAX + 1)]).await;
    assert!(matches!(refused, Err(BusError::TooLarge { .. })), "{refused:?}");
}

async fn ten_thousand_small_records_arrive_in_order(rig: Rig) {
    let topic = rig.topic("many", 1).await;
    for batch in 0..20u64 {
        rig.publish_numbers(topic, 0, batch * 500..(batch + 1) * 500).await;
    }
    let mut reader = rig.subscribe("many", &[topic]).await;
    let polled = rig.next(reader.as_mut(), 10_000).await;
    assert_eq!(numbers(&polled), (0..10_000).collect::<Vec<_>>());
    assert_eq!(rig.all_from(topic, 0, 0).await, polled);
}
