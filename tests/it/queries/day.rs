//! A day at a shop, on which everything happens that questions are asked about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ecom::domain::Timestamp;
use ecom::ops::DlqOps;
use ecom::ops::dlq::DlqFilter;
use ecom::ops::local::{Ground, LocalOps};
use ecom::ops::queries::{self, Asked, QueryView, library};
use ecom::ports::store::{Batch, values};
use ecom::ports::{Clock, GatewayDials, Store};

use super::{Answers, request, sql};
use crate::harness::{Tester, settings, shop_with};

/// What is left of it.
#[derive(Debug)]
pub(super) struct Day {
    /// The time at its end.
    pub(super) now: Timestamp,
    /// Orders by who made them.
    pub(super) orders: BTreeMap<&'static str, String>,
    /// What the library answers.
    pub(super) answers: Answers,
    /// Every table, without generated columns.
    pub(super) tables: BTreeMap<String, QueryView>,
}

/// What the questions with a parameter for it are asked about.
pub(super) fn set<'a>(
    named: &library::Named,
    orders: &'a BTreeMap<&str, String>,
) -> Vec<(&'static str, &'a str)> {
    let about = |param: &library::Param| match param.name {
        "order" => Some(("order", orders["bob"].as_str())),
        "user" => Some(("user", "fay")),
        "product" => Some(("product", "A")),
        "older" => Some(("older", "500ms")),
        _ => None,
    };
    named.params.iter().filter_map(about).collect()
}

/// Asks everything that the library knows.
pub(super) async fn ask_all(
    store: &dyn Store,
    now: Timestamp,
    orders: &BTreeMap<&str, String>,
) -> Answers {
    let mut answers = Answers::new();
    for named in library::all() {
        let asked = request(Asked::Name(named.name.into()), &set(&named, orders));
        let answer = queries::ask(store, now, &asked).await;
        answers.insert(named.name, answer.unwrap_or_else(|e| panic!("{}: {e}", named.name)));
    }
    answers
}

impl Day {
    /// Lives it.
    pub(super) fn live() -> Self {
        let left = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&left);
        shop_with(
            &settings(&[]),
            1,
            |ports, _| ports,
            |t| async move {
                let orders = morning(&t).await;
                let store = Arc::clone(&t.embedded.ports.store);
                let (now, store) = (t.clock.now(), store.as_ref());
                let answers = ask_all(store, now, &orders).await;
                let tables = tables(store).await;
                *keep.lock().unwrap() = Some(Self { now, orders, answers, tables });
                // The last order ends as well, and nothing was disturbed.
                t.settle().await;
            },
        );
        let day = left.lock().unwrap().take();
        day.unwrap()
    }
}

fn dials(t: &Tester, success: f64, latency_ms: u64) {
    let set = GatewayDials {
        success,
        latency_ms_p50: latency_ms,
        latency_ms_p99: latency_ms,
        ..t.embedded.dials.get()
    };
    t.embedded.dials.set(set).unwrap();
}

async fn bought(t: &Tester, user: &'static str, what: &[(&str, u32)]) -> (&'static str, String) {
    for (product, quantity) in what {
        t.add(user, product, *quantity).await;
    }
    let order = t.checkout(user).await;
    t.settle().await;
    (user, order)
}

async fn morning(t: &Tester) -> BTreeMap<&'static str, String> {
    for (id, price, stock) in [
        ("A", "5.00", 20),
        ("B", "12.50", 10),
        ("C", "1000.00", 3),
        ("D", "3.00", 1),
        ("E", "7.77", 5),
    ] {
        t.product(id, price, stock).await;
    }
    let mut orders = BTreeMap::from([
        bought(t, "ann", &[("A", 2)]).await,
        bought(t, "bob", &[("A", 1), ("B", 3)]).await,
        bought(t, "cat", &[("D", 1)]).await,
    ]);
    dials(t, 0.0, 0);
    orders.extend([bought(t, "dan", &[("C", 1)]).await]);
    // Cancelled while the charge is under way: it ends captured, and is given back.
    dials(t, 1.0, 1_000);
    orders.insert("eve", t.buy("eve", "A").await);
    t.clock_ms(500).await;
    let path = format!("/orders/{}/cancel", orders["eve"]);
    assert_eq!(t.call("POST", &path, None).await.status, 200);
    t.settle().await;
    dials(t, 1.0, 0);
    for _ in 0..6 {
        orders.extend([bought(t, "fay", &[("A", 1)]).await]);
    }
    let body = serde_json::json!({ "price": 8.25 });
    let repriced = t.call("PATCH", "/products/E", Some(&body)).await;
    assert_eq!(repriced.status, 200, "{}", repriced.json());
    t.settle().await;
    t.add("gus", "B", 2).await;
    letters(t).await;
    t.pass(40 * 60).await;
    t.add("gil", "E", 1).await;
    dials(t, 1.0, 1_500);
    orders.insert("ida", t.buy("ida", "A").await);
    t.clock_ms(1_000).await;
    orders
}

/// Two dead letters, one of which somebody gave up; and what happens among several processes.
async fn letters(t: &Tester) {
    t.produce("order.created", "K", b"garbage").await;
    t.pass(1).await;
    let ports = &t.embedded.ports;
    let ops = LocalOps::new(Ground::of_shop(ports, t.embedded.console.store(), true));
    let letters = ops.dead_letters(&DlqFilter::default()).await.unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(ops.discard(&[letters[0].id.clone()], "ann", "typed by hand").await, Ok(1));
    let (now, second) = (t.clock.now(), std::time::Duration::from_secs(1));
    let mut batch = Batch::default();
    let gap = "insert into process_gaps (gone_since, back_at) values (?1, ?2)";
    batch.one(gap, values![now - second * 7, now]);
    let member = "insert into members (instance, part, alive_until) values (?1, ?2, ?3)";
    batch.one(member, values!["one", "order", now + second * 86_400]);
    batch.one(member, values!["two", "order", now - second]);
    let unanswered = "update notifications set unanswered = 2 where message_id in
        (select max(message_id) from notifications)";
    batch.one(unanswered, vec![]);
    ports.store.write(batch).await.unwrap();
}

async fn tables(store: &dyn Store) -> BTreeMap<String, QueryView> {
    let names = "select name from pragma_table_list where schema = 'main' and type = 'table'
        and name not like 'log_%' and name not like 'sqlite_%' and name <> 'meta'";
    let mut tables = BTreeMap::new();
    for row in sql(store, names).await.unwrap().rows {
        let table = row[0].as_str().unwrap().to_owned();
        let columns = sql(store, &format!("select name from pragma_table_info('{table}')")).await;
        let columns = columns.unwrap().rows.into_iter();
        let columns: Vec<String> = columns.map(|row| row[0].as_str().unwrap().to_owned()).collect();
        let all = format!("select {} from {table}", columns.join(", "));
        let rows = sql(store, &all).await.unwrap();
        assert!(!rows.more);
        tables.insert(table, rows);
    }
    tables
}
