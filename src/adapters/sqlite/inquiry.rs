//! What people ask in SQL. Nothing can be changed by it: SQLite asks before it compiles any part of a statement
//! whether that is allowed, and only reading is.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode};
use serde_json::Value as Json;
use tokio::sync::oneshot;

use super::{Journal, Place, connect_reader, convert};
use crate::ports::dialect::Dialect;
use crate::ports::inquiry::{self, Answer, Growing, Inquiry, InquiryError};
use crate::ports::store::StoreError;

/// The largest cell, and the longest statement, in bytes.
const CELL_BYTES_MAX: i32 = 16 << 20;
/// Steps of SQLite's machine between two looks at the clock: less than a millisecond.
const STEPS_PER_LOOK: i32 = 10_000;
/// Pragmas that only tell what tables there are.
const PRAGMAS: [&str; 6] =
    ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"];
/// The tables' columns with JSON and with booleans, for which SQLite has no types.
const JSON: [&str; 4] = ["items", "previous", "plan", "outcome"];
const BOOLEAN: [&str; 2] = ["listed", "order_cancelled"];

impl Journal {
    /// Answers `inquiry`, beside all other work.
    pub async fn inquire(&self, inquiry: &Inquiry) -> Result<Answer, InquiryError> {
        let sql = inquiry.sql_for(Dialect::Sqlite)?;
        match &self.place {
            Place::Memory(connection) => {
                let mut connection =
                    connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let bounds = Bounds::set(&mut connection, inquiry.timeout)?;
                let done = answer(&connection, &sql, inquiry);
                bounds.lift(&mut connection)?;
                done
            }
            Place::File { path, .. } => {
                let (path, inquiry) = (path.clone(), inquiry.clone());
                let (tell, told) = oneshot::channel();
                let ask = move || {
                    // Who asked may be gone, which is fine.
                    let _ = tell.send(on_own_connection(&path, &sql, &inquiry));
                };
                let thread = std::thread::Builder::new().name("inquiry".into()).spawn(ask);
                let busy = |e: &dyn std::fmt::Display| StoreError::Unavailable(e.to_string());
                thread.map_err(|e| busy(&e))?;
                told.await.unwrap_or_else(|e| Err(busy(&e).into()))
            }
        }
    }
}

fn on_own_connection(path: &Path, sql: &str, inquiry: &Inquiry) -> Result<Answer, InquiryError> {
    let mut connection = connect_reader(path)?;
    let _bounds = Bounds::set(&mut connection, inquiry.timeout)?;
    answer(&connection, sql, inquiry)
}

/// What a connection was allowed before.
struct Bounds(Vec<(Limit, i32)>);

impl Bounds {
    /// From now on `connection` only reads, and not for longer than this.
    fn set(connection: &mut Connection, timeout: Duration) -> Result<Self, StoreError> {
        let limits =
            [(Limit::SQLITE_LIMIT_ATTACHED, 0), (Limit::SQLITE_LIMIT_LENGTH, CELL_BYTES_MAX)];
        let mut before = vec![];
        for (limit, value) in limits {
            let was = connection.set_limit(limit, value).map_err(|e| convert::error(&e))?;
            before.push((limit, was));
        }
        #[expect(clippy::disallowed_methods, reason = "SQLite's steps take no virtual time")]
        let started = Instant::now();
        let late = move || started.elapsed() >= timeout;
        let set = connection.progress_handler(STEPS_PER_LOOK, Some(late));
        let set = set.and_then(|()| connection.authorizer(Some(allowed)));
        set.map_err(|e| convert::error(&e))?;
        Ok(Self(before))
    }

    /// For a connection that has other work as well.
    fn lift(self, connection: &mut Connection) -> Result<(), StoreError> {
        let lifted = connection.progress_handler(0, None::<fn() -> bool>);
        let lifted = lifted
            .and_then(|()| connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>));
        lifted.map_err(|e| convert::error(&e))?;
        for (limit, was) in self.0 {
            connection.set_limit(limit, was).map_err(|e| convert::error(&e))?;
        }
        Ok(())
    }
}

fn allowed(context: AuthContext<'_>) -> Authorization {
    let reads = match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            !function_name.eq_ignore_ascii_case("load_extension")
        }
        AuthAction::Pragma { pragma_name, .. } => {
            PRAGMAS.iter().any(|known| pragma_name.eq_ignore_ascii_case(known))
        }
        _ => false,
    };
    if reads { Authorization::Allow } else { Authorization::Deny }
}

fn answer(connection: &Connection, sql: &str, inquiry: &Inquiry) -> Result<Answer, InquiryError> {
    let failed = |e: Error| told(&e, sql, inquiry);
    let mut statement = connection.prepare(sql).map_err(failed)?;
    if statement.column_count() == 0 {
        return Err(InquiryError::not_reading("this gives no rows"));
    }
    let mut growing = Growing::new(inquiry);
    growing.name(statement.column_names());
    let kinds: Vec<Kind> = statement.column_names().map(Kind::of).collect();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failed)? {
        let cell = |(at, kind): (usize, &Kind)| Ok(kind.cell(row.get_ref(at)?));
        let cells = kinds.iter().enumerate().map(cell).collect::<Result<_, Error>>();
        if !growing.push(cells.map_err(failed)?) {
            break;
        }
    }
    Ok(growing.done())
}

fn told(e: &Error, sql: &str, inquiry: &Inquiry) -> InquiryError {
    match e {
        Error::MultipleStatement => InquiryError::not_reading("this is more than one statement"),
        Error::SqlInputError { msg, offset, .. } => {
            InquiryError::at(sql, usize::try_from(*offset).unwrap_or(0), msg)
        }
        e => match e.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => InquiryError::TooLong(inquiry.timeout),
            Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
                InquiryError::not_reading("this does more than read")
            }
            _ => match convert::error(e) {
                // Of a table that is not there, SQLite tells the name only.
                StoreError::Broken(text) => match text.rsplit_once(": ") {
                    Some((_, name)) => match sql.find(name) {
                        Some(at) => InquiryError::at(sql, at, &text),
                        None => InquiryError::Wrong(text),
                    },
                    None => InquiryError::Wrong(text),
                },
                e => e.into(),
            },
        },
    }
}

/// What the values of a column mean, by its name.
enum Kind {
    Json,
    Boolean,
    Plain,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            name if JSON.contains(&name) => Self::Json,
            name if BOOLEAN.contains(&name) => Self::Boolean,
            _ => Self::Plain,
        }
    }

    fn cell(&self, value: ValueRef<'_>) -> Json {
        match value {
            ValueRef::Null => Json::Null,
            ValueRef::Integer(n @ 0..=1) if matches!(self, Self::Boolean) => (n == 1).into(),
            ValueRef::Integer(n) => n.into(),
            ValueRef::Real(real) => inquiry::number(&real.to_string()),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) if matches!(self, Self::Json) => inquiry::json(text),
                Ok(text) => text.into(),
                Err(_) => inquiry::bytes(text),
            },
            ValueRef::Blob(blob) => inquiry::bytes(blob),
        }
    }
}
