//! Topics and their records, as they are shown and asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use super::blob::Blob;
use crate::domain::Timestamp;
use crate::ports::bus::{EventBus, NewRecord, Position, Record};

/// Records in one answer of a tail at most.
const BATCH: usize = 500;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicView {
    /// Its name.
    pub name: String,
    /// Records that can be read.
    pub records: u64,
    /// Its partitions.
    pub partitions: Vec<PartitionView>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionView {
    /// Which.
    pub partition: u32,
    /// The first offset that can be read.
    pub start: u64,
    /// The offset that the next record will get.
    pub end: u64,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// When it was appended.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Blob>,
    /// Its headers, in order.
    pub headers: Vec<HeaderView>,
    /// Its value.
    pub value: Option<Blob>,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderView {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Blob,
}

impl From<&Record> for RecordView {
    fn from(record: &Record) -> Self {
        let header = |(name, value): &(String, bytes::Bytes)| HeaderView {
            name: name.clone(),
            value: Blob::of(value),
        };
        Self {
            topic: record.at.topic.to_string(),
            partition: record.at.partition,
            offset: record.at.offset,
            timestamp: record.timestamp,
            key: record.key.as_deref().map(Blob::of),
            headers: record.headers.iter().map(header).collect(),
            value: record.value.as_deref().map(Blob::of),
        }
    }
}

/// A record to be appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecordView {
    /// Where to.
    #[serde(default)]
    pub topic: String,
    /// A fixed partition; without it, the key decides.
    pub partition: Option<u32>,
    /// Its key.
    pub key: Option<Blob>,
    /// Its headers.
    #[serde(default)]
    pub headers: Vec<HeaderView>,
    /// Its value.
    pub value: Option<Blob>,
}

impl NewRecordView {
    fn record(self) -> Result<NewRecord, OpsError> {
        let bytes = |what: &str, blob: Blob| {
            blob.bytes().ok_or_else(|| OpsError::Invalid(format!("the {what} is no base64")))
        };
        let header = |h: HeaderView| Ok((h.name, bytes("header", h.value)?));
        Ok(NewRecord {
            topic: self.topic,
            partition: self.partition,
            key: self.key.map(|key| bytes("key", key)).transpose()?,
            headers: self.headers.into_iter().map(header).collect::<Result<_, OpsError>>()?,
            value: self.value.map(|value| bytes("value", value)).transpose()?,
        })
    }
}

/// Where a tail begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TailStart {
    /// At the first record that is still there.
    Beginning,
    /// After the last.
    End,
    /// That many records before the end.
    Last(u64),
    /// At this offset of every partition.
    Offset(u64),
    /// At this time.
    Time(Timestamp),
    /// So many milliseconds ago.
    Ago(u64),
}

impl TailStart {
    /// Reads `beginning`, `end`, `-5m`, an offset, or an RFC 3339 time.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(ago) = text.strip_prefix('-') {
            let period: crate::app::config::Period = ago.parse()?;
            return Ok(Self::Ago(period.0.as_millis() as u64));
        }
        match text {
            "beginning" => Ok(Self::Beginning),
            "end" => Ok(Self::End),
            _ => text.parse().map(Self::Offset).or_else(|_| text.parse().map(Self::Time)).map_err(
                |_| format!("{text:?} is no start; write beginning, end, -5m, an offset or a time"),
            ),
        }
    }
}

/// Where a tail goes on: the next offset of each partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TailQuery {
    /// The topic.
    pub topic: String,
    /// By partition.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub next: BTreeMap<u32, u64>,
}

pub(super) async fn list(bus: &dyn EventBus) -> Result<Vec<TopicView>, OpsError> {
    let view = |topic: crate::ports::bus::TopicInfo| {
        let partitions: Vec<PartitionView> = topic
            .partitions
            .iter()
            .map(|p| PartitionView { partition: p.partition, start: p.start, end: p.end })
            .collect();
        TopicView {
            name: topic.name,
            records: partitions.iter().map(|p| p.end - p.start).sum(),
            partitions,
        }
    };
    Ok(bus.topics().await?.into_iter().map(view).collect())
}

pub(super) async fn tail_start(
    bus: &dyn EventBus,
    topic: &str,
    start: &TailStart,
    now: Timestamp,
) -> Result<TailQuery, OpsError> {
    let known = bus.topics().await?.into_iter().find(|known| known.name == topic);
    let known = known.ok_or_else(|| {
        OpsError::NotFound(format!("there is no topic {topic}; see `ecom topics list`"))
    })?;
    let time = match start {
        TailStart::Time(time) => Some(*time),
        TailStart::Ago(ms) => Some(now - Duration::from_millis(*ms)),
        _ => None,
    };
    let mut next = BTreeMap::new();
    for p in &known.partitions {
        let at = match (start, time) {
            (_, Some(time)) => bus.offset_at(topic, p.partition, time).await?,
            (TailStart::End, _) => p.end,
            (TailStart::Offset(offset), _) => (*offset).clamp(p.start, p.end),
            (
                TailStart::Last(_) | TailStart::Beginning | TailStart::Time(_) | TailStart::Ago(_),
                _,
            ) => p.start,
        };
        next.insert(p.partition, at);
    }
    if let TailStart::Last(count) = start {
        last(bus, topic, &known.partitions, *count, &mut next).await?;
    }
    Ok(TailQuery { topic: topic.to_owned(), next })
}

/// Moves the starts so that the `count` newest records of all partitions together remain.
async fn last(
    bus: &dyn EventBus,
    topic: &str,
    partitions: &[crate::ports::bus::PartitionInfo],
    count: u64,
    next: &mut BTreeMap<u32, u64>,
) -> Result<(), OpsError> {
    let mut newest: Vec<(Timestamp, u32, u64)> = vec![];
    for p in partitions {
        let from = Position {
            topic: topic.into(),
            partition: p.partition,
            offset: p.end.saturating_sub(count).max(p.start),
        };
        let records = bus.read(&from, count as usize).await?;
        newest.extend(records.iter().map(|r| (r.timestamp, r.at.partition, r.at.offset)));
        next.insert(p.partition, p.end);
    }
    newest.sort_unstable();
    for (_, partition, offset) in newest.into_iter().rev().take(count as usize) {
        let at = next.entry(partition).or_insert(offset);
        *at = offset.min(*at);
    }
    Ok(())
}

pub(super) async fn tail(
    bus: &dyn EventBus,
    query: &TailQuery,
) -> Result<(Vec<RecordView>, TailQuery), OpsError> {
    let mut records: Vec<Arc<Record>> = vec![];
    for (partition, offset) in &query.next {
        let from =
            Position { topic: query.topic.as_str().into(), partition: *partition, offset: *offset };
        records.extend(bus.read(&from, BATCH).await?);
    }
    records.sort_by_key(|record| (record.timestamp, record.at.partition, record.at.offset));
    records.truncate(BATCH);
    let mut next = query.clone();
    for record in &records {
        next.next.insert(record.at.partition, record.at.offset + 1);
    }
    Ok((records.iter().map(|record| RecordView::from(record.as_ref())).collect(), next))
}

pub(super) async fn produce(bus: &dyn EventBus, record: NewRecordView) -> Result<String, OpsError> {
    let at = bus.publish(vec![record.record()?]).await?;
    let at = at.first().ok_or_else(|| OpsError::Failed("the log did not say where".into()))?;
    Ok(at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_read_as_written() {
        assert_eq!(TailStart::parse("beginning"), Ok(TailStart::Beginning));
        assert_eq!(TailStart::parse("42"), Ok(TailStart::Offset(42)));
        assert_eq!(TailStart::parse("-5m"), Ok(TailStart::Ago(300_000)));
        assert!(matches!(TailStart::parse("2026-01-31T12:00:00Z"), Ok(TailStart::Time(_))));
        for bad in ["", "-", "-5", "yesterday", "1.5"] {
            assert!(TailStart::parse(bad).is_err(), "{bad}");
        }
    }
}
