//! The store in PostgreSQL. A batch is one transaction of a few statements: each takes all its rows of
//! parameters at once, and is trusted only if it changed exactly one row for each of them; otherwise
//! the batch is undone and run row by row, which decides. Nothing is acknowledged before it is on disk
//! (`synchronous_commit = on`).
//!
//! This is the only folder that names `sqlx`.

mod cells;
mod errors;
mod migrate;
mod notices;
mod own_schema;
mod plan;
mod together;
mod translate;
mod url;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::ports::clock::timeout;
use crate::ports::store::{Batch, Expect, Read, Row, Store, StoreError, Write};
use crate::ports::{Clock, Spawn};
use errors::Trouble;
pub use migrate::Schema;
pub use notices::PostgresNotices;
pub use own_schema::OwnSchema;
use plan::Plan;
use together::Together;
use translate::Answer;

/// Prepared statements kept per connection; the shop has about two hundred, in both forms.
const STATEMENTS_CACHED: usize = 512;
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
    pool: PgPool,
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
        let ms = options.timeout.as_millis().to_string();
        let parsed = parsed
            .application_name(&options.application)
            .statement_cache_capacity(STATEMENTS_CACHED)
            .options([
                ("synchronous_commit", "on"),
                ("timezone", "UTC"),
                ("statement_timeout", ms.as_str()),
                ("lock_timeout", ms.as_str()),
                // A process that was stopped in the middle holds its locks no longer than this.
                ("idle_in_transaction_session_timeout", ms.as_str()),
            ]);
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
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.timeout)
            .test_before_acquire(false)
            .connect_lazy_with(parsed);
        Ok(Self { pool, place, clock, options, plans: Arc::default(), together: None })
    }

    /// From now on small batches that come at the same time are written together.
    #[must_use]
    pub fn with_group_commit(mut self, spawn: &dyn Spawn) -> Self {
        self.together = Some(Together::start(&self, spawn));
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

    async fn read_on(
        &self,
        connection: &mut PgConnection,
        reads: &[Read],
    ) -> Result<Vec<Vec<Row>>, Trouble> {
        let Some((last, before)) = reads.split_last() else { return Ok(vec![]) };
        if before.is_empty() {
            return Ok(vec![self.rows_of(connection, last).await?]);
        }
        let begin = "begin isolation level repeatable read, read only";
        let mut tx = connection.begin_with(begin).await?;
        let mut results = vec![];
        for read in reads {
            results.push(self.rows_of(&mut tx, read).await?);
        }
        tx.commit().await?;
        Ok(results)
    }

    async fn rows_of(
        &self,
        connection: &mut PgConnection,
        read: &Read,
    ) -> Result<Vec<Row>, Trouble> {
        if read.rows.is_empty() {
            return Ok(vec![]);
        }
        let plan = self.plan(connection, read.sql).await?;
        plan.check(read.sql, &read.rows)?;
        if let (Some((text, _)), true) = (&plan.many, read.rows.len() > 1) {
            let arguments = cells::columns(&plan.kinds, &read.rows)?;
            let rows = run(text, arguments).fetch_all(connection).await?;
            return plan.rows(&rows);
        }
        let mut all = vec![];
        for row in &read.rows {
            let arguments = cells::single(&plan.kinds, row)?;
            let rows = run(&plan.single, arguments).fetch_all(&mut *connection).await?;
            all.extend(plan.rows(&rows)?);
        }
        Ok(all)
    }

    /// Applies `batch`; `committing` is set from where on its outcome is unknown if the connection goes.
    async fn write_on(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        mode: Mode,
        committing: &mut bool,
    ) -> Result<(), Trouble> {
        if let [write] = batch.writes.as_slice()
            && let ([row], true) = (write.rows.as_slice(), write.sql.starts_with("insert"))
        {
            // One insert is a transaction by itself.
            let plan = self.plan(connection, write.sql).await?;
            plan.check(write.sql, &write.rows)?;
            let arguments = cells::single(&plan.kinds, row)?;
            *committing = true;
            let done = run(&plan.single, arguments).execute(connection).await?;
            return expected(write, done.rows_affected());
        }
        let mut tx = connection.begin().await?;
        for write in batch.writes.iter().filter(|write| !write.rows.is_empty()) {
            self.apply(&mut tx, write, mode).await?;
        }
        *committing = true;
        Ok(tx.commit().await?)
    }

    async fn apply(
        &self,
        connection: &mut PgConnection,
        write: &Write,
        mode: Mode,
    ) -> Result<(), Trouble> {
        let plan = self.plan(connection, write.sql).await?;
        plan.check(write.sql, &write.rows)?;
        let count = write.rows.len() as u64;
        if let (Some((text, answer)), Mode::Sets, true) = (&plan.many, mode, count > 1) {
            let query = run(text, cells::columns(&plan.kinds, &write.rows)?);
            let exact = match answer {
                Answer::Inserted => query.execute(connection).await?.rows_affected() == count,
                Answer::Changed | Answer::Rows => {
                    let row = query.fetch_one(connection).await?;
                    let numbers = cells::row(&row, 2)?;
                    [numbers.int(0)?, numbers.int(1)?] == [count as i64; 2]
                }
            };
            return if exact { Ok(()) } else { Err(Trouble::RowTwice) };
        }
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
                Err((Trouble::RowTwice, _)) if mode == Mode::Sets => mode = Mode::RowByRow,
                Err((Trouble::InTheWay(_), _)) if in_the_way < TRIES_IN_THE_WAY => in_the_way += 1,
                Err((Trouble::Lost(_), false)) if lost < self.tries() => lost += 1,
                done => return done.map_err(|(trouble, _)| trouble.into()),
            }
        }
    }

    /// Tries to apply `batch`; an error comes with whether it may have been committed nevertheless.
    async fn write_once(&self, batch: &Batch, mode: Mode) -> Result<(), (Trouble, bool)> {
        let mut connection = self.pool.acquire().await.map_err(|e| (Trouble::from(e), false))?;
        let mut committing = false;
        let work = self.write_on(&mut connection, batch, mode, &mut committing);
        let done = timeout(self.clock.as_ref(), self.options.timeout, work).await;
        self.finish(connection, done).map_err(|trouble| (trouble, committing))
    }

    /// Gives the connection back, unless nobody knows what will come out of it next.
    fn finish<T>(
        &self,
        connection: sqlx::pool::PoolConnection<Postgres>,
        done: Option<Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let limit = self.options.timeout;
        let done = done.unwrap_or_else(|| Err(Trouble::Lost(format!("no answer in {limit:?}"))));
        if let Err(Trouble::Lost(_)) = &done {
            drop(connection.detach());
        }
        done
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

impl PostgresStore {
    async fn read_again(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        for _ in 0..self.tries() {
            let mut connection = self.pool.acquire().await.map_err(Trouble::from)?;
            let work = self.read_on(&mut connection, reads);
            let done = timeout(self.clock.as_ref(), self.options.timeout, work).await;
            match self.finish(connection, done) {
                Err(Trouble::Lost(_) | Trouble::InTheWay(_)) => {}
                done => return Ok(done?),
            }
        }
        Err(StoreError::Unavailable("the server closes every connection".into()))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.read_again(reads).await.map_err(|e| at_place(e, &self.place))
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
}
