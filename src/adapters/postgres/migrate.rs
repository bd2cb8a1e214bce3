//! The schema of a database, as numbered steps that are applied once each, by one process at a time.

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::errors::Trouble;
use crate::ports::store::StoreError;

/// Who holds this advisory lock is bringing the schema up to date.
const LOCK: i64 = 0x65_63_6f_6d; // "ecom"

/// A list of SQL scripts; the table `schema_steps` remembers which were applied.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The scripts, oldest first. A published one never changes.
    pub steps: &'static [&'static str],
}

impl Schema {
    /// The shop's tables.
    pub const SHOP: Self = Self {
        steps: &[
            include_str!("../../../migrations/postgres/shop/0001.sql"),
            include_str!("../../../migrations/postgres/shop/0002.sql"),
            include_str!("../../../migrations/postgres/shop/0003.sql"),
            include_str!("../../../migrations/postgres/shop/0004.sql"),
        ],
    };

    /// Applies the steps that are missing, each whole or not at all. A database with more steps than
    /// this build knows is refused.
    pub(super) async fn migrate(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if self.applied(connection).await? == self.steps.len() {
            return Ok(());
        }
        let mut tx = connection.begin().await.map_err(Trouble::from)?;
        let lock = sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK);
        lock.execute(&mut *tx).await.map_err(|e| match Trouble::from(e).into() {
            StoreError::Unavailable(text) => StoreError::Unavailable(format!(
                "another process is changing the schema ({text}); try again in a moment"
            )),
            e => e,
        })?;
        // Somebody else may have done it while we waited. Whether there is a table is remembered from
        // before the wait, unless something looks for it under a lock, as its creation does.
        let table = "create table if not exists schema_steps (
            step bigint not null primary key, applied_at timestamptz not null default now())";
        tx.execute(sqlx::raw_sql(table)).await.map_err(Trouble::from)?;
        let applied = self.counted(&mut tx).await?;
        for (n, sql) in self.steps.iter().enumerate().skip(applied) {
            let step = n as i64 + 1;
            let failed = |e: sqlx::Error| match StoreError::from(Trouble::from(e)) {
                StoreError::Broken(text) | StoreError::Conflict(text) => {
                    StoreError::Broken(format!(
                        "schema step {step} failed: {text}; is this database another program's?"
                    ))
                }
                e => e,
            };
            tx.execute(sqlx::raw_sql(*sql)).await.map_err(failed)?;
            let note = sqlx::query("insert into schema_steps (step) values ($1)").bind(step);
            note.execute(&mut *tx).await.map_err(failed)?;
        }
        tx.commit().await.map_err(|e| Trouble::from(e).into())
    }

    /// For who only reads, and shall not apply what is missing.
    pub(super) async fn check_complete(
        self,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        match self.applied(connection).await? {
            0 => Err(StoreError::Broken("holds no shop; start one on it with `ecom serve`".into())),
            applied if applied < self.steps.len() => Err(StoreError::Broken(format!(
                "has schema version {applied}, older than {}; start the shop on it once",
                self.steps.len()
            ))),
            _ => Ok(()),
        }
    }

    /// How many steps were applied; an error if that is more than this build knows.
    async fn applied(self, connection: &mut PgConnection) -> Result<usize, StoreError> {
        let known = "select to_regclass('schema_steps') is not null";
        let row = connection.fetch_one(known).await.map_err(Trouble::from)?;
        if !row.try_get(0).map_err(Trouble::from)? {
            return Ok(0);
        }
        self.counted(connection).await
    }

    async fn counted(self, connection: &mut PgConnection) -> Result<usize, StoreError> {
        let count = "select coalesce(max(step), 0) from schema_steps";
        let row = connection.fetch_one(count).await.map_err(Trouble::from)?;
        let applied: i64 = row.try_get(0).map_err(Trouble::from)?;
        let applied = usize::try_from(applied).unwrap_or(0);
        if applied > self.steps.len() {
            return Err(StoreError::Broken(format!(
                "has schema version {applied}, newer than {}, the newest this build knows; use a newer ecom",
                self.steps.len()
            )));
        }
        Ok(applied)
    }
}
