//! What other systems say of a record that they gave up, each in headers of its own. The names are
//! theirs: KIP-1191 (share groups), Kafka Connect's context headers, KIP-1034 (Streams), Spring's
//! `KafkaHeaders`, `KafkaDeadLetterQueue` of `SmallRye`, Watermill's poison queue.

use crate::domain::closed_set::closed_set;
use crate::ports::bus::{Record, RecordHeader};

closed_set! {
    /// Who wrote a dead letter, as far as its headers tell.
    Family {
        /// A shop of this program.
        Ecom = "ecom",
        /// A broker, for a share group.
        ShareGroup = "share-group",
        /// Kafka Connect.
        Connect = "connect",
        /// Kafka Streams.
        Streams = "streams",
        /// Spring for Apache Kafka.
        Spring = "spring",
        /// `SmallRye` Reactive Messaging (Quarkus).
        SmallRye = "smallrye",
        /// Watermill.
        Watermill = "watermill",
        /// Anybody who writes `x-original-topic`.
        Plain = "plain",
        /// Nobody who is known.
        Unrecognised = "unrecognised",
    }
}

/// How a family writes its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// As decimal text.
    Text,
    /// As two's complement of four or eight bytes, the highest first; as text where they are not that long.
    Binary,
}

/// The headers of a family; of several, the first that is there counts.
struct Names {
    family: Family,
    /// What its headers' names begin with: most records have none of most families.
    marks: &'static [&'static str],
    numbers: Numbers,
    topic: &'static [&'static str],
    partition: &'static [&'static str],
    offset: &'static [&'static str],
    group: &'static [&'static str],
    service: &'static [&'static str],
    code: &'static [&'static str],
    reason: &'static [&'static str],
    /// Deliveries, the first included.
    attempts: &'static [&'static str],
    original_time: &'static [&'static str],
}

/// A family that says nothing.
const SILENT: Names = Names {
    family: Family::Unrecognised,
    marks: &[],
    numbers: Numbers::Text,
    topic: &[],
    partition: &[],
    offset: &[],
    group: &[],
    service: &[],
    code: &[],
    reason: &[],
    attempts: &[],
    original_time: &[],
};

/// In the order in which they are believed.
const FAMILIES: [Names; 7] = [
    Names {
        family: Family::ShareGroup,
        marks: &["__dlq.errors."],
        topic: &["__dlq.errors.topic"],
        partition: &["__dlq.errors.partition"],
        offset: &["__dlq.errors.offset"],
        group: &["__dlq.errors.group"],
        reason: &["__dlq.errors.message"],
        attempts: &["__dlq.errors.delivery.count"],
        ..SILENT
    },
    Names {
        family: Family::Connect,
        marks: &["__connect.errors."],
        topic: &["__connect.errors.topic"],
        partition: &["__connect.errors.partition"],
        offset: &["__connect.errors.offset"],
        service: &["__connect.errors.connector.name"],
        code: &["__connect.errors.exception.class.name"],
        reason: &["__connect.errors.exception.message"],
        ..SILENT
    },
    Names {
        family: Family::Streams,
        marks: &["__streams.errors."],
        topic: &["__streams.errors.topic"],
        partition: &["__streams.errors.partition"],
        offset: &["__streams.errors.offset"],
        code: &["__streams.errors.exception"],
        reason: &["__streams.errors.message"],
        ..SILENT
    },
    Names {
        family: Family::Spring,
        marks: &["kafka_dlt-", "kafka_original-", "kafka_exception-", "retry_topic-"],
        numbers: Numbers::Binary,
        topic: &["kafka_dlt-original-topic", "kafka_original-topic"],
        partition: &["kafka_dlt-original-partition", "kafka_original-partition"],
        offset: &["kafka_dlt-original-offset", "kafka_original-offset"],
        group: &["kafka_dlt-original-consumer-group"],
        // What was thrown is wrapped in what the container throws.
        code: &[
            "kafka_dlt-exception-cause-fqcn",
            "kafka_dlt-exception-fqcn",
            "kafka_exception-cause-fqcn",
            "kafka_exception-fqcn",
        ],
        reason: &["kafka_dlt-exception-message", "kafka_exception-message"],
        attempts: &["retry_topic-attempts"],
        original_time: &["kafka_dlt-original-timestamp", "kafka_original-timestamp"],
        ..SILENT
    },
    Names {
        family: Family::SmallRye,
        marks: &["dead-letter-"],
        topic: &["dead-letter-topic"],
        partition: &["dead-letter-partition"],
        offset: &["dead-letter-offset"],
        code: &["dead-letter-cause-class-name", "dead-letter-exception-class-name"],
        reason: &["dead-letter-cause", "dead-letter-reason"],
        ..SILENT
    },
    Names {
        family: Family::Watermill,
        marks: &["topic_poisoned", "handler_poisoned", "subscriber_poisoned", "reason_poisoned"],
        topic: &["topic_poisoned"],
        service: &["handler_poisoned", "subscriber_poisoned"],
        reason: &["reason_poisoned"],
        ..SILENT
    },
    Names {
        family: Family::Plain,
        marks: &["x-original-topic"],
        topic: &["x-original-topic"],
        ..SILENT
    },
];

/// What headers tell of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The first family of which anything was there.
    pub(super) family: Option<Family>,
    pub(super) topic: Option<String>,
    pub(super) partition: Option<u32>,
    pub(super) offset: Option<u64>,
    pub(super) group: Option<String>,
    pub(super) service: Option<String>,
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
    /// Deliveries, the first included.
    pub(super) attempts: Option<u64>,
    /// When the record was written at first, in ms since the epoch.
    pub(super) original_time: Option<i64>,
}

impl Told {
    /// Reads the headers of `record`. A family fills in what those before it did not tell.
    pub(super) fn of(record: &Record) -> Self {
        let mut told = Self::default();
        for names in &FAMILIES {
            if record.headers.iter().any(|(name, _)| names.mark(name)) {
                told.add(record, names);
            }
        }
        told
    }

    fn add(&mut self, record: &Record, names: &Names) {
        let before = self.clone();
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| record.header(name));
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let number = |all: &[&str]| all.iter().find_map(|name| number(record, name, names.numbers));
        let unsigned = |names: &[&str]| number(names).and_then(|n| u64::try_from(n).ok());
        self.topic = self.topic.take().or_else(|| text(names.topic));
        let partition = || unsigned(names.partition).and_then(|n| u32::try_from(n).ok());
        self.partition = self.partition.or_else(partition);
        self.offset = self.offset.or_else(|| unsigned(names.offset));
        self.group = self.group.take().or_else(|| text(names.group));
        self.service = self.service.take().or_else(|| text(names.service));
        self.code = self.code.take().or_else(|| text(names.code));
        self.reason = self.reason.take().or_else(|| text(names.reason));
        self.attempts = self.attempts.or_else(|| unsigned(names.attempts));
        self.original_time = self.original_time.or_else(|| number(names.original_time));
        if self.family.is_none() && *self != before {
            self.family = Some(names.family);
        }
    }
}

fn number(record: &Record, name: &str, numbers: Numbers) -> Option<i64> {
    let bytes = &record.headers.iter().rev().find(|(n, _)| n == name)?.1;
    if numbers == Numbers::Binary {
        if let Ok(four) = <[u8; 4]>::try_from(bytes.as_ref()) {
            return Some(i32::from_be_bytes(four).into());
        }
        if let Ok(eight) = <[u8; 8]>::try_from(bytes.as_ref()) {
            return Some(i64::from_be_bytes(eight));
        }
    }
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

impl Names {
    /// Whether a header is one of the family's.
    fn mark(&self, header: &str) -> bool {
        self.marks.iter().any(|mark| header.starts_with(mark))
    }
}

/// Whether a header tells of a failure, in whatever family: a record that is sent back goes without it.
fn tells_of_failure(header: &str) -> bool {
    header.starts_with("ecom-dlq-") || FAMILIES.iter().any(|names| names.mark(header))
}

/// Headers of `record` when it is sent back: none that tell of a failure or begin with one of `anew`, and
/// those that are `added`, if there is something in them.
pub(super) fn sent_back<const N: usize>(
    record: &Record,
    anew: &[&str],
    added: [(&str, String); N],
) -> Vec<RecordHeader> {
    let told =
        |name: &str| tells_of_failure(name) || anew.iter().any(|family| name.starts_with(family));
    let kept = record.headers.iter().filter(|(name, _)| !told(name)).cloned();
    let added = added.into_iter().filter(|(_, value)| !value.is_empty());
    kept.chain(added.map(|(name, value)| (name.to_owned(), value.into()))).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Timestamp;
    use crate::ports::bus::Position;

    fn record(headers: Vec<(&str, Vec<u8>)>) -> Record {
        Record {
            at: Position { topic: "orders-dlt".into(), partition: 0, offset: 7 },
            timestamp: Timestamp::from_millis(1_000),
            key: None,
            headers: headers.into_iter().map(|(n, v)| (n.to_owned(), Bytes::from(v))).collect(),
            value: None,
        }
    }

    fn text(headers: &[(&'static str, &str)]) -> Told {
        let owned = headers.iter().map(|(name, value)| (*name, value.as_bytes().to_vec()));
        Told::of(&record(owned.collect()))
    }

    #[test]
    fn share_groups() {
        let told = text(&[
            ("__dlq.errors.topic", "orders"),
            ("__dlq.errors.partition", "2"),
            ("__dlq.errors.offset", "41"),
            ("__dlq.errors.group", "billing"),
            ("__dlq.errors.delivery.count", "5"),
            ("__dlq.errors.message", "Offset rejected by client."),
        ]);
        assert_eq!(
            (told.family, told.topic, told.group),
            (Some(Family::ShareGroup), Some("orders".into()), Some("billing".into()))
        );
        assert_eq!((told.partition, told.offset, told.attempts), (Some(2), Some(41), Some(5)));
        assert_eq!((told.code, told.reason), (None, Some("Offset rejected by client.".into())));
    }

    #[test]
    fn connect() {
        let told = text(&[
            ("__connect.errors.topic", "orders"),
            ("__connect.errors.partition", "1"),
            ("__connect.errors.offset", "9"),
            ("__connect.errors.connector.name", "jdbc-sink"),
            ("__connect.errors.stage", "VALUE_CONVERTER"),
            (
                "__connect.errors.exception.class.name",
                "org.apache.kafka.connect.errors.DataException",
            ),
            ("__connect.errors.exception.message", "not JSON"),
        ]);
        assert_eq!((told.family, told.service), (Some(Family::Connect), Some("jdbc-sink".into())));
        assert_eq!(told.code, Some("org.apache.kafka.connect.errors.DataException".into()));
        assert_eq!(told.reason, Some("not JSON".into()));
    }

    #[test]
    fn streams() {
        let told = text(&[
            ("__streams.errors.exception", "java.lang.NumberFormatException"),
            ("__streams.errors.message", "For input string"),
            ("__streams.errors.topic", "clicks"),
            ("__streams.errors.partition", "0"),
            ("__streams.errors.offset", "3"),
        ]);
        assert_eq!((told.family, told.topic), (Some(Family::Streams), Some("clicks".into())));
        assert_eq!(told.code, Some("java.lang.NumberFormatException".into()));
    }

    #[test]
    fn spring_writes_numbers_as_bytes() {
        let told = Told::of(&record(vec![
            ("kafka_dlt-original-topic", b"orders".to_vec()),
            ("kafka_dlt-original-partition", 2_i32.to_be_bytes().to_vec()),
            ("kafka_dlt-original-offset", 45_i64.to_be_bytes().to_vec()),
            ("kafka_dlt-original-timestamp", 1_700_000_000_123_i64.to_be_bytes().to_vec()),
            ("kafka_dlt-original-consumer-group", b"billing".to_vec()),
            ("kafka_dlt-exception-fqcn", b"o.s.ListenerExecutionFailedException".to_vec()),
            ("kafka_dlt-exception-cause-fqcn", b"java.lang.IllegalStateException".to_vec()),
            ("kafka_dlt-exception-message", b"boom".to_vec()),
            ("retry_topic-attempts", 4_i32.to_be_bytes().to_vec()),
        ]));
        assert_eq!((told.family, told.partition), (Some(Family::Spring), Some(2)));
        assert_eq!((told.offset, told.attempts), (Some(45), Some(4)));
        assert_eq!(told.original_time, Some(1_700_000_000_123));
        assert_eq!(told.code, Some("java.lang.IllegalStateException".into()));
    }

    #[test]
    fn a_header_that_was_written_again_and_again_means_its_last_value() {
        let told = Told::of(&record(vec![
            ("kafka_dlt-original-topic", b"orders-retry-0".to_vec()),
            ("kafka_dlt-original-offset", 1_i64.to_be_bytes().to_vec()),
            ("kafka_dlt-original-offset", 2_i64.to_be_bytes().to_vec()),
        ]));
        assert_eq!(told.offset, Some(2));
    }

    #[test]
    fn smallrye_watermill_and_plain() {
        let told = text(&[
            ("dead-letter-exception-class-name", "java.lang.RuntimeException"),
            ("dead-letter-reason", "Something went wrong"),
            ("dead-letter-topic", "movies"),
            ("dead-letter-partition", "0"),
            ("dead-letter-offset", "12"),
        ]);
        assert_eq!((told.family, told.offset), (Some(Family::SmallRye), Some(12)));
        let told = text(&[
            ("topic_poisoned", "orders"),
            ("reason_poisoned", "dial tcp: refused"),
            ("handler_poisoned", "bill"),
        ]);
        assert_eq!((told.family, told.service), (Some(Family::Watermill), Some("bill".into())));
        assert_eq!(text(&[("x-original-topic", "orders")]).family, Some(Family::Plain));
        assert_eq!(text(&[("traceparent", "00-…")]), Told::default());
    }

    #[test]
    fn what_is_not_known_is_not_written() {
        let failed = record(vec![("ecom-replay-group", b"old".into()), ("trace", b"kept".into())]);
        let added = [("ecom-replay-group", String::new()), ("ecom-replay-count", "1".into())];
        let sent = sent_back(&failed, &["ecom-replay-"], added);
        let sent: Vec<&str> = sent.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(sent, ["trace", "ecom-replay-count"]);
    }

    proptest! {
        /// Whatever is written there, reading it never fails, and says whose it is.
        #[test]
        fn any_bytes_are_read(
            picks in proptest::collection::vec((0_usize..40, proptest::collection::vec(any::<u8>(), 0..12)), 0..12),
        ) {
            let all: Vec<&str> = FAMILIES
                .iter()
                .flat_map(|f| [f.topic, f.partition, f.offset, f.group, f.service, f.code, f.reason, f.attempts, f.original_time])
                .flatten()
                .copied()
                .collect();
            let headers = picks.into_iter().map(|(n, bytes)| (all[n % all.len()], bytes)).collect();
            let record = record(headers);
            let told = Told::of(&record);
            prop_assert_eq!(told.family.is_some(), told != Told::default());
            prop_assert!(record.headers.iter().all(|(name, _)| tells_of_failure(name)));
        }
    }
}
