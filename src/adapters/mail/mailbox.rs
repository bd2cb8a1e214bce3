//! A mailbox in the database of the world outside: every message that is sent arrives there, and can
//! be looked at.

use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::sqlite::Journal;
use crate::adapters::store::SqliteStore;
use crate::ports::clock::Clock;
use crate::ports::mail::{Mail, MailError, MailFilter, Mailbox, Mailer, Received, Sms, Text};
use crate::ports::store::{Batch, Read, Row, Store, StoreError};
use crate::values;

const INSERT: &str =
    "insert into mailbox (channel, message_id, order_id, recipient, subject, body, received_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SELECT: &str =
    "select seq, channel, message_id, order_id, recipient, subject, body, received_at
 from mailbox where seq > ?1 order by seq limit ?2";
const SELECT_BY_ORDER: &str =
    "select seq, channel, message_id, order_id, recipient, subject, body, received_at
 from mailbox where order_id = ?3 and seq > ?1 order by seq limit ?2";
const SELECT_BY_RECIPIENT: &str =
    "select seq, channel, message_id, order_id, recipient, subject, body, received_at
 from mailbox where recipient = ?3 and seq > ?1 order by seq limit ?2";
const SELECT_BY_BOTH: &str =
    "select seq, channel, message_id, order_id, recipient, subject, body, received_at
 from mailbox where order_id = ?3 and recipient = ?4 and seq > ?1 order by seq limit ?2";

/// Messages of all recipients, in a table.
pub struct LocalMailbox {
    store: SqliteStore,
    clock: Arc<dyn Clock>,
}

impl LocalMailbox {
    /// A mailbox on the outside's journal.
    pub fn new(journal: Arc<Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { store: SqliteStore::new(journal), clock }
    }

    async fn deliver(&self, row: Vec<crate::ports::Value>) -> Result<(), MailError> {
        let mut batch = Batch::default();
        batch.one(INSERT, row);
        self.store.write(batch).await.map_err(|e| later(&e))?;
        self.store.durable().await.map_err(|e| later(&e))
    }
}

fn later(e: &StoreError) -> MailError {
    MailError::Later(e.to_string())
}

#[async_trait]
impl Mailer for LocalMailbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let order = mail.order_id.as_ref();
        let to = mail.to.as_str();
        let at = self.clock.now();
        self.deliver(values!["email", &mail.message_id, order, to, &mail.subject, &mail.body, at])
            .await
    }
}

#[async_trait]
impl Sms for LocalMailbox {
    async fn text(&self, text: &Text) -> Result<(), MailError> {
        let order = text.order_id.as_ref();
        let to = text.to.as_str();
        let at = self.clock.now();
        self.deliver(values!["sms", &text.message_id, order, to, "", &text.body, at]).await
    }
}

#[async_trait]
impl Mailbox for LocalMailbox {
    async fn messages(&self, filter: &MailFilter) -> Result<Vec<Received>, MailError> {
        received(&self.store, filter).await.map_err(|e| later(&e))
    }
}

/// The messages in the mailbox of the world outside that fit, in the order in which they came.
pub async fn received(
    outside: &dyn Store,
    filter: &MailFilter,
) -> Result<Vec<Received>, StoreError> {
    let (after, limit) = (filter.after, filter.limit);
    let read = match (&filter.order_id, &filter.recipient) {
        (Some(order), Some(to)) => Read::new(SELECT_BY_BOTH, values![after, limit, order, to]),
        (Some(order), None) => Read::new(SELECT_BY_ORDER, values![after, limit, order]),
        (None, Some(to)) => Read::new(SELECT_BY_RECIPIENT, values![after, limit, to]),
        (None, None) => Read::new(SELECT, values![after, limit]),
    };
    outside.read(&[read]).await?.concat().iter().map(message).collect()
}

fn message(row: &Row) -> Result<Received, StoreError> {
    Ok(Received {
        seq: row.int(0)?,
        channel: row.text(1)?.to_owned(),
        message_id: row.text(2)?.to_owned(),
        order_id: row.text_opt(3)?.map(str::to_owned),
        recipient: row.text(4)?.to_owned(),
        subject: row.text(5)?.to_owned(),
        body: row.text(6)?.to_owned(),
        received_at: row.time(7)?,
    })
}
