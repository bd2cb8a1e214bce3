//! docker-compose.yml, .env.example, the files that they name, and scripts/stack: against each other and
//! against the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use ecom::app::config::{Layers, Sources};
use ecom::app::{Role, Settings};
use serde::Deserialize;
use serde_json::Value;

/// What the original shop's users know, and what came since.
const PUBLISHED: &str = "gateway 8000:8000, cart-service 8001:8001, order-service 8002:8002, \
    payment-service 8003:8003, inventory-service 8004:8004, notification-service 8005:8005, \
    payment-provider 8090:8090, kafka-broker-1 9092:19092, kafka-broker-2 9093:19092, \
    kafka-broker-3 9094:19092, kafka-ui 8080:8080, postgres 5432:5432, pgadmin 5050:80, \
    redis 6379:6379, redis-commander 8085:8081, mailhog 1025:1025, mailhog 8025:8025";

/// The original shop's `.env`.
const ORIGINAL_ENV: &str = "\
KAFKA_BOOTSTRAP_SERVERS=kafka-broker-1:9092,kafka-broker-2:9092,kafka-broker-3:9092
POSTGRES_USER=postgres
POSTGRES_PASSWORD=postgres
POSTGRES_DB=kafka_ecom
POSTGRES_HOST=postgres
POSTGRES_PORT=5432
REDIS_HOST=redis
REDIS_PORT=6379
MAILHOG_HOST=mailhog
MAILHOG_PORT=1025
ADMIN_EMAIL=admin@kafka-ecom.local
CART_SERVICE_PORT=8001
ORDER_SERVICE_PORT=8002
PAYMENT_SERVICE_PORT=8003
INVENTORY_SERVICE_PORT=8004
NOTIFICATION_SERVICE_PORT=8005";

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
struct Service {
    image: String,
    restart: String,
    #[serde(default)]
    command: Vec<String>,
    environment: BTreeMap<String, Value>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    healthcheck: Health,
    #[serde(default)]
    depends_on: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Health {
    test: Vec<String>,
}

impl Service {
    fn env(&self, name: &str) -> String {
        text(self.environment.get(name).unwrap_or_else(|| panic!("no {name}")))
    }

    /// Roles that it runs.
    fn roles(&self) -> Vec<Role> {
        match self.command.as_slice() {
            [serve, only, roles] if serve == "serve" && only == "--only" => {
                roles.split(',').map(|role| Role::parse(role).unwrap()).collect()
            }
            _ => vec![],
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// `.env.example`, or what is written like it.
fn variables(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap()).collect()
}

/// Every `${NAME:-default}` of the compose file: name, default.
fn placeholders(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("${").skip(1).map(|part| part.split_once('}').unwrap().0);
    parts.map(|part| part.split_once(":-").unwrap_or((part, "no default"))).collect()
}

/// The compose file as it is without a `.env`.
fn compose() -> Compose {
    let mut text = read("docker-compose.yml");
    for (name, default) in placeholders(&text.clone()) {
        text = text.replace(&format!("${{{name}:-{default}}}"), default);
    }
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn the_env_file_says_what_holds_without_it() {
    let (example, file) = (read(".env.example"), read("docker-compose.yml"));
    let example = variables(&example);
    let used: BTreeMap<&str, &str> = placeholders(&file).into_iter().collect();
    assert_eq!(used, example, "left: docker-compose.yml, right: .env.example");
    for (name, default) in placeholders(&file) {
        assert_eq!(example[name], default, "{name} has two defaults");
    }
    for (name, value) in variables(ORIGINAL_ENV) {
        assert_eq!(example.get(name), Some(&value), "{name} of the original shop");
    }
}

#[test]
fn every_service_is_pinned_watched_and_started_again() {
    for (name, service) in compose().services {
        let tag = service.image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: no tag")).1;
        let numbers = tag.trim_start_matches('v').split(['.', '-']).take(2);
        let exact = numbers.map(str::parse::<u32>).all(|number| number.is_ok());
        assert!(exact && tag.contains('.'), "{name}: {} is not one version", service.image);
        assert!(service.healthcheck.test.len() > 1, "{name}: nobody asks how it is");
        assert_eq!(service.restart, "unless-stopped", "{name}");
        assert_eq!(service.env("TZ"), "America/Los_Angeles", "{name}");
        if service.image.starts_with("ecom:") {
            assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{name}");
        }
    }
}

#[test]
fn ports_are_where_they_always_were_and_on_this_machine_only() {
    let mut found = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for (name, service) in compose().services {
        for port in service.ports {
            let local = port.strip_prefix("127.0.0.1:");
            let local = local.unwrap_or_else(|| panic!("{name}: {port} is open to all"));
            assert!(taken.insert(local.split(':').next().unwrap().to_owned()), "{port} is taken");
            found.insert(format!("{name} {local}"));
        }
    }
    assert_eq!(found, PUBLISHED.split(", ").map(str::to_owned).collect());
}

#[test]
fn each_role_runs_once_at_its_port_with_settings_that_are_right() {
    let compose = compose();
    let base = Settings::defaults().serve.port_base;
    let mut running = vec![];
    for (name, service) in &compose.services {
        let roles = service.roles();
        let Some(first) = roles.first() else { continue };
        let n = Role::ALL.iter().position(|role| role == first).unwrap();
        let url = format!("http://127.0.0.1:{}/health", base + n as u16);
        assert_eq!(service.healthcheck.test, ["CMD", "ecom", "health", &url], "{name}");
        assert!(service.ports[0].ends_with(&format!(":{}", base + n as u16)), "{name}");
        for server in service.depends_on.keys() {
            assert_eq!(service.depends_on[server]["condition"], "service_healthy", "{name}");
        }
        for server in ["kafka-broker-1", "postgres", "redis", "mailhog"] {
            assert!(service.depends_on.contains_key(server), "{name} does not wait for {server}");
        }
        let env: Vec<_> =
            service.environment.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let flags = vec![("only", "serve.only", service.command[2].clone())];
        let sources = Sources { env, flags, ..Sources::default() };
        let settings = Settings::from_layers(&Layers::read(&sources).unwrap()).unwrap();
        assert!(!settings.serve.admin && !settings.serve.listen.is_loopback(), "{name}");
        assert_eq!(
            &*settings.postgres.url,
            "postgres://postgres:postgres@postgres:5432/kafka_ecom"
        );
        assert_eq!(settings.kafka.bootstrap, service.env("KAFKA_BOOTSTRAP_SERVERS"));
        assert_eq!(&*settings.redis.url, "redis://redis:6379");
        assert_eq!(&*settings.smtp.url, "smtp://mailhog:1025");
        running.extend(roles);
    }
    running.sort_unstable();
    assert_eq!(running, Role::ALL, "each role once");
    let provider = &compose.services["payment-provider"];
    assert_eq!(provider.command[..2], ["gateway", "serve"]);
    assert_eq!(provider.healthcheck.test[3], "http://127.0.0.1:8090/health");
    let payment = &compose.services["payment-service"];
    assert_eq!(payment.env("ECOM_GATEWAY_URL"), "http://payment-provider:8090");
    for secret in ["ECOM_GATEWAY_SECRET", "ECOM_GATEWAY_WEBHOOK_SECRET"] {
        assert_eq!(payment.env(secret), provider.env(secret));
    }
}

#[test]
fn three_brokers_know_each_other_and_everybody_finds_them() {
    let compose = compose();
    let all = |of: &dyn Fn(u16) -> String| (1..=3).map(of).collect::<Vec<_>>().join(",");
    let voters = all(&|n| format!("{n}@kafka-broker-{n}:29093"));
    let bootstrap = all(&|n| format!("kafka-broker-{n}:9092"));
    for n in 1..=3_u16 {
        let broker = &compose.services[&format!("kafka-broker-{n}")];
        let host_port = 9091 + n;
        let advertised = format!("PLAINTEXT://kafka-broker-{n}:9092,HOST://localhost:{host_port}");
        assert_eq!(broker.env("KAFKA_NODE_ID"), n.to_string());
        assert_eq!(broker.env("KAFKA_CONTROLLER_QUORUM_VOTERS"), voters);
        assert_eq!(broker.env("KAFKA_ADVERTISED_LISTENERS"), advertised);
        let listeners = "PLAINTEXT://:9092,HOST://:19092,CONTROLLER://:29093";
        assert_eq!(broker.env("KAFKA_LISTENERS"), listeners);
        assert_eq!(broker.env("KAFKA_DEFAULT_REPLICATION_FACTOR"), "3");
        assert_eq!(broker.env("KAFKA_MIN_INSYNC_REPLICAS"), "2");
        assert_eq!(broker.env("KAFKA_AUTO_CREATE_TOPICS_ENABLE"), "false");
        assert_eq!(broker.volumes, [format!("kafka-{n}:/var/lib/kafka/data")]);
    }
    let others = ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"];
    for (name, service) in &compose.services {
        for (_, value) in service.environment.iter().filter(|(key, _)| others.contains(&&***key)) {
            assert_eq!(text(value), bootstrap, "{name}");
        }
    }
}

#[test]
fn what_is_mounted_is_there_and_knows_the_database() {
    let compose = compose();
    let mounts = compose.services.values().flat_map(|service| &service.volumes);
    for mount in mounts.filter(|mount| mount.starts_with('.')) {
        let path = mount.split(':').next().unwrap();
        assert!(root().join(path).is_file(), "{path} is missing");
    }
    let database = &compose.services["postgres"];
    let (user, password) = (database.env("POSTGRES_USER"), database.env("POSTGRES_PASSWORD"));
    let servers: Value = serde_json::from_str(&read("deploy/pgadmin/servers.json")).unwrap();
    let server = &servers["Servers"]["1"];
    assert_eq!(server["Host"], "postgres");
    assert_eq!(server["Port"], 5432);
    assert_eq!(server["Username"], *user);
    assert_eq!(read("deploy/pgadmin/pgpass").trim(), format!("postgres:5432:*:{user}:{password}"));
}

#[test]
fn secrets_from_files_take_the_place_of_those_in_the_environment() {
    #[derive(Deserialize)]
    struct Overlay {
        services: BTreeMap<String, Overlaid>,
        secrets: BTreeMap<String, Value>,
    }
    #[derive(Deserialize)]
    struct Overlaid {
        environment: BTreeMap<String, Value>,
        secrets: Vec<String>,
    }
    let overlay: Overlay =
        serde_saphyr::from_str(&read("deploy/docker-compose.secrets.yml")).unwrap();
    for (name, service) in compose().services {
        let secret = |key: &&String| key.ends_with("_PASSWORD") || key.ends_with("_SECRET");
        for key in service.environment.keys().filter(secret) {
            let over = &overlay.services[&name].environment;
            assert!(over[key].is_null(), "{name}: {key} stays in the environment");
            let file = text(&over[&format!("{key}_FILE")]);
            let file = file.strip_prefix("/run/secrets/").unwrap();
            assert!(
                overlay.services[&name].secrets.iter().any(|mounted| mounted == file),
                "{name}"
            );
            assert!(overlay.secrets.contains_key(file), "{file}");
        }
    }
}

#[test]
fn servers_without_docker_are_at_the_same_addresses() {
    let home = tempfile::tempdir().unwrap();
    let mut stack = Command::new(root().join("scripts/stack"));
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    stack.arg("status").env_clear().env("PATH", path).env("HOME", home.path());
    let output = stack.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status = String::from_utf8(output.stdout).unwrap();
    let at = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(at("postgres"), ["postgres://postgres:postgres@127.0.0.1:5432/kafka_ecom"]);
    assert_eq!(at("redis"), ["redis://127.0.0.1:6379"]);
    assert_eq!(at("smtp"), ["smtp://127.0.0.1:1025", "http://127.0.0.1:8025"]);
    for n in 1..=3 {
        assert_eq!(at(&format!("kafka-{n}")), [format!("127.0.0.1:{}", 9091 + n)]);
    }
    for (server, address) in ["kafka-1", "kafka-2", "kafka-3", "postgres", "redis", "smtp"]
        .into_iter()
        .flat_map(|server| at(server).into_iter().map(move |address| (server, address)))
    {
        let port: String = address.rsplit(':').next().unwrap().chars().take(4).collect();
        let published = PUBLISHED.split(", ").any(|it| it.contains(&format!(" {port}:")));
        assert!(published, "{server} is at {port}, in containers it is not");
        let profile = read("config/ecom.cluster.toml");
        assert!(profile.contains(&address), "{server}: the profile `cluster` looks elsewhere");
    }
}
