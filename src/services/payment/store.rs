//! The payment service's SQL.

use super::model::{Payment, Status};
use crate::domain::{Money, OrderId, Timestamp};
use crate::ports::store::{Batch, Read, Row, StoreError};
use crate::services::{Desk, UnitOfWork};
use crate::values;

macro_rules! select {
    ($($tail:literal)+) => {
        concat!(
            "select order_id, user_id, amount_minor, status, reason, order_cancelled, cause_event_id,
               attempts, next_attempt_at, hold_expires_at, version, created_at from payments ",
            $($tail),+
        )
    };
}

const SELECT: &str = select!("where order_id = ?1");
const SELECT_DUE: &str = select!(
    "where next_attempt_at is not null and next_attempt_at <= ?1 and owner = ?3 order by next_attempt_at, order_id limit ?2"
);
const INSERT: &str = "insert into payments (order_id, user_id, amount_minor, status, reason,
   order_cancelled, cause_event_id, attempts, next_attempt_at, hold_expires_at, version, created_at,
   updated_at, currency, method, owner)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 'card', ?15)";
const UPDATE: &str = "update payments set status = ?3, reason = ?4, order_cancelled = ?5,
   cause_event_id = ?6, attempts = ?7, next_attempt_at = ?8, version = ?9, updated_at = ?10, owner = ?11
 where order_id = ?1 and version = ?2";

// What nobody alive performs is due at once.
const ADOPT: &str = "update payments set owner = ?1,
   next_attempt_at = case when next_attempt_at > ?3 then ?3 else next_attempt_at end
 where next_attempt_at is not null and owner <> ?1
   and owner not in (select instance from members where alive_until > ?2)";

/// Takes over what is due of processes that are gone.
pub(super) async fn adopt(desk: &Desk, now: Timestamp, due: Timestamp) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.any(ADOPT, values![&*desk.owner, now, due]);
    desk.store.write(batch).await
}

/// Adds a payment, which must be the first of its order.
pub(super) fn insert(unit: &mut UnitOfWork, payment: &Payment) {
    let p = payment;
    let (status, reason, now) = (p.status.as_str(), p.reason.as_deref(), unit.now);
    unit.one(
        INSERT,
        values![
            &p.order_id,
            &p.user_id,
            p.amount,
            status,
            reason,
            p.order_cancelled,
            p.cause,
            p.attempts,
            p.next_attempt_at,
            p.hold_expires_at,
            p.version,
            p.created_at,
            now,
            Money::CURRENCY,
            &*unit.owner
        ],
    );
}

/// Writes a payment that was at `version` when it was read.
pub(super) fn update(unit: &mut UnitOfWork, payment: &Payment, version: i64) {
    let p = payment;
    let (status, reason, now) = (p.status.as_str(), p.reason.as_deref(), unit.now);
    unit.one(
        UPDATE,
        values![
            &p.order_id,
            version,
            status,
            reason,
            p.order_cancelled,
            p.cause,
            p.attempts,
            p.next_attempt_at,
            p.version,
            now,
            &*unit.owner
        ],
    );
}

/// The payments of those of `orders` that have one.
pub(super) async fn load<'a>(
    desk: &Desk,
    orders: impl IntoIterator<Item = &'a OrderId>,
) -> Result<Vec<Payment>, StoreError> {
    let read = Read::each(SELECT, orders.into_iter().map(|id| values![id]));
    desk.read(&[read]).await?.concat().iter().map(payment).collect()
}

/// Payments that the gateway should be asked about, longest due first.
pub(super) async fn due(
    desk: &Desk,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Payment>, StoreError> {
    desk.query(SELECT_DUE, values![now, limit, &*desk.owner]).await?.iter().map(payment).collect()
}

fn payment(row: &Row) -> Result<Payment, StoreError> {
    let status = Status::parse(row.text(3)?)
        .ok_or_else(|| StoreError::Broken(format!("payment status {:?}", row.0[3])))?;
    Ok(Payment {
        order_id: row.parsed(0)?,
        user_id: row.parsed(1)?,
        amount: Money::from_minor(row.int(2)?),
        status,
        reason: row.text_opt(4)?.map(str::to_owned),
        order_cancelled: row.int(5)? != 0,
        cause: row.parsed(6)?,
        attempts: row.int(7)?,
        next_attempt_at: row.time_opt(8)?,
        hold_expires_at: row.time(9)?,
        version: row.int(10)?,
        created_at: row.time(11)?,
    })
}
