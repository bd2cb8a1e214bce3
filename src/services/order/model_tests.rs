//! Given an order, when something happens, then it stands so and tells so.

use uuid::Uuid;

use super::*;
use crate::domain::{CartId, Quantity};
use crate::events::Topic;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LATER: Timestamp = Timestamp::from_millis(9_000_000);

fn checkout() -> cart::CheckoutInitiated {
    let cart_id = CartId(Uuid::from_u128(7));
    let line = Line {
        product_id: "PROD-1".parse().unwrap(),
        name: "Cable".into(),
        quantity: Quantity::new(2).unwrap(),
        price: Money::from_minor(500),
    };
    cart::CheckoutInitiated {
        order_id: OrderId::of_cart(cart_id),
        cart_id,
        user_id: "u".parse().unwrap(),
        total_amount: line.total(),
        items: vec![line],
        email: None,
        phone: None,
        hold_expires_at: LATER,
        deadline: LATER,
    }
}

fn order_in(status: Status) -> Order {
    let (mut order, _) = Order::place(&checkout(), NOW, NOW);
    let steps: &[Happening] = match status {
        Status::Pending => &[],
        Status::Paid => &[paid()],
        Status::Fulfilled => &[paid(), Happening::Reserved],
        Status::Cancelled => &[Happening::Overdue],
    };
    for step in steps {
        assert!(matches!(order.apply(step), Verdict::Changed(_)));
    }
    assert_eq!(order.status, status);
    order
}

fn paid() -> Happening {
    Happening::Paid { payment_id: PaymentId::of_order(&checkout().order_id), deadline: LATER }
}

#[track_caller]
fn check(given: Status, when: &Happening, then: Status, tells: &[Topic]) {
    let mut order = order_in(given);
    let before = order.version;
    match order.apply(when) {
        Verdict::Changed(events) => {
            assert_eq!(events.iter().map(Event::topic).collect::<Vec<_>>(), tells);
            assert_eq!(order.version, before + 1);
        }
        Verdict::Ignored | Verdict::TooEarly => {
            assert!(tells.is_empty(), "expected {tells:?}");
            assert_eq!(order, order_in(given), "nothing changes silently");
        }
    }
    assert_eq!(order.status, then);
    assert_eq!(order.deadline.is_none(), then.is_final());
}

#[test]
fn an_order_moves_only_along_the_saga() {
    use Status::{Cancelled, Fulfilled, Paid, Pending};
    let declined = Happening::PaymentFailed(DeclineReason::CardDeclined);
    let gone = [Topic::OrderCancelled, Topic::NotificationSend];
    check(Pending, &paid(), Paid, &[Topic::OrderConfirmed]);
    check(Pending, &declined, Cancelled, &gone);
    check(Pending, &Happening::Overdue, Cancelled, &gone);
    check(Pending, &Happening::CancelRequested, Cancelled, &gone);
    check(Paid, &Happening::Reserved, Fulfilled, &[Topic::NotificationSend]);
    check(Paid, &Happening::ReservationFailed, Cancelled, &gone);
    check(Paid, &Happening::Overdue, Cancelled, &gone);
    check(Paid, &Happening::CancelRequested, Cancelled, &gone);
    check(Paid, &declined, Paid, &[]);
    check(Paid, &paid(), Paid, &[]);
}

#[test]
fn a_final_order_never_changes() {
    let all = [
        paid(),
        Happening::PaymentFailed(DeclineReason::ExpiredCard),
        Happening::Reserved,
        Happening::ReservationFailed,
        Happening::Overdue,
        Happening::CancelRequested,
    ];
    for happening in &all {
        check(Status::Fulfilled, happening, Status::Fulfilled, &[]);
        check(Status::Cancelled, happening, Status::Cancelled, &[]);
    }
}

#[test]
fn stock_news_before_the_payment_is_too_early() {
    for happening in [Happening::Reserved, Happening::ReservationFailed] {
        assert_eq!(order_in(Status::Pending).apply(&happening), Verdict::TooEarly);
    }
}

#[test]
fn a_checkout_replayed_after_its_deadline_is_born_cancelled() {
    let (order, events) = Order::place(&checkout(), NOW, LATER);
    assert_eq!((order.status, order.version), (Status::Cancelled, 1));
    assert_eq!(order.cancel_reason, Some(CancelReason::Expired));
    let topics: Vec<_> = events.iter().map(Event::topic).collect();
    assert_eq!(topics, [Topic::OrderCancelled, Topic::NotificationSend]);
}

#[test]
fn a_lapsed_hold_expires_the_order_rather_than_blaming_the_card() {
    let mut order = order_in(Status::Pending);
    order.apply(&Happening::PaymentFailed(DeclineReason::HoldExpired));
    assert_eq!(order.cancel_reason, Some(CancelReason::Expired));
    assert_eq!(order.decline_reason, Some(DeclineReason::HoldExpired));
}
