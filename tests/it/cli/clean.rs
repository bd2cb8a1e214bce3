//! `ecom clean`: a stopped shop is emptied, in a folder and on real servers, and works again.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ecom::app::config::{Layers, Sources};
use ecom::app::{Corner, Settings, SystemClock};
use serde_json::Value as Json;

use super::{fails, on};
use crate::harness::customer::{Customer, runtime, until};
use crate::harness::program::{Printed, Served, ecom, run};
use crate::harness::stack::{Server, unique};
use crate::report::expect_valid;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Buys, and waits for the message; the orders.
fn buys(shop: &Served, users: &[&str]) -> Vec<String> {
    runtime().block_on(async {
        let customer = Customer::of(shop);
        let mut orders = vec![];
        for user in users {
            customer.add(user, "PROD-001").await.unwrap();
            let order = customer.checkout(user).await.unwrap().unwrap();
            customer.told(&order).await;
            orders.push(order);
        }
        orders
    })
}

/// How much there is of each part, as far as it is counted.
fn counts(plan: &Json) -> Vec<(String, u64)> {
    let step =
        |step: &Json| Some((step["part"].as_str().unwrap().to_owned(), step["count"].as_u64()?));
    plan["steps"].as_array().unwrap().iter().filter_map(step).collect()
}

fn total(plan: &Json) -> u64 {
    counts(plan).iter().map(|(_, count)| count).sum()
}

/// Cleans the shop in `data`, or says what would go; the report is as published.
fn clean(data: &Path, args: &[&str]) -> Json {
    expect_valid("clean", &on(data, &[&["clean", "-o", "json"], args].concat()))
}

fn stopped_shop(data: &Path) -> Vec<String> {
    let mut shop = Served::start(data, &["--products", "3"]);
    let orders = buys(&shop, &["ann", "bob"]);
    assert_eq!(shop.stop(), 0);
    orders
}

#[test]
fn without_a_confirmation_nothing_goes_and_the_plan_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    stopped_shop(&data);
    let plan = clean(&data, &["--all", "--dry-run"]);
    assert_eq!(
        (&plan["kind"], &plan["executed"], &plan["name"]),
        (&"clean".into(), &false.into(), &"shop".into())
    );
    for part in ["topics", "groups", "db", "stock", "mail"] {
        assert!(counts(&plan).iter().any(|(p, count)| p == part && *count > 0), "{part}: {plan:#}");
    }
    let args = ["clean", "--all", "--data", text(&data)];
    let refused = run(&args);
    assert_eq!(refused.code(), 7, "{}", refused.err());
    assert!(refused.err().contains("--confirm=shop"), "{}", refused.err());
    assert!(refused.out().starts_with("PART"), "the plan is shown: {}", refused.out());
    let wrong = run(&[&args[..], &["--confirm=shpo"]].concat());
    assert_eq!(wrong.code(), 7);
    assert!(wrong.err().contains("nothing was done"), "{}", wrong.err());
    assert_eq!(clean(&data, &["--all", "--dry-run"]), plan, "nothing has changed");
    fails(&["clean", "--data", text(&data)], 2, "required");
    fails(&["clean", "--all", "--data", text(&folder.path().join("no"))], 4, "holds no shop");
    let running = Served::start(&data, &[]);
    fails(&["clean", "--all", "--confirm=shop", "--data", text(&data)], 7, "stop it first");
    drop(running);
    assert_eq!(run(&["verify", "--data", text(&data)]).code(), 0);
}

#[test]
fn a_shop_that_was_emptied_starts_anew_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let orders = stopped_shop(&data);
    let done = clean(&data, &["--all", "--confirm=shop"]);
    assert_eq!(done["executed"], true);
    assert!(total(&done) > 0);
    assert_eq!(total(&clean(&data, &["--all", "--dry-run"])), 0);
    let mut shop = Served::start(&data, &["--products", "2"]);
    runtime().block_on(async {
        let gone = format!("/orders/{}", orders[0]);
        let reply = Customer::of(&shop).call("GET", &gone, None).await.unwrap();
        assert_eq!(reply.status, 404);
    });
    buys(&shop, &["ann", "cid"]);
    assert_eq!(shop.stop(), 0);
    let verdict = run(&["verify", "--data", text(&data)]);
    assert_eq!(verdict.code(), 0, "{}", verdict.out());
}

#[test]
fn a_part_goes_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    stopped_shop(&data);
    let whole = counts(&clean(&data, &["--all", "--dry-run"]));
    let done = clean(&data, &["--mail", "--checkpoints", "--confirm=shop"]);
    assert_eq!(done["notes"].as_array().unwrap().len(), 0);
    let left = counts(&clean(&data, &["--all", "--dry-run"]));
    for (before, after) in whole.iter().zip(&left) {
        let goes = ["mail", "checkpoints"].contains(&before.0.as_str());
        assert_eq!(after.1, if goes { 0 } else { before.1 }, "{}", before.0);
    }
    // Events go, and the offsets of groups stay true.
    clean(&data, &["--topics", "--confirm=shop"]);
    let mut shop = Served::start(&data, &[]);
    buys(&shop, &["dan"]);
    assert_eq!(shop.stop(), 0);
    // What was handled is handled once, though everything is read again.
    clean(&data, &["--groups", "--confirm=shop"]);
    let mut shop = Served::start(&data, &[]);
    buys(&shop, &["eve"]);
    assert_eq!(shop.stop(), 0);
}

#[test]
fn a_clean_that_is_killed_is_finished_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    for kill in 0..10 {
        stopped_shop(&data);
        let mut child = ecom()
            .args(["clean", "--all", "--confirm=shop", "--data", text(&data)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(kill * 6));
        let _ = child.kill();
        child.wait().unwrap();
        if kill % 2 == 0 {
            // A shop starts on whatever is left.
            let mut shop = Served::start(&data, &["--products", "3"]);
            buys(&shop, &["fay"]);
            assert_eq!(shop.stop(), 0);
        }
        clean(&data, &["--all", "--confirm=shop"]);
        assert_eq!(total(&clean(&data, &["--all", "--dry-run"])), 0);
    }
    let mut shop = Served::start(&data, &["--products", "3"]);
    buys(&shop, &["gus"]);
    assert_eq!(shop.stop(), 0);
    assert_eq!(run(&["verify", "--data", text(&data)]).code(), 0);
}

/// A shop on the real servers that has a place of its own on each, which is swept in the end.
struct Clustered {
    env: Vec<(String, String)>,
    name: String,
    folder: tempfile::TempDir,
    corner: Option<Corner>,
}

impl Clustered {
    fn claim() -> Option<Self> {
        let all = [Server::Kafka, Server::Postgres, Server::Redis];
        let places = all.iter().map(|s| s.address_or_skip()).collect::<Option<Vec<_>>>()?;
        let keys = ["ECOM_KAFKA_BOOTSTRAP", "ECOM_POSTGRES_URL", "ECOM_REDIS_URL"];
        let mut env: Vec<(String, String)> =
            keys.iter().map(|key| (*key).to_owned()).zip(places).collect();
        let sources = Sources { env: env.clone(), ..Sources::default() };
        let layers = Layers::read(&sources).unwrap();
        let mut settings = Settings::from_layers(&layers).unwrap();
        let name = unique("clean");
        let clock = SystemClock::default();
        let corner = runtime().block_on(Corner::claim(&mut settings, &name, &clock)).unwrap();
        env[1].1 = settings.postgres.url.to_string();
        let folder = tempfile::tempdir().unwrap();
        for (key, value) in [
            ("ECOM_KAFKA_PREFIX", settings.kafka.prefix.clone()),
            ("ECOM_KAFKA_SESSION_TIMEOUT", "6s".to_owned()),
            ("ECOM_REDIS_PREFIX", settings.redis.prefix.clone()),
            ("ECOM_SERVE_INSTANCE", name.clone()),
            ("ECOM_DATA_DIR", folder.path().join("shop").display().to_string()),
            ("XDG_STATE_HOME", folder.path().join("state").display().to_string()),
        ] {
            env.push((key.to_owned(), value));
        }
        Some(Self { env, name, folder, corner: Some(corner) })
    }

    fn command(&self) -> Command {
        let mut command = ecom();
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    fn serve(&self) -> Served {
        let data = self.folder.path().join("shop");
        Served::launch(self.command(), &data, &["--products", "3"]).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Json {
        let ran = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(ran.code(), 0, "{args:?}: {}", ran.err());
        expect_valid("clean", &ran.out())
    }

    fn settled(&self) {
        let passes = async || self.run(&["verify"]).code() == 0;
        runtime().block_on(until("nothing is wrong or under way", passes));
    }
}

impl Drop for Clustered {
    fn drop(&mut self) {
        if let Some(corner) = self.corner.take() {
            let swept =
                runtime().block_on(corner.sweep(std::sync::Arc::new(SystemClock::default())));
            assert!(swept.is_ok() || std::thread::panicking(), "{swept:?}");
        }
    }
}

#[test]
fn on_real_servers_it_empties_what_is_the_shops_and_nothing_else() {
    let (Some(shop), Some(others)) = (Clustered::claim(), Clustered::claim()) else { return };
    let mut running = others.serve();
    buys(&running, &["olga"]);
    others.settled();
    assert_eq!(running.stop(), 0);
    let of_others = others.json(&["clean", "--all", "--dry-run"]);
    let mut running = shop.serve();
    buys(&running, &["ann", "bob"]);
    let confirm = format!("--confirm={}", shop.name);
    let clean = ["clean", "--all", &confirm];
    let refused = shop.run(&clean);
    assert_eq!(refused.code(), 7, "{}", refused.err());
    assert!(refused.err().contains("stop it first"), "{}", refused.err());
    shop.settled();
    assert_eq!(running.stop(), 0);
    let plan = shop.json(&["clean", "--all", "--dry-run"]);
    for part in ["topics", "groups", "db", "stock", "mail", "holds"] {
        assert!(counts(&plan).iter().any(|(p, count)| p == part && *count > 0), "{part}: {plan:#}");
    }
    let unconfirmed = shop.run(&["clean", "--all"]);
    assert_eq!(unconfirmed.code(), 7);
    assert!(unconfirmed.err().contains(&confirm), "{}", unconfirmed.err());
    // Somebody looks at a table, and is not thrown out.
    let url = &shop.env[1].1;
    runtime().block_on(async {
        use sqlx::{Connection as _, Executor as _};
        let mut session = sqlx::PgConnection::connect(url).await.unwrap();
        session.execute("begin; lock table orders in access share mode").await.unwrap();
        let args = ["clean", "--db", &confirm, "--timeout", "4s"];
        let refused = shop.run(&args);
        assert_eq!(refused.code(), 7, "{}", refused.err());
        assert!(refused.err().contains("another session uses tables"), "{}", refused.err());
        session.execute("commit").await.unwrap();
    });
    let left = counts(&shop.json(&["clean", "--db", "--dry-run"]));
    assert!(left.iter().any(|(part, count)| part == "db" && *count > 0), "{left:?}");
    let mut child = shop.command();
    let mut child = child.args(clean).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let _ = child.kill();
    child.wait().unwrap();
    let done = shop.run(&clean);
    assert_eq!(done.code(), 0, "{}", done.err());
    let empty = shop.json(&["clean", "--all", "--dry-run"]);
    assert_eq!(total(&empty), 0, "{empty:#}");
    assert_eq!(
        others.json(&["clean", "--all", "--dry-run"]),
        of_others,
        "others keep what they have"
    );
    let mut running = shop.serve();
    buys(&running, &["ann", "cid"]);
    shop.settled();
    assert_eq!(running.stop(), 0);
}
