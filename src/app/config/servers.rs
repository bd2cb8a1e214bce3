//! The servers of a cluster.

use serde::Deserialize;

use super::{Period, secrets};
use crate::domain::{Email, Secret};

/// An address that may hold a password; empty where there is none.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl From<String> for Address {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl std::ops::Deref for Address {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", secrets::masked(&self.0))
    }
}

/// `[kafka]`
#[derive(Debug, Clone, Deserialize)]
pub struct KafkaSettings {
    /// Brokers; empty: the log in the data folder.
    pub bootstrap: String,
    /// Put before the name of every topic and group.
    pub prefix: String,
    /// Copies of each record; 0: three, or as many as there are brokers.
    pub replication: u32,
    /// How long any question may take.
    pub timeout: Period,
    /// After this long without a word from a process its partitions go to others.
    pub session_timeout: Period,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// Authorities to trust; empty: the system's.
    pub ca_file: String,
    /// How the user is proven.
    pub mechanism: String,
    /// Who we are; empty: nobody is asked.
    pub user: String,
    /// The proof.
    #[serde(deserialize_with = "secrets::optional")]
    pub password: Option<Secret>,
}

/// `[postgres]`
#[derive(Debug, Clone, Deserialize)]
pub struct PostgresSettings {
    /// Where; empty: tables in the data folder.
    pub url: Address,
    /// Connections at most.
    pub connections: u32,
    /// How long a statement, a lock or a connection may take.
    pub timeout: Period,
}

/// `[redis]`
#[derive(Debug, Clone, Deserialize)]
pub struct RedisSettings {
    /// Where; empty: in memory.
    pub url: Address,
    /// Put before every key.
    pub prefix: String,
    /// How long an answer may take.
    pub timeout: Period,
}

/// `[smtp]`
#[derive(Debug, Clone, Deserialize)]
pub struct SmtpSettings {
    /// Where; empty: the local mailbox.
    pub url: Address,
    /// The sender of every message.
    pub from: Email,
    /// Where what arrived can be looked at; empty: nowhere.
    pub inbox: String,
}

/// `[sms]`
#[derive(Debug, Clone, Deserialize)]
pub struct SmsSettings {
    /// Where messages are posted to; empty: they go as e-mail.
    pub url: Address,
}
