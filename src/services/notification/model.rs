//! What people are told, and when a message is tried again. Pure.

use std::fmt::Write;
use std::time::Duration;

use crate::domain::closed_set::closed_set;
use crate::domain::{
    CancelReason, DeclineReason, Email, EventId, OrderId, Phone, Timestamp, UserId,
};
use crate::events::notification::{Outcome, Send};
use crate::ports::mail::{Mail, Text};

closed_set! {
    /// How a message travels.
    Channel {
        /// E-mail.
        Email = "email",
        /// Text message.
        Sms = "sms",
    }
}

closed_set! {
    /// Where a message stands.
    Status {
        /// To be sent.
        Pending = "PENDING",
        /// Accepted by the recipient's side.
        Sent = "SENT",
        /// Refused for good.
        Failed = "FAILED",
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names it for ever: made of the order and its outcome, so that there is one of each.
    pub message_id: String,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// The event that it tells of; not known of one that was left by an earlier run.
    pub cause: Option<EventId>,
    /// How it travels.
    pub channel: Channel,
    /// To whom.
    pub recipient: String,
    /// Its subject; empty for a text message.
    pub subject: String,
    /// What it says.
    pub body: String,
    /// Attempts so far.
    pub attempts: i64,
    /// When it should be tried (again).
    pub next_attempt_at: Timestamp,
}

/// First pause before a message is tried again; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause before a message is tried again.
const PAUSE_MAX: Duration = Duration::from_mins(5);

impl Message {
    /// As an e-mail; none if the recipient is no address.
    pub fn as_mail(&self) -> Option<Mail> {
        Some(Mail {
            message_id: self.message_id.clone(),
            order_id: self.order_id.clone(),
            to: self.recipient.parse().ok()?,
            subject: self.subject.clone(),
            body: self.body.clone(),
        })
    }

    /// As a text message; none if the recipient is no number.
    pub fn as_text(&self) -> Option<Text> {
        Some(Text {
            message_id: self.message_id.clone(),
            order_id: self.order_id.clone(),
            to: self.recipient.parse().ok()?,
            body: self.body.clone(),
        })
    }

    /// The message after an attempt that failed for now: tried again later and later.
    #[must_use]
    pub fn failed_once_more(&self, now: Timestamp) -> Self {
        let doubled = PAUSE_MIN * 2u32.saturating_pow(self.attempts.clamp(0, 16) as u32);
        let next_attempt_at = now + doubled.min(PAUSE_MAX);
        Self { attempts: self.attempts + 1, next_attempt_at, ..self.clone() }
    }
}

/// The messages that tell a shopper how their order ended, as `event` says: one e-mail, and a text
/// where a number is known.
pub fn about_order(e: &Send, event: EventId) -> Vec<Message> {
    let (subject, short) = match e.outcome {
        Outcome::Fulfilled => (
            format!("Order {} is on its way", e.order_id),
            format!("Your order {} over {} USD is on its way.", e.order_id, e.total_amount),
        ),
        Outcome::Cancelled => (
            format!("Order {} was cancelled", e.order_id),
            format!("Your order {} was cancelled: {}.", e.order_id, why(e.reason, e.decline)),
        ),
    };
    let mut body = format!("Hello {},\n\n{short}\n", e.user_id);
    if e.outcome == Outcome::Cancelled {
        let _ = writeln!(body, "If money was taken for it, it is on its way back to you.");
    }
    let message = |channel: Channel, recipient: String, subject: String, body: String| Message {
        message_id: name(&e.order_id, e.outcome, channel),
        order_id: Some(e.order_id.clone()),
        cause: Some(event),
        channel,
        recipient,
        subject,
        body,
        attempts: 0,
        next_attempt_at: Timestamp::default(),
    };
    let to = e.email.as_ref().map_or_else(|| default_address(&e.user_id), Email::to_string);
    let mut messages = vec![message(Channel::Email, to, subject, body)];
    if let Some(phone) = &e.phone {
        messages.push(message(Channel::Sms, Phone::to_string(phone), String::new(), short));
    }
    messages
}

/// The names of all messages that there can be about an order.
pub fn names_about(order: &OrderId) -> Vec<String> {
    let of = |outcome| Channel::ALL.iter().map(move |channel| name(order, outcome, *channel));
    [Outcome::Fulfilled, Outcome::Cancelled].into_iter().flat_map(of).collect()
}

fn name(order: &OrderId, outcome: Outcome, channel: Channel) -> String {
    format!("{order}.{}.{channel}@ecom", outcome.as_str().to_lowercase())
}

/// A message to the shop's own people, named by the event that it tells of.
pub fn alert(event: EventId, to: &Email, subject: String, body: String) -> Message {
    Message {
        message_id: format!("{event}.alert.email@ecom"),
        order_id: None,
        cause: Some(event),
        channel: Channel::Email,
        recipient: to.to_string(),
        subject,
        body,
        attempts: 0,
        next_attempt_at: Timestamp::default(),
    }
}

/// Where a shopper is written to who gave no address: the id, if it is one, else at example.com, as
/// in the original shop.
fn default_address(user: &UserId) -> String {
    match user.as_str().parse::<Email>() {
        Ok(address) => address.to_string(),
        Err(_) => format!("{}@example.com", user.as_str().replace(['@', ':'], "_")),
    }
}

fn why(reason: Option<CancelReason>, decline: Option<DeclineReason>) -> &'static str {
    match (reason, decline) {
        (_, Some(DeclineReason::InsufficientFunds)) => "the card has insufficient funds",
        (_, Some(DeclineReason::CardDeclined)) => "the card was declined",
        (_, Some(DeclineReason::ExpiredCard)) => "the card has expired",
        (_, Some(DeclineReason::HoldExpired)) | (Some(CancelReason::Expired), None) => {
            "it was not completed in time"
        }
        (Some(CancelReason::OutOfStock), None) => "it is out of stock",
        (Some(CancelReason::CustomerRequest), None) => "you asked for it",
        (Some(CancelReason::PaymentFailed) | None, None) => "the payment failed",
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{CartId, Money};

    fn told(outcome: Outcome, user: &str, phone: Option<&str>) -> Vec<Message> {
        about_order(&send(outcome, user, phone), EventId(Uuid::from_u128(7)))
    }

    fn send(outcome: Outcome, user: &str, phone: Option<&str>) -> Send {
        Send {
            order_id: OrderId::of_cart(CartId(Uuid::from_u128(1))),
            user_id: user.parse().unwrap(),
            outcome,
            email: None,
            phone: phone.map(|p| p.parse().unwrap()),
            total_amount: Money::from_minor(9998),
            reason: Some(CancelReason::PaymentFailed),
            decline: Some(DeclineReason::ExpiredCard),
        }
    }

    #[test]
    fn every_outcome_has_one_mail_with_a_name_of_its_own() {
        let done = told(Outcome::Fulfilled, "ann", None);
        assert_eq!(done.len(), 1);
        assert_eq!(done[0].message_id, "ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE.fulfilled.email@ecom");
        assert_eq!(done[0].recipient, "ann@example.com");
        assert!(done[0].body.contains("99.98 USD"), "{}", done[0].body);
        let gone = told(Outcome::Cancelled, "ann@shop.example", Some("+4915112345678"));
        assert_eq!(gone.len(), 2);
        assert_eq!(gone[0].recipient, "ann@shop.example");
        assert!(gone[0].body.contains("the card has expired"), "{}", gone[0].body);
        assert_ne!(gone[0].message_id, gone[1].message_id);
        assert!(gone.iter().all(|m| m.as_mail().is_some() || m.as_text().is_some()));
        let names = names_about(gone[0].order_id.as_ref().unwrap());
        assert!(done.iter().chain(&gone).all(|m| names.contains(&m.message_id)), "{names:?}");
    }

    #[test]
    fn pauses_double_and_are_bounded() {
        let now = Timestamp::from_millis(0);
        let mut message = told(Outcome::Fulfilled, "ann", None).remove(0);
        let mut pauses = vec![];
        for _ in 0..30 {
            message = message.failed_once_more(now);
            pauses.push(message.next_attempt_at.since(now).as_secs());
        }
        assert_eq!(pauses[..3], [1, 2, 4]);
        assert_eq!(pauses[29], 300);
    }
}
