//! The mailbox of a test mail server, read over its HTTP API.

mod maildev;
mod mailpit;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::address::BadAddress;
use super::http::Site;
use crate::ports::clock::Clock;
use crate::ports::mail::{MailError, MailFilter, Mailbox, Received};
pub use maildev::MaildevInbox;
pub use mailpit::MailpitInbox;

/// No answer takes longer: maildev writes all of its messages into one.
const PATIENCE: Duration = Duration::from_secs(30);

/// The mailbox of a maildev or a Mailpit; which of them it is, is found out when it is first read.
pub struct HttpInbox {
    site: Arc<Site>,
    found: Mutex<Option<Arc<dyn Mailbox>>>,
}

impl HttpInbox {
    /// The mailbox at `url`, which begins with `http://`; nobody is asked yet.
    pub fn at(url: &str, clock: Arc<dyn Clock>) -> Result<Self, BadAddress> {
        let site = Arc::new(Site::new(url, clock, PATIENCE)?);
        Ok(Self { site, found: Mutex::default() })
    }

    /// The mailbox at `url`, which must answer.
    pub async fn connect(url: &str, clock: Arc<dyn Clock>) -> Result<Self, MailError> {
        let inbox = Self::at(url, clock).map_err(|e| MailError::Refused(e.to_string()))?;
        inbox.mailbox().await?;
        Ok(inbox)
    }

    async fn mailbox(&self) -> Result<Arc<dyn Mailbox>, MailError> {
        if let Some(found) = &*self.found.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(found));
        }
        let found: Arc<dyn Mailbox> = if MailpitInbox::is_at(&self.site).await? {
            Arc::new(MailpitInbox::new(Arc::clone(&self.site)))
        } else if MaildevInbox::is_at(&self.site).await? {
            Arc::new(MaildevInbox::new(Arc::clone(&self.site)))
        } else {
            let why = "it answers neither as maildev nor as Mailpit does";
            return Err(MailError::Refused(why.into()));
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
        Ok(found)
    }
}

#[async_trait]
impl Mailbox for HttpInbox {
    async fn messages(&self, filter: &MailFilter) -> Result<Vec<Received>, MailError> {
        self.mailbox().await?.messages(filter).await
    }
}

/// Whether what is at `path` can be read as a `T`.
async fn is_there<T: DeserializeOwned>(site: &Site, path: &str) -> Result<bool, MailError> {
    let answer = site.get(path).await?;
    match answer.status {
        200 => Ok(serde_json::from_slice::<T>(&answer.body).is_ok()),
        500.. => Err(MailError::Later(format!("{path}: answered {}", answer.status))),
        _ => Ok(false),
    }
}

/// Whether a message to `recipient` is asked for. Servers differ in whether they keep upper case.
fn is_to(filter: &MailFilter, recipient: &str) -> bool {
    filter.recipient.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(recipient))
}

/// A body as it was given to the mailer: a server shows line ends as they came over the wire, and
/// with them the one that ends the message itself. In base64 the message's own end does not show.
fn as_written(shown: &str, transfer_encoding: &str) -> String {
    let mut text = shown.replace("\r\n", "\n");
    if !transfer_encoding.eq_ignore_ascii_case("base64") && text.ends_with('\n') {
        text.pop();
    }
    text
}
