//! What PostgreSQL's errors mean to the shop. Codes: PostgreSQL manual, appendix A.

use sqlx::Error;

use crate::ports::store::StoreError;

const NO_RIGHT: &str = "give the user of the postgres URL that right";
const NO_SCHEMA: &str =
    "make the schema that search_path names, and let the user of the postgres URL use it";

/// What went wrong, and what may be done about it at once.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Others were in the way (a serialization failure, a deadlock): the same batch again.
    InTheWay(String),
    /// The connection is gone. Nothing was done, unless the statement was a commit.
    Lost(String),
    /// The connection is of no use, and the server says that nothing was done.
    Useless(String),
    /// Not every row of parameters changed exactly one row: they must be run one by one, which decides.
    Inexact,
    /// For the caller.
    Told(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(e: StoreError) -> Self {
        Self::Told(e)
    }
}

impl From<Error> for Trouble {
    fn from(e: Error) -> Self {
        let text = match &e {
            Error::Database(e) => e.message().to_owned(),
            e => e.to_string(),
        };
        let code = match &e {
            Error::Database(e) => e.code().unwrap_or_default().into_owned(),
            Error::PoolTimedOut => {
                let text = "every connection is in use, or the server cannot be reached";
                return Self::Told(StoreError::Unavailable(text.into()));
            }
            Error::PoolClosed | Error::Io(_) | Error::Tls(_) | Error::Protocol(_) => {
                return Self::Lost(text);
            }
            _ => return Self::Told(StoreError::Broken(text)),
        };
        match code.as_str() {
            "23505" => Self::Told(StoreError::Conflict(text)),
            // Of `on conflict`, that met a row twice; and of `translate::together`.
            "21000" | "22012" => Self::Inexact,
            "40001" | "40P01" => Self::InTheWay(text),
            "53100" => Self::Told(StoreError::Full(text)),
            // Starting up, a standby by now, cut off while idle.
            "57P03" | "57P05" | "25006" | "25P03" => Self::Useless(text),
            // Shutting down, perhaps in the middle of a commit.
            "57P01" | "57P02" => Self::Lost(text),
            "42501" => Self::Told(StoreError::Unavailable(format!("{text}; {NO_RIGHT}"))),
            "3F000" => Self::Told(StoreError::Unavailable(format!("{text}; {NO_SCHEMA}"))),
            // No such login or database, time-outs of a lock or a statement.
            "28P01" | "28000" | "3D000" | "55P03" | "57014" => {
                Self::Told(StoreError::Unavailable(text))
            }
            code if code.starts_with("53") => Self::Told(StoreError::Unavailable(text)),
            code if code.starts_with("08") => Self::Lost(text),
            _ => Self::Told(StoreError::Broken(text)),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::InTheWay(text) => Self::Conflict(text),
            Trouble::Lost(text) | Trouble::Useless(text) => Self::Unavailable(text),
            Trouble::Inexact => Self::Broken("a row was changed twice, or not at all".into()),
            Trouble::Told(e) => e,
        }
    }
}

/// Why there is no working connection, and what to do about it; for people.
pub(super) fn explain(e: &Error, place: &str) -> String {
    let (why, advice) = match e {
        Error::Database(db) => match db.code().unwrap_or_default().as_ref() {
            "28P01" | "28000" => {
                (db.message().to_owned(), "check user and password of the postgres URL")
            }
            "3D000" => (db.message().to_owned(), "create the database, or name another in the URL"),
            "53300" => (
                db.message().to_owned(),
                "raise max_connections there, or lower postgres.connections",
            ),
            "57P03" => (db.message().to_owned(), "it is starting; try again in a moment"),
            "42501" => (db.message().to_owned(), NO_RIGHT),
            _ => (db.message().to_owned(), "see the server's log"),
        },
        Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
            (e.to_string(), "is PostgreSQL running there?")
        }
        Error::Io(e) => (e.to_string(), "check host and port of the postgres URL"),
        Error::Protocol(_) => (
            "what answers there is not PostgreSQL".into(),
            "check host and port of the postgres URL",
        ),
        Error::Tls(e) => (e.to_string(), "see sslmode in the postgres URL"),
        Error::PoolTimedOut => {
            ("no answer in time".into(), "check host and port, and any firewall between")
        }
        e => (e.to_string(), "check the postgres URL"),
    };
    format!("PostgreSQL at {place}: {why}; {advice}")
}
