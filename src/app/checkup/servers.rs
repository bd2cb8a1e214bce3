//! The servers of a cluster, asked what they are.

use std::sync::Arc;

use crate::adapters::bus::KafkaBus;
use crate::adapters::gateway::HttpGateway;
use crate::adapters::mail::SmtpMailer;
use crate::adapters::postgres::{self, Schema};
use crate::adapters::redis::RedisLink;
use crate::app::{NotUsable, Settings, backends};
use crate::ports::Clock;

pub use crate::adapters::bus::kafka::ClusterFacts;
pub use crate::adapters::postgres::PostgresFacts;
pub use crate::adapters::redis::RedisFacts;

/// The whole Kafka that the settings name, and what it is.
pub async fn kafka(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<(KafkaBus, ClusterFacts), NotUsable> {
    let bus = backends::whole_kafka(settings, Arc::clone(clock)).await?;
    let facts = bus.facts().await?;
    Ok((bus, facts))
}

/// What the PostgreSQL that the settings name is.
pub async fn postgres(settings: &Settings, clock: &dyn Clock) -> Result<PostgresFacts, NotUsable> {
    let options = backends::postgres_options(&settings.postgres, "doctor");
    Ok(postgres::look(&options, Schema::SHOP, clock).await?)
}

/// What the Redis that the settings name is.
pub async fn redis(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<RedisFacts, NotUsable> {
    let redis = &settings.redis;
    let link = RedisLink::connect(&redis.url, &redis.prefix, redis.timeout.0, Arc::clone(clock));
    let link = link.map_err(|e| NotUsable(e.to_string()))?;
    link.look().await.map_err(|e| NotUsable(e.to_string()))
}

/// Whether the mail server that the settings name lets us in.
pub async fn smtp(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<(), NotUsable> {
    let smtp = &settings.smtp;
    let mailer = SmtpMailer::new(&smtp.url, &smtp.from, Arc::clone(clock));
    let mailer = mailer.map_err(|e| NotUsable(e.to_string()))?;
    mailer.answers().await.map_err(|e| NotUsable(e.to_string()))
}

/// Whether the payment provider that the settings name answers.
pub async fn gateway(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<(), NotUsable> {
    let of = &settings.gateway;
    let (secret, limit) = (of.secret.as_ref(), of.request_timeout.0);
    let gateway = HttpGateway::new(&of.url, secret, limit, Arc::clone(clock));
    let gateway = gateway.map_err(|e| NotUsable(e.to_string()))?;
    gateway.answers().await.map_err(|e| NotUsable(e.to_string()))
}
