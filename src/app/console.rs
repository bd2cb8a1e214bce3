//! The console's own database: an index of dead letters, and a ledger where there is no shop's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::folder::{DataFolder, InUse};
use super::variables::variable;
use crate::adapters::sqlite::{Journal, Schema};
use crate::adapters::store::SqliteStore;
use crate::ports::{Store, StoreError};

/// The console's database.
#[derive(Clone)]
pub struct Console {
    journal: Arc<Journal>,
    /// Where it lies, if no shop owns the folder.
    _owned: Option<Arc<DataFolder>>,
}

impl Console {
    /// One that is forgotten.
    pub fn in_memory() -> Result<Self, StoreError> {
        let journal = Arc::new(Journal::in_memory(Schema::CONSOLE)?);
        Ok(Self { journal, _owned: None })
    }

    /// The one in a shop's folder. It can be made anew at any time: one that cannot be used is not.
    pub fn in_folder(folder: &DataFolder) -> Result<Self, StoreError> {
        let path = folder.path().join("console.db");
        match Journal::open(&path, Schema::CONSOLE) {
            Ok((journal, _)) => Ok(Self { journal: Arc::new(journal), _owned: None }),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "the index of dead letters is in memory for now; the file can be deleted");
                Self::in_memory()
            }
        }
    }

    /// The one that belongs to the cluster of this id, in this user's state folder; an [`InUse`] error if
    /// another process has it.
    pub fn of_cluster(id: &str) -> anyhow::Result<Self> {
        let owned = DataFolder::open(&state_folder()?.join(plain(id)))?;
        let path = owned.path().join("console.db");
        let (journal, _) = Journal::open(&path, Schema::CONSOLE)
            .with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { journal: Arc::new(journal), _owned: Some(Arc::new(owned)) })
    }

    /// The same, or one in memory where another process has it.
    pub fn of_cluster_or_in_memory(id: &str) -> anyhow::Result<Self> {
        match Self::of_cluster(id) {
            Err(e) if e.downcast_ref::<InUse>().is_some() => Ok(Self::in_memory()?),
            found => found,
        }
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
