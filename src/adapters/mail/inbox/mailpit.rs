//! The mailbox of Mailpit, over version 1 of its API. It lists messages newest first, in pages and
//! without their headers; what a list does not show is asked for once per message and kept, since a
//! message never changes.
//!
//! A Mailpit that is not told otherwise keeps the newest 500 messages only: start it with `--max 0`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::future::try_join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::http::Site;
use super::{as_written, is_there, is_to};
use crate::domain::Timestamp;
use crate::ports::mail::{MailError, MailFilter, Mailbox, Received};

/// Messages in one page of the list.
const PAGE: usize = 500;
/// Messages asked for at once.
const AT_ONCE: usize = 16;
/// Tries to read the list while messages are deleted from it.
const TRIES: usize = 5;
/// Messages kept at most; beyond them all are forgotten and asked for again.
const KNOWN_MAX: usize = 50_000;
/// Numbers per millisecond: a message's number is its time of arrival, and within one millisecond its
/// place. So it stays what it is when others are deleted.
const PER_MS: i64 = 1_000;

/// Reads from Mailpit.
pub struct MailpitInbox {
    site: Arc<Site>,
    known: Mutex<BTreeMap<String, Arc<Inside>>>,
}

#[derive(Deserialize)]
struct List {
    total: usize,
    messages: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "MessageID", default)]
    message_id: String,
    #[serde(default)]
    subject: String,
    to: Option<Vec<Recipient>>,
    created: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Recipient {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    #[serde(default)]
    text: String,
}

/// What the list does not show of a message.
struct Inside {
    order_id: Option<String>,
    body: String,
}

impl MailpitInbox {
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { site, known: Mutex::default() }
    }

    pub(super) async fn is_at(site: &Site) -> Result<bool, MailError> {
        is_there::<List>(site, "/api/v1/messages?limit=1").await
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Inside>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages that arrived in the millisecond of `after` or later, oldest first.
    async fn list(&self, after: i64) -> Result<Vec<Entry>, MailError> {
        for _ in 0..TRIES {
            if let Some(entries) = self.pages(after).await? {
                return Ok(entries);
            }
        }
        Err(MailError::Later("messages are being deleted while they are read".into()))
    }

    /// Reads the list page by page. What arrives meanwhile shifts the rest down, so that some are seen
    /// twice and none is missed. What is deleted shifts it up, and then there is no answer.
    async fn pages(&self, after: i64) -> Result<Option<Vec<Entry>>, MailError> {
        let (mut seen, mut entries, mut start, mut total) = (BTreeSet::new(), vec![], 0, 0);
        loop {
            let path = format!("/api/v1/messages?start={start}&limit={PAGE}");
            let page: List = self.read(&path).await?.ok_or_else(|| gone(&path))?;
            if page.total < total {
                return Ok(None);
            }
            total = page.total;
            start += page.messages.len();
            let is_last = page.messages.is_empty() || start >= total;
            let newer = |entry: &Entry| entry.created.millis() >= after.div_euclid(PER_MS);
            let reached = page.messages.last().is_some_and(|entry| !newer(entry));
            let new = page.messages.into_iter().filter(newer);
            entries.extend(new.filter(|entry| seen.insert(entry.id.clone())));
            if is_last || reached {
                entries.reverse();
                entries.sort_by_key(|entry| entry.created);
                return Ok(Some(entries));
            }
        }
    }

    /// What is in a message; none if it was deleted meanwhile.
    async fn inside(&self, id: &str) -> Result<Option<Arc<Inside>>, MailError> {
        if let Some(inside) = self.known().get(id) {
            return Ok(Some(Arc::clone(inside)));
        }
        let (headers, shown) =
            (format!("/api/v1/message/{id}/headers"), format!("/api/v1/message/{id}"));
        let (headers, shown) = futures::try_join!(
            self.read::<BTreeMap<String, Vec<String>>>(&headers),
            self.read::<Shown>(&shown)
        )?;
        let (Some(headers), Some(shown)) = (headers, shown) else { return Ok(None) };
        let header = |name: &str| {
            let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.and_then(|(_, values)| values.first()).cloned()
        };
        let encoding = header("Content-Transfer-Encoding").unwrap_or_default();
        let order_id = header("X-Ecom-Order-Id");
        let inside = Arc::new(Inside { order_id, body: as_written(&shown.text, &encoding) });
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(id.to_owned(), Arc::clone(&inside));
        Ok(Some(inside))
    }

    /// What is at `path`; none if nothing is.
    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, MailError> {
        let answer = self.site.get(path).await?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|e| MailError::Refused(format!("Mailpit's {path}: {e}"))),
            404 => Ok(None),
            status => Err(MailError::Later(format!("Mailpit's {path}: answered {status}"))),
        }
    }
}

fn gone(path: &str) -> MailError {
    MailError::Refused(format!("there is no {path} any more"))
}

#[async_trait]
impl Mailbox for MailpitInbox {
    async fn messages(&self, filter: &MailFilter) -> Result<Vec<Received>, MailError> {
        let mut entries = numbered(self.list(filter.after.max(0)).await?);
        entries.retain(|(seq, entry)| *seq > filter.after && is_to(filter, entry.recipient()));
        let mut found = vec![];
        for entries in entries.chunks(AT_ONCE) {
            let insides = entries.iter().map(|(_, entry)| self.inside(&entry.id));
            for ((seq, entry), inside) in entries.iter().zip(try_join_all(insides).await?) {
                let wanted = inside.filter(|inside| inside.is_about(filter));
                found.extend(wanted.map(|inside| entry.received(*seq, &inside)));
            }
            if found.len() >= filter.limit as usize {
                break;
            }
        }
        found.truncate(filter.limit as usize);
        Ok(found)
    }
}

impl Inside {
    fn is_about(&self, filter: &MailFilter) -> bool {
        filter.order_id.is_none() || filter.order_id == self.order_id
    }
}

/// Numbers messages that are sorted by their time of arrival.
fn numbered(entries: Vec<Entry>) -> Vec<(i64, Entry)> {
    let mut last = i64::MIN;
    let number = |entry: Entry| {
        last = (entry.created.millis() * PER_MS).max(last + 1);
        (last, entry)
    };
    entries.into_iter().map(number).collect()
}

impl Entry {
    /// To whom its header says it goes; a message of ours has one recipient.
    fn recipient(&self) -> &str {
        self.to.iter().flatten().next().map_or("", |to| &to.address)
    }

    fn received(&self, seq: i64, inside: &Inside) -> Received {
        Received {
            seq,
            channel: "email".into(),
            order_id: inside.order_id.clone(),
            recipient: self.recipient().to_owned(),
            body: inside.body.clone(),
            message_id: self.message_id.clone(),
            subject: self.subject.clone(),
            received_at: self.created,
        }
    }
}
