//! Where the embedded adapters keep what they keep: in a folder, or in memory. It can be opened
//! again, as by the next process.

use std::sync::Arc;

use ecom::adapters::sqlite::{Journal, Schema};
use tempfile::TempDir;

/// A journal that is there again after whoever used it is gone.
pub(crate) enum Place {
    Folder(TempDir, Schema),
    Memory(Arc<Journal>),
}

impl Place {
    pub(crate) fn folder(schema: Schema) -> Self {
        Self::Folder(tempfile::tempdir().unwrap(), schema)
    }

    pub(crate) fn memory(schema: Schema) -> Self {
        Self::Memory(Arc::new(Journal::in_memory(schema).unwrap()))
    }

    pub(crate) fn open(&self) -> Arc<Journal> {
        match self {
            Self::Folder(folder, schema) => {
                let (journal, opened) =
                    Journal::open(&folder.path().join("contract.db"), *schema).unwrap();
                assert_eq!(opened.torn_bytes, 0, "it was closed in good order");
                Arc::new(journal)
            }
            Self::Memory(journal) => Arc::clone(journal),
        }
    }
}
