//! How a cluster is reached: settings of librdkafka, and what it says goes wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;

use super::blocking;
use crate::ports::bus::{BusError, DEAD_LETTER_BYTES_MAX};

/// Room for the framing of a largest record.
pub(super) const FRAMING_MAX: usize = 65_536;

/// How to reach a cluster.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// `host:port` of one or more brokers, separated by commas.
    pub bootstrap: String,
    /// Put before the name of every topic and group.
    pub prefix: String,
    /// Copies of each record; 0: three, or as many as there are brokers.
    pub replication: u32,
    /// A name that no other running process has, and that this one has again after a restart: its
    /// partitions then wait for it instead of going to others. None: they go at once.
    pub instance: Option<String>,
    /// How long any question may take.
    pub timeout: Duration,
    /// After this long without a word from a member its partitions go to others.
    pub session_timeout: Duration,
    /// TLS and SASL.
    pub security: Security,
}

/// How a connection is secured.
#[derive(Clone, Default)]
pub struct Security {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// A file with the authorities to trust; none: the system's.
    pub ca_file: Option<String>,
    /// Mechanism, user and password; none: nobody is asked who they are.
    pub sasl: Option<(String, String, String)>,
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sasl = self.sasl.as_ref().map(|(mechanism, user, _)| (mechanism, user, "***"));
        f.debug_struct("Security")
            .field("tls", &self.tls)
            .field("ca_file", &self.ca_file)
            .field("sasl", &sasl)
            .finish()
    }
}

/// Remembers what went wrong last, which librdkafka tells only on the side.
#[derive(Clone, Default)]
pub(super) struct Watched {
    last_error: Arc<Mutex<Option<String>>>,
}

impl Watched {
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What librdkafka logs: it repeats itself at every try, so it is for those who look for it.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, text, "librdkafka");
        }
        _ => tracing::debug!(facility, text, "librdkafka"),
    }
}

impl ClientContext for Watched {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Watched {}

impl KafkaOptions {
    /// What every client has in common.
    pub(super) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "ecom")
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("message.max.bytes", (DEAD_LETTER_BYTES_MAX + FRAMING_MAX).to_string());
        let security = &self.security;
        let protocol = match (security.tls, &security.sasl) {
            (false, None) => return config,
            (true, None) => "ssl",
            (false, Some(_)) => "sasl_plaintext",
            (true, Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(file) = &security.ca_file {
            config.set("ssl.ca.location", file);
        }
        if let Some((mechanism, user, password)) = &security.sasl {
            config.set("sasl.mechanism", mechanism);
            config.set("sasl.username", user).set("sasl.password", password);
        }
        config
    }
}

/// Makes a client; what is wrong is in its settings.
pub(super) fn create<T, C>(config: &ClientConfig, context: C) -> Result<T, BusError>
where
    C: ClientContext,
    T: FromClientConfigAndContext<C>,
{
    config.create_with_context(context).map_err(|e| {
        let text = e.to_string();
        let advice = if text.contains("SSL") || text.contains("SASL") || text.contains("provider") {
            "this ecom was built without the feature kafka-tls"
        } else {
            "check the kafka settings"
        };
        BusError::Broken(format!("Kafka cannot be set up: {text}; {advice}"))
    })
}

/// A client for questions.
pub(super) fn inspector(options: &KafkaOptions) -> Result<BaseConsumer<Watched>, BusError> {
    create(&options.config(), Watched::default())
}

/// Makes sure that there is a cluster.
pub(super) async fn answers(
    inspector: &Arc<BaseConsumer<Watched>>,
    options: &KafkaOptions,
) -> Result<(), BusError> {
    let (inspector, options) = (Arc::clone(inspector), options.clone());
    blocking(move || {
        let Err(e) = inspector.fetch_metadata(None, options.timeout) else { return Ok(()) };
        // Errors are told to whoever polls.
        inspector.poll(Duration::ZERO);
        let why = inspector.context().last_error().unwrap_or_else(|| e.to_string());
        let place = &options.bootstrap;
        Err(BusError::Unavailable(format!("Kafka at {place}: {why}; {}", advice(&why))))
    })
    .await
}

fn advice(why: &str) -> &'static str {
    if why.contains("Connection refused") {
        "is a broker running there?"
    } else if why.contains("authentication") {
        "check kafka.user and kafka.password"
    } else if why.contains("resolve") {
        "check the host name in kafka.bootstrap"
    } else if why.contains("ApiVersion")
        || why.contains("Receive failed")
        || why.contains("Disconnected")
    {
        "is that a Kafka broker, and are kafka.tls and kafka.user as it wants them?"
    } else {
        "check kafka.bootstrap, and any firewall between"
    }
}
