//! Reading a topic in the order of its times, from one place to another, and only the records that are meant.
//! It is done where the log is: what travels is what was asked for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use super::filter::{Filter, Glob};
use super::pages::bytes_of;
use super::topics::{RecordView, TailStart, partitions};
use crate::domain::Timestamp;
use crate::ports::Clock;
use crate::ports::admin::{BusAdmin, Choice, Glimpse, Look, TopicScan};
use crate::ports::bus::{EventBus, PartitionInfo, Position, Record};

/// Records in one answer at most, and bytes of them, about.
const BATCH: (usize, usize) = (500, 2 << 20);
/// Records looked at for one answer at most, and the time for that: who waits is told how far it is.
const LOOK: (u64, Duration) = (1 << 20, Duration::from_millis(250));
/// Records of one partition that are looked at together.
const LOOK_AT: usize = 4_096;
/// Bytes of wanted records found ahead for one tail, about.
const AHEAD_BYTES: usize = 8 << 20;
/// Records read at a time to find the newest.
const NEWEST: u64 = 1_000;

/// Where a tail begins, or ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TailFrom {
    /// The topic.
    pub topic: String,
    /// Only this partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Where.
    pub start: TailStart,
}

/// A header that records shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderGlob {
    /// Its name.
    pub name: String,
    /// Its value; `*` stands for anything, `?` for one character.
    pub glob: String,
}

/// Where a tail goes on: the next offset of each partition; where it ends, and which records it wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TailQuery {
    /// The topic.
    pub topic: String,
    /// By partition.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub next: BTreeMap<u32, u64>,
    /// The first offset that is not wanted any more, by partition; without, there is no end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, u64>)]
    pub until: BTreeMap<u32, u64>,
    /// Only records that this expression takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Only records with such a key; `*` stands for anything, `?` for one character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Only records with such headers, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderGlob>,
    /// Of what one answer comes to, only so many records, the newest, from 1 to 500; without, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<u32>,
}

impl TailQuery {
    /// Whether it wants only some of the records.
    pub fn chooses(&self) -> bool {
        self.filter.is_some() || self.key.is_some() || !self.headers.is_empty()
    }

    /// Records that are left to be looked at, if it has an end.
    pub fn left(&self) -> u64 {
        let left = |(p, until): (&u32, &u64)| Some(until.saturating_sub(*self.next.get(p)?));
        self.until.iter().filter_map(left).sum()
    }
}

/// The next records of a tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TailPage {
    /// Records that are wanted, by the order of their times; of one partition, by their offsets.
    pub records: Vec<RecordView>,
    /// Where it goes on.
    pub next: TailQuery,
    /// Records that were looked at.
    pub scanned: u64,
    /// Records that were wanted and left out: there were newer ones.
    #[serde(default)]
    pub skipped: u64,
    /// Whether nothing is left: up to where it ends, or to the ends of the topic as they are now.
    pub end: bool,
}

/// The place `from` names, as a query for all records after it.
pub(super) async fn start(
    bus: &dyn EventBus,
    from: &TailFrom,
    now: Timestamp,
) -> Result<TailQuery, OpsError> {
    let TailFrom { topic, partition, start } = from;
    let mut known = partitions(bus, topic).await?;
    if let Some(wanted) = partition {
        let count = known.len();
        known.retain(|p| p.partition == *wanted);
        if known.is_empty() {
            let text = format!("{topic} has {count} partitions, from 0; there is no {wanted}");
            return Err(OpsError::NotFound(text));
        }
    }
    let next = places(bus, topic, &known, start, now).await?;
    Ok(TailQuery { topic: topic.clone(), next, ..TailQuery::default() })
}

/// The offsets of a place, by partition.
pub(super) async fn places(
    bus: &dyn EventBus,
    topic: &str,
    partitions: &[PartitionInfo],
    place: &TailStart,
    now: Timestamp,
) -> Result<BTreeMap<u32, u64>, OpsError> {
    let time = match place {
        TailStart::Time(time) => Some(*time),
        TailStart::Ago(ms) => Some(now - Duration::from_millis(*ms)),
        _ => None,
    };
    let mut next = BTreeMap::new();
    for p in partitions {
        let at = match (place, time) {
            (_, Some(time)) => bus.offset_at(topic, p.partition, time).await?,
            (TailStart::End | TailStart::Last(_), _) => p.end,
            (TailStart::Offset(offset), _) => (*offset).clamp(p.start, p.end),
            (TailStart::Beginning | TailStart::Time(_) | TailStart::Ago(_), _) => p.start,
        };
        next.insert(p.partition, at);
    }
    if let TailStart::Last(count) = place {
        last(bus, topic, partitions, *count, &mut next).await?;
    }
    Ok(next)
}

/// Moves the starts so that the `count` newest records of all partitions together remain.
async fn last(
    bus: &dyn EventBus,
    topic: &str,
    partitions: &[PartitionInfo],
    count: u64,
    next: &mut BTreeMap<u32, u64>,
) -> Result<(), OpsError> {
    if let [p] = partitions {
        next.insert(p.partition, p.end.saturating_sub(count).max(p.start));
        return Ok(());
    }
    let mut newest: Vec<(Timestamp, u32, u64)> = vec![];
    for p in partitions {
        let offset = p.end.saturating_sub(count).max(p.start);
        let mut at = Position { topic: topic.into(), partition: p.partition, offset };
        while at.offset < p.end {
            let max = NEWEST.min(p.end - at.offset);
            let records = bus.read(&at, max as usize).await?;
            let Some(last) = records.last() else { break };
            at.offset = last.at.offset + 1;
            let there = records.iter().filter(|r| r.at.offset < p.end);
            newest.extend(there.map(|r| (r.timestamp, r.at.partition, r.at.offset)));
        }
    }
    newest.sort_unstable();
    for (_, partition, offset) in newest.into_iter().rev().take(count as usize) {
        let at = next.entry(partition).or_insert(offset);
        *at = offset.min(*at);
    }
    Ok(())
}

/// Which records a query wants.
fn choice(query: &TailQuery) -> Result<Choice, OpsError> {
    let filter = query.filter.as_deref().map(Filter::parse).transpose();
    let filter = filter.map_err(|e| OpsError::Invalid(format!("filter: {e}")))?;
    let glob = |what: &str, text: &str| {
        Glob::parse(text).map_err(|e| OpsError::Invalid(format!("{what}: {e}")))
    };
    let mut headers = vec![];
    for HeaderGlob { name, glob: text } in &query.headers {
        headers.push((name.clone(), glob("header", text)?));
    }
    let key = query.key.as_deref().map(|key| glob("key", key)).transpose()?;
    Ok(Arc::new(move |record: &dyn Glimpse| {
        let has = |(name, glob): &(String, Glob)| {
            record.header(name).is_some_and(|value| glob.takes(value))
        };
        key.as_ref().is_none_or(|glob| record.key().is_some_and(|key| glob.takes(key)))
            && headers.iter().all(has)
            && filter.as_ref().is_none_or(|filter| filter.takes(record))
    }))
}

/// A topic that is being read.
pub(super) struct Tail {
    /// What would go on with it.
    pub(super) query: TailQuery,
    scan: Box<dyn TopicScan>,
    choice: Choice,
    lanes: Vec<Lane>,
    /// When it was asked last.
    pub(super) asked: Duration,
}

/// One of its partitions.
struct Lane {
    partition: u32,
    until: u64,
    /// Wanted records that were found ahead.
    ahead: VecDeque<Arc<Record>>,
    /// The offset that was not looked at yet.
    next: u64,
    /// When the last that was looked at was appended: those that follow are no older.
    time: Timestamp,
    /// Whether nothing more is looked for now.
    done: bool,
}

impl Lane {
    /// Where who has no memory of it goes on.
    fn at(&self) -> u64 {
        self.ahead.front().map_or(self.next, |record| record.at.offset)
    }

    /// What its next record is chosen by.
    fn head(&self) -> Option<(Timestamp, u32)> {
        self.ahead.front().map(|record| (record.timestamp, self.partition))
    }
}

/// What is done next.
enum Turn {
    /// The record that a lane has is the oldest.
    Give(usize),
    /// There may be an older one in a lane of which none is known.
    Look(usize),
    End,
}

impl Tail {
    pub(super) async fn begin(admin: &dyn BusAdmin, query: &TailQuery) -> Result<Self, OpsError> {
        if let Some(newest) = query.newest
            && !(1..=BATCH.0).contains(&(newest as usize))
        {
            return Err(OpsError::Invalid(format!("newest must be from 1 to {}", BATCH.0)));
        }
        let choice = choice(query)?;
        let scan = admin.scan(&query.topic, &query.next).await?;
        Ok(Self::of(query.clone(), scan, choice))
    }

    /// With nothing read of it yet.
    pub(super) fn of(query: TailQuery, scan: Box<dyn TopicScan>, choice: Choice) -> Self {
        let lane = |(partition, next): (&u32, &u64)| Lane {
            partition: *partition,
            until: query.until.get(partition).copied().unwrap_or(u64::MAX),
            ahead: VecDeque::new(),
            next: *next,
            time: Timestamp::from_millis(i64::MIN),
            done: false,
        };
        let lanes = query.next.iter().map(lane).collect();
        Self { query, scan, choice, lanes, asked: Duration::ZERO }
    }

    fn turn(&self) -> Turn {
        let heads = self.lanes.iter().enumerate().filter_map(|(n, lane)| Some((lane.head()?, n)));
        let oldest = heads.min();
        let unknown = self.lanes.iter().enumerate();
        let unknown = unknown.filter(|(_, lane)| lane.ahead.is_empty() && !lane.done);
        let behind = unknown.map(|(n, lane)| ((lane.time, lane.partition), n)).min();
        match (oldest, behind) {
            (Some((_, n)), None) => Turn::Give(n),
            (Some((head, n)), Some((time, _))) if head <= time => Turn::Give(n),
            (_, Some((_, n))) => Turn::Look(n),
            (None, None) => Turn::End,
        }
    }

    pub(super) async fn next(&mut self, clock: &dyn Clock) -> Result<TailPage, OpsError> {
        let give_up = clock.elapsed() + LOOK.1;
        for lane in &mut self.lanes {
            lane.done = lane.next >= lane.until;
        }
        let query = self.query.clone();
        let newest = query.newest.map_or(BATCH.0, |newest| newest as usize);
        let skips = query.newest.is_some();
        let mut page =
            TailPage { records: vec![], next: query, scanned: 0, skipped: 0, end: false };
        let (mut given, mut bytes) = (VecDeque::<Arc<Record>>::new(), 0);
        while page.scanned < LOOK.0 {
            let is_full = given.len() >= newest || bytes >= BATCH.1;
            match self.turn() {
                Turn::Give(_) | Turn::Look(_) if is_full && !skips => break,
                Turn::Give(n) => {
                    let Some(record) = self.lanes[n].ahead.pop_front() else { break };
                    bytes += bytes_of(&record);
                    given.push_back(record);
                    while skips && given.len() > 1 && (given.len() > newest || bytes > BATCH.1) {
                        bytes -= given.pop_front().map_or(0, |oldest| bytes_of(&oldest));
                        page.skipped += 1;
                    }
                }
                Turn::Look(n) => {
                    if clock.elapsed() >= give_up {
                        break;
                    }
                    page.scanned += self.look(n).await?;
                    // Reading may not wait for anything: between two looks it is the others' turn.
                    tokio::task::yield_now().await;
                }
                Turn::End => {
                    page.end = true;
                    break;
                }
            }
        }
        page.records = given.iter().map(|record| RecordView::from(record.as_ref())).collect();
        self.query.next = self.lanes.iter().map(|lane| (lane.partition, lane.at())).collect();
        page.next.next.clone_from(&self.query.next);
        Ok(page)
    }

    /// Looks for more in a lane; at how many records.
    async fn look(&mut self, lane: usize) -> Result<u64, OpsError> {
        let share = AHEAD_BYTES / self.lanes.len().max(1);
        let Some(lane) = self.lanes.get_mut(lane) else { return Ok(0) };
        let choice = Arc::clone(&self.choice);
        let look = Look { until: lane.until, records: LOOK_AT, bytes: share, choice };
        let looked = self.scan.next(lane.partition, &look).await?;
        if let Some((offset, time)) = looked.last {
            (lane.next, lane.time) = (offset + 1, time.max(lane.time));
        }
        lane.ahead.extend(looked.records);
        lane.done = looked.end;
        // Offsets may lack records, those at the end too.
        if looked.end && lane.until < u64::MAX {
            lane.next = lane.next.max(lane.until);
        }
        Ok(looked.count)
    }
}
