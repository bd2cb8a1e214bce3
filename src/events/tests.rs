//! The wire form of every event is pinned by a snapshot, and reading is tolerant.

use super::*;
use crate::domain::{CartId, Line, Money, PaymentId, Quantity, UserId};
use uuid::Uuid;

fn header(topic: Topic) -> Header {
    Header {
        event_id: EventId(Uuid::from_u128(0x0199_c0de_0000_7000_8000_0000_0000_0001)),
        event_type: topic,
        timestamp: Timestamp::from_millis(1_769_860_800_123),
        correlation_id: "ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE".into(),
        causation_id: Some(EventId(Uuid::from_u128(2))),
        schema_version: SCHEMA_VERSION,
    }
}

fn order() -> OrderId {
    OrderId::of_cart(CartId(Uuid::from_u128(1)))
}

fn user() -> UserId {
    "user123".parse().unwrap()
}

fn line() -> Line {
    Line {
        product_id: "PROD-123".parse().unwrap(),
        name: "Power Bank".into(),
        quantity: Quantity::new(2).unwrap(),
        price: Money::from_minor(4999),
    }
}

fn units() -> inventory::Units {
    inventory::Units { product_id: line().product_id, quantity: line().quantity }
}

#[expect(clippy::too_many_lines, reason = "one literal per event type")]
fn one_of_each() -> Vec<Event> {
    let total = line().total();
    let payment_id = PaymentId::of_order(&order());
    let at = |s: u64| Timestamp::from_millis(1_769_860_800_000) + std::time::Duration::from_secs(s);
    vec![
        Event::CartItemAdded(cart::ItemAdded {
            user_id: user(),
            cart_id: CartId(Uuid::from_u128(1)),
            product_id: line().product_id,
            quantity: line().quantity,
            price: line().price,
        }),
        Event::CartItemRemoved(cart::ItemRemoved {
            user_id: user(),
            cart_id: CartId(Uuid::from_u128(1)),
            product_id: line().product_id,
            quantity: Quantity::ONE,
        }),
        Event::CartCheckoutInitiated(cart::CheckoutInitiated {
            order_id: order(),
            cart_id: CartId(Uuid::from_u128(1)),
            user_id: user(),
            items: vec![line()],
            total_amount: total,
            email: Some("ann@example.com".parse().unwrap()),
            phone: None,
            hold_expires_at: at(180),
            deadline: at(300),
        }),
        Event::OrderCreated(order::Created {
            order_id: order(),
            user_id: user(),
            items: vec![line()],
            total_amount: total,
            hold_expires_at: at(180),
            deadline: at(300),
        }),
        Event::OrderConfirmed(order::Confirmed {
            order_id: order(),
            user_id: user(),
            payment_id: payment_id.clone(),
            items: vec![line()],
            total_amount: total,
        }),
        Event::OrderCancelled(order::Cancelled {
            order_id: order(),
            user_id: user(),
            reason: crate::domain::CancelReason::PaymentFailed,
            decline: Some(crate::domain::DeclineReason::CardDeclined),
        }),
        Event::PaymentProcessed(payment::Processed {
            payment_id: payment_id.clone(),
            order_id: order(),
            user_id: user(),
            amount: total,
            currency: Money::CURRENCY.into(),
            method: "card".into(),
        }),
        Event::PaymentFailed(payment::Failed {
            payment_id: payment_id.clone(),
            order_id: order(),
            user_id: user(),
            reason: crate::domain::DeclineReason::InsufficientFunds,
        }),
        Event::PaymentRefunded(payment::Refunded {
            payment_id,
            order_id: order(),
            user_id: user(),
            amount: total,
            currency: Money::CURRENCY.into(),
        }),
        Event::InventoryReserved(inventory::Reserved { order_id: order(), items: vec![units()] }),
        Event::InventoryReleased(inventory::Released { order_id: order(), items: vec![units()] }),
        Event::InventoryReservationFailed(inventory::ReservationFailed {
            order_id: order(),
            short: vec![units()],
        }),
        Event::InventoryLow(inventory::Low {
            product_id: line().product_id,
            current_stock: 9,
            threshold: 10,
        }),
        Event::InventoryDepleted(inventory::Depleted { product_id: line().product_id }),
        Event::NotificationSend(notification::Send {
            order_id: order(),
            user_id: user(),
            outcome: notification::Outcome::Cancelled,
            email: None,
            phone: Some("+4915112345678".parse().unwrap()),
            total_amount: total,
            reason: Some(crate::domain::CancelReason::Expired),
            decline: None,
        }),
        Event::CatalogProductUpserted(catalog::ProductUpserted {
            product_id: line().product_id,
            seller_id: "seller-1".into(),
            name: "Power Bank".into(),
            description: "30000 mAh".into(),
            price: line().price,
            listed: true,
            version: 3,
        }),
        Event::CatalogStockReceived(catalog::StockReceived {
            product_id: line().product_id,
            quantity: line().quantity,
        }),
    ]
}

#[test]
fn every_event_type_has_a_pinned_wire_form_that_reads_back() {
    let all = one_of_each();
    let covered: Vec<Topic> = all.iter().map(Event::topic).collect();
    assert_eq!(covered, Topic::EVENTS, "one sample per event type, in order");
    let mut wire = String::new();
    for event in all {
        let header = header(event.topic());
        let json = event.encode(&header);
        assert_eq!(Event::decode(event.topic(), json.as_bytes()), Ok((header, event)));
        wire.push_str(&json);
        wire.push('\n');
    }
    insta::assert_snapshot!("wire", wire);
}

#[test]
fn unknown_fields_are_kept_out_of_the_way() {
    let event = &one_of_each()[13];
    let json = event.encode(&header(event.topic()));
    let extended = json.replacen('{', r#"{"from_the_future":{"deep":[1,2]},"#, 1);
    let (_, read) = Event::decode(event.topic(), extended.as_bytes()).unwrap();
    assert_eq!(&read, event);
}

#[test]
fn what_is_not_an_event_says_why() {
    let event = &one_of_each()[13];
    let json = event.encode(&header(event.topic()));
    let code = |topic, bytes: &[u8]| Event::decode(topic, bytes).unwrap_err().code();
    assert_eq!(code(Topic::InventoryDepleted, b""), "decode.malformed");
    assert_eq!(code(Topic::InventoryDepleted, b"{\"half\":"), "decode.malformed");
    assert_eq!(code(Topic::InventoryDepleted, b"\xff\xfe\x00"), "decode.malformed");
    assert_eq!(code(Topic::InventoryLow, json.as_bytes()), "decode.wrong_type");
    assert_eq!(
        code(Topic::FraudDetected, json.replace("inventory.depleted", "fraud.detected").as_bytes()),
        "decode.foreign_topic"
    );
    let newer = json.replace("\"schema_version\":1", "\"schema_version\":2");
    assert_eq!(code(Topic::InventoryDepleted, newer.as_bytes()), "decode.schema_too_new");
    let deep = "[".repeat(100_000);
    assert_eq!(code(Topic::InventoryDepleted, deep.as_bytes()), "decode.malformed");
}
