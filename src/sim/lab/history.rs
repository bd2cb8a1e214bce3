//! What clients asked for and what they were told: evidence that the shop cannot write. One line of
//! JSON per operation.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// How an operation ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Carried out.
    Ok,
    /// Certainly not carried out.
    Fail,
    /// Unknown.
    Info,
}

/// One line of a basket, as the client knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bought {
    /// The product.
    pub product: String,
    /// Units.
    pub quantity: u64,
    /// Price of one, in minor units.
    pub price: i64,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    /// A checkout.
    Checkout {
        /// The idempotency key, if one was sent.
        key: Option<String>,
        /// The order that was answered.
        order: Option<String>,
        /// SHA-256 of the answer's body, in hex.
        body: Option<String>,
        /// The cart that was answered.
        items: Vec<Bought>,
        /// The telephone number that was given.
        phone: Option<String>,
        /// The address that was given.
        email: Option<String>,
    },
    /// A cancellation.
    Cancel {
        /// The order.
        order: String,
    },
    /// An order was seen in its final status.
    SawFinal {
        /// The order.
        order: String,
        /// That status.
        final_status: String,
    },
    /// Units were delivered.
    Restock {
        /// The product.
        product: String,
        /// Units.
        quantity: u64,
    },
}

/// An operation of somebody, with its times in ms since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who.
    pub who: String,
    /// When it was sent.
    pub sent: i64,
    /// When it ended.
    pub ended: i64,
    /// How it ended.
    pub ending: Ending,
    /// HTTP status, 0 without an answer.
    pub status: u16,
    /// What it was.
    #[serde(flatten)]
    pub operation: Operation,
}

/// All operations of a run, in the order of their ends.
#[derive(Default)]
pub struct History {
    entries: Mutex<Vec<Entry>>,
}

impl History {
    /// Adds an operation.
    pub fn add(&self, entry: Entry) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// All of it.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the first was sent, if any was.
    pub fn begun(&self) -> Option<i64> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|e| e.sent).min()
    }

    /// As lines of JSON.
    pub fn to_lines(&self) -> String {
        let line = |entry: &Entry| serde_json::to_string(entry).map(|line| line + "\n");
        self.entries().iter().filter_map(|entry| line(entry).ok()).collect()
    }

    /// Reads lines of JSON.
    pub fn parse_lines(text: &str) -> Result<Vec<Entry>, String> {
        let line = |(n, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|e| format!("line {}: {e}", n + 1))
        };
        text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(line).collect()
    }
}
