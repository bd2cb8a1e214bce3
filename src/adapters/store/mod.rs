//! Stores.

mod sqlite;

pub use sqlite::{SqliteSnapshot, SqliteStore};
