//! A schema beside all others in a database, for as long as somebody needs one.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::{errors, url};
use crate::ports::Clock;
use crate::ports::clock::timeout;
use crate::ports::store::StoreError;

/// A schema that whoever made it removes again.
pub struct OwnSchema {
    database: String,
    name: String,
    limit: Duration,
}

impl OwnSchema {
    /// Makes the schema `name` in the database at `database`; that may take as long as `limit`.
    pub async fn create(
        database: &str,
        name: &str,
        limit: Duration,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let own = Self { database: database.to_owned(), name: name.to_owned(), limit };
        own.execute(format!("create schema \"{name}\""), clock).await?;
        Ok(own)
    }

    /// The URL of the database as if there was nothing else in it.
    pub fn url(&self) -> String {
        let sign = if self.database.contains('?') { '&' } else { '?' };
        format!("{}{sign}options[search_path]={}", self.database, self.name)
    }

    /// Removes it with all that is in it.
    pub async fn drop(self, clock: &dyn Clock) -> Result<(), StoreError> {
        self.execute(format!("drop schema \"{}\" cascade", self.name), clock).await
    }

    async fn execute(&self, sql: String, clock: &dyn Clock) -> Result<(), StoreError> {
        let options = url::parse(&self.database).map_err(StoreError::Broken)?;
        let place = url::place(&options);
        let work = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
            connection.close().await
        };
        let done = timeout(clock, self.limit, work).await;
        let done = done.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        done.map_err(|e| StoreError::Unavailable(errors::explain(&e, &place)))
    }
}
