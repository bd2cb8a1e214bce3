//! Between the store port's values and errors and SQLite's.

use rusqlite::types::{ToSql, ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{ErrorCode, ffi};

use crate::ports::store::{Row, StoreError, Value};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
            Self::Int(n) => ToSqlOutput::Owned(SqlValue::Integer(*n)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Time(time) => ToSqlOutput::Owned(SqlValue::Text(time.to_string())),
        })
    }
}

fn value(column: ValueRef<'_>) -> Result<Value, StoreError> {
    Ok(match column {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Int(n),
        ValueRef::Text(text) => Value::Text(
            String::from_utf8(text.to_vec())
                .map_err(|_| StoreError::Broken("text column that is not UTF-8".into()))?,
        ),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec().into()),
        // Generated columns such as `total_amount` are for people; the shop reads the integers.
        ValueRef::Real(real) => Value::Text(real.to_string()),
    })
}

pub(super) fn row(row: &rusqlite::Row<'_>, columns: usize) -> Result<Row, StoreError> {
    let cell = |at| value(row.get_ref(at).map_err(|e| error(&e))?);
    Ok(Row((0..columns).map(cell).collect::<Result<_, _>>()?))
}

pub(super) fn error(e: &rusqlite::Error) -> StoreError {
    let text = e.to_string();
    match e.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) if exists_already(e) => StoreError::Conflict(text),
        Some(ErrorCode::DiskFull) => StoreError::Full(text),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory,
        ) => StoreError::Unavailable(text),
        _ => StoreError::Broken(text),
    }
}

/// Any other constraint (`not null`, `check`) is broken by the statement itself, however often.
fn exists_already(e: &rusqlite::Error) -> bool {
    let extended = e.sqlite_error().map(|e| e.extended_code);
    matches!(
        extended,
        Some(
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_ROWID
        )
    )
}
