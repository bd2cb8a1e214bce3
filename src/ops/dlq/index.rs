//! An index of dead letters in a database of the console's own, brought up to date at each look: a list, a
//! sum or a search reads what is new on the topics, and not the topics. Losing it costs a scan.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::trend::{Minutes, spread};
use super::{DeadLetter, DlqFilter, EntryState, Family, Group, GroupBy};
use crate::domain::Timestamp;
use crate::ops::OpsError;
use crate::ops::blob::Blob;
use crate::ports::bus::{EventBus, Position};
use crate::ports::store::{Batch, Row, Store, StoreError, Value, query};
use crate::values;

/// Letters in one answer of the index.
const ROWS: u32 = 500;

const SET_STATE: &str = "update dlq_letters set state = ?4
 where topic = ?1 and partition = ?2 and offset = ?3 and state <> ?4";
const SYNCED: &str = "select synced_at from dlq_synced";
const NOTE_SYNCED: &str = "insert into dlq_synced (one, synced_at) values (1, ?1)
 on conflict (one) do update set synced_at = excluded.synced_at";

/// Columns of a letter, in the order in which [`letter`] takes them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select topic, partition, offset, failed_at, family, service, consumer, original_topic,
   original_partition, event_id, event_type, record_key, error_code, error_reason, retry_count, replays, replay_of, state,
   original_offset, bytes
 from dlq_letters ",
            $rest
        )
    };
}

/// From a place on, oldest first.
const LIST: &str = select!(
    "where (failed_at, topic, partition, offset) > (?1, ?2, ?3, ?4)
   and (?5 is null or topic = ?5) and (?6 is null or original_topic = ?6)
   and (?7 is null or error_code = ?7) and (?8 is null or event_type = ?8)
   and (?9 is null or record_key = ?9) and (?10 is null or state = ?10)
   and (?11 is null or service = ?11) and (?12 is null or failed_at < ?12)
 order by failed_at, topic, partition, offset limit ?13"
);
const AT: &str = select!("where topic = ?1 and partition = ?2 and offset = ?3");
const OF_EVENT: &str = select!("where event_id = ?1 limit 2");
/// The index has only letters that are not open, and only a literal tells that these are among them.
const REPLAYING: &str = select!(
    "indexed by dlq_letters_touched
 where state <> 'open' and state = 'replaying' and (topic, partition, offset) > (?1, ?2, ?3)
 order by topic, partition, offset limit ?4"
);
const REFAILED: &str =
    "select topic, partition, offset from dlq_letters as sent indexed by dlq_letters_touched
 where state <> 'open' and state = 'replaying' and exists (select 1 from dlq_letters as newer
   where newer.replay_of = sent.topic || '/' || sent.partition || '/' || sent.offset)
 limit ?1";
const MINUTES: &str = "select case ?1 when 'error' then error_code when 'topic' then original_topic
     when 'type' then event_type when 'service' then service else topic end as value, minute,
   sum(letters), min(first_at), max(last_at)
 from dlq_groups where (?2 is null or topic = ?2) and (?3 is null or original_topic = ?3)
   and (?4 is null or error_code = ?4) and (?5 is null or event_type = ?5) and (?6 is null or service = ?6)
 group by value, minute order by value";
const TOUCHED: &str = "select case ?1 when 'error' then error_code when 'topic' then original_topic
     when 'type' then event_type when 'service' then service else topic end as value, state, count(*)
 from dlq_letters where state <> 'open' and (?2 is null or topic = ?2) and (?3 is null or original_topic = ?3)
   and (?4 is null or error_code = ?4) and (?5 is null or event_type = ?5) and (?6 is null or service = ?6)
 group by value, state";

/// The index in a database of its own.
pub(in crate::ops) struct Index<'a> {
    pub(in crate::ops) db: &'a dyn Store,
    pub(in crate::ops) bus: &'a dyn EventBus,
    /// One brings it up to date at a time.
    pub(in crate::ops) looking: &'a tokio::sync::Mutex<()>,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Cursor(i64, String, u32, u64);

impl Default for Cursor {
    fn default() -> Self {
        Self(i64::MIN, String::new(), 0, 0)
    }
}

impl Cursor {
    /// After `letter`.
    pub(in crate::ops) fn after(letter: &Indexed) -> Self {
        let Position { topic, partition, offset } = &letter.at;
        Self(letter.view.failed_at.millis(), topic.to_string(), *partition, *offset)
    }
}

impl Index<'_> {
    /// Up to when the ledger was taken over.
    pub(super) async fn synced(&self) -> Result<Option<Timestamp>, OpsError> {
        let rows = query(self.db, SYNCED, vec![]).await?;
        Ok(rows.first().map(|row| row.time(0)).transpose()?)
    }

    /// Takes over what has become of letters, by their ids; all that changed up to `until` is among it.
    pub(in crate::ops) async fn set_states(
        &self,
        states: impl IntoIterator<Item = (String, EntryState)>,
        until: Option<Timestamp>,
    ) -> Result<(), OpsError> {
        let mut batch = Batch::default();
        for (id, state) in states {
            let Some((topic, partition, offset)) = place_of(&id) else { continue };
            let row = values![topic, partition, offset as i64, state.as_str()];
            batch.any(SET_STATE, row);
        }
        if let Some(until) = until {
            batch.any(NOTE_SYNCED, values![until]);
        }
        if !batch.is_empty() {
            self.db.write(batch).await?;
        }
        Ok(())
    }

    /// The next letters after `cursor` that the filter takes, oldest first; none at the end.
    pub(in crate::ops) async fn list(
        &self,
        filter: &Checked<'_>,
        cursor: &mut Cursor,
    ) -> Result<Vec<Indexed>, OpsError> {
        loop {
            let f = filter.filter;
            let Cursor(at, topic, partition, offset) = &*cursor;
            let since = filter.since.map_or(i64::MIN, |since| since.millis() - 1);
            let after = if *at < since {
                values![since, "\u{10ffff}", 0_u32, 0_i64]
            } else {
                values![*at, topic, *partition, *offset as i64]
            };
            let mut bounds = after;
            bounds.extend(values![
                f.dlq.as_ref(),
                f.topic.as_ref(),
                f.error.as_ref().filter(|_| filter.error.is_none()),
                f.event_type.as_ref(),
                f.key.as_ref().map(|key| Value::Bytes(key.clone().into_bytes().into())),
                f.state.as_ref(),
                f.service.as_ref(),
                filter.until.map(Timestamp::millis),
                ROWS
            ]);
            let rows = query(self.db, LIST, bounds).await?;
            let found = rows.iter().map(indexed).collect::<Result<Vec<_>, _>>()?;
            let Some(last) = found.last() else { return Ok(vec![]) };
            *cursor = Cursor::after(last);
            let found: Vec<Indexed> =
                found.into_iter().filter(|letter| filter.takes(&letter.view)).collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }

    /// The letter with this id, or with this event's id if that is unique.
    pub(in crate::ops) async fn find(&self, id: &str) -> Result<Indexed, OpsError> {
        if let Some((topic, partition, offset)) = place_of(id) {
            let rows = query(self.db, AT, values![topic, partition, offset as i64]).await?;
            if let Some(row) = rows.first() {
                return Ok(indexed(row)?);
            }
        }
        match query(self.db, OF_EVENT, values![id]).await?.as_slice() {
            [] => Err(super::unknown(id)),
            [row] => Ok(indexed(row)?),
            _ => Err(OpsError::Invalid(format!(
                "several dead letters have the event id {id}; use TOPIC/PARTITION/OFFSET"
            ))),
        }
    }

    /// The next letters after `last`, by their places, that were sent back and of which nothing was heard.
    pub(super) async fn replaying(
        &self,
        last: Option<&Position>,
    ) -> Result<Vec<Indexed>, OpsError> {
        let row = match last {
            Some(at) => values![&*at.topic, at.partition, at.offset as i64, ROWS],
            None => values!["", 0_u32, 0_i64, ROWS],
        };
        let rows = query(self.db, REPLAYING, row).await?;
        Ok(rows.iter().map(indexed).collect::<Result<_, _>>()?)
    }

    /// Ids of some letters that were sent back, and of which newer ones tell that they failed again.
    pub(super) async fn refailed(&self) -> Result<Vec<String>, OpsError> {
        let id = |row: &Row| {
            let (topic, partition, offset) = (row.text(0)?, row.int(1)?, row.int(2)?);
            Ok::<_, StoreError>(format!("{topic}/{partition}/{offset}"))
        };
        let rows = query(self.db, REFAILED, values![ROWS]).await?;
        Ok(rows.iter().map(id).collect::<Result<_, _>>()?)
    }

    /// All letters that the filter takes by their groups, the largest first. Times, keys and states are not
    /// looked at.
    pub(in crate::ops) async fn groups(
        &self,
        filter: &DlqFilter,
        by: GroupBy,
    ) -> Result<Vec<Group>, OpsError> {
        let bounds = || {
            values![
                by.as_str(),
                filter.dlq.as_ref(),
                filter.topic.as_ref(),
                filter.error.as_ref(),
                filter.event_type.as_ref(),
                filter.service.as_ref()
            ]
        };
        let mut groups: Vec<Group> = vec![];
        let mut minutes = Minutes::new();
        for row in query(self.db, MINUTES, bounds()).await? {
            let (value, count) = (row.text(0)?, row.int(2)? as u64);
            let (first, last) =
                (Timestamp::from_millis(row.int(3)?), Timestamp::from_millis(row.int(4)?));
            minutes.entry(value.to_owned()).or_default().insert(row.int(1)?, count);
            match groups.last_mut().filter(|group| group.value == value) {
                Some(group) => {
                    group.total += count;
                    group.first_at = group.first_at.min(first);
                    group.last_at = group.last_at.max(last);
                }
                None => groups.push(Group {
                    value: value.to_owned(),
                    total: count,
                    states: BTreeMap::new(),
                    first_at: first,
                    last_at: last,
                    over_time: vec![],
                }),
            }
        }
        for group in &mut groups {
            group.states.insert(EntryState::Open, group.total);
        }
        spread(&mut groups, &minutes);
        for row in query(self.db, TOUCHED, bounds()).await? {
            let (value, count) = (row.text(0)?, row.int(2)? as u64);
            let Some(group) = groups.iter_mut().find(|group| group.value == value) else {
                continue;
            };
            let state = EntryState::parse(row.text(1)?).unwrap_or(EntryState::Open);
            *group.states.entry(state).or_default() += count;
            let open = group.states.entry(EntryState::Open).or_default();
            *open = open.saturating_sub(count);
        }
        groups.iter_mut().for_each(|group| group.states.retain(|_, count| *count > 0));
        groups.sort_by_key(|group| Reverse(group.total));
        Ok(groups)
    }
}

/// A letter as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Indexed {
    pub(in crate::ops) view: DeadLetter,
    pub(in crate::ops) at: Position,
}

/// A filter whose words were read.
pub(in crate::ops) struct Checked<'a> {
    pub(super) filter: &'a DlqFilter,
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    /// Where error codes are chosen by a pattern.
    pub(super) error: Option<regex::Regex>,
}

impl Checked<'_> {
    fn takes(&self, letter: &DeadLetter) -> bool {
        self.error.as_ref().is_none_or(|error| {
            error.is_match(&letter.error_code) || error.is_match(&letter.error_reason)
        })
    }
}

/// Topic, partition and offset of `TOPIC/PARTITION/OFFSET`.
pub(super) fn place_of(id: &str) -> Option<(&str, u32, u64)> {
    let (rest, offset) = id.rsplit_once('/')?;
    let (topic, partition) = rest.rsplit_once('/')?;
    Some((topic, partition.parse().ok()?, offset.parse().ok()?))
}

fn indexed(row: &Row) -> Result<Indexed, StoreError> {
    let word = |at: usize| row.text(at).map(str::to_owned);
    let at = Position {
        topic: row.text(0)?.into(),
        partition: row.int(1)? as u32,
        offset: row.int(2)? as u64,
    };
    let key = match row.0.get(11) {
        Some(Value::Bytes(bytes)) => Some(Blob::of(bytes)),
        _ => None,
    };
    let number = |at: usize| match row.0.get(at) {
        Some(Value::Int(n)) => Some(*n),
        _ => None,
    };
    let view = DeadLetter {
        id: at.to_string(),
        state: EntryState::parse(row.text(17)?).unwrap_or(EntryState::Open),
        family: Family::parse(row.text(4)?).unwrap_or(Family::Unrecognised),
        failed_at: Timestamp::from_millis(row.int(3)?),
        service: word(5)?,
        group: word(6)?,
        original_topic: word(7)?,
        original_partition: number(8).and_then(|n| u32::try_from(n).ok()),
        original_offset: number(18).and_then(|n| u64::try_from(n).ok()),
        event_id: word(9)?,
        event_type: word(10)?,
        key,
        error_code: word(12)?,
        error_reason: word(13)?,
        retry_count: row.int(14)? as u64,
        replays: row.int(15)? as u32,
        bytes: row.int(19)? as u64,
    };
    Ok(Indexed { view, at })
}
