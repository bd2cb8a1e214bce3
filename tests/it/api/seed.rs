//! The original shop's contract: its paths on its listeners, its field names, its words.

use ecom::app::shop::Listener;
use serde_json::{Value as Json, json};

use super::raw::{Ask, Raw};
use crate::harness::{Tester, shop};

/// A request to a service that must be answered like this, with at least these fields.
async fn answered(t: &Tester, of: Listener, ask: Ask, status: u16, fields: &[&str]) -> Json {
    let answer = Raw::of(t, of).send(&ask).await;
    assert_eq!(answer.status, status, "{of} {} {}: {}", ask.method, ask.path, answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    let json = answer.json();
    for field in fields {
        assert!(
            json.get(field).is_some(),
            "{of} {} {} lacks {field}: {json}",
            ask.method,
            ask.path
        );
    }
    json
}

#[test]
fn every_service_says_that_it_is_well() {
    shop(&[], |t| async move {
        let names = [
            "gateway",
            "cart-service",
            "order-service",
            "payment-service",
            "inventory-service",
            "notification-service",
        ];
        assert_eq!(Listener::ALL.len(), names.len());
        for (of, name) in Listener::ALL.iter().zip(names) {
            let health = answered(&t, *of, Ask::get("/health"), 200, &["status", "service"]).await;
            assert_eq!((&health["status"], &health["service"]), (&json!("ok"), &json!(name)));
        }
    });
}

#[test]
fn a_cart_is_filled_read_emptied_and_checked_out_as_it_always_was() {
    shop(&[], |t| async move {
        t.product("PROD-123", "49.99", 10).await;
        let item = r#"{ "product_id": "PROD-123", "quantity": 2, "price": 49.99 }"#;
        let add = Ask::new("POST", "/cart/user123/items").json(item);
        let said = answered(&t, Listener::Cart, add.clone(), 201, &["message"]).await;
        assert_eq!(said["message"], "Item PROD-123 added to cart");
        let cart = &["user_id", "items", "total_amount"];
        let body = answered(&t, Listener::Cart, Ask::get("/cart/user123"), 200, cart).await;
        assert_eq!(body["total_amount"], 99.98);
        let line = &body["items"][0];
        assert_eq!(
            (&line["product_id"], &line["quantity"], &line["price"]),
            (&json!("PROD-123"), &json!(2), &json!(49.99))
        );
        let remove = Ask::new("DELETE", "/cart/user123/items/PROD-123");
        let said = answered(&t, Listener::Cart, remove, 200, &["message"]).await;
        assert_eq!(said["message"], "Item PROD-123 removed from cart");
        answered(&t, Listener::Cart, add, 201, &["message"]).await;
        let checkout = Ask::new("POST", "/cart/user123/checkout");
        let said =
            answered(&t, Listener::Cart, checkout, 202, &["message", "order_id", "cart"]).await;
        assert!(said["order_id"].as_str().unwrap().starts_with("ORD-"));
        assert_eq!(said["cart"]["total_amount"], 99.98);
        t.all_is_well().await;
    });
}

#[test]
fn orders_payments_products_and_mail_have_their_original_fields() {
    shop(&[], |t| async move {
        t.product("PROD-001", "49.99", 10).await;
        let id = t.buy("user123", "PROD-001").await;
        t.settle().await;
        let fields = &["order_id", "user_id", "status", "items", "total_amount", "created_at"];
        let ask = Ask::get(format!("/orders/{id}"));
        let order = answered(&t, Listener::Order, ask, 200, fields).await;
        assert_eq!(
            (&order["status"], &order["total_amount"]),
            (&json!("FULFILLED"), &json!(49.99))
        );
        let listed =
            answered(&t, Listener::Order, Ask::get("/orders/user/user123"), 200, &[]).await;
        assert_eq!(listed[0]["order_id"], json!(id));
        let fields = &[
            "payment_id",
            "order_id",
            "user_id",
            "amount",
            "currency",
            "method",
            "status",
            "reason",
            "created_at",
        ];
        let ask = Ask::get(format!("/payments/{}", order["payment_id"].as_str().unwrap()));
        let payment = answered(&t, Listener::Payment, ask, 200, fields).await;
        assert_eq!(
            (&payment["status"], &payment["amount"], &payment["currency"]),
            (&json!("SUCCESS"), &json!(49.99), &json!("USD"))
        );
        let fields = &["product_id", "name", "description", "price", "stock"];
        let ask = Ask::get("/products/PROD-001");
        let product = answered(&t, Listener::Inventory, ask, 200, fields).await;
        assert_eq!((&product["price"], &product["stock"]), (&json!(49.99), &json!(9)));
        let all = answered(&t, Listener::Inventory, Ask::get("/products"), 200, &[]).await;
        assert_eq!(all.as_array().unwrap(), &[product]);
        let ask = Ask::get(format!("/mailbox?order={id}"));
        let mails = answered(&t, Listener::Notification, ask, 200, &[]).await;
        assert_eq!(mails.as_array().unwrap().len(), 1);
        t.all_is_well().await;
    });
}

#[test]
fn money_is_a_number_with_two_decimals() {
    shop(&[], |t| async move {
        t.product("P", "5", 10).await;
        let body = Raw::gateway(&t).send(&Ask::get("/products/P")).await.text();
        assert!(body.contains("\"price\":5.00"), "{body}");
    });
}

#[test]
fn a_service_serves_its_own_paths_and_the_gateway_serves_them_all() {
    let own = [
        (Listener::Cart, "/cart/ann"),
        (Listener::Order, "/orders/user/ann"),
        (Listener::Payment, "/payments/PAY-ABC"),
        (Listener::Inventory, "/products"),
        (Listener::Notification, "/mailbox"),
    ];
    shop(&[], move |t| async move {
        for of in Listener::ALL {
            for (owner, path) in own {
                let answer = Raw::of(&t, *of).send(&Ask::get(path)).await;
                let serves = *of == owner || *of == Listener::Gateway;
                let unserved = format!("there is no path {path}");
                let found = !answer.json()["detail"].to_string().contains(&unserved);
                assert_eq!(found, serves, "{of} {path}: {}", answer.text());
            }
            for path in ["/docs", "/openapi.json"] {
                let answer = Raw::of(&t, *of).send(&Ask::get(path)).await;
                let wanted = if *of == Listener::Gateway { 200 } else { 404 };
                assert_eq!(answer.status, wanted, "{of} {path}");
            }
            for path in ["/metrics", "/healthz", "/readyz", "/health"] {
                let answer = Raw::of(&t, *of).send(&Ask::get(path)).await;
                assert_eq!(answer.status, 200, "{of} {path}");
            }
        }
    });
}
