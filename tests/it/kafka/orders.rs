//! Orders on a cluster: traced over Kafka with and without the shop's tables, found stuck, cancelled and
//! resumed from a process that runs none of the shop.

use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use crate::harness::customer::{Customer, runtime, until};
use crate::harness::program::{Printed, Served, ecom};
use crate::harness::stack::{Server, own_schema, unique};
use crate::report::expect_valid;

/// A shop on Kafka and PostgreSQL, in one process.
struct Cluster {
    env: Vec<(&'static str, String)>,
    tables: String,
    folder: tempfile::TempDir,
}

impl Cluster {
    fn new() -> Option<Self> {
        let (kafka, postgres) =
            (Server::Kafka.address_or_skip()?, Server::Postgres.address_or_skip()?);
        let (redis, name) = (Server::Redis.address_or_skip()?, unique("orders"));
        let folder = tempfile::tempdir().unwrap();
        let env = vec![
            ("ECOM_KAFKA_BOOTSTRAP", kafka),
            ("ECOM_KAFKA_PREFIX", format!("{name}.")),
            ("ECOM_REDIS_URL", redis),
            ("ECOM_GATEWAY_SUCCESS", "1".to_owned()),
            ("ECOM_REDIS_PREFIX", format!("{name}:")),
            ("XDG_STATE_HOME", folder.path().join("state").display().to_string()),
        ];
        let tables = runtime().block_on(own_schema(&postgres, "orders"));
        Some(Self { env, tables, folder })
    }

    fn command(&self) -> Command {
        let mut command = ecom();
        command.envs(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    fn serve(&self, more: &[&str]) -> Served {
        let more = [&["--products", "2", "--postgres", &self.tables], more].concat();
        Served::launch(self.command(), &self.folder.path().join("shop"), &more)
            .unwrap_or_else(|said| panic!("not ready: {said}"))
    }

    fn on_kafka(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).args(["--postgres", &self.tables]).output().unwrap()
    }

    #[track_caller]
    fn json(&self, schema: &str, args: &[&str]) -> Json {
        let ran = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(ran.code(), 0, "{args:?}: {}", ran.err());
        expect_valid(schema, &ran.out())
    }
}

fn events(trace: &Json) -> Vec<&str> {
    let steps = trace["steps"].as_array().unwrap().iter();
    let events = steps.filter(|step| step["kind"] == "event");
    events.map(|step| step["event_type"].as_str().unwrap()).collect()
}

fn bought(served: &Served, user: &str) -> String {
    runtime().block_on(async {
        let customer = Customer::of(served);
        until("it is on sale", async || customer.add(user, "PROD-001").await == Some(201)).await;
        // It is on sale before its stock is there.
        let mut order = None;
        until("its stock is there", async || {
            order = customer.checkout(user).await.unwrap().ok();
            order.is_some()
        })
        .await;
        order.unwrap()
    })
}

#[test]
fn an_order_is_traced_with_the_tables_and_without() {
    let Some(cluster) = Cluster::new() else { return };
    let mut served = cluster.serve(&[]);
    let order = bought(&served, "ann");
    runtime().block_on(async {
        assert_eq!(Customer::of(&served).told(&order).await, "FULFILLED");
    });
    let whole = cluster.json("trace", &["trace", &order]);
    assert_eq!((&whole["state"], &whole["waiting"]), (&json!("FULFILLED"), &json!([])), "{whole}");
    let saga = [
        "cart.item_added",
        "cart.checkout_initiated",
        "order.created",
        "payment.processed",
        "order.confirmed",
        "inventory.reserved",
        "notification.send",
    ];
    assert_eq!(events(&whole), saga);
    let kinds = |trace: &Json, kind: &str| {
        trace["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == kind).count()
    };
    assert_eq!((kinds(&whole, "state"), kinds(&whole, "stock")), (3, 1));
    assert!(kinds(&whole, "handled") >= 8, "{whole}");

    let ran = cluster.on_kafka(&["trace", &order, "-o", "json"]);
    assert_eq!(ran.code(), 0, "{}", ran.err());
    let log_alone = expect_valid("trace", &ran.out());
    assert_eq!((events(&log_alone), &log_alone["state"]), (saga.to_vec(), &json!("FULFILLED")));
    assert_eq!(kinds(&log_alone, "handled"), 0);
    let created = |step: &&Json| step["event_type"] == "order.created";
    let created = whole["steps"].as_array().unwrap().iter().find(created).unwrap();
    let event = created["event_id"].as_str().unwrap();
    for name in [event, "ann", &order.replace("ORD-", "PAY-")] {
        let ran = cluster.on_kafka(&["trace", name, "-o", "json"]);
        assert_eq!(ran.code(), 0, "{name}: {}", ran.err());
        assert_eq!(expect_valid("trace", &ran.out())["order_id"], order, "{name}");
    }
    let needs = cluster.on_kafka(&["orders", "list"]);
    assert_eq!((needs.code(), needs.err().contains("--postgres")), (2, true), "{}", needs.err());
    let gone = cluster.on_kafka(&["trace", "ORD-AGO4AV4LCRY5PG2BVDVJZ7BIGE"]);
    assert_eq!((gone.code(), gone.err().contains("no events of")), (4, true), "{}", gone.err());
    let list = cluster.json("orders", &["orders", "list", "--user", "ann"]);
    assert_eq!(list["orders"][0]["order_id"], order);
    assert_eq!(served.stop(), 0);
}

#[test]
fn a_stuck_order_of_a_cluster_is_found_resumed_and_another_cancelled() {
    let Some(cluster) = Cluster::new() else { return };
    let shop = |payment: bool| {
        // Nobody charges; the others are there.
        let roles = "gateway,cart,order,inventory,notification,catalog";
        let data = cluster.folder.path().join("shop");
        let more = ["--products", "2", "--postgres", &cluster.tables];
        if payment {
            cluster.serve(&[])
        } else {
            Served::roles(cluster.command(), &data, (roles, 5), &more).unwrap()
        }
    };
    let mut served = shop(false);
    let first = bought(&served, "ann");
    let stuck = ["orders", "stuck", "--older-than", "0s"];
    let reason = |order: &str| {
        let found = cluster.json("stuck_orders", &stuck);
        let orders = found["orders"].as_array().unwrap();
        let one = orders.iter().find(|one| one["order_id"] == *order);
        one.map(|one| one["waiting"][0]["reason"].as_str().unwrap().to_owned())
    };
    let waits_for_payment = |order: &str| {
        runtime().block_on(async {
            until("it waits for payment", async || reason(order).as_deref() == Some("no_members"))
                .await;
        });
    };
    waits_for_payment(&first);
    let ran = cluster.run(&["orders", "resume", &first, "--yes"]);
    assert_eq!(ran.code(), 3, "{}", ran.err());
    assert!(ran.out().contains("payment-service-group has no members"), "{}", ran.out());
    // Somebody sets payment to the end, past the order.
    let reset = ["groups", "reset-offsets", "payment-service-group", "--topic", "order.created"];
    let ran = cluster.on_kafka(&[&reset[..], &["--to", "end", "--execute"]].concat());
    assert_eq!(ran.code(), 0, "{}", ran.err());
    let second = bought(&served, "bob");
    waits_for_payment(&second);
    let report =
        cluster.json("order_report", &["orders", "cancel", &second, "--yes", "--reason", "twice"]);
    assert_eq!((&report["state"], &report["changed"]), (&json!("CANCELLED"), &json!(true)));
    assert_eq!(served.stop(), 0);

    let mut served = shop(true);
    runtime().block_on(async {
        until("it was read past", async || reason(&first).as_deref() == Some("skipped")).await;
    });
    let report = cluster.json("order_report", &["orders", "resume", &first, "--yes"]);
    assert!(report["told"][0].as_str().unwrap().contains("once more"), "{report}");
    runtime().block_on(async {
        let customer = Customer::of(&served);
        assert_eq!(customer.told(&first).await, "FULFILLED");
        assert_eq!(customer.told(&second).await, "CANCELLED");
        until("nothing is open", async || {
            cluster.json("stuck_orders", &stuck)["orders"] == json!([])
        })
        .await;
    });
    let notes = cluster.json("order", &["orders", "show", &second])["notes"].clone();
    assert_eq!((&notes[0]["action"], &notes[0]["detail"]), (&json!("cancelled"), &json!("twice")));
    assert_eq!(served.stop(), 0);
    let data = cluster.folder.path().join("shop");
    let verified = cluster.run(&["verify", "--data", data.to_str().unwrap()]);
    assert!(verified.out().contains("PASS"), "{}{}", verified.out(), verified.err());
}
