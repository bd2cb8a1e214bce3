//! Configuration: defaults < system file < user file < project file < environment < flags. Keys are
//! strict, and every value knows where it came from.

mod layers;
mod originals;
pub mod secrets;
pub mod servers;
mod units;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use super::logging::{self, LogFormat};
use super::roles::{Role, Roles};
use super::zone::Zone;
use crate::domain::{Email, Secret};
use crate::ports::GatewayDials;
use crate::services::{Mutation, ShopSettings};
pub use layers::{Layers, Origin, Sources, env_name};
pub use units::{ByteSize, Period};

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Listening.
    pub serve: ServeSettings,
    /// Keeping.
    pub data: DataSettings,
    /// The shop's rules.
    shop: ShopTable,
    /// Delivery of events.
    pub delivery: DeliverySettings,
    /// Where each API listens.
    ports: BTreeMap<String, u16>,
    /// Kafka.
    pub kafka: servers::KafkaSettings,
    /// PostgreSQL.
    pub postgres: servers::PostgresSettings,
    /// Redis.
    pub redis: servers::RedisSettings,
    /// The mail server.
    pub smtp: servers::SmtpSettings,
    /// Text messages.
    pub sms: servers::SmsSettings,
    /// The payment provider.
    pub gateway: GatewaySettings,
    /// What people see.
    display: DisplaySettings,
    /// The console.
    pub console: ConsoleSettings,
    /// Log output.
    pub log: LogSettings,
    /// The profile that applies.
    #[serde(skip)]
    pub profile: Option<String>,
    /// A deliberate bug, in tests of the checker.
    #[serde(skip)]
    pub mutation: Mutation,
}

/// `[serve]`
#[derive(Debug, Clone, Deserialize)]
pub struct ServeSettings {
    /// Address to listen on.
    pub listen: std::net::IpAddr,
    /// Gateway's port; the services' follow. 0: any free ports.
    pub port_base: u16,
    /// Products in the first catalogue.
    pub products: usize,
    /// Whether the admin API is on.
    pub admin: bool,
    /// Roles of this process; empty: all.
    only: String,
    /// Roles that it does not have.
    except: String,
    /// A name that no other running process has.
    pub instance: String,
}

/// `[data]`
#[derive(Debug, Clone, Deserialize)]
pub struct DataSettings {
    dir: String,
    /// Room below which no new orders are taken.
    pub disk_floor: ByteSize,
    /// How long events stay in the log; zero for ever.
    pub log_retention: Period,
    /// How long published events stay in the outbox.
    pub outbox_retention: Period,
    /// How long processed event ids are remembered.
    pub inbox_retention: Period,
    /// How long dead letters stay; zero for ever.
    pub dlq_retention: Period,
    /// How often what is past its retention is removed.
    pub tidy_every: Period,
}

#[derive(Debug, Clone, Deserialize)]
struct ShopTable {
    hold_ttl: Period,
    pending_deadline: Period,
    paid_deadline: Period,
    cart_ttl: Period,
    price_grace: Period,
    idempotency_ttl: Period,
    low_stock: i64,
    admin_email: Email,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
pub struct DeliverySettings {
    /// Partitions of every topic.
    pub partitions: u32,
    /// Unpublished events from which on no new orders are taken.
    pub outbox_max: u32,
}

/// `[gateway]`
#[derive(Debug, Clone, Deserialize)]
pub struct GatewaySettings {
    /// Where the provider is; empty: a simulated one in this process.
    pub url: String,
    /// What the provider wants to see.
    #[serde(deserialize_with = "secrets::optional")]
    pub secret: Option<Secret>,
    /// What the provider signs its messages with.
    #[serde(deserialize_with = "secrets::optional")]
    pub webhook_secret: Option<Secret>,
    /// How long its answer is waited for.
    pub request_timeout: Period,
    success: f64,
    ambiguous: f64,
    ambiguous_captured: f64,
    latency_ms_p50: u64,
    latency_ms_p99: u64,
    timeout_ms: u64,
    refund_failure: f64,
    /// Decides which charges succeed; 0: differently every time.
    pub seed: u64,
}

/// `[display]`
#[derive(Debug, Clone, Deserialize)]
struct DisplaySettings {
    timezone: String,
}

/// `[console]`
#[derive(Debug, Clone, Deserialize)]
pub struct ConsoleSettings {
    /// Whether commands that change something must be confirmed, also off a terminal.
    pub protected: bool,
    /// Other keys than usual, `ACTION=KEY[,KEY] …`.
    pub keys: String,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged.
    pub level: String,
}

/// A setting that makes no sense: what, where it was set, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {key}: {text}")]
pub struct ConfigError {
    /// The setting.
    pub key: String,
    /// Where it was set.
    pub origin: Origin,
    /// What is wrong with it.
    pub text: String,
}

impl Settings {
    /// The settings that `layers` add up to.
    pub fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let mut settings: Self = serde_path_to_error::deserialize(layers.table()).map_err(|e| {
            let key = e.path().to_string();
            ConfigError { origin: layers.origin(&key), key, text: e.inner().message().to_owned() }
        })?;
        settings.profile.clone_from(&layers.profile);
        settings.check(layers)?;
        Ok(settings)
    }

    /// The defaults.
    pub fn defaults() -> Self {
        let layers = Layers::read(&Sources::default()).expect("the defaults are valid");
        Self::from_layers(&layers).expect("the defaults are valid")
    }

    fn check(&self, layers: &Layers) -> Result<(), ConfigError> {
        let wrong = |key: &str, text: String| {
            Err(ConfigError { key: key.to_owned(), origin: layers.origin(key), text })
        };
        if let Err(e) = self.dials().check() {
            return wrong("gateway", e.to_string());
        }
        if let Err((key, text)) = servers::check(self) {
            return wrong(key, text);
        }
        if let Err(text) = Zone::named(&self.display.timezone) {
            return wrong("display.timezone", text);
        }
        if let Err(text) = logging::filter(&self.log.level) {
            return wrong("log.level", text);
        }
        if let Err(text) = Roles::parse(&self.serve.only, &self.serve.except) {
            return wrong(
                if self.serve.only.is_empty() { "serve.except" } else { "serve.only" },
                text,
            );
        }
        if let Some((key, text)) = self.apart() {
            return wrong(key, text);
        }
        if self.serve.port_base > u16::MAX - 5 {
            return wrong("serve.port_base", "leave room for five more ports".into());
        }
        if self.serve.admin && !self.serve.listen.is_loopback() {
            let text = "a public address needs serve.admin = false: the admin API is for this machine only";
            return wrong("serve.listen", text.into());
        }
        if !(1..=1_000).contains(&self.delivery.partitions) {
            return wrong("delivery.partitions", "must be between 1 and 1000".into());
        }
        if self.delivery.outbox_max == 0 {
            return wrong("delivery.outbox_max", "must be at least 1".into());
        }
        if self.shop.pending_deadline.0 < self.shop.hold_ttl.0 {
            return wrong("shop.pending_deadline", "must not be shorter than shop.hold_ttl".into());
        }
        // Zero is for ever.
        let lasts =
            |period: Period| if period.0.is_zero() { std::time::Duration::MAX } else { period.0 };
        if lasts(self.data.inbox_retention) < lasts(self.data.dlq_retention) {
            let text = "must not be shorter than data.dlq_retention: a replayed dead letter must be recognised";
            return wrong("data.inbox_retention", text.into());
        }
        Ok(())
    }

    /// The roles of this process.
    pub fn roles(&self) -> Roles {
        Roles::parse(&self.serve.only, &self.serve.except).unwrap_or_default()
    }

    /// What processes with different roles must share but would each have to themselves.
    fn apart(&self) -> Option<(&'static str, String)> {
        let roles = Roles::parse(&self.serve.only, &self.serve.except).ok()?;
        let all = Role::ALL.iter().all(|role| roles.has(*role));
        let missing = [
            ("kafka.bootstrap", self.kafka.bootstrap.is_empty()),
            ("postgres.url", self.postgres.url.is_empty()),
            ("redis.url", self.redis.url.is_empty()),
        ];
        let (key, _) = missing.into_iter().find(|(_, missing)| !all && *missing)?;
        let text = "a process with some of the roles shares Kafka, PostgreSQL and Redis with the others; set it, or try --profile cluster";
        Some((key, text.into()))
    }

    /// Whether tables or events are on a server.
    pub fn on_servers(&self) -> bool {
        !self.kafka.bootstrap.is_empty() || !self.postgres.url.is_empty()
    }

    /// The port of the `n`th listener called `name`; 0: any free one.
    pub fn port(&self, name: &str, n: u16) -> u16 {
        match (self.ports.get(name), self.serve.port_base) {
            (Some(port), _) if *port > 0 => *port,
            (_, 0) => 0,
            (_, base) => base + n,
        }
    }

    /// How the simulated provider shall behave.
    pub fn dials(&self) -> GatewayDials {
        let g = &self.gateway;
        GatewayDials {
            success: g.success,
            ambiguous: g.ambiguous,
            ambiguous_captured: g.ambiguous_captured,
            latency_ms_p50: g.latency_ms_p50,
            latency_ms_p99: g.latency_ms_p99,
            timeout_ms: g.timeout_ms,
            refund_failure: g.refund_failure,
            ..GatewayDials::default()
        }
    }

    /// Makes the simulated provider behave like this.
    pub fn set_dials(&mut self, dials: &GatewayDials) {
        let g = &mut self.gateway;
        g.success = dials.success;
        g.ambiguous = dials.ambiguous;
        g.ambiguous_captured = dials.ambiguous_captured;
        g.latency_ms_p50 = dials.latency_ms_p50;
        g.latency_ms_p99 = dials.latency_ms_p99;
        g.timeout_ms = dials.timeout_ms;
        g.refund_failure = dials.refund_failure;
    }

    /// The shop's rules.
    pub fn shop(&self) -> ShopSettings {
        let shop = &self.shop;
        ShopSettings {
            hold_ttl: shop.hold_ttl.0,
            pending_deadline: shop.pending_deadline.0,
            paid_deadline: shop.paid_deadline.0,
            cart_ttl: shop.cart_ttl.0,
            price_grace: shop.price_grace.0,
            idempotency_ttl: shop.idempotency_ttl.0,
            low_stock: shop.low_stock,
            admin_email: shop.admin_email.clone(),
            webhook_secret: self.gateway.webhook_secret.clone(),
            mutation: self.mutation,
        }
    }

    /// The time zone in which people read times.
    pub fn zone(&self) -> Result<Zone, String> {
        Zone::named(&self.display.timezone)
    }

    /// Keeps everything in this folder.
    pub fn keep_in(&mut self, folder: &std::path::Path) {
        self.data.dir = folder.display().to_string();
    }

    /// Where everything is kept.
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if !self.data.dir.is_empty() {
            return Ok(PathBuf::from(&self.data.dir));
        }
        let base = etcetera::choose_base_strategy().context("no home folder; set data.dir")?;
        Ok(etcetera::BaseStrategy::data_dir(&base).join("ecom"))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
