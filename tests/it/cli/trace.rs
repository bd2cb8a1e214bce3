//! `ecom trace`: one order's way, from the shop that runs and from the folder that it left.

use serde_json::{Value as Json, json};

use super::{fails, on};
use crate::harness::customer::{Customer, runtime, settled, until};
use crate::harness::program::{Served, paying, run_with_input};
use crate::report::expect_valid;

/// A shop with two products, whose provider declines nothing.
pub(super) fn serve(data: &std::path::Path) -> Served {
    Served::launch(paying(), data, &["--products", "2"])
        .unwrap_or_else(|said| panic!("not ready: {said}"))
}

/// The trace of `id`, which must be as published.
#[track_caller]
pub(super) fn traced(data: &std::path::Path, id: &str) -> Json {
    expect_valid("trace", &on(data, &["trace", id, "-o", "json"]))
}

pub(super) fn kinds(trace: &Json) -> Vec<&str> {
    trace["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect()
}

/// A checkout of an order that nobody made, whose body the order service cannot read.
pub(super) fn poison(data: &std::path::Path) -> (&'static str, String) {
    let order = "ORD-AGO4AV4LCRY5PG2BVDVJZ7BIGE";
    let sound = json!({
        "event_id": "019cdc05-778b-7113-8a01-a8ea9cfc2831",
        "event_type": "cart.checkout_initiated",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "correlation_id": order,
        "causation_id": null,
        "schema_version": 1,
        "order_id": order,
        "cart_id": "019dc057-8b14-71d7-9b41-a8ea9cfc2831",
        "user_id": "zoe",
        "items": [{ "product_id": "PROD-001", "name": "X", "quantity": 1, "price": 1.00 }],
        "total_amount": 1.00,
        "email": null,
        "phone": null,
        "hold_expires_at": "2099-01-31T12:00:00.000Z",
        "deadline": "2099-01-31T12:00:00.000Z",
    });
    let mut broken = sound.clone();
    broken["items"] = json!("gone");
    let path = data.to_str().unwrap();
    let args = ["topics", "produce", "cart.checkout_initiated", "--key", "zoe", "--data", path];
    let ran = run_with_input(&args, broken.to_string().as_bytes());
    assert!(ran.status.success(), "{ran:?}");
    (order, sound.to_string())
}

#[test]
fn an_order_reads_the_same_while_the_shop_runs_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut served = serve(&data);
    let order = runtime().block_on(async {
        let customer = Customer::of(&served);
        customer.add("ann", "PROD-001").await.unwrap();
        let order = customer.checkout("ann").await.unwrap().unwrap();
        assert_eq!(customer.told(&order).await, "FULFILLED");
        // Its mail is sent after that.
        settled(&data).await;
        order
    });
    let running = traced(&data, &order);
    for kind in ["checkout", "event", "handled", "state", "row", "stock", "charge", "mail"] {
        assert!(kinds(&running).contains(&kind), "{kind}: {running}");
    }
    assert_eq!((&running["state"], &running["waiting"]), (&json!("FULFILLED"), &json!([])));
    let text = on(&data, &["trace", &order]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("order {order} of ann"));
    assert!(lines[1].contains("+0 ms  cart.item_added"), "{text}");
    assert!(lines.last().unwrap().starts_with("FULFILLED after "), "{text}");
    let path = data.to_str().unwrap();
    fails(&["trace", "ORD-AAAA", "--data", path], 4, "there is no order ORD-AAAA");
    fails(&["trace", "bob", "--data", path], 4, "see `ecom orders list`");
    fails(&["trace", "not an id", "--data", path], 2, "is no order, payment, event");
    assert_eq!(served.stop(), 0);
    assert_eq!(traced(&data, &order), running);
    fails(&["trace", "bob", "--data", path], 4, "see `ecom orders list`");
}

#[test]
fn a_checkout_that_nobody_could_read_is_repaired_and_traced_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let served = serve(&data);
    let (order, sound) = poison(&data);
    let mut letter = String::new();
    runtime().block_on(async {
        until("the checkout is given up", async || {
            let list = on(&data, &["dlq", "list", "-o", "name", "--service", "order"]);
            letter = list.trim().to_owned();
            !letter.is_empty()
        })
        .await;
    });
    let before = traced(&data, &letter);
    assert_eq!((&before["order_id"], &before["state"]), (&json!(order), &Json::Null));
    assert!(kinds(&before).contains(&"dead_letter"), "{before}");
    let waits = before["waiting"].as_array().unwrap();
    assert!(waits.iter().any(|wait| wait["dead_letter"] == *letter), "{before}");
    let text = on(&data, &["trace", order]);
    assert!(text.lines().last().unwrap().contains(&letter), "{text}");

    let path = data.to_str().unwrap();
    let args = ["dlq", "edit", &letter, "--value", "-", "--data", path];
    let ran = run_with_input(&args, sound.as_bytes());
    assert!(ran.status.success(), "{ran:?}");
    runtime().block_on(async {
        let customer = Customer::of(&served);
        until("the order is served", async || {
            customer.order_now(order).await["status"] == "FULFILLED"
        })
        .await;
    });
    let after = traced(&data, order);
    let steps = after["steps"].as_array().unwrap();
    let edit = steps.iter().find(|step| step["kind"] == "edit").unwrap();
    assert_eq!(edit["cause"], *letter, "{after}");
    let pending = steps.iter().find(|step| step["state"] == "PENDING").unwrap();
    let handled = steps.iter().find(|step| step["id"] == pending["cause"]).unwrap();
    assert_eq!((&handled["cause"], &after["state"]), (&edit["id"], &json!("FULFILLED")), "{after}");
}
