//! Emptying tables.

use sqlx::{AssertSqlSafe, Executor as _};

use super::errors::Trouble;
use super::{PostgresStore, at_place};
use crate::ports::clock::timeout;
use crate::ports::store::StoreError;

/// What the server says when a lock was not to be had in time, as a time-out of the lock or of the statement:
/// emptying itself takes no time.
const LOCKED: [&str; 2] = ["55P03", "57014"];

impl PostgresStore {
    /// Empties all of `tables`, or none. Who uses one of them is waited for as long as any lock; then it is a
    /// conflict, and nobody's session is ended.
    pub async fn truncate(&self, tables: &[&str]) -> Result<(), StoreError> {
        // One statement is one transaction, and takes its locks in one go.
        let sql = format!("truncate table {}", tables.join(", "));
        let mut connection = self
            .pool
            .acquire()
            .await
            .map_err(|e| at_place(Trouble::from(e).into(), &self.place))?;
        let work = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
        let done = timeout(self.clock.as_ref(), self.patience(), work).await;
        let done = match done {
            Some(Err(sqlx::Error::Database(e)))
                if e.code().is_some_and(|code| LOCKED.contains(&&*code)) =>
            {
                return Err(StoreError::Conflict(format!(
                    "another session uses tables of the shop in PostgreSQL at {}; end what it does and try again",
                    self.place
                )));
            }
            Some(done) => done.map(drop).map_err(Trouble::from),
            None => Err(Trouble::Lost("no answer in time".into())),
        };
        self.finish(connection, Some(done)).map_err(|e| at_place(e.into(), &self.place))
    }
}
