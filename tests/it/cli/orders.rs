//! `ecom orders`: listed, shown, found stuck, cancelled and resumed by people and scripts.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::trace::{poison, serve};
use super::{expect, fails, on};
use crate::harness::customer::{Customer, runtime, until};
use crate::harness::program::{Printed, Served, run, run_with_input};
use crate::report::expect_valid;

#[track_caller]
fn valid(data: &Path, schema: &str, args: &[&str]) -> Json {
    expect_valid(schema, &on(data, &[args, &["-o", "json"]].concat()))
}

fn paths(data: &Path) -> &str {
    data.to_str().unwrap()
}

/// An order that waits: the provider answers nothing.
fn waiting_order(served: &Served, user: &str) -> String {
    runtime().block_on(async {
        let customer = Customer::of(served);
        customer.add(user, "PROD-001").await.unwrap();
        let order = customer.checkout(user).await.unwrap().unwrap();
        until("the order is there", async || {
            customer.order_now(&order).await["history"][0]["status"] == "PENDING"
        })
        .await;
        order
    })
}

/// A shop whose provider loses every answer.
fn silent(data: &Path) -> Served {
    let served = serve(data);
    on(data, &["gateway", "set", "--ambiguous", "1", "--success", "1"]);
    served
}

#[test]
fn orders_are_listed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut served = serve(&data);
    let orders: Vec<String> = runtime().block_on(async {
        let customer = Customer::of(&served);
        let mut orders = vec![];
        for user in ["ann", "bob"] {
            customer.add(user, "PROD-001").await.unwrap();
            orders.push(customer.checkout(user).await.unwrap().unwrap());
            assert_eq!(customer.told(orders.last().unwrap()).await, "FULFILLED");
        }
        orders
    });
    let looks = |data: &Path| {
        let list = valid(data, "orders", &["orders", "list"]);
        let ids: Vec<&str> = list["orders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["order_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [&orders[1], &orders[0]]);
        let only = ["orders", "list", "--user", "ann", "--state", "FULFILLED", "--since", "1h"];
        assert_eq!(on(data, &[&only[..], &["-o", "name"]].concat()), format!("{}\n", orders[0]));
        let old = ["orders", "list", "--until", "1h"];
        assert_eq!(run(&[&old[..], &["--data", paths(data)]].concat()).err(), "no orders\n");
        let shown = valid(data, "order", &["orders", "show", &orders[0]]);
        assert_eq!((&shown["state"], &shown["user_id"]), (&json!("FULFILLED"), &json!("ann")));
        let text = on(data, &["orders", "show", &orders[0].replace("ORD-", "PAY-")]);
        assert!(text.contains("SUCCEEDED") && text.contains("nothing is open"), "{text}");
        let none = valid(data, "stuck_orders", &["orders", "stuck", "--fail-if-any"]);
        assert_eq!(none["orders"], json!([]));
        fails(&["orders", "show", "ORD-AAAA", "--data", paths(data)], 4, "there is no order");
        fails(&["orders", "show", "bob", "--data", paths(data)], 2, "is no order");
        fails(&["orders", "list", "--state", "x", "--data", paths(data)], 2, "there is no state x");
        fails(&["orders", "list", "--since", "x", "--data", paths(data)], 2, "write how long ago");
        fails(&["orders", "list", "-n", "0", "--data", paths(data)], 2, "at least 1");
    };
    looks(&data);
    let late = ["orders", "cancel", &orders[0], "--yes", "--data", paths(&data)];
    fails(&late, 7, "too late to cancel");
    let kept = ["orders", "refund", &orders[0], "--yes", "--data", paths(&data)];
    fails(&kept, 7, "FULFILLED");
    assert_eq!(served.stop(), 0);
    looks(&data);
}

#[test]
fn an_order_is_cancelled_by_who_may_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut served = silent(&data);
    let orders = [waiting_order(&served, "ann"), waiting_order(&served, "bob")];
    let stuck = ["orders", "stuck", "--older-than", "0s"];
    runtime().block_on(async {
        until("both wait for the provider", async || {
            let found = valid(&data, "stuck_orders", &stuck);
            let all = found["orders"].as_array().unwrap();
            let asked = |one: &&Json| one["waiting"][0]["reason"] == "provider";
            all.iter().filter(asked).count() == 2
        })
        .await;
    });
    let alarm = run(&[&stuck[..], &["--fail-if-any", "--data", paths(&data)]].concat());
    assert_eq!(alarm.code(), 6, "{}", alarm.err());
    assert!(alarm.out().contains("payment provider"), "{}", alarm.out());

    let unasked = ["orders", "cancel", &orders[0], "--data", paths(&data)];
    expect(&run(&unasked), &unasked, 7, "needs --yes where nobody can be asked");
    assert_eq!(valid(&data, "order", &["orders", "show", &orders[0]])["state"], "PENDING");
    let cancel = ["orders", "cancel", &orders[0], "--yes", "--reason", "ordered twice"];
    let report = valid(&data, "order_report", &cancel);
    assert_eq!((&report["state"], &report["changed"]), (&json!("CANCELLED"), &json!(true)));
    let notes = valid(&data, "order", &["orders", "show", &orders[0]])["notes"].clone();
    assert_eq!(
        (&notes[0]["action"], &notes[0]["detail"]),
        (&json!("cancelled"), &json!("ordered twice"))
    );
    // On a stopped shop, from standard input; the rest follows when it starts.
    assert_eq!(served.stop(), 0);
    let args = ["orders", "cancel", "-", "--yes", "--data", paths(&data)];
    let ids = format!("{}\n{}\nORD-AAAA\n", orders[0], orders[1]);
    let ran = run_with_input(&args, ids.as_bytes());
    assert_eq!(ran.code(), 3, "{}", ran.err());
    assert!(ran.out().contains("was CANCELLED already"), "{}", ran.out());
    assert!(ran.out().contains("the shop is stopped"), "{}", ran.out());
    assert!(ran.err().contains("there is no order ORD-AAAA"), "{}", ran.err());
    assert!(ran.err().contains("2 of 3 done"), "{}", ran.err());

    let mut served = serve(&data);
    runtime().block_on(async {
        for order in &orders {
            assert_eq!(Customer::of(&served).told(order).await, "CANCELLED");
        }
        until("nothing is open", async || {
            let found = valid(&data, "stuck_orders", &stuck);
            found["orders"] == json!([])
        })
        .await;
    });
    assert_eq!(served.stop(), 0);
    let verified = run(&["verify", "--data", paths(&data)]);
    assert!(verified.out().contains("PASS"), "{}{}", verified.out(), verified.err());
}

#[test]
fn what_cannot_be_resumed_says_what_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let served = silent(&data);
    let order = waiting_order(&served, "ann");
    runtime().block_on(async {
        until("the provider is asked", async || {
            let shown = valid(&data, "order", &["orders", "show", &order]);
            shown["waiting"][0]["reason"] == "provider"
        })
        .await;
    });
    let args = ["orders", "resume", &order, "--yes", "--data", paths(&data)];
    let ran = run(&args);
    assert_eq!(ran.code(), 3, "{}", ran.err());
    assert!(ran.out().contains("waits: the payment provider"), "{}", ran.out());
    on(&data, &["gateway", "set", "--ambiguous", "0", "--success", "1"]);
    runtime().block_on(async {
        assert_eq!(Customer::of(&served).told(&order).await, "FULFILLED");
    });
    let told = on(&data, &["orders", "resume", &order, "--yes"]);
    assert!(told.contains("nothing to resume"), "{told}");
    let nothing = ["orders", "resume", "-", "--yes", "--data", paths(&data)];
    assert_eq!(run_with_input(&nothing, b"\n").err(), "no ids on standard input; nothing to do\n");
}

#[test]
fn a_dead_letter_is_resumed_by_the_name_of_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let _served = serve(&data);
    let (order, _) = poison(&data);
    let stuck = ["orders", "stuck", "--older-than", "0s", "-o", "name"];
    runtime().block_on(async {
        until("the order is stuck", async || on(&data, &stuck).trim() == order).await;
    });
    // Its bytes are still wrong: it is sent back, and fails again.
    let report = run(&["orders", "resume", order, "--yes", "-o", "json", "--data", paths(&data)]);
    assert_eq!(report.code(), 3, "{}", report.err());
    let report = expect_valid("order_report", &report.out());
    let told = report["told"].to_string();
    // The carts' service reads checkouts as well, and gave it up too.
    assert!(told.contains("is sent back") && told.contains("2 failed again"), "{report}");
    let trace = super::trace::traced(&data, order);
    assert!(super::trace::kinds(&trace).contains(&"replay"), "{trace}");
}
