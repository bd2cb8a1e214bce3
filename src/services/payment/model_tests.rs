//! Given a payment, when the gateway or the order says something, then it stands so and tells so.

use uuid::Uuid;

use super::*;
use crate::domain::CartId;
use crate::events::Topic;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LAPSES: Timestamp = Timestamp::from_millis(2_000_000);
const CAUSE: EventId = EventId(Uuid::from_u128(3));

fn asked() -> Payment {
    let order = OrderId::of_cart(CartId(Uuid::from_u128(7)));
    Payment::ask(order, "u".parse().unwrap(), Money::from_minor(1_000), LAPSES, CAUSE, NOW)
}

fn settled(outcome: &Outcome) -> Payment {
    let mut payment = asked();
    payment.settle(outcome, NOW);
    payment
}

const CAPTURED: Outcome = Outcome::Decided(Decision::Captured);
const DECLINED: Outcome = Outcome::Decided(Decision::Declined(DeclineReason::ExpiredCard));

#[track_caller]
fn check(mut given: Payment, when: &Outcome, then: Status, tells: Option<Topic>, due: bool) {
    let told = given.settle(when, NOW).map(|event| event.topic());
    assert_eq!((given.status, told), (then, tells));
    assert_eq!(given.next_attempt_at.is_some(), due);
}

#[test]
fn a_charge_ends_as_the_gateway_decides() {
    check(asked(), &CAPTURED, Status::Succeeded, Some(Topic::PaymentProcessed), false);
    check(asked(), &DECLINED, Status::Failed, Some(Topic::PaymentFailed), false);
    check(asked(), &Outcome::NeverCharged, Status::Failed, Some(Topic::PaymentFailed), false);
    check(asked(), &Outcome::Unclear, Status::Pending, None, true);
}

#[test]
fn a_capture_of_a_cancelled_order_is_due_back_in_the_same_change() {
    let mut payment = asked();
    assert!(payment.cancel_order(CAUSE, NOW));
    check(payment.clone(), &CAPTURED, Status::RefundDue, Some(Topic::PaymentProcessed), true);
    check(payment.clone(), &DECLINED, Status::Failed, Some(Topic::PaymentFailed), false);
    check(payment, &Outcome::NeverCharged, Status::Cancelled, None, false);
}

#[test]
fn a_refund_is_asked_for_until_it_is_done_or_refused_for_good() {
    let mut payment = settled(&CAPTURED);
    assert!(payment.cancel_order(CAUSE, NOW));
    assert_eq!(payment.status, Status::RefundDue);
    check(payment.clone(), &Outcome::Unclear, Status::RefundDue, None, true);
    check(
        payment.clone(),
        &Outcome::Refunded,
        Status::Refunded,
        Some(Topic::PaymentRefunded),
        false,
    );
    check(payment, &Outcome::Refused("no".into()), Status::RefundFailed, None, false);
}

#[test]
fn a_cancellation_is_taken_in_once_and_only_where_money_may_move() {
    for outcome in [DECLINED, Outcome::NeverCharged] {
        assert!(!settled(&outcome).cancel_order(CAUSE, NOW));
    }
    let mut pending = asked();
    assert!(pending.cancel_order(CAUSE, NOW));
    assert!(!pending.cancel_order(CAUSE, NOW), "a second time changes nothing");
    let order = pending.order_id.clone();
    let mut stone = Payment::tombstone(order, "u".parse().unwrap(), CAUSE, NOW);
    assert!(!stone.cancel_order(CAUSE, NOW));
    assert_eq!(stone.next_attempt_at, None);
}

#[test]
fn no_charge_starts_after_the_hold_or_for_a_cancelled_order() {
    assert!(asked().may_charge(NOW));
    assert!(!asked().may_charge(LAPSES));
    let mut cancelled = asked();
    cancelled.cancel_order(CAUSE, NOW);
    assert!(!cancelled.may_charge(NOW));
}

#[test]
fn unclear_answers_are_asked_about_less_and_less_often_but_for_ever() {
    let mut payment = asked();
    let mut pauses = vec![];
    for _ in 0..40 {
        payment.settle(&Outcome::Unclear, NOW);
        pauses.push(payment.next_attempt_at.unwrap().since(NOW).as_millis());
    }
    assert_eq!(pauses[..4], [200, 400, 800, 1_600]);
    assert_eq!(pauses[39], 30_000);
}

#[test]
fn a_late_refund_answer_does_not_end_a_charge() {
    check(asked(), &Outcome::Refunded, Status::Pending, None, true);
}

#[test]
fn only_a_refund_that_was_refused_is_asked_for_again() {
    let mut payment = settled(&CAPTURED);
    assert!(!payment.ask_again(NOW), "nothing is owed");
    payment.cancel_order(CAUSE, NOW);
    assert!(!payment.ask_again(NOW), "it is under way");
    payment.settle(&Outcome::Refused("no".into()), NOW);
    let version = payment.version;
    assert!(payment.ask_again(NOW));
    assert_eq!((payment.status, payment.reason.as_deref()), (Status::RefundDue, None));
    assert_eq!((payment.next_attempt_at, payment.version), (Some(NOW), version + 1));
    check(payment, &Outcome::Refunded, Status::Refunded, Some(Topic::PaymentRefunded), false);
}
