//! What people ask in SQL, on a connection of its own that is closed afterwards. Nothing can be changed by it: the
//! transaction is read only, a cursor takes nothing but a query, and no function is called that may do what a
//! transaction does not know of.

use std::time::Duration;

use data_encoding::HEXLOWER;
use futures::TryStreamExt;
use serde_json::Value as Json;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgErrorPosition, PgRow};
use sqlx::{AssertSqlSafe, Column, Connection as _, Error, Executor, PgConnection, Row as _};
use sqlx::{SqlSafeStr as _, Statement as _, ValueRef as _};

use super::errors::{self, Trouble};
use super::{PostgresStore, at_place, url};
use crate::ports::clock::timeout;
use crate::ports::dialect::Dialect;
use crate::ports::inquiry::{self, Answer, Growing, Inquiry, InquiryError};
use crate::ports::store::StoreError;

const DECLARE: &str = "declare asked no scroll cursor for ";
/// The functions among these words that may do something else than compute: the server calls them volatile.
const ACTING: &str = "select distinct lower(proname) from pg_catalog.pg_proc
 where provolatile = 'v' and lower(proname) = any($1) order by 1";
/// Those of them that only tell something, or do nothing for a while.
const HARMLESS: [&str; 28] = [
    "bernoulli",
    "clock_timestamp",
    "gen_random_uuid",
    "pg_blocking_pids",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_notification_queue_usage",
    "pg_relation_size",
    "pg_sequence_last_value",
    "pg_sleep",
    "pg_sleep_for",
    "pg_stat_get_xact_numscans",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_xact_status",
    "random",
    "system",
    "timeofday",
    "txid_status",
    "uuidv7",
];

impl PostgresStore {
    pub(super) async fn answer(&self, inquiry: &Inquiry) -> Result<Answer, InquiryError> {
        let sql = inquiry.sql_for(Dialect::Postgres)?;
        let parsed = url::parse(&self.options.url).map_err(StoreError::Broken)?;
        let parsed = self.asking(parsed, inquiry.timeout);
        let connecting = PgConnection::connect_with(&parsed);
        let connected = timeout(self.clock.as_ref(), self.options.timeout, connecting).await;
        let connected = connected.unwrap_or(Err(Error::PoolTimedOut));
        let mut connection =
            connected.map_err(|e| StoreError::Unavailable(errors::explain(&e, &self.place)))?;
        // The server ends the statement, and says so; who does not even hear that waits a little longer.
        let patience = inquiry.timeout + self.options.timeout;
        let done =
            timeout(self.clock.as_ref(), patience, ask(&mut connection, &sql, inquiry)).await;
        // Whatever it holds, the server lets go of it: nothing is committed.
        let _ = timeout(self.clock.as_ref(), self.options.timeout, connection.close_hard()).await;
        done.unwrap_or(Err(InquiryError::TooLong(inquiry.timeout))).map_err(|e| match e {
            InquiryError::Store(e) => at_place(e, &self.place).into(),
            e => e,
        })
    }

    fn asking(&self, parsed: PgConnectOptions, limit: Duration) -> PgConnectOptions {
        let ms = limit.as_millis().max(1).to_string();
        parsed.application_name(&self.options.application).options([
            ("timezone", "UTC"),
            ("default_transaction_read_only", "on"),
            ("statement_timeout", ms.as_str()),
            ("lock_timeout", ms.as_str()),
            ("idle_in_transaction_session_timeout", ms.as_str()),
        ])
    }
}

async fn ask(
    connection: &mut PgConnection,
    sql: &str,
    inquiry: &Inquiry,
) -> Result<Answer, InquiryError> {
    let begin = "begin transaction isolation level repeatable read, read only";
    connection.execute(begin).await.map_err(|e| store(e, inquiry))?;
    refuse_acting(connection, sql, inquiry).await?;
    // Understood, and not run: one statement, and its columns even where there are no rows.
    let statement = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await;
    let statement = statement.map_err(|e| told(e, sql, 0, inquiry))?;
    let mut growing = Growing::new(inquiry);
    growing.name(statement.columns().iter().map(Column::name));
    let declare = sqlx::query(AssertSqlSafe(format!("{DECLARE}{sql}"))).persistent(false);
    let declared = connection.execute(declare).await;
    declared.map_err(|e| told(e, sql, DECLARE.chars().count(), inquiry))?;
    // By the simple protocol, in which values of every type are text.
    let fetch = format!("fetch forward {} from asked", inquiry.limit.saturating_add(1));
    let mut rows = sqlx::raw_sql(AssertSqlSafe(fetch)).fetch(&mut *connection);
    while let Some(row) = rows.try_next().await.map_err(|e| told(e, sql, 0, inquiry))? {
        if !growing.push(cells(&row).map_err(|e| store(e, inquiry))?) {
            break;
        }
    }
    Ok(growing.done())
}

/// Refuses a statement with any word in it, wherever it stands, that names a function which may act: on other
/// sessions, on files, on settings, on what outlives a transaction.
async fn refuse_acting(
    connection: &mut PgConnection,
    sql: &str,
    inquiry: &Inquiry,
) -> Result<(), InquiryError> {
    if sql.to_lowercase().contains("u&\"") {
        return Err(InquiryError::not_reading("names are not written as U&\"…\" here"));
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut words: Vec<String> = sql.split(|c| !is_part(c)).map(str::to_lowercase).collect();
    words.sort_unstable();
    words.dedup();
    words.retain(|word| !word.is_empty() && !HARMLESS.contains(&word.as_str()));
    let asked = sqlx::query_scalar::<_, String>(ACTING).bind(words);
    let acting = asked.fetch_all(connection).await.map_err(|e| store(e, inquiry))?;
    match acting.first() {
        None => Ok(()),
        Some(name) => Err(InquiryError::not_reading(&format!("{name} does more than read"))),
    }
}

/// An error of the statement itself, that the server saw with so many characters before it.
fn told(e: Error, sql: &str, before: usize, inquiry: &Inquiry) -> InquiryError {
    let Error::Database(db) = &e else { return store(e, inquiry) };
    let code = db.code().unwrap_or_default();
    if code == "57014" {
        return InquiryError::TooLong(inquiry.timeout);
    }
    // The server's own troubles; all others are the statement's.
    if ["08", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class)) {
        return store(e, inquiry);
    }
    let message = db.message().to_owned();
    match db.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::position) {
        Some(PgErrorPosition::Original(at)) if at > before => {
            let ends = sql.char_indices().map(|(byte, _)| byte).nth(at - before - 1);
            InquiryError::at(sql, ends.unwrap_or(sql.len()), &message)
        }
        _ => InquiryError::Wrong(message),
    }
}

fn store(e: Error, inquiry: &Inquiry) -> InquiryError {
    if let Error::Database(db) = &e
        && db.code().as_deref() == Some("57014")
    {
        return InquiryError::TooLong(inquiry.timeout);
    }
    StoreError::from(Trouble::from(e)).into()
}

fn cells(row: &PgRow) -> Result<Vec<Json>, Error> {
    let cell = |column| {
        let raw = row.try_get_raw(column)?;
        if raw.is_null() {
            return Ok(Json::Null);
        }
        let text = raw.as_str().map_err(Error::Decode)?;
        Ok(json(raw.type_info().oid().map_or(0, |oid| oid.0), text))
    };
    (0..row.len()).map(cell).collect()
}

/// A value as text, of the type with this object id. Source: `pg_type.dat`.
fn json(oid: u32, text: &str) -> Json {
    match oid {
        16 => (text == "t").into(),
        20 | 21 | 23 | 26 | 700 | 701 | 1700 => inquiry::number(text),
        114 | 3802 => inquiry::json(text),
        1184 => inquiry::time(text),
        17 => match text.strip_prefix("\\x").map(|hex| HEXLOWER.decode(hex.as_bytes())) {
            Some(Ok(bytes)) => inquiry::bytes(&bytes),
            _ => text.into(),
        },
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn values_of_every_type_become_json() {
        assert_eq!(json(16, "t"), value!(true));
        assert_eq!(json(20, "-7"), value!(-7));
        assert_eq!(json(1700, "12.3400"), value!(12.34));
        assert_eq!(json(701, "NaN"), value!("NaN"));
        assert_eq!(json(3802, "{\"a\": [1]}"), value!({ "a": [1] }));
        assert_eq!(json(1184, "2026-11-22 00:59:33.5+00"), value!("2026-11-22T00:59:33.500Z"));
        assert_eq!(json(17, "\\xff00"), value!("/wA="));
        assert_eq!(json(2950, "0199c0de-0000-7000-8000-000000000001").as_str().unwrap().len(), 36);
    }
}
