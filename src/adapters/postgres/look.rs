//! Looking at a database server without taking anything for granted: not that there is a shop on it, nor
//! that its schema is ours.

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::{PostgresOptions, Schema, errors, url};
use crate::ports::Clock;
use crate::ports::clock::timeout;
use crate::ports::store::StoreError;

/// Without it, what is delivered twice takes effect twice.
const INBOX: &str = "processed_events";

/// What a server and a database on it are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresFacts {
    /// Where, without a password.
    pub place: String,
    /// The server's version, as it says it.
    pub version: String,
    /// The same as a number: 160004 is 16.4.
    pub version_number: u32,
    /// Schema steps that were applied; none if there is no shop.
    pub steps: Option<u64>,
    /// Schema steps that this build knows.
    pub steps_known: u64,
    /// Whether there is a table of processed events.
    pub inbox: bool,
    /// `synchronous_commit` as the server has it; the shop asks for `on` for itself.
    pub synchronous_commit: String,
    /// Whether the server syncs its log at all.
    pub fsync: bool,
    /// Whether nothing can be written: a standby, or read-only by its settings.
    pub read_only: bool,
    /// Connections that there may be.
    pub connections_max: u32,
    /// Connections that there are.
    pub connections: u32,
    /// How far the server's clock is ahead of ours, in ms.
    pub ahead_ms: i64,
}

/// Looks at the server.
pub async fn look(
    options: &PostgresOptions,
    schema: Schema,
    clock: &dyn Clock,
) -> Result<PostgresFacts, StoreError> {
    let parsed = url::parse(&options.url)
        .map_err(|e| StoreError::Broken(format!("not a postgres URL: {e}")))?;
    let place = url::place(&parsed);
    let parsed = parsed.application_name(&options.application);
    let work = async {
        let mut connection = PgConnection::connect_with(&parsed).await?;
        let facts = ask(&mut connection, place.clone(), schema, clock).await?;
        let _ = connection.close().await;
        Ok(facts)
    };
    let found = timeout(clock, options.timeout, work).await;
    found
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(|e: sqlx::Error| StoreError::Unavailable(errors::explain(&e, &place)))
}

async fn ask(
    connection: &mut PgConnection,
    place: String,
    schema: Schema,
    clock: &dyn Clock,
) -> Result<PostgresFacts, sqlx::Error> {
    let before = clock.now().millis();
    let time = "select (extract(epoch from clock_timestamp()) * 1000)::bigint";
    let there: i64 = connection.fetch_one(time).await?.try_get(0)?;
    let after = clock.now().millis();
    let about =
        "select current_setting('server_version'), current_setting('server_version_num')::bigint,
        current_setting('synchronous_commit'), current_setting('fsync') = 'on',
        pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on',
        current_setting('max_connections')::bigint,
        (select coalesce(sum(numbackends), 0)::bigint from pg_stat_database),
        to_regclass('schema_steps') is not null";
    let row = connection.fetch_one(about).await?;
    let number =
        |at: usize| row.try_get::<i64, _>(at).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let has_shop: bool = row.try_get(7)?;
    let steps = if has_shop {
        let sql = "select coalesce(max(step), 0)::bigint from schema_steps";
        Some(connection.fetch_one(sql).await?.try_get::<i64, _>(0)?.unsigned_abs())
    } else {
        None
    };
    let inbox = sqlx::query("select to_regclass($1) is not null").bind(INBOX);
    let inbox = inbox.fetch_one(&mut *connection).await?.try_get(0)?;
    Ok(PostgresFacts {
        place,
        version: row.try_get(0)?,
        version_number: number(1)?,
        steps,
        steps_known: schema.steps.len() as u64,
        inbox,
        synchronous_commit: row.try_get(2)?,
        fsync: row.try_get(3)?,
        read_only: row.try_get(4)?,
        connections_max: number(5)?,
        connections: number(6)?,
        // When the server looked at its clock lies between the two of ours.
        ahead_ms: there - i64::midpoint(before, after),
    })
}
