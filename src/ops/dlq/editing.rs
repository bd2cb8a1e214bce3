//! Repairing what a dead letter is about: a copy with another value goes to the group that failed, under an
//! id of its own, so that nobody takes it for the event that it replaces.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::families::sent_back;
use super::index::Indexed;
use super::sending::REPLAY_FAMILY;
use crate::domain::Timestamp;
use crate::events::{Event, Topic};
use crate::ops::OpsError;
use crate::ops::blob::Blob;
use crate::ports::bus::{NewRecord, Record};

/// A repaired value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// The letter: `TOPIC/PARTITION/OFFSET`, or an event id that is unique.
    pub id: String,
    /// The value as it should have been.
    pub value: Blob,
    /// Check it, and send nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Who asks.
    pub actor: String,
}

/// What became of a repaired value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EditReport {
    /// The letter that it is about.
    pub id: String,
    /// Where the copy goes.
    pub topic: String,
    /// The copy's event id; none if its value names no event.
    pub event_id: Option<String>,
    /// Where the copy stands; none if it was only checked.
    pub at: Option<String>,
}

/// The copy of `record`, the letter's own, with another value; and its event id. Key, topic and group stay.
pub(in crate::ops) fn repaired(
    letter: &Indexed,
    record: &Record,
    value: Bytes,
    now: Timestamp,
) -> Result<(NewRecord, Option<String>), OpsError> {
    let view = &letter.view;
    let invalid = |text: String| Err(OpsError::Invalid(text));
    if view.original_topic.is_empty() {
        return invalid(format!("nothing tells where {} came from", view.id));
    }
    let (value, event_id) = renamed(value, &view.id);
    if let Some(topic) = Topic::parse(&view.original_topic) {
        let (_, event) = match Event::decode(topic, &value) {
            Ok(decoded) => decoded,
            Err(e) => return invalid(format!("the value is still wrong: {e}")),
        };
        let key = record.key.as_deref().unwrap_or_default();
        if event.key().as_bytes() != key {
            let key = String::from_utf8_lossy(key);
            return invalid(format!(
                "the value is about {}, and its key is {key}: an event stays with its key",
                event.key()
            ));
        }
    } else if let (true, Err(e)) = (is_json(record.value.as_deref()), as_json(&value)) {
        return invalid(format!("the value is no JSON any more: {e}"));
    }
    let added = [
        ("ecom-replay-group", view.group.clone()),
        ("ecom-replay-count", (view.replays + 1).to_string()),
        ("ecom-replayed-at", now.to_string()),
        ("ecom-edited", "true".into()),
        ("ecom-edit-of", view.id.clone()),
    ];
    let mut headers = sent_back(record, &[REPLAY_FAMILY, "ecom-edit"], added);
    if let Some(id) = &event_id {
        for (_, value) in headers.iter_mut().filter(|(name, _)| name == "event_id") {
            *value = Bytes::from(id.clone());
        }
    }
    let copy = NewRecord {
        topic: view.original_topic.clone(),
        partition: view.original_partition.filter(|_| record.key.is_none()),
        key: record.key.clone(),
        headers,
        value: Some(value),
    };
    Ok((copy, event_id))
}

fn as_json(value: &[u8]) -> serde_json::Result<Json> {
    serde_json::from_slice(value)
}

fn is_json(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| as_json(value).is_ok())
}

/// The value with an event id of its own, if it has any: made of the letter and the value, so that who sends
/// the same repair twice, after a crash in between, sends one event.
fn renamed(value: Bytes, letter: &str) -> (Bytes, Option<String>) {
    let own = |json: &Json| json.get("event_id")?.as_str().map(str::to_owned);
    let text = std::str::from_utf8(&value).ok();
    let old = text.and_then(|text| own(&serde_json::from_str(text).ok()?));
    let (Some(text), Some(old)) = (text, old) else { return (value, None) };
    let digest = Sha256::new().chain_update(letter).chain_update(&value).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let new = uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string();
    let quoted = Json::from(old).to_string();
    // The first place after the field's name: a nested one of the same name could only come later.
    let at = text.find("\"event_id\"").unwrap_or(0);
    let (before, after) = text.split_at(at);
    let after = after.replacen(&quoted, &format!("\"{new}\""), 1);
    let renamed = format!("{before}{after}");
    match serde_json::from_str(&renamed).ok().and_then(|json| own(&json)) {
        Some(found) if found == new => (renamed.into(), Some(new)),
        // It is written in some other way: without its own name it would be taken for the old one.
        _ => (value, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::from(text.to_owned())
    }

    #[test]
    fn a_copy_has_an_id_of_its_own_and_always_the_same() {
        let value = bytes(r#"{ "a": 1.50, "event_id" : "old", "b": "old" }"#);
        let (renamed_once, id) = renamed(value.clone(), "dlq.events/0/1");
        let id = id.unwrap();
        let expected = format!(r#"{{ "a": 1.50, "event_id" : "{id}", "b": "old" }}"#);
        assert_eq!(renamed_once, expected, "everything else is untouched");
        assert_eq!(renamed(value.clone(), "dlq.events/0/1"), (renamed_once, Some(id.clone())));
        assert_ne!(renamed(value, "dlq.events/0/2").1, Some(id));
    }

    #[test]
    fn what_names_no_event_stays_as_it_is() {
        for text in ["", "not json", "[1]", r#"{"event_id":7}"#, r#"{"x":{"event_id":"y"}}"#] {
            assert_eq!(renamed(bytes(text), "d/0/0"), (bytes(text), None), "{text}");
        }
    }
}
