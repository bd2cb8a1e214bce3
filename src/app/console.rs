//! The console's own database: an index of dead letters, and a ledger where there is no shop's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

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
    shared: Option<Arc<SharedFolder>>,
}

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

    /// The one in this user's state folder that belongs to the cluster of this id, as far as a prefix shows it.
    /// Any number of processes use it at once.
    pub fn of_cluster(id: &str, prefix: &str) -> anyhow::Result<Self> {
        let name =
            if prefix.is_empty() { plain(id) } else { format!("{}.{}", plain(id), plain(prefix)) };
        let shared = SharedFolder::join(&state_folder()?.join(name))?;
        let path = shared.path().join("console.db");
        // Two that make the file at the same time would find it locked.
        let turn = shared.turn()?;
        let (journal, _) = Journal::open(&path, Schema::CONSOLE)
            .with_context(|| format!("cannot open {}", path.display()))?;
        drop(turn);
        Ok(Self { journal: Arc::new(journal), shared: Some(Arc::new(shared)) })
    }

    /// Whether no other process uses it now.
    pub fn is_alone(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.is_alone())
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
