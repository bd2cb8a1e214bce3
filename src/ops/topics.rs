//! Topics and their records, as they are shown and asked for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use super::blob::Blob;
use crate::domain::Timestamp;
use crate::domain::spelling::did_you_mean;
use crate::ports::bus::{BusError, EventBus, NewRecord, PartitionInfo, Record};

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

/// A place of a topic, in each of its partitions.
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
    /// Reads `beginning`, `end`, also by Kafka's names for them, `-5m`, an offset, or an RFC 3339 time.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(ago) = text.strip_prefix('-') {
            let period: crate::app::config::Period = ago.parse()?;
            return Ok(Self::Ago(period.0.as_millis() as u64));
        }
        match text {
            "beginning" | "earliest" => Ok(Self::Beginning),
            "end" | "latest" => Ok(Self::End),
            _ => text.parse().map(Self::Offset).or_else(|_| text.parse().map(Self::Time)).map_err(
                |_| format!("{text:?} is no start; write beginning, end, -5m, an offset or a time"),
            ),
        }
    }
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

/// What is said of a topic that is not there, where `names` are.
pub(super) fn unknown<'a>(topic: &str, names: impl IntoIterator<Item = &'a str>) -> OpsError {
    let near = match did_you_mean(topic, names) {
        none if none.is_empty() => "; see `ecom topics list`".to_owned(),
        near => near,
    };
    OpsError::NotFound(format!("there is no topic {topic}{near}"))
}

/// The partitions of a topic.
pub(super) async fn partitions(
    bus: &dyn EventBus,
    topic: &str,
) -> Result<Vec<PartitionInfo>, OpsError> {
    let mut topics = bus.topics().await?;
    match topics.iter().position(|known| known.name == topic) {
        Some(at) => Ok(topics.swap_remove(at).partitions),
        None => Err(unknown(topic, topics.iter().map(|known| known.name.as_str()))),
    }
}

pub(super) async fn produce(bus: &dyn EventBus, record: NewRecordView) -> Result<String, OpsError> {
    let record = record.record()?;
    let topic = record.topic.clone();
    let at = match bus.publish(vec![record]).await {
        Err(BusError::Unknown(what)) => {
            partitions(bus, &topic).await?;
            return Err(BusError::Unknown(what).into());
        }
        done => done?,
    };
    let at = at.first().ok_or_else(|| OpsError::Failed("the log did not say where".into()))?;
    Ok(at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_read_as_written() {
        assert_eq!(TailStart::parse("beginning"), Ok(TailStart::Beginning));
        assert_eq!(TailStart::parse("earliest"), Ok(TailStart::Beginning));
        assert_eq!(TailStart::parse("latest"), Ok(TailStart::End));
        assert_eq!(TailStart::parse("42"), Ok(TailStart::Offset(42)));
        assert_eq!(TailStart::parse("-5m"), Ok(TailStart::Ago(300_000)));
        assert!(matches!(TailStart::parse("2026-01-31T12:00:00Z"), Ok(TailStart::Time(_))));
        for bad in ["", "-", "-5", "yesterday", "1.5"] {
            assert!(TailStart::parse(bad).is_err(), "{bad}");
        }
    }
}
