//! The store in PostgreSQL. A batch is one statement, so one round trip: it takes all rows of parameters of
//! all its writes at once, and does nothing unless it changes exactly one row for each of them; then the
//! batch is run row by row in a transaction, which decides. Nothing is acknowledged before it is on disk
//! (`synchronous_commit = on`), but for what may be lost.
//!
//! This is the only folder that names `sqlx`.

mod cells;
mod emptying;
mod errors;
mod inquiry;
mod look;
mod migrate;
mod notices;
mod own_schema;
mod plan;
mod pool;
mod reading;
mod together;
mod translate;
mod url;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::ports::clock::timeout;
use crate::ports::inquiry::{Answer, Inquiry, InquiryError};
use crate::ports::store::{Batch, Expect, Read, Row, Store, StoreError, Write};
use crate::ports::{Clock, Spawn};
use errors::Trouble;
pub use look::{PostgresFacts, look};
pub use migrate::Schema;
pub use notices::PostgresNotices;
pub use own_schema::OwnSchema;
use plan::Plan;
use pool::Pool;
use reading::Numbered;
use together::Together;

/// How often a batch is tried again at once when others were in its way.
const TRIES_IN_THE_WAY: usize = 5;

/// How to reach a database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?…`, as `libpq` has it.
    pub url: String,
    /// Connections at most.
    pub connections: u32,
    /// How long anything may take: connecting, a lock, a statement.
    pub timeout: Duration,
    /// Shown in `pg_stat_activity`.
    pub application: String,
}

impl PostgresOptions {
    /// Whether `url` is one; or what is wrong with it.
    pub fn check_url(url: &str) -> Result<(), String> {
        url::parse(url).map(drop)
    }
}

/// A store in PostgreSQL.
#[derive(Clone)]
pub struct PostgresStore {
    pool: Pool,
    place: Arc<str>,
    clock: Arc<dyn Clock>,
    options: PostgresOptions,
    plans: Arc<RwLock<BTreeMap<&'static str, Arc<Plan>>>>,
    together: Option<Together>,
}

/// Whether many rows of parameters may go in one statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Sets,
    RowByRow,
}

impl PostgresStore {
    /// Connects to a database whose schema is up to date, or bring it there first with `migrate`. An
    /// error says what is wrong, where, and what to do.
    pub async fn connect(
        options: PostgresOptions,
        schema: Schema,
        migrate: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let parsed = url::parse(&options.url)
            .map_err(|e| StoreError::Broken(format!("not a postgres URL: {e}")))?;
        let place: Arc<str> = url::place(&parsed).into();
        let parsed = pool::with_settings(parsed, &options);
        let first = timeout(clock.as_ref(), options.timeout, PgConnection::connect_with(&parsed));
        let first = first.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let mut first = first.map_err(|e| StoreError::Unavailable(errors::explain(&e, &place)))?;
        let ready = async {
            if migrate {
                schema.migrate(&mut first).await
            } else {
                schema.check_complete(&mut first).await
            }
        };
        // The server ends a statement after one time-out; who still waits then waits in vain.
        let ready = timeout(clock.as_ref(), options.timeout * 2, ready).await;
        let silent = || Err(StoreError::Unavailable("the server has fallen silent".into()));
        ready.unwrap_or_else(silent).map_err(|e| at_place(e, &place))?;
        let _ = timeout(clock.as_ref(), options.timeout, first.close()).await;
        let pool = Pool::new(parsed, &options, Arc::clone(&clock));
        Ok(Self { pool, place, clock, options, plans: Arc::default(), together: None })
    }

    /// From now on small batches that come at the same time are written together, and runs of one query
    /// read together.
    #[must_use]
    pub fn with_grouping(mut self, spawn: &Arc<dyn Spawn>) -> Self {
        self.together = Some(Together::new(&self, spawn));
        self
    }

    async fn plan(
        &self,
        connection: &mut PgConnection,
        sql: &'static str,
    ) -> Result<Arc<Plan>, Trouble> {
        let known = self.plans.read().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(plan) = known {
            return Ok(plan);
        }
        let plan = Arc::new(plan::learn(connection, sql).await?);
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        plans.insert(sql, Arc::clone(&plan));
        Ok(plan)
    }

    /// Applies `batch`; `committing` is set from where on its outcome is unknown if the connection goes.
    async fn write_on(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        mode: Mode,
        committing: &mut bool,
    ) -> Result<(), Trouble> {
        let writes: Vec<&Write> = batch.writes.iter().filter(|w| !w.rows.is_empty()).collect();
        if let [write] = writes.as_slice()
            && let [row] = write.rows.as_slice()
            && (write.expect == Expect::Any || write.sql.starts_with("insert"))
            && !batch.relaxed
        {
            // A transaction by itself, whatever it changes.
            let plan = self.plan(connection, write.sql).await?;
            plan.check(write.sql, &write.rows)?;
            let arguments = cells::single(&plan.kinds, row)?;
            *committing = true;
            let done = run(&plan.single, arguments).execute(connection).await?;
            return expected(write, done.rows_affected());
        }
        if mode == Mode::Sets
            && let Some((text, arguments)) = self.whole(connection, &writes, batch.relaxed).await?
        {
            *committing = true;
            run(&text, arguments).execute(connection).await?;
            return Ok(());
        }
        let mut tx = connection.begin().await?;
        for write in writes {
            let whole = match mode {
                Mode::Sets => self.whole(&mut tx, &[write], batch.relaxed).await?,
                Mode::RowByRow => None,
            };
            match whole {
                Some((text, arguments)) => {
                    run(&text, arguments).execute(&mut *tx).await?;
                }
                None => self.row_by_row(&mut tx, write).await?,
            }
        }
        *committing = true;
        Ok(tx.commit().await?)
    }

    /// All of `writes` as one statement and what it takes, if each of them has a form for many rows.
    async fn whole(
        &self,
        connection: &mut PgConnection,
        writes: &[&Write],
        relaxed: bool,
    ) -> Result<Option<(Arc<str>, PgArguments)>, Trouble> {
        let mut plans = vec![];
        for write in writes {
            let plan = self.plan(connection, write.sql).await?;
            plan.check(write.sql, &write.rows)?;
            plans.push(plan);
        }
        let parts = plans.iter().map(|plan| Some((plan.write.as_ref()?, plan.types())));
        let Some(parts) = parts.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let text = translate::together(&parts, relaxed).into();
        let columns = plans.iter().zip(writes).map(|(plan, w)| (&plan.kinds[..], &w.rows[..]));
        Ok(Some((text, cells::columns(columns)?)))
    }

    async fn row_by_row(
        &self,
        connection: &mut PgConnection,
        write: &Write,
    ) -> Result<(), Trouble> {
        let plan = self.plan(connection, write.sql).await?;
        plan.check(write.sql, &write.rows)?;
        for row in &write.rows {
            let arguments = cells::single(&plan.kinds, row)?;
            let done = run(&plan.single, arguments).execute(&mut *connection).await?;
            expected(write, done.rows_affected())?;
        }
        Ok(())
    }

    /// Applies `batch`, again and again as long as only others are in the way.
    async fn write_alone(&self, batch: &Batch) -> Result<(), StoreError> {
        let (mut mode, mut in_the_way, mut lost) = (Mode::Sets, 0, 0);
        loop {
            match self.write_once(batch, mode).await {
                // Also what a check says of a row that two writes change, one after the other.
                Err((Trouble::Inexact | Trouble::Told(StoreError::Broken(_)), _))
                    if mode == Mode::Sets =>
                {
                    mode = Mode::RowByRow;
                }
                Err((Trouble::InTheWay(_), _)) if in_the_way < TRIES_IN_THE_WAY => in_the_way += 1,
                Err((Trouble::Useless(_), _) | (Trouble::Lost(_), false))
                    if lost < self.tries() =>
                {
                    lost += 1;
                }
                done => return done.map_err(|(trouble, _)| trouble.into()),
            }
        }
    }

    /// Tries to apply `batch`; an error comes with whether it may have been committed nevertheless.
    async fn write_once(&self, batch: &Batch, mode: Mode) -> Result<(), (Trouble, bool)> {
        let mut connection = self.pool.acquire().await.map_err(|e| (Trouble::from(e), false))?;
        let mut committing = false;
        let work = self.write_on(&mut connection, batch, mode, &mut committing);
        let done = timeout(self.clock.as_ref(), self.patience(), work).await;
        self.finish(connection, done).map_err(|trouble| (trouble, committing))
    }

    /// Gives the connection back, unless nobody knows what will come out of it next.
    fn finish<T>(
        &self,
        connection: sqlx::pool::PoolConnection<Postgres>,
        done: Option<Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let limit = self.patience();
        let done = done.unwrap_or_else(|| Err(Trouble::Lost(format!("no answer in {limit:?}"))));
        if let Err(Trouble::Lost(_) | Trouble::Useless(_)) = &done {
            self.pool.lost(connection);
        }
        done
    }

    /// The server ends a statement after its time, and says so: whoever does not even hear that knows
    /// nothing.
    fn patience(&self) -> Duration {
        self.options.timeout + self.options.timeout / 4
    }

    /// A connection may have died while it was idle, and all others with it.
    fn tries(&self) -> usize {
        self.options.connections as usize + 1
    }
}

fn run(text: &Arc<str>, arguments: PgArguments) -> Query<'static, Postgres, PgArguments> {
    sqlx::query_with(AssertSqlSafe(Arc::clone(text)), arguments)
}

fn expected(write: &Write, changed: u64) -> Result<(), Trouble> {
    if write.expect == Expect::One && changed != 1 {
        return Err(Trouble::Told(StoreError::Conflict(write.sql.to_owned())));
    }
    Ok(())
}

/// The error, with where it happened: for people, who may have more than one database.
fn at_place(e: StoreError, place: &str) -> StoreError {
    let at = |text| format!("PostgreSQL at {place}: {text}");
    match e {
        StoreError::Unavailable(text) => StoreError::Unavailable(at(text)),
        StoreError::Broken(text) => StoreError::Broken(at(text)),
        StoreError::Full(text) => StoreError::Full(at(text)),
        conflict @ StoreError::Conflict(_) => conflict,
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        let together = match (reads, &self.together) {
            ([read], Some(together)) => together.read(read).await,
            _ => None,
        };
        let done = match together {
            Some(done) => done.map(|rows| vec![rows]),
            None => self.read_again(reads, Numbered::No).await,
        };
        done.map_err(|e| at_place(e, &self.place))
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.row_count() == 0 {
            return Ok(());
        }
        let batch = Arc::new(batch);
        let together = match &self.together {
            Some(together) => together.write(&batch).await,
            None => None,
        };
        let done = match together {
            Some(done) => done,
            None => self.write_alone(&batch).await,
        };
        done.map_err(|e| at_place(e, &self.place))
    }

    async fn durable(&self) -> Result<(), StoreError> {
        Ok(()) // a commit is acknowledged when it is on disk
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        Ok(None) // the server's disk is the server's business; a full one answers `Full`
    }

    async fn inquire(&self, inquiry: &Inquiry) -> Result<Answer, InquiryError> {
        self.answer(inquiry).await
    }
}
