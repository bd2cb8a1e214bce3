//! Bringing the index up to date: what is new on the topics for dead letters is read, page by page, and what
//! is no longer there is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join;

use super::index::Index;
use super::letter::{Letter, is_for_dead_letters};
use super::trend::MINUTE_MS;
use crate::ops::OpsError;
use crate::ops::pages::Pages;
use crate::ports::bus::{BusError, PartitionInfo, Position, Record};
use crate::ports::store::{Batch, StoreError, query};
use crate::values;

/// How often in one look others who share the index may have been faster.
const OVERTAKEN_MAX: usize = 1_000;
/// Bytes of one page's records, about.
const PAGE_BYTES: usize = 4 << 20;

const SCANNED: &str = "select topic, partition, first, next from dlq_scanned";
const NOTE_BEGUN: &str =
    "insert into dlq_scanned (topic, partition, first, next) values (?1, ?2, ?3, ?4)";
const NOTE_SCANNED: &str = "update dlq_scanned set first = ?3, next = ?4
 where topic = ?1 and partition = ?2 and next = ?5";
const NOTE_FIRST: &str = "update dlq_scanned set first = ?3 where topic = ?1 and partition = ?2";
const ADD: &str = "insert into dlq_letters (topic, partition, offset, failed_at, family, service, consumer,
   original_topic, original_partition, event_id, event_type, record_key, error_code, error_reason, retry_count, replays, replay_of,
   original_offset, bytes)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
const COUNT: &str =
    "insert into dlq_groups (topic, original_topic, event_type, service, error_code, minute, letters, first_at, last_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
 on conflict (topic, original_topic, event_type, service, error_code, minute) do update set
   letters = letters + excluded.letters, first_at = min(first_at, excluded.first_at),
   last_at = max(last_at, excluded.last_at)";
const FORGET: &str = "delete from dlq_letters where topic = ?1 and partition = ?2 and offset < ?3";
const FORGET_SCANNED: &str = "delete from dlq_scanned where topic = ?1 and partition = ?2";
const FORGET_GROUPS: &str = "delete from dlq_groups where topic = ?1";
const COUNT_AGAIN: &str =
    "insert into dlq_groups (topic, original_topic, event_type, service, error_code, minute, letters, first_at, last_at)
 select topic, original_topic, event_type, service, error_code, failed_at / ?2, count(*), min(failed_at), max(failed_at)
 from dlq_letters where topic = ?1 group by original_topic, event_type, service, error_code, failed_at / ?2";

/// Told while a scan goes on: records read, and those that were to be read.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// By topic and partition, the offset that the next record will get.
pub(in crate::ops) type Ends = BTreeMap<(String, u32), u64>;

impl Index<'_> {
    /// Reads what is new on the topics for dead letters, and forgets what is no longer there; the end of
    /// each partition that was read.
    pub(super) async fn refresh(&self, progress: &Progress) -> Result<Ends, OpsError> {
        let _turn = self.looking.lock().await;
        for _ in 0..OVERTAKEN_MAX {
            if let Some(ends) = self.caught_up(progress).await? {
                return Ok(ends);
            }
        }
        Err(OpsError::Unavailable("others keep changing the index of dead letters".into()))
    }

    /// The same; none if another process that shares the index has written the same records into it meanwhile.
    async fn caught_up(&self, progress: &Progress) -> Result<Option<Ends>, OpsError> {
        let mut scanned = BTreeMap::new();
        for row in query(self.db, SCANNED, vec![]).await? {
            let place = (row.text(0)?.to_owned(), row.int(1)? as u32);
            scanned.insert(place, (row.int(2)? as u64, row.int(3)? as u64));
        }
        let topics = self.bus.topics_named(&is_for_dead_letters).await?;
        let mut wanted = BTreeMap::new();
        for topic in &topics {
            for p in &topic.partitions {
                wanted.insert((topic.name.clone(), p.partition), p.clone());
            }
        }
        self.forget(&mut scanned, &wanted).await?;
        let from = |place: &(String, u32), p: &PartitionInfo| {
            scanned.get(place).map_or(p.start, |(_, next)| *next).max(p.start)
        };
        let todo: u64 = wanted.iter().map(|(place, p)| p.end.saturating_sub(from(place, p))).sum();
        let mut done = 0;
        for (place, p) in &wanted {
            let before = scanned.get(place).map(|(_, next)| *next);
            let mut read = |more| {
                done += more;
                progress(done, todo);
            };
            if !self.scan(place, p, (before, from(place, p)), &mut read).await? {
                return Ok(None);
            }
        }
        Ok(Some(wanted.into_iter().map(|(place, p)| (place, p.end)).collect()))
    }

    /// Forgets letters that were removed, and topics that are gone or were made anew.
    async fn forget(
        &self,
        scanned: &mut BTreeMap<(String, u32), (u64, u64)>,
        there: &BTreeMap<(String, u32), PartitionInfo>,
    ) -> Result<(), OpsError> {
        let (mut batch, mut topics) = (Batch::default(), BTreeSet::new());
        let mut gone = vec![];
        for (place, (first, next)) in scanned.iter_mut() {
            let below = match there.get(place) {
                Some(p) if p.end >= *next && p.start <= *first => continue,
                Some(p) if p.end >= *next => {
                    *first = p.start;
                    batch.any(NOTE_FIRST, values![&place.0, place.1, *first as i64]);
                    p.start
                }
                _ => {
                    gone.push(place.clone());
                    batch.any(FORGET_SCANNED, values![&place.0, place.1]);
                    i64::MAX as u64
                }
            };
            batch.any(FORGET, values![&place.0, place.1, below as i64]);
            topics.insert(place.0.clone());
        }
        for topic in &topics {
            batch.any(FORGET_GROUPS, values![topic]);
            batch.any(COUNT_AGAIN, values![topic, MINUTE_MS]);
        }
        scanned.retain(|place, _| !gone.contains(place));
        if !batch.is_empty() {
            self.db.write(batch).await?;
        }
        Ok(())
    }

    /// Reads a partition from `from` on, of which it was noted that it was read up to `before`; false if that
    /// is so no more.
    async fn scan(
        &self,
        place: &(String, u32),
        p: &PartitionInfo,
        (mut before, from): (Option<u64>, u64),
        read: &mut (dyn FnMut(u64) + Send),
    ) -> Result<bool, OpsError> {
        let mut at = Position { topic: place.0.as_str().into(), partition: place.1, offset: from };
        let mut pages = Pages::of(PAGE_BYTES);
        let mut page = self.page(&at, p, pages.size()).await?;
        while let Some(last) = page.last() {
            let next = (last.at.offset + 1).min(p.end);
            pages.learn(&page);
            let there = page.iter().filter(|record| record.at.offset < p.end);
            let mut batch = added(there.map(|record| Letter::of(record)).collect());
            let row =
                |rest| [values![&place.0, place.1, p.start as i64, next as i64], rest].concat();
            match before.replace(next) {
                Some(before) => batch.one(NOTE_SCANNED, row(values![before as i64])),
                None => batch.one(NOTE_BEGUN, row(vec![])),
            }
            let count = next - at.offset;
            at.offset = next;
            // The next page comes while this one is written down.
            let (written, ahead) =
                join(self.db.write(batch), self.page(&at, p, pages.size())).await;
            match written {
                Err(StoreError::Conflict(_)) => return Ok(false),
                written => written?,
            }
            read(count);
            page = ahead?;
            // Reading may not wait for anything: between two pages it is the others' turn.
            tokio::task::yield_now().await;
        }
        Ok(true)
    }

    /// Records from `at` on, as long as there are any below the end; none of a topic that is gone by now.
    async fn page(
        &self,
        at: &Position,
        p: &PartitionInfo,
        size: usize,
    ) -> Result<Vec<Arc<Record>>, OpsError> {
        if at.offset >= p.end {
            return Ok(vec![]);
        }
        match self.bus.read(at, size).await {
            Err(BusError::Unknown(_)) => Ok(vec![]),
            page => Ok(page?),
        }
    }
}

fn added(letters: Vec<Letter>) -> Batch {
    let mut batch = Batch::default();
    let mut groups: BTreeMap<([String; 5], i64), (i64, i64, i64)> = BTreeMap::new();
    for letter in letters {
        let at = letter.failed_at.millis();
        let group = [
            letter.at.topic.to_string(),
            letter.original_topic.clone(),
            letter.event_type.clone(),
            letter.service.clone(),
            letter.error_code.clone(),
        ];
        let (count, first, last) = groups.entry((group, at / MINUTE_MS)).or_insert((0, at, at));
        (*count, *first, *last) = (*count + 1, at.min(*first), at.max(*last));
        let Letter {
            at: place, family, service, group, original_topic, original_partition, ..
        } = letter;
        let Letter { event_id, event_type, key, error_code, error_reason, .. } = letter;
        batch.any(
            ADD,
            values![
                &*place.topic,
                place.partition,
                place.offset as i64,
                at,
                family.as_str(),
                service,
                group,
                original_topic,
                original_partition,
                event_id,
                event_type,
                key,
                error_code,
                error_reason,
                letter.retry_count as i64,
                letter.replays,
                letter.replay_of,
                letter.original_offset.and_then(|n| i64::try_from(n).ok()),
                letter.bytes as i64
            ],
        );
    }
    for (([topic, original, kind, service, code], minute), (count, first, last)) in groups {
        let counts = values![topic, original, kind, service, code, minute, count, first, last];
        batch.any(COUNT, counts);
    }
    batch
}
