//! The store in SQLite: a batch is a job of the journal.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::adapters::sqlite::{Job, Journal, ReadOnly, Schema, Tx};
use crate::ports::inquiry::{Answer, Inquiry, InquiryError};
use crate::ports::store::{Batch, Read, Row, Store, StoreError};

/// A store on a journal, which it may share with an event log.
#[derive(Clone)]
pub struct SqliteStore {
    journal: Arc<Journal>,
}

impl SqliteStore {
    /// A store on `journal`.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }
}

struct BatchJob {
    batch: Batch,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Job for BatchJob {
    fn apply(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.batch.writes.iter().try_for_each(|write| tx.run(write))
    }

    fn done(self: Box<Self>, outcome: Result<(), StoreError>) {
        let _ = self.reply.send(outcome);
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.journal.read(reads)
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (reply, outcome) = oneshot::channel();
        self.journal.submit(Box::new(BatchJob { batch, reply }));
        outcome.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closed".into())))
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.journal.durable().await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.journal.room()
    }

    async fn inquire(&self, inquiry: &Inquiry) -> Result<Answer, InquiryError> {
        self.journal.inquire(inquiry).await
    }
}

/// A store that is only read, beside the process that owns it or after it.
pub struct SqliteSnapshot(ReadOnly);

impl SqliteSnapshot {
    /// Opens the database at `path`.
    pub fn open(path: &Path, schema: Schema) -> Result<Self, StoreError> {
        Journal::open_read_only(path, schema).map(Self)
    }
}

#[async_trait]
impl Store for SqliteSnapshot {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.0.read(reads)
    }

    async fn write(&self, _: Batch) -> Result<(), StoreError> {
        Err(StoreError::Broken("this store was opened for reading only".into()))
    }

    async fn durable(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}
