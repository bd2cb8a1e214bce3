//! The relational store. A transaction is data: reads see one snapshot, a [`Batch`] of writes is
//! applied whole or not at all, and each write says what it expects to change. A handler therefore
//! reads, decides, and compares-and-sets; nobody holds a transaction open while deciding. That is
//! one round trip per transaction on a server, group commit in a file, and one deterministic step
//! under virtual time.

use async_trait::async_trait;
use bytes::Bytes;

use super::inquiry::{Answer, Inquiry, InquiryError};
use crate::domain::Timestamp;

/// A column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL null.
    Null,
    /// An integer, a boolean as 0/1, or minor units.
    Int(i64),
    /// Text, JSON included; without NUL, which PostgreSQL does not take.
    Text(String),
    /// Bytes, kept exactly.
    Bytes(Bytes),
    /// A point in time, of the years 0 to 9999; RFC 3339 text in SQLite, `timestamptz` in
    /// PostgreSQL.
    Time(Timestamp),
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $to:expr;)+) => {
        $(impl From<$from> for Value { fn from($v: $from) -> Self { $to } })+
    };
}

value_from! {
    i64 => |v| Self::Int(v);
    u32 => |v| Self::Int(i64::from(v));
    bool => |v| Self::Int(i64::from(v));
    &str => |v| Self::Text(v.to_owned());
    &String => |v| Self::Text(v.clone());
    String => |v| Self::Text(v);
    Bytes => |v| Self::Bytes(v);
    Timestamp => |v| Self::Time(v);
    crate::domain::Money => |v| Self::Int(v.minor());
    crate::domain::Quantity => |v| Self::Int(i64::from(v.get()));
    &crate::domain::UserId => |v| Self::Text(v.as_str().to_owned());
    &crate::domain::OrderId => |v| Self::Text(v.as_str().to_owned());
    &crate::domain::ProductId => |v| Self::Text(v.as_str().to_owned());
    &crate::domain::PaymentId => |v| Self::Text(v.as_str().to_owned());
    crate::domain::CartId => |v| Self::Text(v.to_string());
    crate::domain::EventId => |v| Self::Text(v.to_string());
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Builds one row of parameters: `values![order_id, total, now]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::ports::store::Value::from($value)),*] };
}
pub use crate::values;

/// One row of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// Column `at` as text.
    pub fn text(&self, at: usize) -> Result<&str, StoreError> {
        match self.0.get(at) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(StoreError::unexpected(at, "text", other)),
        }
    }

    /// Column `at` as text, or null.
    pub fn text_opt(&self, at: usize) -> Result<Option<&str>, StoreError> {
        if self.0.get(at) == Some(&Value::Null) { Ok(None) } else { self.text(at).map(Some) }
    }

    /// Column `at` as an integer.
    pub fn int(&self, at: usize) -> Result<i64, StoreError> {
        match self.0.get(at) {
            Some(Value::Int(n)) => Ok(*n),
            other => Err(StoreError::unexpected(at, "an integer", other)),
        }
    }

    /// Column `at` as a time.
    pub fn time(&self, at: usize) -> Result<Timestamp, StoreError> {
        match self.0.get(at) {
            Some(Value::Time(time)) => Ok(*time),
            Some(Value::Text(text)) => {
                text.parse().map_err(|_| StoreError::unexpected(at, "a time", self.0.get(at)))
            }
            other => Err(StoreError::unexpected(at, "a time", other)),
        }
    }

    /// Column `at` as a time, or null.
    pub fn time_opt(&self, at: usize) -> Result<Option<Timestamp>, StoreError> {
        if self.0.get(at) == Some(&Value::Null) { Ok(None) } else { self.time(at).map(Some) }
    }

    /// Column `at`, text that parses as `T`.
    pub fn parsed<T: std::str::FromStr>(&self, at: usize) -> Result<T, StoreError> {
        self.text(at)?
            .parse()
            .map_err(|_| StoreError::unexpected(at, std::any::type_name::<T>(), self.0.get(at)))
    }

    /// Column `at`, text that parses as `T`, or null.
    pub fn parsed_opt<T: std::str::FromStr>(&self, at: usize) -> Result<Option<T>, StoreError> {
        if self.0.get(at) == Some(&Value::Null) { Ok(None) } else { self.parsed(at).map(Some) }
    }

    /// Column `at`, JSON text of a `T`.
    pub fn json<T: serde::de::DeserializeOwned>(&self, at: usize) -> Result<T, StoreError> {
        serde_json::from_str(self.text(at)?)
            .map_err(|_| StoreError::unexpected(at, std::any::type_name::<T>(), self.0.get(at)))
    }
}

/// What a write must change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Each row of parameters changes exactly one row; otherwise the batch is a conflict.
    One,
    /// Any number of rows.
    Any,
}

/// A statement, run once per row of parameters. Placeholders are `?1`, `?2`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The statement.
    pub sql: &'static str,
    /// Its parameters, one row per run.
    pub rows: Vec<Vec<Value>>,
    /// What each run must change.
    pub expect: Expect,
}

/// Writes that are applied in order, all or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The writes.
    pub writes: Vec<Write>,
    /// Whether a crash of the store may lose it after it was acknowledged: for what is found out again.
    pub relaxed: bool,
}

impl Batch {
    /// Adds a run of `sql` that must change exactly one row. Runs of one statement are kept
    /// together at the place of the first, so a batch has few statements however many events it
    /// serves.
    pub fn one(&mut self, sql: &'static str, row: Vec<Value>) {
        self.push(sql, row, Expect::One);
    }

    /// Adds a run of `sql` that may change any number of rows.
    pub fn any(&mut self, sql: &'static str, row: Vec<Value>) {
        self.push(sql, row, Expect::Any);
    }

    fn push(&mut self, sql: &'static str, row: Vec<Value>, expect: Expect) {
        match self.writes.iter_mut().find(|w| w.sql == sql && w.expect == expect) {
            Some(write) => write.rows.push(row),
            None => self.writes.push(Write { sql, rows: vec![row], expect }),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Rows of parameters in all writes.
    pub fn row_count(&self) -> usize {
        self.writes.iter().map(|w| w.rows.len()).sum()
    }
}

/// A query, run once per row of parameters, the results one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The query.
    pub sql: &'static str,
    /// Its parameters, one row per run.
    pub rows: Vec<Vec<Value>>,
}

impl Read {
    /// A query with one row of parameters.
    pub fn new(sql: &'static str, row: Vec<Value>) -> Self {
        Self { sql, rows: vec![row] }
    }

    /// A query run for each of `rows`.
    pub fn each(sql: &'static str, rows: impl IntoIterator<Item = Vec<Value>>) -> Self {
        Self { sql, rows: rows.into_iter().collect() }
    }
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the same rows first, or the row exists already. Read again and decide
    /// again.
    #[error("conflict in: {0}")]
    Conflict(String),
    /// No room left on the device; nothing was written.
    #[error("no space left for the store: {0}")]
    Full(String),
    /// The store cannot be reached or is busy.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The store answered something this build does not understand, its data is damaged, or a
    /// statement can never work (no such column, a null where none may be).
    #[error("store error: {0}")]
    Broken(String),
}

impl StoreError {
    /// Whether doing the same again later can succeed.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Full(_) | Self::Unavailable(_))
    }

    fn unexpected(at: usize, wanted: &str, found: Option<&Value>) -> Self {
        Self::Broken(format!("column {at}: expected {wanted}, found {found:?}"))
    }
}

/// A relational store of one or more services.
#[async_trait]
pub trait Store: Send + Sync {
    /// Runs all `reads` on one snapshot that includes every write acknowledged before.
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError>;

    /// Applies the batch atomically. When this returns, readers see it, in the order of
    /// acknowledgement; see [`Store::durable`] for when it is on disk.
    async fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Returns when every write acknowledged before this call is on disk. Whatever leaves the
    /// process (an answer, a charge, a mail) waits for this.
    async fn durable(&self) -> Result<(), StoreError>;

    /// Bytes that the store can still grow by, if known and bounded.
    async fn room(&self) -> Result<Option<u64>, StoreError>;

    /// Answers what somebody asks in SQL, whatever that is: nothing can be changed by it.
    async fn inquire(&self, _: &Inquiry) -> Result<Answer, InquiryError> {
        Err(InquiryError::Wrong("this store takes no questions".into()))
    }
}

/// Runs one query with one row of parameters.
pub async fn query(
    store: &dyn Store,
    sql: &'static str,
    row: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let mut results = store.read(&[Read::new(sql, row)]).await?;
    Ok(results.pop().unwrap_or_default())
}
