//! The servers of a cluster.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{Period, Settings, secrets};
use crate::adapters::bus::kafka::KafkaOptions;
use crate::adapters::clock::SystemClock;
use crate::adapters::gateway::wire;
use crate::adapters::mail::{HttpInbox, SmtpMailer, WebhookSms};
use crate::adapters::postgres::PostgresOptions;
use crate::adapters::redis::RedisLink;
use crate::domain::{Email, Secret};
use crate::ports::Clock;

/// Longest time-out of anything: as long as Kafka's client can wait for an answer.
const TIMEOUT_MAX: Duration = Duration::from_mins(15);
/// Longest silence of a consumer: as long as Kafka's client lets one be busy between two polls.
const SESSION_MAX: Duration = Duration::from_mins(5);
/// One connection listens for notices; work needs another.
const CONNECTIONS_MIN: u32 = 2;
/// Mechanisms by which a user of Kafka can be proven.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

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

/// A setting, and what is wrong with it.
type Wrong = (&'static str, String);

/// What is wrong with what the settings say of servers, before any of them is asked. No address is
/// repeated: there may be a password in it.
pub(super) fn check(of: &Settings) -> Result<(), Wrong> {
    let clock = || Arc::new(SystemClock::default()) as Arc<dyn Clock>;
    let Settings { kafka, postgres, redis, smtp, sms, gateway, .. } = of;
    let within = |key, period: Period, least: Duration, most: Duration| {
        let text = || format!("must be from {} to {}", Period(least), Period(most));
        (least..=most).contains(&period.0).then_some(()).ok_or_else(|| (key, text()))
    };
    let tick = Duration::from_millis(1);
    within("kafka.timeout", kafka.timeout, tick, TIMEOUT_MAX)?;
    within("kafka.session_timeout", kafka.session_timeout, Duration::from_secs(1), SESSION_MAX)?;
    within("postgres.timeout", postgres.timeout, tick, TIMEOUT_MAX)?;
    within("redis.timeout", redis.timeout, tick, TIMEOUT_MAX)?;
    within("gateway.request_timeout", gateway.request_timeout, tick, TIMEOUT_MAX)?;
    if postgres.connections < CONNECTIONS_MIN {
        return Err(("postgres.connections", format!("must be at least {CONNECTIONS_MIN}")));
    }
    if !kafka.bootstrap.is_empty() {
        kafka.check()?;
    }
    let if_any = |url: &str, key, check: &dyn Fn(&str) -> Result<(), String>| {
        if url.is_empty() { Ok(()) } else { check(url).map_err(|text| (key, text)) }
    };
    if_any(&postgres.url, "postgres.url", &PostgresOptions::check_url)?;
    if_any(&redis.url, "redis.url", &|url| {
        let link = RedisLink::connect(url, &redis.prefix, redis.timeout.0, clock());
        link.map(drop).map_err(|e| e.to_string().trim_start_matches("redis url: ").to_owned())
    })?;
    if_any(&smtp.url, "smtp.url", &|url| {
        SmtpMailer::new(url, &smtp.from, clock()).map(drop).map_err(|e| e.to_string())
    })?;
    if_any(&smtp.inbox, "smtp.inbox", &|url| {
        HttpInbox::at(url, clock()).map(drop).map_err(|e| e.to_string())
    })?;
    if_any(&sms.url, "sms.url", &|url| {
        WebhookSms::new(url, clock()).map(drop).map_err(|e| e.to_string())
    })?;
    if_any(&gateway.url, "gateway.url", &|url| wire::base(url).map(drop).map_err(|e| e.to_string()))
}

impl KafkaSettings {
    fn check(&self) -> Result<(), Wrong> {
        KafkaOptions::check_bootstrap(&self.bootstrap).map_err(|text| ("kafka.bootstrap", text))?;
        let needs = "needs an ecom that was built with the cargo feature kafka-tls";
        let lacks = !cfg!(feature = "kafka-tls");
        if self.tls && lacks {
            return Err(("kafka.tls", needs.into()));
        }
        if self.user.is_empty() {
            return Ok(());
        }
        if !MECHANISMS.contains(&self.mechanism.as_str()) {
            return Err(("kafka.mechanism", format!("must be one of {}", MECHANISMS.join(", "))));
        }
        if self.mechanism != "PLAIN" && lacks {
            return Err(("kafka.mechanism", format!("{} {needs}", self.mechanism)));
        }
        if self.password.is_none() {
            return Err(("kafka.password", format!("is missing for the user {}", self.user)));
        }
        Ok(())
    }
}
