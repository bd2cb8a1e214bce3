//! The adapters that the settings ask for: each of the servers of a cluster takes the place of what is
//! embedded. What a process needs of the data folder is opened, and no folder where it needs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::config::servers::{KafkaSettings, PostgresSettings};
use super::embedded::Environment;
use super::ports::Others;
use super::{DataFolder, Embedded, Ports, Role, Settings};
use crate::adapters::bus::KafkaBus;
use crate::adapters::bus::kafka::{KafkaOptions, Security};
use crate::adapters::gateway::HttpGateway;
use crate::adapters::mail::{BadAddress, HttpInbox, SmsByMail, SmtpMailer, WebhookSms};
use crate::adapters::postgres::{PostgresNotices, PostgresOptions, PostgresStore, Schema};
use crate::adapters::redis::{RedisCache, RedisHolds, RedisLink};
use crate::domain::Secret;
use crate::events::Topic;
use crate::ports::store::query;
use crate::ports::{BusError, Clock, Mailbox, Mailer, Sms, StoreError};
use crate::runtime::servers::{Need, Server};
use crate::services::ServiceName;

/// How often a server is asked whether it answers.
const OFTEN: Duration = Duration::from_secs(2);
/// The same of one that counts idle talk, and logins that fail.
const SELDOM: Duration = Duration::from_secs(20);

/// A server that cannot be used as it is: what, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotUsable(pub String);

impl From<StoreError> for NotUsable {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Unavailable(text) | StoreError::Broken(text) => Self(text),
            e => Self(e.to_string()),
        }
    }
}

impl From<BusError> for NotUsable {
    fn from(e: BusError) -> Self {
        match e {
            BusError::Unavailable(text) | BusError::Broken(text) => Self(text),
            e => Self(e.to_string()),
        }
    }
}

/// The adapters of a process.
pub struct Backends {
    /// The adapters.
    pub ports: Ports,
    /// What is embedded, as far as it is used.
    pub embedded: Embedded,
    /// Whether the events are in the embedded log.
    pub own_log: bool,
}

/// Whether a process with these settings keeps anything in a data folder.
pub fn needs_folder(settings: &Settings) -> bool {
    let roles = settings.roles();
    settings.kafka.bootstrap.is_empty()
        || settings.postgres.url.is_empty()
        || settings.redis.url.is_empty()
        || roles.has(Role::Notification) && settings.smtp.url.is_empty()
        || roles.has(Role::Payment) && settings.gateway.url.is_empty()
}

impl Backends {
    /// Connects to every server that the settings name, and opens the rest in `folder`; without one, what
    /// is not a server's is in memory, and not used.
    pub async fn open(
        folder: Option<&DataFolder>,
        settings: &Settings,
        env: Environment,
    ) -> anyhow::Result<Self> {
        let embedded = match folder {
            Some(folder) => Embedded::open(folder, settings, env)?,
            None => Embedded::in_memory(settings, env)?,
        };
        let mut ports = embedded.ports.clone();
        let own_log = settings.kafka.bootstrap.is_empty();
        let own_store = settings.postgres.url.is_empty();
        if !own_log {
            let bus = kafka(settings, Arc::clone(&ports.clock)).await?;
            ports.bus = Arc::new(bus.clone());
            ports.admin = Arc::new(bus.clone());
            let kafka = server("kafka", Need::Must, OFTEN, &bus, |bus| {
                Box::pin(async move { bus.answers().await.map_err(|e| e.to_string()) })
            });
            ports.servers.push((kafka, &[]));
        }
        if !own_store {
            let store = postgres(settings, true, Arc::clone(&ports.clock)).await?;
            let store = store.with_grouping(&ports.spawn);
            let notices = PostgresNotices::start(&store, ports.spawn.as_ref());
            ports.others = Some(Others { instance: instance(settings), notices });
            let postgres = server("postgres", Need::Must, OFTEN, &store, |store| {
                Box::pin(async move {
                    let one = query(&store, "select 1", vec![]).await;
                    one.map(drop).map_err(|e| e.to_string())
                })
            });
            ports.servers.push((postgres, &[]));
            ports.store = Arc::new(store);
        }
        if !settings.redis.url.is_empty() {
            let link = redis(settings, Arc::clone(&ports.clock)).await?;
            let redis = server("redis", Need::Helps, OFTEN, &link, |link| {
                Box::pin(async move { link.ping().await.map_err(|e| e.to_string()) })
            });
            ports.servers.push((redis, &[Role::Gateway, Role::Cart, Role::Inventory]));
            let dice = ports.randomness.stream("redis");
            ports.cache = Arc::new(RedisCache::new(link.clone()));
            ports.holds = Arc::new(RedisHolds::new(link, dice));
        }
        if !settings.gateway.url.is_empty() {
            let clock = Arc::clone(&ports.clock);
            let gateway = Arc::new(gateway(settings, clock)?);
            let provider = server("provider", Need::Helps, OFTEN, &gateway, |gateway| {
                Box::pin(async move { gateway.answers().await.map_err(|e| e.to_string()) })
            });
            ports.servers.push((provider, &[Role::Payment]));
            ports.gateway = gateway;
        }
        mail(settings, &mut ports)?;
        ports.one_journal = own_log && own_store;
        Ok(Self { ports, embedded, own_log })
    }
}

fn server<T: Clone + Send + Sync + 'static>(
    name: &'static str,
    need: Need,
    every: Duration,
    of: &T,
    ask: fn(T) -> BoxFuture<'static, Result<(), String>>,
) -> Server {
    let of = of.clone();
    Server { name, need, every, ask: Arc::new(move || ask(of.clone())) }
}

/// A link to the Redis that the settings name.
pub async fn redis(settings: &Settings, clock: Arc<dyn Clock>) -> Result<RedisLink, NotUsable> {
    let redis = &settings.redis;
    let link = RedisLink::connect(&redis.url, &redis.prefix, redis.timeout.0, clock);
    let link = link.map_err(|e| NotUsable(e.to_string()))?;
    link.ping().await.map_err(|e| NotUsable(e.to_string()))?;
    Ok(link)
}

/// A provider need not be there yet: charges wait for it.
fn gateway(settings: &Settings, clock: Arc<dyn Clock>) -> Result<HttpGateway, NotUsable> {
    let (of, secret) = (&settings.gateway, settings.gateway.secret.as_ref());
    HttpGateway::new(&of.url, secret, of.request_timeout.0, clock)
        .map_err(|e| NotUsable(e.to_string()))
}

/// A mail server need not be there yet: messages wait for it.
fn mail(settings: &Settings, ports: &mut Ports) -> Result<(), NotUsable> {
    let wrong = |e: BadAddress| NotUsable(e.to_string());
    let (smtp, clock) = (&settings.smtp, || Arc::clone(&ports.clock));
    let mut sms = None;
    if !settings.sms.url.is_empty() {
        let webhook = WebhookSms::new(&settings.sms.url, clock()).map_err(wrong)?;
        sms = Some(Arc::new(webhook) as Arc<dyn Sms>);
    }
    if !smtp.url.is_empty() {
        let mailer = SmtpMailer::new(&smtp.url, &smtp.from, clock()).map_err(wrong)?;
        let mailer = Arc::new(mailer);
        let server = server("smtp", Need::Helps, SELDOM, &mailer, |mailer| {
            Box::pin(async move { mailer.answers().await.map_err(|e| e.to_string()) })
        });
        ports.servers.push((server, &[Role::Notification]));
        let mailer = mailer as Arc<dyn Mailer>;
        sms.get_or_insert_with(|| Arc::new(SmsByMail::new(Arc::clone(&mailer))));
        ports.mailbox = inbox(settings, clock())?;
        ports.mailer = mailer;
    }
    ports.sms = sms.unwrap_or_else(|| Arc::clone(&ports.sms));
    Ok(())
}

/// The mailbox of the mail server, where the settings say how to look into it.
pub fn inbox(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Mailbox>>, NotUsable> {
    if settings.smtp.inbox.is_empty() {
        return Ok(None);
    }
    let inbox = HttpInbox::at(&settings.smtp.inbox, clock);
    Ok(Some(Arc::new(inbox.map_err(|e| NotUsable(e.to_string()))?)))
}

/// The event bus on the Kafka that the settings name.
pub async fn kafka(settings: &Settings, clock: Arc<dyn Clock>) -> Result<KafkaBus, NotUsable> {
    let instance = instance(settings);
    Ok(KafkaBus::connect(kafka_options(&settings.kafka, instance), clock).await?)
}

/// The whole of the Kafka that the settings name, whosever the topics and groups in it are.
pub async fn whole_kafka(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<KafkaBus, NotUsable> {
    let shops = kafka_options(&settings.kafka, String::new());
    let options = KafkaOptions { ours: BTreeSet::new(), instance: None, ..shops };
    Ok(KafkaBus::connect(options, clock).await?)
}

/// The store in the PostgreSQL that the settings name; its schema is brought up to date if `migrate`.
pub async fn postgres(
    settings: &Settings,
    migrate: bool,
    clock: Arc<dyn Clock>,
) -> Result<PostgresStore, NotUsable> {
    let options = postgres_options(&settings.postgres, &instance(settings));
    Ok(PostgresStore::connect(options, Schema::SHOP, migrate, clock).await?)
}

fn kafka_options(kafka: &KafkaSettings, instance: String) -> KafkaOptions {
    let password = kafka.password.as_ref().map(Secret::expose).unwrap_or_default();
    let login = || (kafka.mechanism.clone(), kafka.user.clone(), password.to_owned());
    // What has our prefix is ours; without one, only what the shop knows.
    let topics = Topic::ALL.iter().map(|topic| topic.as_str().to_owned());
    let shops = topics.chain(ServiceName::ALL.iter().map(|service| service.group()));
    let ours = if kafka.prefix.is_empty() { shops.collect() } else { BTreeSet::new() };
    KafkaOptions {
        bootstrap: kafka.bootstrap.clone(),
        prefix: kafka.prefix.clone(),
        ours,
        replication: kafka.replication,
        instance: Some(instance),
        timeout: kafka.timeout.0,
        session_timeout: kafka.session_timeout.0,
        security: Security {
            tls: kafka.tls,
            ca_file: Some(kafka.ca_file.clone()).filter(|file| !file.is_empty()),
            sasl: (!kafka.user.is_empty()).then(login),
        },
    }
}

pub(super) fn postgres_options(postgres: &PostgresSettings, instance: &str) -> PostgresOptions {
    PostgresOptions {
        url: postgres.url.to_string(),
        connections: postgres.connections,
        timeout: postgres.timeout.0,
        application: format!("ecom {instance}"),
    }
}

/// A name that no other process has now, and that this one has again after a restart: the host's and
/// the first port that it listens on, which no two processes share.
pub(super) fn instance(settings: &Settings) -> String {
    if !settings.serve.instance.is_empty() {
        return settings.serve.instance.clone();
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let port = super::shop::Listener::of(&settings.roles())
        .first()
        .map_or(0, |(listener, n)| settings.port(listener.key(), *n));
    match port {
        0 => format!("{host}-{}", std::process::id()),
        port => format!("{host}-{port}"),
    }
}
