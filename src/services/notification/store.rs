//! The notification service's SQL.

use std::collections::BTreeSet;

use super::model::{Channel, Message, Status};
use crate::domain::Timestamp;
use crate::ports::store::{Batch, Read, Row, StoreError};
use crate::services::{Desk, UnitOfWork};
use crate::values;

const INSERT: &str =
    "insert into notifications (message_id, order_id, channel, recipient, subject, body,
   status, attempts, next_attempt_at, created_at, updated_at, owner)
 values (?1, ?2, ?3, ?4, ?5, ?6, 'PENDING', 0, ?7, ?7, ?7, ?8)";
const SELECT_KNOWN: &str = "select message_id from notifications where message_id = ?1";
const SELECT_DUE: &str =
    "select message_id, order_id, channel, recipient, subject, body, attempts, next_attempt_at
 from notifications where next_attempt_at is not null and next_attempt_at <= ?1 and owner = ?3
 order by next_attempt_at, message_id limit ?2";
const SELECT_STANDING: &str =
    "select message_id, channel, recipient, subject, status, reason, attempts, next_attempt_at,
   created_at, updated_at
 from notifications where message_id = ?1";
const UPDATE: &str = "update notifications set status = ?2, reason = ?3, attempts = ?4,
   next_attempt_at = ?5, updated_at = ?6, owner = ?7, unanswered = unanswered + ?8
 where message_id = ?1 and status = 'PENDING'";

// What nobody alive sends is due at once.
const ADOPT: &str = "update notifications set owner = ?1,
   next_attempt_at = case when next_attempt_at > ?3 then ?3 else next_attempt_at end
 where next_attempt_at is not null and owner <> ?1
   and owner not in (select instance from members where alive_until > ?2)";

/// Takes over what is due of processes that are gone.
pub(super) async fn adopt(desk: &Desk, now: Timestamp, due: Timestamp) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.any(ADOPT, values![&*desk.owner, now, due]);
    desk.store.write(batch).await
}

/// Which of these messages there are already.
pub(super) async fn known(
    desk: &Desk,
    messages: &[Message],
) -> Result<BTreeSet<String>, StoreError> {
    let read = Read::each(SELECT_KNOWN, messages.iter().map(|m| values![&m.message_id]));
    let rows = desk.read(&[read]).await?.concat();
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

/// Adds a message, which must be the first of its name.
pub(super) fn insert(unit: &mut UnitOfWork, m: &Message) {
    let now = unit.now;
    unit.one(
        INSERT,
        values![
            &m.message_id,
            m.order_id.as_ref(),
            m.channel.as_str(),
            &m.recipient,
            &m.subject,
            &m.body,
            now,
            &*unit.owner
        ],
    );
}

/// Where a message stands.
pub(super) struct Standing {
    pub(super) message_id: String,
    pub(super) channel: String,
    pub(super) recipient: String,
    pub(super) subject: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) attempts: i64,
    pub(super) next_attempt_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// Where the messages of these names stand, as far as there are any.
pub(super) async fn standing(desk: &Desk, names: &[String]) -> Result<Vec<Standing>, StoreError> {
    let read = Read::each(SELECT_STANDING, names.iter().map(|name| values![name]));
    let rows = desk.read(&[read]).await?.concat();
    let standing = |row: &Row| {
        Ok(Standing {
            message_id: row.text(0)?.to_owned(),
            channel: row.text(1)?.to_owned(),
            recipient: row.text(2)?.to_owned(),
            subject: row.text(3)?.to_owned(),
            status: row.text(4)?.to_owned(),
            reason: row.text_opt(5)?.map(str::to_owned),
            attempts: row.int(6)?,
            next_attempt_at: row.time_opt(7)?,
            created_at: row.time(8)?,
            updated_at: row.time(9)?,
        })
    };
    rows.iter().map(standing).collect()
}

/// Messages to be sent, longest due first.
pub(super) async fn due(
    desk: &Desk,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Message>, StoreError> {
    desk.query(SELECT_DUE, values![now, limit, &*desk.owner]).await?.iter().map(message).collect()
}

fn message(row: &Row) -> Result<Message, StoreError> {
    let channel = Channel::parse(row.text(2)?)
        .ok_or_else(|| StoreError::Broken(format!("channel {:?}", row.0[2])))?;
    Ok(Message {
        message_id: row.text(0)?.to_owned(),
        order_id: row.parsed_opt(1)?,
        cause: None,
        channel,
        recipient: row.text(3)?.to_owned(),
        subject: row.text(4)?.to_owned(),
        body: row.text(5)?.to_owned(),
        attempts: row.int(6)?,
        next_attempt_at: row.time(7)?,
    })
}

/// How an attempt to send a message ended.
pub(super) struct Attempt<'a> {
    /// Where the message stands now.
    pub(super) status: Status,
    /// Why it was not taken.
    pub(super) reason: Option<&'a str>,
    /// When it is tried again.
    pub(super) next_attempt_at: Option<Timestamp>,
    /// Whether it may have been taken all the same.
    pub(super) unanswered: bool,
}

impl<'a> Attempt<'a> {
    /// One after which there is no other.
    pub(super) const fn ended(status: Status, reason: Option<&'a str>) -> Self {
        Self { status, reason, next_attempt_at: None, unanswered: false }
    }
}

/// Notes how an attempt ended.
pub(super) fn record(unit: &mut UnitOfWork, message: &Message, attempt: &Attempt<'_>) {
    let (attempts, now) = (message.attempts + 1, unit.now);
    let Attempt { status, reason, next_attempt_at, unanswered } = attempt;
    unit.any(
        UPDATE,
        values![
            &message.message_id,
            status.as_str(),
            *reason,
            attempts,
            *next_attempt_at,
            now,
            &*unit.owner,
            i64::from(*unanswered)
        ],
    );
}
