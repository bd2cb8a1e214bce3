//! SQLite as one journal for everything embedded: the store's tables and the event log share a file,
//! a writer and an fsync. Jobs from all over the process queue up; one thread applies as many as
//! have arrived in one transaction (group commit); another keeps the disk up to date. Since all go
//! through one write-ahead log, what is on disk after a power cut is always a prefix of what was
//! acknowledged: a later step never survives an earlier one that is lost.
//!
//! This is the only folder that names `rusqlite`.

mod checkpoint;
mod convert;
pub mod copy;
mod durability;
mod inquiry;
mod schema;
mod wal;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use crate::ports::store::{Expect, Read, Row, StoreError, Value, Write};
use durability::Durability;
pub use durability::JournalFigures;
pub use schema::Schema;

/// Statements kept prepared per connection; the shop has about a hundred.
const STATEMENTS_CACHED: usize = 256;

/// A piece of work for the writer.
pub trait Job: Send {
    /// Does it, inside a transaction. May be called again if the transaction was rolled back.
    fn apply(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Told the outcome, in commit order, on the writer's thread: be quick.
    fn done(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// The writer's open transaction.
pub struct Tx<'a> {
    connection: &'a Connection,
    changed: std::cell::Cell<u64>,
}

impl Tx<'_> {
    /// Runs `sql` once; how many rows it changed.
    pub fn execute(&self, sql: &'static str, row: &[Value]) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|e| convert::error(&e))?;
        let changed =
            statement.execute(rusqlite::params_from_iter(row)).map_err(|e| convert::error(&e))?;
        self.note(changed);
        Ok(changed)
    }

    fn note(&self, changed: usize) {
        self.changed.set(self.changed.get() + changed as u64);
    }

    /// Runs `write` for each of its rows and holds the counts against what it expects.
    pub fn run(&self, write: &Write) -> Result<(), StoreError> {
        let mut statement =
            self.connection.prepare_cached(write.sql).map_err(|e| convert::error(&e))?;
        for row in &write.rows {
            let changed =
                statement.execute(rusqlite::params_from_iter(row)).map_err(|e| match e {
                    rusqlite::Error::InvalidParameterCount(..) => StoreError::Broken(e.to_string()),
                    _ => convert::error(&e),
                })?;
            self.note(changed);
            if write.expect == Expect::One && changed != 1 {
                return Err(StoreError::Conflict(write.sql.to_owned()));
            }
        }
        Ok(())
    }

    /// Runs `sql` once; its rows.
    pub fn query(&self, sql: &str, row: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut rows = vec![];
        query(self.connection, sql, row, &mut rows)?;
        Ok(rows)
    }
}

fn query(
    connection: &Connection,
    sql: &str,
    params: &[Value],
    into: &mut Vec<Row>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| convert::error(&e))?;
    let columns = statement.column_count();
    let mut rows =
        statement.query(rusqlite::params_from_iter(params)).map_err(|e| convert::error(&e))?;
    while let Some(row) = rows.next().map_err(|e| convert::error(&e))? {
        into.push(convert::row(row, columns)?);
    }
    Ok(())
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Bytes of an unfinished write that were discarded: the process or the machine had stopped in
    /// the middle of it. Nothing acknowledged was in them.
    pub torn_bytes: u64,
}

/// One database file with its writer.
pub struct Journal {
    place: Place,
    durability: Arc<Durability>,
}

enum Place {
    /// A file, written by a thread of its own.
    File { path: PathBuf, writer: writer::Writer, readers: Mutex<Vec<Connection>> },
    /// Memory, for virtual time: jobs run at once, on the caller.
    Memory(Mutex<Connection>),
}

impl Journal {
    /// Opens or creates the database at `path` and brings its schema up to date.
    pub fn open(path: &Path, schema: Schema) -> Result<(Self, Opened), StoreError> {
        let wal_path = path.with_extension("db-wal");
        let tail = wal::examine(&wal_path)
            .map_err(|e| StoreError::Unavailable(format!("{}: {e}", wal_path.display())))?;
        // Names and addresses are nobody else's business; SQLite gives the log the same mode.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))?;
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema.migrate(&connection)?;
        if tail.torn > 0 {
            // SQLite ignores the torn bytes; this makes them go away, so that it is said once.
            exec(&connection, "pragma wal_checkpoint(truncate)")?;
        }
        let durability = Arc::new(Durability::default());
        let writer = writer::Writer::start(path, connection, Arc::clone(&durability))?;
        durability::start(&wal_path, Arc::clone(&durability))?;
        let place = Place::File { path: path.to_owned(), writer, readers: Mutex::default() };
        Ok((Self { place, durability }, Opened { torn_bytes: tail.torn }))
    }

    /// A database in memory, without threads.
    pub fn in_memory(schema: Schema) -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory().map_err(|e| convert::error(&e))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        schema.migrate(&connection)?;
        Ok(Self { place: Place::Memory(Mutex::new(connection)), durability: Arc::default() })
    }

    /// Opens an existing database for reading only, beside the process that writes it or after it.
    pub fn open_read_only(path: &Path, schema: Schema) -> Result<ReadOnly, StoreError> {
        let connection = connect_reader(path)?;
        schema.check_complete(&connection)?;
        Ok(ReadOnly(Mutex::new(connection)))
    }

    /// Queues a job; its `done` is called when it is committed or has failed.
    pub fn submit(&self, mut job: Box<dyn Job>) {
        match &self.place {
            Place::File { writer, .. } => writer.submit(job),
            Place::Memory(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let outcome = writer::alone(&connection, job.as_mut(), &self.durability);
                self.durability.committed();
                self.durability.all_synced();
                // Before the next job can run: outcomes are told in commit order.
                job.done(outcome);
                drop(connection);
            }
        }
    }

    /// Runs all reads on one snapshot that sees every finished job.
    pub fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        match &self.place {
            Place::Memory(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                read_all(&connection, reads)
            }
            Place::File { path, readers, .. } => {
                let idle = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let connection = idle.map_or_else(|| connect_reader(path), Ok)?;
                let results = snapshot(&connection, reads);
                readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                results
            }
        }
    }

    /// Returns when every job that is done now is on disk.
    pub async fn durable(&self) -> Result<(), StoreError> {
        self.durability.wait().await
    }

    /// What it has done so far.
    pub fn figures(&self) -> JournalFigures {
        self.durability.figures()
    }

    /// Bytes free on the file system that holds the database.
    pub fn room(&self) -> Result<Option<u64>, StoreError> {
        match &self.place {
            Place::Memory(_) => Ok(None),
            Place::File { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                let stat = rustix::fs::statvfs(folder)
                    .map_err(|e| StoreError::Unavailable(format!("{}: {e}", folder.display())))?;
                Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
            }
        }
    }

    /// Finishes queued jobs, writes the log back into the database and closes the file.
    pub fn close(&self) {
        if let Place::File { writer, readers, .. } = &self.place {
            readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
            writer.stop();
            self.durability.stop();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

/// A database that is only read.
pub struct ReadOnly(Mutex<Connection>);

impl ReadOnly {
    /// Runs all reads on one snapshot.
    pub fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        snapshot(&self.0.lock().unwrap_or_else(PoisonError::into_inner), reads)
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // `synchronous=normal` leaves the fsync of each commit to `durability`, which shares one among
    // all that wait; checkpoints are ours too, so that no commit ever waits for one.
    exec(
        &connection,
        "pragma journal_mode=wal; pragma synchronous=normal; pragma wal_autocheckpoint=0;
         pragma busy_timeout=5000; pragma temp_store=memory; pragma cache_size=-65536;",
    )?;
    Ok(connection)
}

fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    exec(&connection, "pragma busy_timeout=5000; pragma cache_size=-16384;")?;
    Ok(connection)
}

fn exec(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute_batch(sql).map_err(|e| convert::error(&e))
}

fn snapshot(connection: &Connection, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
    if let [read] = reads
        && read.rows.len() == 1
    {
        return read_all(connection, reads);
    }
    exec(connection, "begin")?;
    let results = read_all(connection, reads);
    exec(connection, "commit")?;
    results
}

fn read_all(connection: &Connection, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
    let one = |read: &Read| {
        let mut rows = vec![];
        for params in &read.rows {
            query(connection, read.sql, params, &mut rows)?;
        }
        Ok(rows)
    };
    reads.iter().map(one).collect()
}
