//! What the library answers agrees with what happened.

use std::collections::BTreeSet;

use ecom::ops::queries::library;
use serde_json::{Value as Json, json};

use super::day::Day;

/// An answer as objects, to be looked into.
struct Rows(Vec<Json>);

impl Day {
    #[track_caller]
    fn rows(&self, name: &str) -> Rows {
        let found = &self.answers[name];
        let row = |row: &Vec<Json>| {
            let named = found.columns.iter().cloned().zip(row.iter().cloned());
            named.collect::<serde_json::Map<_, _>>().into()
        };
        Rows(found.rows.iter().map(row).collect())
    }

    fn order(&self, user: &str) -> Json {
        self.orders[user].as_str().into()
    }
}

impl Rows {
    /// The row in which `column` is `value`.
    #[track_caller]
    fn with(&self, column: &str, value: impl Into<Json>) -> &Json {
        let value = value.into();
        let mut found = self.0.iter().filter(|row| row[column] == value);
        let row = found.next().unwrap_or_else(|| panic!("no {column} {value} in {:#?}", self.0));
        assert!(found.next().is_none(), "{column} {value} more than once: {:#?}", self.0);
        row
    }

    fn column(&self, name: &str) -> Vec<Json> {
        self.0.iter().map(|row| row[name].clone()).collect()
    }
}

#[track_caller]
fn is(row: &Json, expected: &Json) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&row[name], value, "{name} of {row:#}");
    }
}

#[test]
fn answers_about_orders_and_carts_agree_with_what_happened() {
    let day = Day::live();
    let states = day.rows("orders-by-state");
    is(states.with("status", "FULFILLED"), &json!({ "orders": 9, "amount": 85.5 }));
    is(states.with("status", "CANCELLED"), &json!({ "orders": 2, "amount": 1005 }));
    is(states.with("status", "PENDING"), &json!({ "orders": 1, "amount": 5 }));
    let hours = day.rows("orders-by-state-per-hour");
    assert_eq!(hours.column("orders").iter().filter_map(Json::as_i64).sum::<i64>(), 12);
    assert!(hours.0.iter().all(|row| row["hour"].as_str().unwrap().ends_with(":00:00.000Z")));
    let newest = &day.rows("orders-recent").0[0];
    is(newest, &json!({ "order_id": day.order("ida"), "user_id": "ida", "total_amount": 5 }));
    let stuck = day.rows("orders-stuck");
    is(stuck.with("order_id", day.order("ida")), &json!({ "status": "PENDING", "age_s": 1 }));
    assert_eq!(stuck.0.len(), 1);
    is(
        &day.rows("orders-open-by-age").0[0],
        &json!({ "status": "PENDING", "under_10_s": 1, "older": 0 }),
    );
    let reasons = day.rows("orders-cancelled-by-reason");
    is(reasons.with("cancel_reason", "customer_request"), &json!({ "orders": 1 }));
    is(reasons.with("cancel_reason", "payment_failed"), &json!({ "orders": 1, "amount": 1000 }));
    assert_eq!(day.rows("orders-of-user").0.len(), 6);
    let lines = day.rows("order-lines");
    is(lines.with("product_id", "B"), &json!({ "quantity": 3, "price": 12.5 }));
    let shown = &day.rows("order-show").0[0];
    is(
        shown,
        &json!({ "payment": "SUCCEEDED", "stock": "RESERVED", "messages": 1, "total_amount": 42.5 }),
    );
    assert_eq!(shown["items"].as_array().unwrap().len(), 2);
    let history = day.rows("order-history").column("status");
    assert_eq!(history, ["PENDING", "PAID", "FULFILLED"]);
    let settled = day.rows("orders-settle-latency");
    let cancelled = settled.with("status", "CANCELLED");
    is(cancelled, &json!({ "orders": 2 }));
    let max = cancelled["max_s"].as_f64().unwrap();
    assert!((0.5..1.0).contains(&max), "eve cancelled after half a second: {max}");
    is(settled.with("status", "FULFILLED"), &json!({ "orders": 9 }));
    assert_eq!(day.rows("orders-step-latency").0.len(), 3, "paid, fulfilled, cancelled");
    let abandoned = day.rows("carts-abandoned");
    is(abandoned.with("user_id", "gus"), &json!({ "product_id": "B", "quantity": 2 }));
    let idle = abandoned.with("user_id", "gus")["idle_s"].as_i64().unwrap();
    assert!((2_400..2_500).contains(&idle), "{idle}");
    is(day.rows("carts-open").with("user_id", "gus"), &json!({ "units": 2, "amount": 25 }));
    is(
        &day.rows("carts-conversion").0[0],
        &json!({ "checkouts": 12, "still_open": 2, "converted_percent": 85.7 }),
    );
    assert_eq!(day.rows("checkouts-recent").0.len(), 12);
}

#[test]
fn answers_about_money_and_stock_agree_with_what_happened() {
    let day = Day::live();
    let payments = day.rows("payments-by-state");
    is(payments.with("status", "SUCCEEDED"), &json!({ "payments": 9, "amount": 85.5 }));
    is(payments.with("status", "FAILED"), &json!({ "payments": 1, "amount": 1000 }));
    is(payments.with("status", "REFUNDED"), &json!({ "payments": 1, "amount": 5 }));
    is(&day.rows("refunds").0[0], &json!({ "order_id": day.order("eve"), "amount": 5 }));
    is(&day.rows("refunds-per-day").0[0], &json!({ "refunds": 1, "amount": 5, "failed": 0 }));
    let failed = day.rows("payments-failed-by-reason");
    assert_eq!(failed.column("payments"), [1]);
    assert!(failed.0[0]["reason"].is_string());
    let decided = day.rows("payments-success-per-hour").column("taken");
    assert_eq!(decided.iter().filter_map(Json::as_i64).sum::<i64>(), 10);
    let stock = day.rows("stock");
    is(
        stock.with("product_id", "A"),
        &json!({ "stock": 11, "held": 1, "sold": 9, "listed": true }),
    );
    is(stock.with("product_id", "D"), &json!({ "stock": 0, "held": 0, "sold": 1 }));
    assert_eq!(day.rows("stock-low").column("product_id"), ["D", "C", "E", "B"]);
    assert_eq!(day.rows("stock-depleted").column("product_id"), ["D"]);
    let moves = day.rows("stock-moves").column("units");
    assert_eq!(moves.iter().filter_map(Json::as_i64).sum::<i64>(), 11, "{moves:?}");
    let held = day.rows("holds-live");
    is(held.with("order_id", day.order("ida")), &json!({ "product_id": "A", "quantity": 1 }));
    is(day.rows("holds-by-state").with("state", "RESERVED"), &json!({ "holds": 9 }));
    for nothing in [
        "orders-overdue",
        "checkouts-without-orders",
        "payments-without-orders",
        "payments-contradicting",
        "orders-without-payments",
        "stock-oversold",
        "holds-lapsed",
        "reservations-without-orders",
        "orders-without-reservations",
        "orders-without-notifications",
        "products-out-of-step",
        "notifications-failed",
    ] {
        assert_eq!(day.rows(nothing).0, [Json::Null; 0], "{nothing}");
    }
}

#[test]
fn answers_about_delivery_agree_with_what_happened() {
    let day = Day::live();
    let counts: Vec<i64> =
        day.rows("table-sizes").column("records").iter().filter_map(Json::as_i64).collect();
    let there = day.tables.values().map(|table| table.rows.len() as i64).sum::<i64>();
    assert_eq!(counts.iter().sum::<i64>(), there);
    assert_eq!(counts.len(), day.tables.len(), "every table is counted");
    let processed = day.rows("processed-by-consumer").column("events");
    let all = day.tables["processed_events"].rows.len() as i64;
    assert_eq!(processed.iter().filter_map(Json::as_i64).sum::<i64>(), all);
    let metrics = day.rows("operational-metrics");
    let created = metrics.0.iter().filter(|row| row["topic"] == "order.created");
    assert_eq!(created.filter_map(|row| row["value"].as_i64()).sum::<i64>(), 12);
    let latency = day.rows("outbox-latency");
    is(latency.with("event_type", "order.confirmed"), &json!({ "events": 9 }));
    let told: Vec<Json> = day.rows("events-of-order").column("event_type");
    let told: Vec<&str> = told.iter().filter_map(Json::as_str).collect();
    let expected =
        ["cart.checkout_initiated", "order.created", "payment.processed", "order.confirmed"];
    assert_eq!(told[..4], expected);
    assert!(told.contains(&"notification.send"), "{told:?}");
    assert_eq!(day.rows("events-unprocessed").0, [Json::Null; 0]);
    let sent = day.rows("notifications-by-state");
    let mails = sent.with("channel", "email");
    assert!(mails["status"] == "SENT" && mails["messages"].as_i64() >= Some(11), "{mails}");
    let unanswered = day.rows("notifications-unanswered").column("unanswered");
    assert_eq!(unanswered, [2]);
    assert_eq!(day.rows("mailbox-of-order").0.len(), 1);
    is(day.rows("dead-letters-by-state").with("state", "discarded"), &json!({ "letters": 1 }));
    is(&day.rows("dead-letters-audit").0[0], &json!({ "actor": "ann" }));
    is(&day.rows("process-gaps").0[0], &json!({ "gone_s": 7 }));
    let processes = day.rows("processes");
    is(processes.with("instance", "one"), &json!({ "part": "order", "alive": "yes" }));
    is(processes.with("instance", "two"), &json!({ "alive": "no" }));
    let health = day.rows("health");
    is(health.with("what", "orders stuck"), &json!({ "how_many": 1 }));
    is(health.with("what", "products sold out"), &json!({ "how_many": 1 }));
    is(
        health.with("what", "refunds that a person must make"),
        &json!({ "how_many": 0, "oldest": null }),
    );
}

#[test]
fn answers_of_analysts_agree_with_what_happened() {
    let day = Day::live();
    let revenue = |name: &str, column: &str| {
        let found = day.rows(name).column(column);
        found.iter().filter_map(Json::as_f64).sum::<f64>()
    };
    for name in ["revenue-per-minute", "revenue-per-hour"] {
        assert_eq!((revenue(name, "total_revenue"), revenue(name, "total_orders")), (85.5, 9.0));
    }
    assert_eq!(
        (revenue("revenue-per-day", "revenue"), revenue("revenue-per-day", "cancelled")),
        (85.5, 1005.0)
    );
    let suspects = day.rows("fraud-suspects");
    let fay = suspects.with("user_id", "fay");
    is(
        fay,
        &json!({ "order_count": 6, "payment_count": 6, "max_order_amount": 5, "alert_type": "many orders" }),
    );
    is(
        suspects.with("user_id", "dan"),
        &json!({ "max_order_amount": 1000, "alert_type": "large order" }),
    );
    assert_eq!(suspects.0.len(), 2);
    let fastest = day.rows("inventory-velocity");
    is(fastest.with("product_id", "A"), &json!({ "rank": 1, "units_sold": 9 }));
    is(fastest.with("product_id", "B"), &json!({ "rank": 2, "units_sold": 3 }));
    let best = day.rows("products-top-selling");
    assert_eq!(best.column("product_id"), ["A", "B", "D"]);
    is(&best.0[0], &json!({ "total_units": 9, "orders": 8 }));
    assert_eq!(day.rows("products-never-sold").column("product_id"), ["C", "E"]);
    let top = day.rows("customers-top");
    assert_eq!(top.column("user_id"), ["bob", "fay", "ann", "cat"]);
    let baskets = day.rows("basket-sizes");
    is(baskets.with("lines", 2), &json!({ "orders": 1, "units_max": 4 }));
    is(baskets.with("lines", 1), &json!({ "orders": 11 }));
    is(
        &day.rows("price-changes").0[0],
        &json!({ "product_id": "E", "price_before": 7.77, "price": 8.25 }),
    );
    let sellers = day.rows("sellers");
    assert_eq!(sellers.column("units_sold").iter().filter_map(Json::as_i64).sum::<i64>(), 13);
}

#[test]
fn every_answer_has_columns_with_names_of_their_own() {
    let day = Day::live();
    assert!(day.answers.len() >= 50);
    let mut quiet = vec![];
    for named in library::all() {
        let found = &day.answers[named.name];
        assert!(!found.columns.is_empty() && !found.more, "{}", named.name);
        let plain = |name: &&String| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert_eq!(
            found.columns.iter().filter(plain).count(),
            found.columns.len(),
            "{}: {:?}",
            named.name,
            found.columns
        );
        assert_eq!(found.columns.iter().collect::<BTreeSet<_>>().len(), found.columns.len());
        if found.rows.is_empty() {
            quiet.push(named.name);
        }
    }
    // Of a good day, these say nothing.
    assert!(quiet.len() <= 26, "{} say nothing: {quiet:?}", quiet.len());
}
