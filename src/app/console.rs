//! The console's own database: an index of dead letters, and a ledger where there is no shop's.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::config::servers::KafkaSettings;
use super::folder::{DataFolder, SharedFolder};
use super::variables::variable;
use crate::adapters::sqlite::{Journal, Schema};
use crate::adapters::store::SqliteStore;
use crate::ports::{Store, StoreError};

/// The console's database.
#[derive(Clone)]
pub struct Console {
    journal: Arc<Journal>,
    /// Where it lies, if no shop owns the folder.
    shared: Option<SharedFolder>,
}

/// A lock that goes with its process.
pub struct Replaying(#[expect(dead_code, reason = "it is held")] Option<File>);

impl Console {
    /// One that is forgotten.
    pub fn in_memory() -> Result<Self, StoreError> {
        let journal = Arc::new(Journal::in_memory(Schema::CONSOLE)?);
        Ok(Self { journal, shared: None })
    }

    /// The one in a shop's folder. It can be made anew at any time: one that cannot be used is not.
    pub fn in_folder(folder: &DataFolder) -> Result<Self, StoreError> {
        let path = folder.path().join("console.db");
        match Journal::open(&path, Schema::CONSOLE) {
            Ok((journal, _)) => Ok(Self { journal: Arc::new(journal), shared: None }),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "the index of dead letters is in memory for now; the file can be deleted");
                Self::in_memory()
            }
        }
    }

    /// The one in this user's state folder that belongs to the cluster of this id, as far as these settings show
    /// it. Any number of processes use it at once.
    pub fn of_cluster(id: &str, kafka: &KafkaSettings) -> anyhow::Result<Self> {
        let mut name = plain(id);
        if !(kafka.user.is_empty() && kafka.prefix.is_empty()) {
            // Who may see other topics would take those that are hidden for deleted.
            name = format!("{name}.{}.{}", plain(&kafka.user), plain(&kafka.prefix));
        }
        let shared = SharedFolder::make(state_folder()?.join(name))?;
        let path = shared.path().join("console.db");
        // Two that make the file at the same time would find it locked.
        let opening = shared.lock("opening.lock")?;
        let (journal, _) = Journal::open(&path, Schema::CONSOLE)
            .with_context(|| format!("cannot open {}", path.display()))?;
        drop(opening);
        Ok(Self { journal: Arc::new(journal), shared: Some(shared) })
    }

    /// Nobody else replays what is in it until what is returned is dropped; none while another process does.
    pub fn replaying(&self) -> Option<Replaying> {
        let Some(shared) = &self.shared else { return Some(Replaying(None)) };
        let lock = shared.try_lock("replay.lock").unwrap_or_else(|error| {
            tracing::warn!(%error, "nobody knows whether another process replays");
            None
        });
        lock.map(|lock| Replaying(Some(lock)))
    }

    /// As a store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::new(Arc::clone(&self.journal)))
    }

    /// Closes it: what is left in its log is written back.
    pub fn close(&self) {
        self.journal.close();
    }
}

/// `$XDG_STATE_HOME/ecom`, or `~/.local/state/ecom`.
fn state_folder() -> anyhow::Result<PathBuf> {
    let absolute = |path: std::ffi::OsString| Some(PathBuf::from(path)).filter(|p| p.is_absolute());
    let state = variable("XDG_STATE_HOME").and_then(absolute);
    let state = state.or_else(|| Some(Path::new(&variable("HOME")?).join(".local/state")));
    Ok(state
        .context("neither XDG_STATE_HOME nor HOME says where to remember anything")?
        .join("ecom"))
}

/// A cluster's id as the name of a folder.
fn plain(id: &str) -> String {
    id.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' })
        .collect()
}
