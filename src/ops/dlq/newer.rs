//! Whether the world went on without dead letters: newer events of their keys were processed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::index::Indexed;
use super::running::Replayer;
use crate::ops::OpsError;
use crate::ops::blob::Blob;
use crate::ports::bus::{BusError, GroupOffset, Position, Record};

/// Records read at a time.
const PAGE: usize = 500;
/// Records looked at in all: some seconds.
const LOOKED_AT_MAX: usize = 200_000;

/// Letters that came from one partition.
#[derive(Default)]
struct Origin<'l> {
    /// By key, where its oldest letter stood, and that letter.
    oldest: BTreeMap<Bytes, (u64, Option<&'l Indexed>)>,
    /// Where letters stood.
    letters: BTreeSet<u64>,
}

impl Replayer<'_> {
    /// What is to be known before `letters` are sent in the order of their keys.
    pub(super) async fn warnings(&self, letters: &[Indexed]) -> Result<Vec<String>, OpsError> {
        let mut warnings = vec![];
        if !self.ledger.inbox {
            warnings.push("nobody tells here what takes effect: a key's letters are sent in order, but none waits until the one before it was processed".to_owned());
        }
        let mut origins: BTreeMap<(&str, u32), Origin<'_>> = BTreeMap::new();
        for letter in letters {
            let view = &letter.view;
            let place = view.original_partition.zip(view.original_offset);
            let key = view.key.as_ref().and_then(Blob::bytes);
            let (Some((partition, offset)), Some(key)) = (place, key) else { continue };
            let origin = origins.entry((&view.original_topic, partition)).or_default();
            origin.letters.insert(offset);
            let oldest = origin.oldest.entry(key).or_insert((u64::MAX, None));
            if offset < oldest.0 {
                *oldest = (offset, Some(letter));
            }
        }
        let mut left = LOOKED_AT_MAX;
        let groups = if self.ledger.inbox { vec![] } else { self.bus.groups().await? };
        let mut overtaken: BTreeSet<(&str, Bytes)> = BTreeSet::new();
        for ((topic, partition), origin) in &origins {
            let here = |group: &GroupOffset| group.topic == *topic && group.partition == *partition;
            if !self.ledger.inbox && !groups.iter().any(here) {
                continue; // nobody was there
            }
            for (letter, newer) in self.newer(topic, *partition, origin, &mut left).await? {
                if self.was_processed(letter, &newer, &groups).await? {
                    overtaken.insert((topic, newer.key.clone().unwrap_or_default()));
                }
            }
        }
        if let Some((topic, key)) = overtaken.first() {
            let count = overtaken.len();
            let keys = if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
            let key = Blob::of(key).shown();
            warnings.push(format!("newer events of {keys} have been processed already, for example of {key} in {topic}: what is sent back now comes after them"));
        }
        if left == 0 {
            warnings.push(format!("only the first {LOOKED_AT_MAX} newer records were looked at: there may be more newer events that were processed already"));
        }
        let known = letters.iter().all(|letter| letter.view.original_offset.is_some());
        if !known {
            warnings.push("nothing tells where some letters stood in their topic: they are ordered by when they were given up".to_owned());
        }
        Ok(warnings)
    }

    /// The first event of each key that is newer than the key's oldest letter, and is no letter itself.
    async fn newer<'l>(
        &self,
        topic: &str,
        partition: u32,
        origin: &Origin<'l>,
        left: &mut usize,
    ) -> Result<Vec<(&'l Indexed, Arc<Record>)>, OpsError> {
        let first = origin.oldest.values().map(|(offset, _)| *offset).min().unwrap_or(u64::MAX);
        let mut at = Position { topic: topic.into(), partition, offset: first.saturating_add(1) };
        let mut found: BTreeMap<Bytes, (&Indexed, Arc<Record>)> = BTreeMap::new();
        while *left > 0 && found.len() < origin.oldest.len() {
            let page = match self.bus.read(&at, PAGE.min(*left)).await {
                Err(BusError::Unknown(_)) => break,
                page => page?,
            };
            let Some(last) = page.last() else { break };
            at.offset = last.at.offset + 1;
            *left -= page.len().min(*left);
            for record in page {
                let Some(key) = &record.key else { continue };
                let Some((oldest, Some(letter))) = origin.oldest.get(key) else { continue };
                let is_ours = record.header("ecom-replay-of").is_some()
                    || record.header("ecom-edit-of").is_some()
                    || origin.letters.contains(&record.at.offset);
                if record.at.offset > *oldest && !is_ours {
                    found.entry(key.clone()).or_insert((letter, record));
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// Whether the group that gave `letter` up has processed `newer`.
    async fn was_processed(
        &self,
        letter: &Indexed,
        newer: &Record,
        groups: &[GroupOffset],
    ) -> Result<bool, OpsError> {
        if self.ledger.inbox {
            let Some(event) = newer.header("event_id") else { return Ok(false) };
            return self.ledger.has_processed(&letter.view.service, event).await;
        }
        Ok(groups.iter().any(|group| {
            group.group == letter.view.group
                && *group.topic == *newer.at.topic
                && group.partition == newer.at.partition
                && group.committed > newer.at.offset
        }))
    }
}
