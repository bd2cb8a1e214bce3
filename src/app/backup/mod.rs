//! Backups of a shop's folder: one file that holds the shop as it was at one moment, and putting it back.
//!
//! What is in them, and why just that:
//!
//! - `shop.db`: the shop's tables and its event log, which share a journal;
//! - `outside.db`: the simulated provider's ledger and the mailbox: what the shop caused, as far as it is
//!   embedded.
//!
//! The two must be of one moment. A ledger that is older than the tables lacks charges that the tables
//! count on; one that is newer has charges whose orders nobody knows, an effect without its cause. So the
//! state of `outside.db` is pinned while its writer stands still, and that of `shop.db` within that time:
//! together they are what `kill -9` would have left behind at that moment, which every start copes with.
//!
//! What is not in them: `console.db`, an index that a scan makes anew; carts' copies and holds, which are
//! rebuilt; `server.json` and `ecom.lock`, which belong to a process; and whatever is on servers.

mod archive;
mod making;
mod restoring;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::adapters::sqlite::Schema;
use crate::domain::Timestamp;
pub use making::{Keeper, of_stopped, refused_on_servers};
pub use restoring::restore;

/// What a backup's manifest calls itself.
const KIND: &str = "ecom_backup";
/// The newest layout of archives that this build reads, and the one it writes.
const FORMAT: u32 = 1;
/// The databases of a backup, in the order in which they lie in it.
const PARTS: [(&str, Schema); 2] = [("outside.db", Schema::OUTSIDE), ("shop.db", Schema::SHOP)];

/// Why there is no backup, or nothing was restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// There is no such file or folder.
    #[error("{0}")]
    NotFound(String),
    /// Something is in the way; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The archive, the disk or a database is not as it must be; nothing was changed.
    #[error("{0}")]
    Failed(String),
}

impl BackupError {
    fn failed(what: &str, e: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{what}: {e}"))
    }
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    /// `ecom_backup`.
    pub kind: String,
    /// How the archive is laid out.
    pub format: u32,
    /// The version of the program that made it.
    pub ecom_version: String,
    /// The moment that it shows.
    #[schema(value_type = String, format = "date-time")]
    pub taken_at: Timestamp,
    /// The databases.
    pub parts: Vec<Part>,
    /// How much is in them.
    pub counts: Counts,
    /// What belongs to the shop and is on servers, and so not in here.
    pub elsewhere: Vec<String>,
}

/// A database of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Its file.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
    /// Its schema's version.
    pub schema: u64,
}

/// How much is in a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Orders.
    pub orders: u64,
    /// Orders that have not ended yet.
    pub orders_open: u64,
    /// Records of the event log.
    pub records: u64,
    /// Charges in the provider's ledger.
    pub charges: u64,
    /// Messages in the mailbox.
    pub messages: u64,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupReport {
    /// Where it is.
    pub file: String,
    /// How large it is.
    pub bytes: u64,
    /// How long it took.
    pub took_ms: u64,
    /// What it holds.
    pub manifest: Manifest,
}

/// A backup that was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The folder that it is in now.
    pub folder: String,
    /// Where what was there before is now.
    pub aside: Option<String>,
    /// How long it took.
    pub took_ms: u64,
    /// What was restored.
    pub manifest: Manifest,
}

/// A moment as a part of a file's name: `20260131T120000123Z`.
fn stamp(at: Timestamp) -> String {
    at.to_string().chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Bytes free for this user where `path` is.
pub(super) fn room(path: &std::path::Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
