//! How a cluster is reached: settings of librdkafka, and what it says goes wrong.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::blocking;
use crate::ports::bus::{BusError, DEAD_LETTER_BYTES_MAX};

/// Room for the framing of a largest record.
pub(super) const FRAMING_MAX: usize = 65_536;
/// A topic that every cluster with consumer groups has.
pub(super) const ALWAYS_THERE: &str = "__consumer_offsets";
/// Pause before a client is asked again whether it is closed.
const CLOSED_LOOK_EVERY: Duration = Duration::from_millis(1);
/// What not to log: `rdkafka` calls it an error that a client was closed before it was dropped.
pub const NOISE: &str = "rdkafka::consumer::base_consumer=off";
/// Things that librdkafka has to say, taken at once at most; it says a few per second and broker.
const TOLD_MAX: usize = 256;

/// How to reach a cluster.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// `host:port` of one or more brokers, separated by commas.
    pub bootstrap: String,
    /// Put before the name of every topic and group.
    pub prefix: String,
    /// The topics and groups that are the shop's on a cluster that has others, too; none: all that have
    /// the prefix.
    pub ours: BTreeSet<String>,
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

/// Remembers what went wrong first, which librdkafka tells only on the side; what follows from it
/// ("all brokers are down") says less.
#[derive(Clone, Default)]
pub(super) struct Watched {
    first_error: Arc<Mutex<Option<String>>>,
}

impl Watched {
    pub(super) fn first_error(&self) -> Option<String> {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What went wrong while there was no answer is none of the next silence's business.
    fn forget(&self) {
        *self.first_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn remember(&self, what: &str) {
        let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| what.to_owned());
    }
}

/// What librdkafka logs: it repeats itself at every try, so it is for those who look for it. What ends a
/// client is an error to whoever uses it next.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical
            if facility != "FATAL" =>
        {
            tracing::error!(facility, text, "librdkafka");
        }
        _ => tracing::debug!(facility, text, "librdkafka"),
    }
}

impl ClientContext for Watched {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
        // A connection that the other side ends at once is only logged, behind its thread's name.
        if facility == "FAIL" {
            self.remember(text.split_once("]: ").map_or(text, |(_, text)| text));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            self.remember(reason);
        }
    }
}

impl ConsumerContext for Watched {}

impl KafkaOptions {
    /// Whether `bootstrap` is `HOST:PORT` of one or more brokers, separated by commas; or what to write.
    pub fn check_bootstrap(bootstrap: &str) -> Result<(), String> {
        let is_broker = |broker: &str| {
            let (host, port) = match broker.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
                Some((host, rest)) => (host, rest.strip_prefix(':')),
                None => broker.split_once(':').map_or((broker, None), |(h, p)| (h, Some(p))),
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
            !host.is_empty()
                && host.chars().all(plain)
                && port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        };
        match bootstrap.split(',').map(str::trim).find(|broker| !is_broker(broker)) {
            Some(wrong) => Err(format!("{wrong:?} is no HOST:PORT; write host:9092,host:9092")),
            None => Ok(()),
        }
    }

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

/// A consumer with a group to its name that it never joins; it is gone at once when it is dropped.
pub(super) struct Fleeting(pub(super) Arc<BaseConsumer<Watched>>);

/// Makes one with these settings.
pub(super) fn fleeting(config: &ClientConfig) -> Result<Fleeting, BusError> {
    create(config, Watched::default()).map(|consumer| Fleeting(Arc::new(consumer)))
}

impl Deref for Fleeting {
    type Target = BaseConsumer<Watched>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Fleeting {
    /// As the consumer itself does it, which however rests for 100 ms before it looks whether it is closed.
    fn drop(&mut self) {
        if self.0.close_queue().is_ok() {
            while !self.0.closed() {
                self.0.poll(CLOSED_LOOK_EVERY);
            }
        }
    }
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
        // Asked every few seconds, and a cluster may have thousands of topics.
        let asked = inspector.fetch_metadata(Some(ALWAYS_THERE), options.timeout);
        listen(&inspector);
        let Err(e) = asked else {
            inspector.context().forget();
            return Ok(());
        };
        let (place, limit) = (&options.bootstrap, options.timeout);
        let why = inspector.context().first_error().unwrap_or_else(|| match e {
            KafkaError::MetadataFetch(Code::BrokerTransportFailure | Code::OperationTimedOut) => {
                format!("no answer within {limit:?}")
            }
            e => e.to_string(),
        });
        Err(BusError::Unavailable(format!("Kafka at {place}: {}", explained(&why))))
    })
    .await
}

/// Takes what librdkafka has to say of a client that is asked only now and then: it piles up until
/// somebody polls. Blocks.
pub(super) fn listen(client: &BaseConsumer<Watched>) {
    for _ in 0..TOLD_MAX {
        client.poll(Duration::ZERO);
    }
}

/// What librdkafka says, and what to do.
fn explained(why: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    // It takes the first bytes of another protocol for a length.
    if says(&["Invalid response size"]) {
        return "what answers there is not Kafka; check kafka.bootstrap".to_owned();
    }
    let advice = if says(&["Connection refused"]) {
        "is a broker running there?"
    } else if says(&["uthentication"]) {
        "check kafka.user, kafka.password and kafka.mechanism"
    } else if says(&["resolve"]) {
        "check the host name in kafka.bootstrap"
    } else if says(&["ApiVersion", "Receive failed", "Disconnected", "connection reset"]) {
        "is that a Kafka broker, and are kafka.tls and kafka.user as it wants them?"
    } else {
        "check kafka.bootstrap, and any firewall between"
    };
    format!("{why}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_hosts_and_ports() {
        for good in ["h:9092", "h:1,127.0.0.1:2, [::1]:3", "kafka-broker_1.local:65535"] {
            assert_eq!(KafkaOptions::check_bootstrap(good), Ok(()), "{good}");
        }
        for bad in ["h", "h:", ":1", "h:x", "h:0", "h:65536", "h:1,", ",", "kafka://h:1", "a b:1"] {
            assert!(KafkaOptions::check_bootstrap(bad).is_err(), "{bad}");
        }
    }
}
