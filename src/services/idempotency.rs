//! The same request twice, one effect and one answer: an accepted answer is stored with the change
//! that it tells of, under the caller's key, and repeated byte for byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;

use super::{Desk, UnitOfWork};
use crate::ports::StoreError;
use crate::values;

const SELECT: &str = "select fingerprint, status, location, body from idempotency_keys
 where service = ?1 and scope = ?2 and key = ?3 and expires_at > ?4";
// An expired row is as good as none.
const INSERT: &str = "insert into idempotency_keys
   (service, scope, key, fingerprint, status, location, body, created_at, expires_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
 on conflict (service, scope, key) do update set fingerprint = excluded.fingerprint,
   status = excluded.status, location = excluded.location, body = excluded.body,
   created_at = excluded.created_at, expires_at = excluded.expires_at
 where idempotency_keys.expires_at <= excluded.created_at";

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Location` header.
    pub location: Option<String>,
    /// Body, JSON.
    pub body: String,
}

/// What is known of a request with a key.
pub enum Begun {
    /// It was answered before.
    Answered(Answer),
    /// The key was used for another body.
    OtherBody,
    /// It is new: whoever else uses the key waits until the ticket is dropped.
    Fresh(Ticket),
}

/// The right to make the answer of a key.
pub struct Ticket {
    key: Option<Key>,
    _turn: Option<OwnedMutexGuard<()>>,
}

struct Key {
    scope: String,
    name: String,
    fingerprint: String,
}

/// The keys in use in this process.
#[derive(Default)]
pub struct IdempotencyKeys {
    turns: Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl IdempotencyKeys {
    /// Begins a request: `scope` says who asks for what, `body` is what they sent.
    pub async fn begin(
        &self,
        desk: &Desk,
        scope: String,
        key: Option<String>,
        body: &[u8],
    ) -> Result<Begun, StoreError> {
        let Some(key) = key else { return Ok(Begun::Fresh(Ticket { key: None, _turn: None })) };
        let turn = self.turn(format!("{scope}\n{key}")).lock_owned().await;
        let fingerprint = HEXLOWER.encode(&Sha256::digest(body));
        let row = values![desk.name.as_str(), &scope, &key, desk.clock.now()];
        let rows = desk.query(SELECT, row).await?;
        let Some(row) = rows.first() else {
            let key = Some(Key { scope, name: key, fingerprint });
            return Ok(Begun::Fresh(Ticket { key, _turn: Some(turn) }));
        };
        if row.text(0)? != fingerprint {
            return Ok(Begun::OtherBody);
        }
        Ok(Begun::Answered(Answer {
            status: row.int(1)? as u16,
            location: row.text_opt(2)?.map(str::to_owned),
            body: row.text(3)?.to_owned(),
        }))
    }

    fn turn(&self, name: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&name).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(name, Arc::downgrade(&turn));
        turn
    }
}

impl Ticket {
    /// Stores the answer with the change that it tells of.
    pub fn remember(&self, desk: &Desk, unit: &mut UnitOfWork, answer: &Answer) {
        let Some(key) = &self.key else { return };
        let now = unit.now;
        let expires_at = now + desk.settings.idempotency_ttl;
        unit.one(
            INSERT,
            values![
                desk.name.as_str(),
                &key.scope,
                &key.name,
                &key.fingerprint,
                i64::from(answer.status),
                answer.location.as_ref(),
                &answer.body,
                now,
                expires_at
            ],
        );
    }
}
