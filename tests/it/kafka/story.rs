//! The whole story on real servers, through the program alone: an event that cannot be processed, found,
//! understood and sent back; and dead letters of others.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ecom::ports::bus::EventBus;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value as Json;
use sqlx::Connection as _;

use super::{all, connect};
use crate::contract::env;
use crate::harness::customer::{Customer, runtime, until};
use crate::harness::program::{Printed, Served, ecom};
use crate::harness::stack::{self, Server, own_schema, unique};

/// What makes every payment fail, for no fault of the event.
const POISON: &str = "create function poison() returns trigger language plpgsql as
   $$ begin raise exception 'the ledger is torn'; end $$;
 create trigger poison before insert on payments for each row execute function poison()";
const REMEDY: &str = "drop trigger poison on payments";

/// A shop on servers, and how the program is told of it.
struct Place {
    env: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(name: &str, kafka: &str, postgres: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut env = vec![
            ("ECOM_KAFKA_BOOTSTRAP", kafka.to_owned()),
            ("ECOM_KAFKA_PREFIX", format!("{name}.")),
            ("XDG_STATE_HOME", folder.path().join("state").display().to_string()),
        ];
        if let Some(url) = postgres {
            let more = [("URL", url), ("CONNECTIONS", "6")];
            let [url, connections] = more.map(|(_, value)| value.to_owned());
            env.push(("ECOM_POSTGRES_URL", url));
            env.push(("ECOM_POSTGRES_CONNECTIONS", connections));
            env.push(("ECOM_GATEWAY_SUCCESS", "1.0".to_owned()));
        }
        Self { env, folder }
    }

    fn command(&self) -> Command {
        let mut command = ecom();
        command.envs(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        command.stdin(Stdio::null());
        command
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("shop")
    }

    #[track_caller]
    fn run(&self, code: i32, args: &[&str]) -> Output {
        let ran = self.command().args(args).output().unwrap();
        assert_eq!(ran.code(), code, "{args:?}: {}{}", ran.out(), ran.err());
        ran
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Json {
        let ran = self.run(0, &[args, &["-o", "json"]].concat());
        serde_json::from_str(&ran.out()).unwrap()
    }

    fn file(&self, name: &str, value: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, value).unwrap();
        path.display().to_string()
    }
}

async fn sql(url: &str, text: &'static str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
}

async fn buy(customer: &Customer, user: &str, product: &str) -> String {
    until("the cart takes it", async || {
        customer.add(user, product).await.is_some_and(|status| status < 300)
    })
    .await;
    customer.checkout(user).await.unwrap().unwrap()
}

#[test]
fn a_poisoned_event_is_found_understood_and_sent_back_and_its_order_is_served() {
    let Some(kafka) = Server::Kafka.address_or_skip() else { return };
    let Some(postgres) = Server::Postgres.address_or_skip() else { return };
    runtime().block_on(async {
        let url = own_schema(&postgres, "story").await;
        let place = Place::new(&unique("story"), &kafka, Some(&url));
        let mut shop =
            Served::launch(place.command(), &place.data(), &["--products", "3"]).unwrap();
        let customer = Customer::of(&shop);
        let before = buy(&customer, "ann", "PROD-001").await;
        assert_eq!(customer.told(&before).await, "FULFILLED");

        sql(&url, POISON).await;
        let order = buy(&customer, "bob", "PROD-001").await;
        until("it is given up", async || place.json(&["dlq", "summary"])["total"] == 1).await;
        let summary = place.json(&["dlq", "summary", "--by", "service"]);
        assert_eq!(summary["groups"][0]["value"], "payment");
        let list = place.json(&["dlq", "list", "--key", &order]);
        let letter = &list["dead_letters"][0];
        assert_eq!(
            (&letter["state"], &letter["original_topic"]),
            (&"open".into(), &"order.created".into())
        );
        assert_eq!(letter["retry_count"], 3, "it was tried again three times");
        let id = letter["id"].as_str().unwrap();
        let shown = place.run(0, &["dlq", "show", id]).out();
        assert!(shown.contains("the ledger is torn") && shown.contains(&order), "{shown}");

        // Nothing is wrong with the event itself, and a worse one is not taken.
        let detail = place.json(&["dlq", "show", id]);
        let value = detail["payload"]["text"].as_str().unwrap();
        let sound = place.file("sound.json", value.as_bytes());
        let checked = place.run(0, &["dlq", "edit", id, "--value", &sound, "--dry-run"]).out();
        assert!(checked.contains("the value is sound"), "{checked}");
        let cut = place.file("cut.json", &value.as_bytes()[..value.len() - 1]);
        let refused = place.run(2, &["dlq", "edit", id, "--value", &cut]).err();
        assert!(refused.contains("the value is still wrong"), "{refused}");

        nothing_is_done_unasked(&place, id);
        sql(&url, REMEDY).await;
        let plan = place.json(&["dlq", "replay", "--dry-run"]);
        assert_eq!((&plan["selected"], &plan["by_topic"]["order.created"]), (&1.into(), &1.into()));
        let routed: Vec<&String> = plan["by_partition"].as_object().unwrap().keys().collect();
        assert!(routed[0].starts_with("order.created/"), "{routed:?}");
        assert_eq!(customer.order(&order).await["status"], "PENDING", "a plan changes nothing");
        let report = place.json(&["dlq", "replay", "--wait", "60s"]);
        assert_eq!((&report["replayed"], &report["resolved"]), (&1.into(), &1.into()), "{report}");
        assert_eq!(report["orders"][0]["before"], "PENDING");
        assert_eq!(customer.told(&order).await, "FULFILLED");
        let resolved = place.json(&["dlq", "list", "--state", "resolved"]);
        assert_eq!(resolved["dead_letters"][0]["id"], id);

        assert_eq!(shop.stop(), 0, "{}", shop.said());
        let data = place.data();
        let verified = place.run(0, &["verify", "--data", path(&data)]).out();
        assert!(verified.contains("PASS"), "{verified}");
    });
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A group with members is not moved, and where the settings protect the shop nothing is changed unconfirmed.
#[track_caller]
fn nothing_is_done_unasked(place: &Place, id: &str) {
    let reset = ["groups", "reset-offsets", "payment-service-group", "--to", "beginning"];
    let refused = place.run(7, &[&reset[..], &["--execute"]].concat()).err();
    assert!(refused.contains("payment-service-group has members"), "{refused}");
    for args in [&["dlq", "discard", id][..], &["dlq", "replay"]] {
        let ran =
            place.command().args(args).env("ECOM_CONSOLE_PROTECTED", "true").output().unwrap();
        assert_eq!(ran.code(), 7, "{args:?}: {}", ran.err());
        assert!(ran.err().contains("add --yes"), "{}", ran.err());
    }
    assert_eq!(place.json(&["dlq", "list"])["dead_letters"][0]["state"], "open");
    assert_eq!(place.json(&["dlq", "jobs", "list"])["jobs"].as_array().unwrap().len(), 0);
}

/// Appends a record as any other program would.
fn produce(producer: &BaseProducer, topic: &str, headers: &[(&str, &[u8])], value: &[u8]) {
    let mut all = OwnedHeaders::new();
    for (key, value) in headers {
        all = all.insert(Header { key, value: Some(*value) });
    }
    let record = BaseRecord::to(topic).key("order-1").payload(value).headers(all);
    producer.send(record).map_err(|(e, _)| e).unwrap();
}

#[test]
fn letters_of_spring_and_connect_by_a_plain_producer_are_listed_and_sent_back() {
    let Some(kafka) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let name = unique("story");
        let bus = connect(&env, &stack::kafka(&kafka, &name)).await;
        for topic in ["orders", "orders-dlt", "invoices", "dlq-invoices"] {
            bus.create_topic(topic, 2, None).await.unwrap();
        }
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &kafka).create().unwrap();
        let spring: [(&str, &[u8]); 7] = [
            ("kafka_dlt-original-topic", b"orders"),
            ("kafka_dlt-original-partition", &1_i32.to_be_bytes()),
            ("kafka_dlt-original-offset", &41_i64.to_be_bytes()),
            ("kafka_dlt-original-timestamp", &1_700_000_000_000_i64.to_be_bytes()),
            ("kafka_dlt-original-consumer-group", b"billing"),
            ("kafka_dlt-exception-fqcn", b"java.lang.IllegalStateException"),
            ("kafka_dlt-exception-message", b"no such customer"),
        ];
        produce(&producer, &format!("{name}.orders-dlt"), &spring, b"{\"order\":1}");
        let connect: [(&str, &[u8]); 9] = [
            ("__connect.errors.topic", b"invoices"),
            ("__connect.errors.partition", b"0"),
            ("__connect.errors.offset", b"17"),
            ("__connect.errors.connector.name", b"jdbc-sink"),
            ("__connect.errors.task.id", b"0"),
            ("__connect.errors.stage", b"VALUE_CONVERTER"),
            ("__connect.errors.class.name", b"org.apache.kafka.connect.json.JsonConverter"),
            (
                "__connect.errors.exception.class.name",
                b"org.apache.kafka.connect.errors.DataException",
            ),
            ("__connect.errors.exception.message", b"Unknown magic byte!"),
        ];
        produce(&producer, &format!("{name}.dlq-invoices"), &connect, b"\x00\x00junk");
        producer.flush(Duration::from_secs(30)).unwrap();

        // To who works with a prefix its topics have none.
        let place = Place::new(&name, &kafka, None);
        let list = place.json(&["dlq", "list"]);
        let told = |letter: &Json| {
            ["family", "original_topic", "original_offset", "error_code"]
                .map(|field| letter[field].clone())
        };
        let mut letters: Vec<_> =
            list["dead_letters"].as_array().unwrap().iter().map(told).collect();
        letters.sort_by_key(|letter| letter[0].to_string());
        assert_eq!(letters.len(), 2, "{list}");
        assert_eq!(letters[0][0], "connect");
        assert_eq!(letters[0][3], "org.apache.kafka.connect.errors.DataException");
        assert_eq!((&letters[1][0], &letters[1][2]), (&"spring".into(), &41.into()));
        let report = place.json(&["dlq", "replay", "--ordered", "key"]);
        assert_eq!(
            (&report["replayed"], &report["unroutable"]),
            (&2.into(), &0.into()),
            "{report}"
        );
        assert!(report["warnings"][0].as_str().unwrap().contains("nobody tells here"), "{report}");
        for (topic, value) in [("orders", &b"{\"order\":1}"[..]), ("invoices", b"\x00\x00junk")] {
            let back = all(&bus, topic).await;
            let [record] = back.as_slice() else { panic!("{topic}: {back:?}") };
            assert_eq!(record.value.as_deref(), Some(value), "byte for byte");
            assert_eq!(record.key.as_deref(), Some(&b"order-1"[..]));
            let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert!(names.iter().all(|name| name.starts_with("ecom-replay")), "{names:?}");
        }
        let again = place.json(&["dlq", "replay"]);
        assert_eq!(again["selected"], 0, "what was sent once is not sent again unasked");
    });
}
