//! The mailbox of maildev 2. It keeps all messages in memory, in the order of their arrival, and
//! shows them all from a given place on. It has no time of arrival: what it shows is the `Date` that
//! the sender wrote, to the second.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::super::http::Site;
use super::{as_written, is_there, is_to};
use crate::domain::Timestamp;
use crate::ports::mail::{MailError, MailFilter, Mailbox, Received};

/// Reads from maildev. A message's number is its place, so it holds until messages are deleted.
pub struct MaildevInbox {
    site: Arc<Site>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(rename = "smtpPort")]
    _smtp_port: Value,
}

/// What is needed of a message; the rest is skipped while reading.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow, default)]
    message_id: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    time: Timestamp,
    headers: Headers,
    #[serde(borrow)]
    envelope: Envelope<'a>,
    /// What the message says of itself.
    #[serde(borrow, default)]
    to: Recipients<'a>,
}

/// A header that was there several times is a list.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Headers {
    #[serde(default)]
    x_ecom_order_id: Value,
    #[serde(default)]
    content_transfer_encoding: Value,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    to: Recipients<'a>,
}

/// Of messages that it received before it was started again it no longer knows whom they were for, and
/// shows a text without anything in it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recipients<'a> {
    #[serde(borrow)]
    Known(Vec<Recipient<'a>>),
    Forgotten(String),
}

impl Default for Recipients<'_> {
    fn default() -> Self {
        Self::Known(vec![])
    }
}

impl Recipients<'_> {
    fn first(&self) -> Option<&str> {
        match self {
            Self::Known(all) => all.first().map(|to| &*to.address),
            Self::Forgotten(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
        }
    }
}

#[derive(Deserialize)]
struct Recipient<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
}

impl MaildevInbox {
    pub(super) const fn new(site: Arc<Site>) -> Self {
        Self { site }
    }

    pub(super) async fn is_at(site: &Site) -> Result<bool, MailError> {
        is_there::<Config>(site, "/config").await
    }
}

#[async_trait]
impl Mailbox for MaildevInbox {
    async fn messages(&self, filter: &MailFilter) -> Result<Vec<Received>, MailError> {
        let after = filter.after.max(0);
        let answer = self.site.get(&format!("/email?skip={after}")).await?;
        if answer.status != 200 {
            return Err(MailError::Later(format!("maildev answered {}", answer.status)));
        }
        let entries: Vec<Entry<'_>> = serde_json::from_slice(&answer.body)
            .map_err(|e| MailError::Refused(format!("maildev's messages: {e}")))?;
        let numbered = (after + 1..).zip(entries);
        let wanted = numbered.filter(|(_, entry)| entry.is_wanted(filter));
        Ok(wanted.take(filter.limit as usize).map(|(seq, entry)| entry.received(seq)).collect())
    }
}

impl Entry<'_> {
    fn is_wanted(&self, filter: &MailFilter) -> bool {
        let order = self.headers.x_ecom_order_id.as_str();
        let about = filter.order_id.as_deref().is_none_or(|wanted| order == Some(wanted));
        about && is_to(filter, self.recipient())
    }

    /// Whom the server was asked to deliver it to; a message of ours has one recipient.
    fn recipient(&self) -> &str {
        self.envelope.to.first().or_else(|| self.to.first()).unwrap_or_default()
    }

    fn received(self, seq: i64) -> Received {
        let encoding = self.headers.content_transfer_encoding.as_str().unwrap_or_default();
        Received {
            seq,
            channel: "email".into(),
            order_id: self.headers.x_ecom_order_id.as_str().map(str::to_owned),
            recipient: self.recipient().to_owned(),
            body: as_written(&self.text, encoding),
            message_id: self.message_id.into_owned(),
            subject: self.subject.into_owned(),
            received_at: self.time,
        }
    }
}
