//! Orders in lists: by state, shopper and time; and those that may be stuck.

use super::rows::{state, units};
use super::{OrderQuery, OrderSummary};
use crate::domain::Timestamp;
use crate::ports::store::{Read, Row, Store, StoreError, query};
use crate::values;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select order_id, user_id, status, total_minor, items, cancel_reason, created_at, updated_at
 from orders ",
            $rest
        )
    };
}

const LIST: &str = select!(
    "where created_at >= ?1 and created_at < ?2 and (?3 = '' or status = ?3)
 order by created_at desc, order_id desc limit ?4"
);
const OF_USER: &str = select!(
    "where user_id = ?5 and created_at >= ?1 and created_at < ?2 and (?3 = '' or status = ?3)
 order by created_at desc, order_id desc limit ?4"
);

// An order has a deadline until it has ended.
const OPEN: &str = "select order_id from orders where deadline is not null and updated_at < ?1
 order by deadline limit ?2";
const DUE: &str =
    "select order_id from payments where next_attempt_at is not null and created_at < ?1
 order by next_attempt_at limit ?2";
const REFUSED: &str =
    "select order_id from payments where status = 'REFUND_FAILED' and updated_at < ?1
 order by order_id limit ?2";
const UNSENT: &str = "select order_id from outbox_events
 where published = 'N' and order_id is not null and created_at < ?1 order by seq limit ?2";
const UNTOLD: &str = "select order_id from notifications
 where next_attempt_at is not null and order_id is not null and created_at < ?1
 order by next_attempt_at limit ?2";

/// Before and after all times that there can be.
const EVER: (&str, &str) = ("0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z");

fn summary(row: &Row) -> Result<OrderSummary, StoreError> {
    Ok(OrderSummary {
        order_id: row.text(0)?.to_owned(),
        user_id: row.text(1)?.to_owned(),
        state: state(row, 2)?,
        total_minor: row.int(3)?,
        units: units(row, 4)?,
        reason: row.text_opt(5)?.map(str::to_owned),
        created_at: row.time(6)?,
        updated_at: row.time(7)?,
    })
}

/// The newest orders that match, newest first.
pub(in crate::ops) async fn orders(
    store: &dyn Store,
    asked: &OrderQuery,
    limit: usize,
) -> Result<Vec<OrderSummary>, StoreError> {
    let ever = |text: &str| text.parse::<Timestamp>().unwrap_or_default();
    let (since, until) = (asked.since.unwrap_or(ever(EVER.0)), asked.until.unwrap_or(ever(EVER.1)));
    let mut bounds =
        values![since, until, asked.state.as_deref().unwrap_or_default(), limit as i64];
    let sql = match &asked.user {
        None => LIST,
        Some(user) => {
            bounds.extend(values![user]);
            OF_USER
        }
    };
    query(store, sql, bounds).await?.iter().map(summary).collect()
}

/// Orders of which something has been open since before `before`, by the tables; at most `limit` for each
/// reason.
pub(in crate::ops) async fn suspects(
    store: &dyn Store,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let all = [OPEN, DUE, REFUSED, UNSENT, UNTOLD];
    let reads: Vec<Read> =
        all.into_iter().map(|sql| Read::new(sql, values![before, limit as i64])).collect();
    let found = store.read(&reads).await?.concat();
    let mut ids: Vec<String> = vec![];
    for row in &found {
        let id = row.text(0)?;
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    Ok(ids)
}
