//! `ecom query`: in every reach, in every format, and with everything that can be wrong with a question.

use std::path::Path;
use std::process::Output;

use serde_json::{Value as Json, json};

use super::servers::closed;
use super::{expect, fails, json_on, on, postgres};
use crate::harness::customer::Customer;
use crate::harness::program::{Printed, Served, ecom, run, run_with_input};
use crate::harness::stack::Server;

const STATES: &str = "select status, count(*) as orders from orders group by status order by 1";

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

/// A served shop with one fulfilled order.
fn shop(data: &Path) -> (Served, String) {
    let served = Served::start(data, &["--products", "2"]);
    let customer = Customer::of(&served);
    let order = wait(async {
        let products = customer.call("GET", "/products", None).await.unwrap().json();
        let product = products["products"][0]["product_id"].as_str();
        let product = product.or_else(|| products[0]["product_id"].as_str()).unwrap().to_owned();
        // The provider declines one of five.
        for n in 0..40 {
            let user = format!("ann{n}");
            assert_eq!(customer.add(&user, &product).await, Some(201));
            let order = customer.checkout(&user).await.unwrap().unwrap();
            if customer.ended(&order).await == "FULFILLED" {
                return order;
            }
        }
        panic!("nothing was ever fulfilled");
    });
    (served, order)
}

fn fits_the_schema(answer: &Json) {
    let schema = include_str!("../../../schemas/query.json");
    let schema: Json = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(answer).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}: {answer}");
}

#[test]
fn a_running_shop_and_a_stopped_one_answer_the_same_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let (mut served, order) = shop(&data);
    let asked = ["query", "order-history", "--set", &format!("order={order}")];
    let all = || {
        let history = json_on(&data, &asked);
        fits_the_schema(&history);
        let states = json_on(&data, &["query", STATES]);
        fits_the_schema(&states);
        let lines = on(&data, &[&asked[..], &["-o", "jsonl"]].concat());
        let table = on(&data, &asked);
        let csv = on(&data, &["query", STATES, "-o", "csv"]);
        (history, states, lines, table, csv)
    };
    let running = all();
    let stuck = run(&["query", "orders-stuck", "--data", data.to_str().unwrap()]);
    assert_eq!((stuck.code(), stuck.out().as_str(), stuck.err().as_str()), (0, "", "no rows\n"));
    let endless =
        "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n";
    let ended = |data: &Path| {
        let args = ["query", endless, "--timeout", "300ms", "--data", data.to_str().unwrap()];
        expect(&run(&args), &args, 5, "the statement was ended after 0.3 s");
    };
    ended(&data);
    assert_eq!(served.stop(), 0);
    ended(&data);
    let stopped = all();
    assert_eq!(running, stopped);
    let (history, states, lines, table, csv) = running;
    assert_eq!((&history["query"], &states["query"]), (&json!("order-history"), &Json::Null));
    let statuses: Vec<&Json> =
        history["rows"].as_array().unwrap().iter().map(|row| &row["status"]).collect();
    assert_eq!(statuses, ["PENDING", "PAID", "FULFILLED"]);
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.lines().all(|line| line.starts_with("{\"version\":")), "{lines}");
    assert!(table.starts_with("VERSION  STATUS     REASON  AT "), "{table}");
    assert!(csv.starts_with("status,orders\n") && csv.contains("FULFILLED,1\n"), "{csv}");
    let path = data.to_str().unwrap();
    let piped = run_with_input(&["query", "-", "-o", "csv", "--data", path], STATES.as_bytes());
    assert_eq!((piped.code(), piped.out()), (0, csv.clone()));
    let file = folder.path().join("states.sql");
    std::fs::write(&file, format!("-- by state\n{STATES};\n")).unwrap();
    assert_eq!(on(&data, &["query", "--file", file.to_str().unwrap(), "-o", "csv"]), csv);
}

#[test]
fn what_is_cut_off_is_told_on_the_side() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut served = Served::start(&data, &["--products", "5"]);
    assert_eq!(served.stop(), 0);
    let args = ["query", "stock", "--limit", "2", "-o", "csv", "--data", data.to_str().unwrap()];
    let ran = run(&args);
    let said = "cut off after 2 rows; there are more (see --limit)\n";
    assert_eq!((ran.code(), ran.out().lines().count(), ran.err().as_str()), (0, 3, said));
    let whole = run(&["query", "stock", "-n", "5", "-o", "csv", "--data", data.to_str().unwrap()]);
    assert_eq!((whole.out().lines().count(), whole.err().as_str()), (6, ""));
    let escaped = on(&data, &["query", "select 'a' || char(10) || char(27) as x"]);
    assert_eq!(escaped, "X\na\\n\\u{1b}\n");
    let quoted = on(&data, &["query", "select 'a,\"b' as x, null as y", "-o", "csv"]);
    assert_eq!(quoted, "x,y\n\"a,\"\"b\",\n");
    let set = on(
        &data,
        &[
            "query",
            "select :n + 1 as n, :who as who",
            "--set",
            "n=4",
            "--set",
            "who=O'Neill",
            "-o",
            "csv",
        ],
    );
    assert_eq!(set, "n,who\n5,O'Neill\n");
    for (sql, says) in [
        (
            "select ordr_id from orders",
            "line 1, column 8, at \"ordr_id from orders\": no such column: ordr_id",
        ),
        ("delete from orders", "only one statement that reads is run"),
        ("select 1; select 2", "only one statement that reads is run"),
        ("select :who", "the parameter :who has no value"),
    ] {
        let args = ["query", sql, "--data", data.to_str().unwrap()];
        expect(&run(&args), &args, 2, says);
    }
}

#[test]
fn questions_that_make_no_sense_are_refused_before_any_shop_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none");
    let nowhere = nowhere.to_str().unwrap();
    let with = |args: &[&str], code: i32, says: &str| {
        fails(&[&["query"], args, &["--data", nowhere]].concat(), code, says);
    };
    with(&["order-stuck"], 4, "there is no query order-stuck; did you mean orders-stuck");
    with(&["zzzzzzzz"], 4, "`ecom query --list` lists all");
    with(&["zzzzzzzz", "--show"], 4, "there is no query zzzzzzzz");
    with(
        &["orders-stuck", "--set", "age=5"],
        2,
        "orders-stuck has no parameter age; it takes older",
    );
    with(&["orders-stuck", "--set", "older"], 2, "--set older: write NAME=VALUE");
    with(&["orders-recent", "--set", "n=many"], 2, "n: \"many\" is no whole number");
    with(&["orders-stuck", "--set", "older=long"], 2, "older: \"long\" is no time");
    with(&[], 2, "required");
    with(&["orders-recent", "--limit", "0"], 2, "--limit");
    with(&["orders-recent", "--timeout", "11m"], 2, "timeout must be between");
    with(&["orders-recent", "--timeout", "soon"], 2, "soon");
    with(&["--file", "/nonexistent.sql"], 2, "--file /nonexistent.sql: ");
    with(&["orders-recent"], 4, "holds no shop");
    let args = ["query", "orders-recent", "--kafka", "127.0.0.1:1"];
    fails(&args, 2, "a cluster's tables are in PostgreSQL");
    let url = format!("postgres://ann:s3cret@{}/shop", closed());
    fails(&["query", "orders-recent", "--postgres", &url, "--timeout", "3s"], 5, "PostgreSQL at ");
}

#[test]
fn the_library_is_listed_and_shown() {
    let list = run(&["query", "--list"]).out();
    assert!(list.starts_with("orders\n  orders-recent "), "{list}");
    let shown = run(&["query", "orders-stuck", "--show"]).out();
    assert_eq!(shown, include_str!("../../../queries/orders-stuck.sql"));
    let json: Json = serde_json::from_str(&run(&["query", "--list", "-o", "json"]).out()).unwrap();
    let all = json["queries"].as_array().unwrap();
    assert_eq!(list.lines().filter(|line| line.starts_with("  ")).count(), all.len());
    let stuck = all.iter().find(|named| named["name"] == "orders-stuck").unwrap();
    assert_eq!(
        (&stuck["group"], &stuck["params"][0]["default"]),
        (&json!("orders"), &json!("15m"))
    );
}

#[test]
fn a_clusters_tables_are_asked_without_its_log() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    let url = postgres::complete(&url);
    let asked = |args: &[&str]| -> Output {
        ecom().arg("query").args(args).args(["--postgres", &url]).output().unwrap()
    };
    let sizes = asked(&["table-sizes", "-o", "json"]);
    assert_eq!(sizes.code(), 0, "{}", sizes.err());
    let sizes: Json = serde_json::from_str(&sizes.out()).unwrap();
    fits_the_schema(&sizes);
    assert_eq!(sizes["rows"].as_array().unwrap().len(), 24);
    let wrong = asked(&["delete from orders"]);
    assert_eq!((wrong.code(), wrong.out().as_str()), (2, ""), "{}", wrong.err());
    let late = asked(&["select pg_sleep(60)", "--timeout", "500ms"]);
    assert_eq!(late.code(), 5, "{}", late.err());
    assert!(late.err().contains("ended after 0.5 s"), "{}", late.err());
}
