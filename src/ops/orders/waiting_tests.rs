//! Given what the tables, the dead letters and the readers say, then the order waits for this.

use super::*;
use crate::ops::dlq::Family;
use crate::ops::orders::rows::{Checkout, OrderRow};
use crate::ops::orders::{StateView, StockView};

const AT: Timestamp = Timestamp::from_millis(1_000);

fn order_in(state: OrderState, payment: &str, stock: &str, message: &str) -> Rows {
    let payment = PaymentView {
        payment_id: "PAY-A".into(),
        state: payment.into(),
        amount_minor: 500,
        reason: None,
        attempts: 2,
        next_attempt_at: Some(AT),
        created_at: AT,
        updated_at: AT,
    };
    let stock = StockView { state: stock.into(), expires_at: AT, created_at: AT, updated_at: AT };
    let message = MessageView {
        message_id: "m".into(),
        channel: "email".into(),
        recipient: "a@b".into(),
        state: message.into(),
        reason: None,
        attempts: 1,
        next_attempt_at: None,
        created_at: AT,
        updated_at: AT,
    };
    let order = OrderRow {
        user_id: "ann".into(),
        state,
        items: vec![],
        total_minor: 500,
        reason: None,
        decline: None,
        deadline: None,
        created_at: AT,
        updated_at: AT,
    };
    let event_id = format!("event-{state}");
    Rows {
        history: vec![StateView { state, reason: None, event_id, at: AT }],
        order: Some(order),
        payment: Some(payment).filter(|row| !row.state.is_empty()),
        stock: Some(stock).filter(|row| !row.state.is_empty()),
        messages: Some(message).filter(|row| !row.state.is_empty()).into_iter().collect(),
        ..Rows::default()
    }
}

fn letter(service: &str, state: EntryState) -> DeadLetter {
    DeadLetter {
        id: "dlq.events/0/1".into(),
        state,
        family: Family::Ecom,
        failed_at: AT,
        service: service.into(),
        group: String::new(),
        original_topic: "order.created".into(),
        original_partition: None,
        original_offset: None,
        bytes: 700,
        event_id: "e".into(),
        event_type: String::new(),
        key: None,
        error_code: "x".into(),
        error_reason: "y".into(),
        retry_count: 3,
        replays: 0,
    }
}

fn waits(rows: &Rows, letters: &[DeadLetter], readers: &Readers) -> Vec<WaitReason> {
    let (order, handled) = ("ORD-A".parse().unwrap(), BTreeSet::new());
    let facts = Facts { order: &order, rows, letters, handled: &handled, readers, tables: true };
    waiting(&facts).into_iter().map(|wait| wait.reason).collect()
}

#[test]
fn whoever_has_the_next_turn_is_named() {
    use OrderState::{Cancelled, Fulfilled, Paid, Pending};
    use WaitReason::{Lag, Mail, MailRefused, Provider, RefundRefused};
    type Case = (OrderState, &'static str, &'static str, &'static str, &'static [WaitReason]);
    let cases: [Case; 14] = [
        (Pending, "", "", "", &[Lag]),
        (Pending, "PENDING", "HELD", "", &[Provider]),
        (Pending, "SUCCEEDED", "HELD", "", &[Lag]),
        (Pending, "FAILED", "HELD", "", &[Lag]),
        (Paid, "SUCCEEDED", "HELD", "", &[Lag]),
        (Paid, "SUCCEEDED", "RESERVED", "", &[Lag]),
        (Fulfilled, "SUCCEEDED", "RESERVED", "SENT", &[]),
        (Fulfilled, "SUCCEEDED", "RESERVED", "", &[Lag]),
        (Fulfilled, "SUCCEEDED", "RESERVED", "PENDING", &[Mail]),
        (Fulfilled, "SUCCEEDED", "RESERVED", "FAILED", &[MailRefused]),
        (Cancelled, "REFUNDED", "RELEASED", "SENT", &[]),
        (Cancelled, "REFUND_FAILED", "RELEASED", "SENT", &[RefundRefused]),
        (Cancelled, "REFUND_DUE", "RESERVED", "SENT", &[Provider, Lag]),
        (Cancelled, "SUCCEEDED", "RESERVED", "", &[Lag, Lag, Lag]),
    ];
    let readers = Readers::all(true, 5, true);
    for (state, payment, stock, message, expected) in cases {
        let rows = order_in(state, payment, stock, message);
        assert_eq!(waits(&rows, &[], &readers), expected, "{state} {payment} {stock} {message}");
    }
}

#[test]
fn why_a_reader_does_not_take_its_turn_is_told() {
    let rows = order_in(OrderState::Pending, "", "", "");
    let cases = [
        (Readers::all(true, 5, true), WaitReason::Lag),
        (Readers::all(true, 0, true), WaitReason::Skipped),
        (Readers::all(false, 5, true), WaitReason::NoMembers),
        (Readers::all(false, 5, false), WaitReason::Stopped),
        (Readers::default(), WaitReason::Stopped),
    ];
    for (readers, reason) in cases {
        assert_eq!(waits(&rows, &[], &readers), [reason]);
    }
}

#[test]
fn a_dead_letter_explains_why_its_service_does_nothing() {
    use WaitReason::{DeadLetter, Lag};
    let (rows, readers) = (order_in(OrderState::Pending, "", "", ""), Readers::all(true, 5, true));
    let cases: [(&str, EntryState, &[WaitReason]); 7] = [
        ("payment", EntryState::Open, &[DeadLetter]),
        ("payment", EntryState::Discarded, &[DeadLetter]),
        ("payment", EntryState::Replaying, &[DeadLetter]),
        ("payment", EntryState::Resolved, &[Lag]),
        ("payment", EntryState::Refailed, &[Lag]),
        ("inventory", EntryState::Open, &[DeadLetter, Lag]),
        ("inventory", EntryState::Discarded, &[Lag]),
    ];
    for (service, state, expected) in cases {
        assert_eq!(
            waits(&rows, &[letter(service, state)], &readers),
            expected,
            "{service} {state}"
        );
    }
}

#[test]
fn what_is_not_published_nobody_can_handle() {
    let mut rows = order_in(OrderState::Pending, "", "", "");
    rows.unsent.push(Unsent {
        event_id: "e".into(),
        event_type: "order.created".into(),
        service: "order".into(),
        created_at: AT,
    });
    assert_eq!(waits(&rows, &[], &Readers::all(true, 0, true)), [WaitReason::Outbox]);
}

#[test]
fn a_checkout_waits_for_the_order_service() {
    let checkout = Checkout {
        cart_id: "c".into(),
        user_id: "ann".into(),
        items: vec![],
        total_minor: 0,
        created_at: AT,
    };
    let rows = Rows { checkout: Some(checkout), ..Rows::default() };
    assert_eq!(waits(&rows, &[], &Readers::all(true, 1, true)), [WaitReason::Lag]);
}
