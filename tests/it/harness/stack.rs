//! The real servers, where they are up: `scripts/stack up` starts them, and `scripts/test` says in the
//! environment where they are and that nothing may be left out.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ecom::adapters::bus::kafka::{KafkaOptions, Security};
use ecom::adapters::postgres::{OwnSchema, PostgresOptions};

/// A real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// Bootstrap servers, separated by commas.
    Kafka,
    /// A URL of a role that may create schemas.
    Postgres,
    /// A URL.
    Redis,
    /// A URL of an SMTP sink.
    Smtp,
    /// The URL of the sink's HTTP API.
    MailApi,
}

impl Server {
    pub(crate) const ALL: [Self; 5] =
        [Self::Kafka, Self::Postgres, Self::Redis, Self::Smtp, Self::MailApi];

    const fn variable(self) -> &'static str {
        match self {
            Self::Kafka => "ECOM_TEST_KAFKA",
            Self::Postgres => "ECOM_TEST_POSTGRES",
            Self::Redis => "ECOM_TEST_REDIS",
            Self::Smtp => "ECOM_TEST_SMTP",
            Self::MailApi => "ECOM_TEST_MAIL_API",
        }
    }

    /// Where it is, if it is there.
    pub(crate) fn address(self) -> Option<String> {
        std::env::vars().find(|(name, _)| name == self.variable()).map(|(_, address)| address)
    }

    /// Where it is; without it the case is left out, loudly.
    pub(crate) fn address_or_skip(self) -> Option<String> {
        let address = self.address();
        if address.is_none() {
            skipped(&format!("{self:?} server"));
        }
        address
    }
}

/// A name that no other case, process or run uses: letters, digits and underscores.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (pid, n) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let started = ecom::ports::Clock::now(&ecom::app::SystemClock::default()).millis();
    format!("{stem}_{started:x}_{pid}_{n}")
}

/// A new schema in the database at `url`, as the URL of a database that has nothing else.
pub(crate) async fn own_schema(url: &str, stem: &str) -> String {
    let (clock, limit) = (ecom::app::SystemClock::default(), Duration::from_secs(10));
    OwnSchema::create(url, &unique(stem), limit, &clock).await.unwrap().url()
}

/// `scripts/stack` for the servers at `home`, with no setting of whoever runs the tests but where
/// downloads are.
pub(crate) fn script(home: &Path) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/stack"));
    for (name, _) in std::env::vars() {
        if name.starts_with("STACK_") && name != "STACK_CACHE" {
            command.env_remove(name);
        }
    }
    command.env("STACK_HOME", home).stdin(Stdio::null());
    command
}

/// Says, past the test runner, which shows what is printed only of cases that fail, that this case is left
/// out.
pub(crate) fn skipped(without: &str) {
    let case = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED, no {without}: {case}");
}

/// How tests reach PostgreSQL.
pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions {
        url: url.to_owned(),
        connections: 4,
        // For ever: what a test does not wait for it asks for with options of its own.
        timeout: Duration::from_secs(30),
        application: "ecom-test".into(),
    }
}

/// How tests reach Kafka, with topics and groups that begin with `prefix`.
pub(crate) fn kafka(bootstrap: &str, prefix: &str) -> KafkaOptions {
    KafkaOptions {
        ours: BTreeSet::new(),
        bootstrap: bootstrap.to_owned(),
        prefix: format!("{prefix}."),
        replication: 0,
        instance: None,
        timeout: Duration::from_secs(10),
        session_timeout: Duration::from_secs(6),
        security: Security::default(),
    }
}

#[test]
fn no_server_is_missing_where_all_are_required() {
    let required = std::env::vars().any(|(name, _)| name == "ECOM_TEST_STACK");
    let missing: Vec<Server> =
        Server::ALL.into_iter().filter(|server| server.address().is_none()).collect();
    if !required && !missing.is_empty() {
        let text = "their cases are SKIPPED; `scripts/test` runs them all";
        let _ = writeln!(std::io::stderr(), "without {missing:?}: {text}");
    }
    assert!(missing.is_empty() || !required, "start {missing:?} with scripts/stack up");
}
