//! Where letters go when they are sent back: to which topic, and to which of its partitions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::index::Indexed;
use super::replay::{ReplayReport, ReplayRequest};
use crate::ops::OpsError;
use crate::ops::blob::Blob;
use crate::ops::topics::unknown;
use crate::ports::bus::{EventBus, partition_of};

/// To which partition of its topic a letter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Route {
    /// The one of its key; without a key, the one that it came from.
    #[default]
    Auto,
    /// The one that it came from.
    Original,
    /// The one of its key; without a key, any.
    Key,
    /// This one.
    Fixed(u32),
}

impl std::str::FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "original" => Ok(Self::Original),
            "key" => Ok(Self::Key),
            _ => text.parse().map(Self::Fixed).map_err(|_| {
                format!("{text:?} is no partition; write original, key, auto or a number")
            }),
        }
    }
}

impl TryFrom<String> for Route {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Route> for String {
    fn from(route: Route) -> Self {
        route.to_string()
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Original => f.write_str("original"),
            Self::Key => f.write_str("key"),
            Self::Fixed(partition) => write!(f, "{partition}"),
        }
    }
}

/// The topics that letters go to, as far as they were asked about.
pub(super) struct Targets<'a> {
    bus: &'a dyn EventBus,
    /// Partitions by topic; none: there is no such topic.
    known: BTreeMap<String, Option<u32>>,
}

/// A place to send a letter to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'l> {
    pub(super) topic: &'l str,
    /// None: its key decides.
    pub(super) partition: Option<u32>,
    partitions: u32,
}

impl<'a> Targets<'a> {
    pub(super) const fn new(bus: &'a dyn EventBus) -> Self {
        Self { bus, known: BTreeMap::new() }
    }

    /// Finds out about the topics that `letters` go to. What was asked for by name must be there.
    pub(super) async fn learn(
        &mut self,
        letters: &[Indexed],
        request: &ReplayRequest,
    ) -> Result<(), OpsError> {
        let wanted: BTreeSet<&str> = letters
            .iter()
            .map(|letter| topic_of(letter, request))
            .filter(|topic| !topic.is_empty() && !self.known.contains_key(*topic))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.bus.topics_named(&|name| wanted.contains(name)).await?;
        for topic in &wanted {
            let found = found.iter().find(|found| found.name == *topic);
            let partitions = found.map(|found| found.partitions.len() as u32);
            match (partitions, request.partition) {
                (None, _) if request.to.as_deref() == Some(*topic) => {
                    return Err(unknown(topic, []));
                }
                (Some(count), Route::Fixed(partition)) if partition >= count => {
                    return Err(OpsError::Invalid(format!(
                        "{topic} has {count} partitions, numbered from 0: there is no partition {partition}"
                    )));
                }
                _ => {}
            }
            self.known.insert((*topic).to_owned(), partitions);
        }
        Ok(())
    }

    /// Where a letter goes; none if nothing tells, if that is gone, or if it would come back to where it
    /// lies.
    pub(super) fn of<'l>(
        &self,
        letter: &'l Indexed,
        request: &'l ReplayRequest,
    ) -> Option<Target<'l>> {
        let topic = topic_of(letter, request);
        let partitions = self.known.get(topic).copied().flatten()?;
        if *topic == *letter.at.topic {
            return None;
        }
        let view = &letter.view;
        let original = view.original_partition.filter(|partition| *partition < partitions);
        let partition = match request.partition {
            Route::Original => Some(original?),
            Route::Fixed(partition) => Some(partition),
            Route::Key => None,
            Route::Auto => original.filter(|_| view.key.is_none() && topic == view.original_topic),
        };
        Some(Target { topic, partition, partitions })
    }

    /// Counts where a letter goes.
    pub(super) fn count(
        &self,
        letter: &Indexed,
        request: &ReplayRequest,
        report: &mut ReplayReport,
    ) {
        let Some(target) = self.of(letter, request) else {
            if request.dry_run {
                report.unroutable += 1;
            }
            return;
        };
        *report.by_topic.entry(target.topic.to_owned()).or_default() += 1;
        let key = letter.view.key.as_ref().and_then(Blob::bytes);
        let partition =
            target.partition.or_else(|| Some(partition_of(key.as_deref()?, target.partitions)));
        let partition =
            partition.map_or_else(|| "any".to_owned(), |partition| partition.to_string());
        *report.by_partition.entry(format!("{}/{partition}", target.topic)).or_default() += 1;
    }
}

fn topic_of<'l>(letter: &'l Indexed, request: &'l ReplayRequest) -> &'l str {
    request.to.as_ref().unwrap_or(&letter.view.original_topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_written_as_they_are_read() {
        for text in ["auto", "original", "key", "0", "17"] {
            assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
        }
        for bad in ["", "-1", "Key", "1.5", "4294967296"] {
            assert!(bad.parse::<Route>().is_err(), "{bad}");
        }
        assert_eq!(serde_json::to_string(&Route::Fixed(3)).unwrap(), "\"3\"");
        assert!(serde_json::from_str::<Route>("\"x\"").is_err());
    }
}
