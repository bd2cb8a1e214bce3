//! The order service's SQL.

use super::Operator;
use super::model::{Order, Status};
use crate::domain::{
    CancelReason, DeclineReason, Email, EventId, OrderId, Phone, Timestamp, UserId,
};
use crate::events::Event;
use crate::ports::store::{Read, Row, StoreError};
use crate::services::{Desk, UnitOfWork};
use crate::values;

macro_rules! select {
    ($($tail:literal)+) => {
        concat!(
            "select order_id, user_id, status, items, total_minor, email, phone, payment_id,
               cancel_reason, decline_reason, version, deadline, created_at from orders ",
            $($tail),+
        )
    };
}

const SELECT: &str = select!("where order_id = ?1");
const SELECT_OF_USER: &str =
    select!("where user_id = ?1 order by created_at desc, order_id desc limit ?2");
const SELECT_OVERDUE: &str =
    select!("where deadline is not null and deadline <= ?1 order by deadline, order_id limit ?2");
const INSERT: &str =
    "insert into orders (order_id, user_id, status, items, total_minor, email, phone,
   payment_id, cancel_reason, decline_reason, version, deadline, created_at, updated_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const UPDATE: &str = "update orders set status = ?3, payment_id = ?4, cancel_reason = ?5,
   decline_reason = ?6, version = ?7, deadline = ?8, updated_at = ?9
 where order_id = ?1 and version = ?2";
const INSERT_HISTORY: &str =
    "insert into order_status_history (order_id, version, status, reason, event_id, at)
 values (?1, ?2, ?3, ?4, ?5, ?6)";
const SELECT_HISTORY: &str =
    "select status, reason, at from order_status_history where order_id = ?1 order by version";

const INSERT_NOTE: &str =
    "insert into order_notes (order_id, at, actor, action, detail) values (?1, ?2, ?3, ?4, ?5)";

/// An order in hand: as loaded, and with what has happened to it since.
pub(super) struct Tracked {
    pub(super) order: Order,
    /// The version in the table; none if the order is new.
    stored_version: Option<i64>,
}

/// One step of an order's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The status it took.
    pub(super) status: Status,
    /// Why, if it was cancelled.
    pub(super) reason: Option<CancelReason>,
    /// When.
    pub(super) at: Timestamp,
}

impl Tracked {
    pub(super) fn new(order: Order) -> Self {
        Self { order, stored_version: None }
    }

    /// Writes one change: its events, and the step in the history that the first of them names.
    pub(super) fn note(&self, unit: &mut UnitOfWork, cause: Option<EventId>, events: &[Event]) {
        let ids: Vec<EventId> = events.iter().map(|event| unit.emit(cause, event)).collect();
        let order = &self.order;
        let reason = order.cancel_reason.map(CancelReason::as_str);
        let (version, now) = (order.version, unit.now);
        unit.one(
            INSERT_HISTORY,
            values![&order.order_id, version, order.status.as_str(), reason, ids[0], now],
        );
    }

    /// Writes the order as it is now.
    pub(super) fn save(&self, unit: &mut UnitOfWork) {
        let order = &self.order;
        let reason = order.cancel_reason.map(CancelReason::as_str);
        let decline = order.decline_reason.map(DeclineReason::as_str);
        let (status, payment) = (order.status.as_str(), order.payment_id.as_ref());
        let now = unit.now;
        match self.stored_version {
            Some(version) if version == order.version => return,
            Some(version) => unit.one(
                UPDATE,
                values![
                    &order.order_id,
                    version,
                    status,
                    payment,
                    reason,
                    decline,
                    order.version,
                    order.deadline,
                    now
                ],
            ),
            None => {
                let items = serde_json::to_string(&order.items).expect("lines are plain data");
                let email = order.email.as_ref().map(Email::as_str);
                let phone = order.phone.as_ref().map(Phone::as_str);
                unit.one(
                    INSERT,
                    values![
                        &order.order_id,
                        &order.user_id,
                        status,
                        items,
                        order.total,
                        email,
                        phone,
                        payment,
                        reason,
                        decline,
                        order.version,
                        order.deadline,
                        order.created_at,
                        now
                    ],
                );
            }
        }
        unit.order_changed(order.order_id.clone(), status);
    }
}

/// Writes down what an operator did about an order.
pub(super) fn note(unit: &mut UnitOfWork, order: &OrderId, by: &Operator, action: &'static str) {
    let now = unit.now;
    unit.one(INSERT_NOTE, values![order, now, &by.actor, action, &by.why]);
}

fn tracked(row: &Row) -> Result<Tracked, StoreError> {
    let order = order(row)?;
    Ok(Tracked { stored_version: Some(order.version), order })
}

fn order(row: &Row) -> Result<Order, StoreError> {
    let status = Status::parse(row.text(2)?)
        .ok_or_else(|| StoreError::Broken(format!("order status {:?}", row.0[2])))?;
    Ok(Order {
        order_id: row.parsed(0)?,
        user_id: row.parsed(1)?,
        status,
        items: row.json(3)?,
        total: crate::domain::Money::from_minor(row.int(4)?),
        email: row.parsed_opt(5)?,
        phone: row.parsed_opt(6)?,
        payment_id: row.parsed_opt(7)?,
        cancel_reason: row.text_opt(8)?.and_then(CancelReason::parse),
        decline_reason: row.text_opt(9)?.and_then(DeclineReason::parse),
        version: row.int(10)?,
        deadline: row.time_opt(11)?,
        created_at: row.time(12)?,
    })
}

/// Those of `ids` that exist.
pub(super) async fn load<'a>(
    desk: &Desk,
    ids: impl IntoIterator<Item = &'a OrderId>,
) -> Result<Vec<Tracked>, StoreError> {
    let read = Read::each(SELECT, ids.into_iter().map(|id| values![id]));
    desk.read(&[read]).await?.concat().iter().map(tracked).collect()
}

/// Orders past their deadline, the longest overdue first.
pub(super) async fn load_overdue(
    desk: &Desk,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Tracked>, StoreError> {
    desk.query(SELECT_OVERDUE, values![now, limit]).await?.iter().map(tracked).collect()
}

/// An order and its history.
pub(super) async fn find(
    desk: &Desk,
    id: &OrderId,
) -> Result<Option<(Order, Vec<Step>)>, StoreError> {
    let reads = [Read::new(SELECT, values![id]), Read::new(SELECT_HISTORY, values![id])];
    let results = desk.read(&reads).await?;
    let Some(row) = results[0].first() else { return Ok(None) };
    let history = results[1].iter().map(step).collect::<Result<_, _>>()?;
    Ok(Some((order(row)?, history)))
}

fn step(row: &Row) -> Result<Step, StoreError> {
    let status = Status::parse(row.text(0)?)
        .ok_or_else(|| StoreError::Broken(format!("order status {:?}", row.0[0])))?;
    Ok(Step { status, reason: row.text_opt(1)?.and_then(CancelReason::parse), at: row.time(2)? })
}

/// The newest orders of a user.
pub(super) async fn of_user(
    desk: &Desk,
    user: &UserId,
    limit: u32,
) -> Result<Vec<Order>, StoreError> {
    desk.query(SELECT_OF_USER, values![user, limit]).await?.iter().map(order).collect()
}
