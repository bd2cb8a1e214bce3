//! What each part of the process is up to: for readiness, for people, and for the supervisor.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::servers::Need;

/// How a part is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartHealth {
    /// Whether it does its work.
    pub up: bool,
    /// Whether the process can do without it.
    pub optional: bool,
    /// Why not, or what it last recovered from.
    pub note: Option<String>,
    /// How often it was started again after a failure.
    pub restarts: u64,
}

/// The health of all parts, by name.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<String, PartHealth>>>,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, PartHealth>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `part` does its work.
    pub fn up(&self, part: &str) {
        self.lock().entry(part.to_owned()).or_default().up = true;
    }

    /// What becomes of the process without `part`.
    pub fn needs(&self, part: &str, need: Need) {
        self.lock().entry(part.to_owned()).or_default().optional = need == Need::Helps;
    }

    /// `part` does not, because of `note`.
    pub fn down(&self, part: &str, note: impl Into<String>) {
        let mut parts = self.lock();
        let health = parts.entry(part.to_owned()).or_default();
        health.up = false;
        health.note = Some(note.into());
    }

    /// `part` ended because of `note` and will be started again.
    pub fn restarting(&self, part: &str, note: impl Into<String>) {
        self.down(part, note);
        if let Some(health) = self.lock().get_mut(part) {
            health.restarts += 1;
        }
    }

    /// Every part, by name.
    pub fn parts(&self) -> BTreeMap<String, PartHealth> {
        self.lock().clone()
    }

    /// Whether every part that must does its work.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|part| part.up || part.optional)
    }
}
