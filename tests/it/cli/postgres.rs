//! Databases, and a cluster, that are there and yet cannot be used as they are.

use std::future::Future;
use std::sync::Arc;

use ecom::adapters::clock::SystemClock;
use ecom::adapters::postgres::{PostgresStore, Schema};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::servers::{closed, says};
use crate::harness::program::{Served, ecom};
use crate::harness::stack::{Server, options, own_schema, unique};

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

fn execute(url: &str, sql: &str) {
    wait(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap();
    });
}

/// The URL of a new schema in which a shop's tables are.
pub(super) fn complete(url: &str) -> String {
    wait(async {
        let url = own_schema(url, "rows").await;
        let clock = Arc::new(SystemClock::default());
        PostgresStore::connect(options(&url), Schema::SHOP, true, clock).await.unwrap();
        url
    })
}

fn schema_of(url: &str) -> &str {
    url.rsplit_once("[search_path]=").unwrap().1
}

/// A role that may do nothing yet; gone when dropped.
struct Role {
    url: String,
    name: String,
}

impl Role {
    fn new(url: &str) -> Self {
        let name = unique("role");
        execute(url, &format!("create role {name} login password 's3cret'"));
        Self { url: url.to_owned(), name }
    }

    /// `url` with this role and that password.
    fn at(&self, url: &str, password: &str) -> String {
        let (_, place) = url.split_once('@').unwrap();
        format!("postgres://{}:{password}@{place}", self.name)
    }

    fn may(&self, what: &str) {
        execute(&self.url, &format!("grant {what} to {}", self.name));
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        execute(&self.url, &format!("drop owned by {0}; drop role {0}", self.name));
    }
}

/// Runs the command on this database; a Kafka is named, and not come to.
#[track_caller]
fn on(command: &str, url: &str, what: &[&str]) {
    let args = [command, "--postgres", url, "--kafka", "127.0.0.1:1"];
    let args = if command == "verify" { &args[..] } else { &args[..3] };
    says(args, &[], 5, &[&["PostgreSQL at "], what].concat());
}

#[test]
fn a_login_or_database_that_is_not_there_is_told_so() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    let (role, forbidden) = (Role::new(&url), unique("forbidden"));
    execute(&url, &format!("create database {forbidden}"));
    execute(&url, &format!("revoke connect on database {forbidden} from public"));
    let server = url.rsplit_once('/').unwrap().0;
    let wrong = role.at(&url, "s3cret-but-wrong");
    let missing = format!("{server}/no_such_database");
    let closed = role.at(&format!("{server}/{forbidden}"), "s3cret");
    for command in ["serve", "simulate", "verify"] {
        on(command, &wrong, &["password authentication failed", "check user and password"]);
        on(command, &missing, &["/no_such_database", "does not exist; create the database"]);
        on(command, &closed, &["permission denied for database", "that right"]);
    }
    execute(&url, &format!("drop database {forbidden}"));
}

#[test]
fn a_role_without_rights_is_told_which_it_needs() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    let role = Role::new(&url);
    let (empty, full) = (wait(own_schema(&url, "rights")), complete(&url));
    let advice = "give the user of the postgres URL that right";
    let mine = role.at(&empty, "s3cret");
    for command in ["serve", "simulate"] {
        on(
            command,
            &mine,
            &["no schema has been selected", "let the user of the postgres URL use"],
        );
    }
    role.may(&format!("usage on schema {}", schema_of(&empty)));
    for command in ["serve", "simulate"] {
        on(command, &mine, &["permission denied for schema", advice]);
    }
    on("verify", &mine, &["holds no shop; start one on it with `ecom serve`"]);
    let (schema, mine) = (schema_of(&full), role.at(&full, "s3cret"));
    role.may(&format!("usage on schema {schema}"));
    for command in ["serve", "simulate", "verify"] {
        on(command, &mine, &["permission denied for table schema_steps", advice]);
    }
    role.may(&format!("select on {schema}.schema_steps"));
    for command in ["serve", "simulate"] {
        on(command, &mine, &["permission denied for table process_starts", advice]);
    }
}

#[test]
fn a_schema_that_a_newer_program_made_is_left_alone() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    let url = complete(&url);
    execute(&url, "insert into schema_steps (step) values (4711)");
    for command in ["serve", "simulate", "verify"] {
        on(command, &url, &["has schema version 4711, newer than", "use a newer ecom"]);
    }
}

#[test]
fn a_cluster_that_does_not_fit_is_told_of_with_a_way_out() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    let prefix = format!("{}.", unique("rows"));
    let topic = format!("{prefix}{}", ecom::events::Topic::ALL[0]);
    wait(async {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &bootstrap);
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let new = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
        let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    });
    let own = [("ECOM_KAFKA_PREFIX", prefix.as_str())];
    for command in ["serve", "simulate"] {
        let fewer =
            ["has 2 partitions, not 3: set delivery.partitions = 2", "kafka.prefix", &topic];
        says(&[command, "--kafka", &bootstrap], &own, 5, &fewer);
        let many = [own[0], ("ECOM_KAFKA_REPLICATION", "99"), ("ECOM_DELIVERY_PARTITIONS", "2")];
        let text = ["Kafka at ", "kafka.replication = 99 needs as many brokers", "set it to 0"];
        says(&[command, "--kafka", &bootstrap], &many, 5, &text);
    }
    let Some(postgres) = Server::Postgres.address_or_skip() else { return };
    let postgres = complete(&postgres);
    let verify = ["verify", "--kafka", &bootstrap, "--postgres", &postgres];
    says(&verify, &own, 5, &["Kafka at ", "no topic", "can be seen; check kafka.prefix"]);
}

#[test]
fn evidence_that_is_out_of_reach_is_told_of_and_no_verdict_is_given() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    let Some(postgres) = Server::Postgres.address_or_skip() else { return };
    let (url, prefix) = (wait(own_schema(&postgres, "rows")), format!("{}.", unique("rows")));
    let (folder, mut command) = (tempfile::tempdir().unwrap(), ecom());
    command.env("ECOM_KAFKA_PREFIX", &prefix);
    let flags = ["--kafka", &bootstrap, "--postgres", &url, "--products", "2"];
    let mut shop = Served::launch(command, &folder.path().join("shop"), &flags).unwrap();
    assert_eq!(shop.stop(), 0);
    let place = closed();
    let (http, smtp) = (format!("http://{place}"), format!("smtp://{place}"));
    let verify = |more: &[&str], env: &[(&str, &str)], what: &[&str]| {
        let args = [&["verify"], &flags[..4], more].concat();
        let env = [&[("ECOM_KAFKA_PREFIX", prefix.as_str())], env].concat();
        says(&args, &env, 5, what);
    };
    let books = ["the provider's books cannot be read", &http, "check gateway.url"];
    verify(&["--gateway", &http], &[], &books);
    let mail = ["the mailbox cannot be read", "check smtp.inbox"];
    verify(&["--smtp", &smtp], &[("ECOM_SMTP_INBOX", &http)], &mail);
}
