//! The servers of a cluster.

use serde::Deserialize;

use super::Period;

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
    pub password: String,
}

/// `[postgres]`
#[derive(Debug, Clone, Deserialize)]
pub struct PostgresSettings {
    /// Where; empty: tables in the data folder.
    pub url: String,
    /// Connections at most.
    pub connections: u32,
    /// How long a statement, a lock or a connection may take.
    pub timeout: Period,
}

/// `[redis]`
#[derive(Debug, Clone, Deserialize)]
pub struct RedisSettings {
    /// Where; empty: in memory.
    pub url: String,
    /// Put before every key.
    pub prefix: String,
    /// How long an answer may take.
    pub timeout: Period,
}

/// `[smtp]`
#[derive(Debug, Clone, Deserialize)]
pub struct SmtpSettings {
    /// Where; empty: the local mailbox.
    pub url: String,
    /// The sender of every message.
    pub from: String,
    /// How long the server may take for a message.
    pub timeout: Period,
    /// Where what arrived can be looked at; empty: nowhere.
    pub inbox: String,
}

/// `[sms]`
#[derive(Debug, Clone, Deserialize)]
pub struct SmsSettings {
    /// Where messages are posted to; empty: they go as e-mail.
    pub url: String,
}
