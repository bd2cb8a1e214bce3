//! What an order waits for, told from its rows, its dead letters, and how far its readers are. Pure.
//!
//! ```text
//! checked out ─ order takes it up ─▶ PENDING ─ payment charges ─ order hears ─▶ PAID
//!   ─ inventory reserves ─ order hears ─▶ FULFILLED ─ notification tells
//! CANCELLED ─ payment gives back, inventory gives back, notification tells
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::groups::Readers;
use super::rows::{Rows, Unsent};
use super::{MessageView, OrderState, PaymentView};
use crate::domain::closed_set::closed_set;
use crate::domain::{OrderId, Timestamp};
use crate::events::Topic;
use crate::ops::dlq::{DeadLetter, EntryState};

closed_set! {
    /// Why an order does not go on.
    WaitReason {
        /// A service gave up one of its events.
        DeadLetter = "dead_letter",
        /// An event is written, and not published yet.
        Outbox = "outbox",
        /// The shop is stopped.
        Stopped = "stopped",
        /// Nobody reads for the service whose turn it is.
        NoMembers = "no_members",
        /// The service whose turn it is has other events to handle first.
        Lag = "lag",
        /// The service whose turn it is has read past the event without handling it.
        Skipped = "skipped",
        /// The payment provider has not answered clearly yet.
        Provider = "provider",
        /// The payment provider will not give the money back.
        RefundRefused = "refund_refused",
        /// A message could not be handed over yet.
        Mail = "mail",
        /// A message was refused for good.
        MailRefused = "mail_refused",
        /// The service whose turn it is has read the event; what came of it only the tables know.
        Unclear = "unclear",
    }
}

/// Something that an order waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// Why.
    #[schema(value_type = String)]
    pub reason: WaitReason,
    /// The same in words.
    pub what: String,
    /// The service whose turn it is.
    pub service: Option<String>,
    /// The event that is to be handled, as far as that is known.
    pub event_id: Option<String>,
    /// Its topic.
    pub topic: Option<String>,
    /// The dead letter that stands in the way.
    pub dead_letter: Option<String>,
    /// When it is tried again by itself.
    pub next_at: Option<Timestamp>,
    /// Whether `ecom orders resume` can do something about it.
    pub resumable: bool,
}

impl Waiting {
    fn on(reason: WaitReason, what: String) -> Self {
        Self {
            reason,
            what,
            service: None,
            event_id: None,
            topic: None,
            dead_letter: None,
            next_at: None,
            resumable: false,
        }
    }
}

/// What is looked at.
pub(in crate::ops) struct Facts<'a> {
    pub(in crate::ops) order: &'a OrderId,
    pub(in crate::ops) rows: &'a Rows,
    /// Dead letters about it, in whatever state.
    pub(in crate::ops) letters: &'a [DeadLetter],
    /// Which service has handled which event.
    pub(in crate::ops) handled: &'a BTreeSet<(String, String)>,
    pub(in crate::ops) readers: &'a Readers,
    /// Whether the rows are those of the tables, and not only told from events.
    pub(in crate::ops) tables: bool,
}

/// Whether a dead letter still needs somebody. One that failed again does not: a newer one tells of it.
pub(in crate::ops) const fn is_open(state: EntryState) -> bool {
    matches!(state, EntryState::Open | EntryState::Replaying | EntryState::Parked)
}

/// The services whose turn it can be, with the topic that they wait for: what to look up before asking.
pub(in crate::ops) fn turns(rows: &Rows) -> Vec<(&'static str, &str)> {
    let of = |state, services: &[&'static str]| {
        let event = rows.event_of(state);
        let pairs = services.iter().filter_map(|service| Some((*service, event?)));
        pairs.collect::<Vec<_>>()
    };
    match rows.state() {
        Some(OrderState::Pending) => of(OrderState::Pending, &["payment"]),
        Some(OrderState::Paid) => of(OrderState::Paid, &["inventory"]),
        Some(OrderState::Cancelled) => of(OrderState::Cancelled, &["payment", "inventory"]),
        Some(OrderState::Fulfilled) | None => vec![],
    }
}

/// What the order waits for; nothing: it has come to its end.
pub(in crate::ops) fn waiting(facts: &Facts<'_>) -> Vec<Waiting> {
    let Facts { rows, letters, .. } = facts;
    let turns = structural(facts);
    let of = |service: &str| {
        let has_turn =
            |turn: &Turn<'_>| matches!(turn, Turn::Of { service: s, .. } if *s == service);
        turns.iter().any(has_turn)
    };
    // One that was given up for good matters as long as its service has something to do.
    let matters = |letter: &&DeadLetter| {
        is_open(letter.state) || letter.state == EntryState::Discarded && of(&letter.service)
    };
    let in_the_way: Vec<&DeadLetter> = letters.iter().filter(matters).collect();
    let mut all: Vec<Waiting> = in_the_way.iter().map(|letter| of_letter(letter)).collect();
    all.extend(rows.unsent.iter().map(of_unsent));
    for turn in turns {
        match turn {
            Turn::Done(wait) => all.push(*wait),
            Turn::Of { service, topic, event } => {
                // What is not published, or was given up, nobody can handle.
                let given_up = in_the_way.iter().any(|letter| letter.service == service);
                if rows.unsent.is_empty() && !given_up {
                    all.push(of_reader(facts, service, topic, event));
                }
            }
        }
    }
    all
}

fn of_unsent(unsent: &Unsent) -> Waiting {
    let Unsent { event_id, event_type, created_at, .. } = unsent;
    let what = format!("{event_type} is written and not published yet, since {created_at}");
    let mut wait = Waiting::on(WaitReason::Outbox, what);
    wait.event_id = Some(event_id.clone());
    wait.topic = Some(event_type.clone());
    wait
}

/// A link of the chain that is open.
enum Turn<'a> {
    /// It is this service's turn to handle an event of this topic.
    Of { service: &'static str, topic: Topic, event: Option<&'a str> },
    /// It waits for something else.
    Done(Box<Waiting>),
}

/// The open links, told from where the rows stand.
fn structural<'a>(facts: &Facts<'a>) -> Vec<Turn<'a>> {
    let rows = facts.rows;
    let handled = |service: &str, event: Option<&str>| {
        event.is_some_and(|event| facts.handled.contains(&(service.to_owned(), event.to_owned())))
    };
    let turn = |service, topic, event| vec![Turn::Of { service, topic, event }];
    match rows.state() {
        None if rows.checkout.is_some() => turn("order", Topic::CartCheckoutInitiated, None),
        None => vec![],
        Some(OrderState::Pending) => {
            let event = rows.event_of(OrderState::Pending);
            match &rows.payment {
                None if !handled("payment", event) => turn("payment", Topic::OrderCreated, event),
                None => vec![],
                Some(payment) => match payment.state.as_str() {
                    "PENDING" => vec![Turn::Done(Box::new(of_provider(payment, "charge")))],
                    "FAILED" => turn("order", Topic::PaymentFailed, None),
                    _ => turn("order", Topic::PaymentProcessed, None),
                },
            }
        }
        Some(OrderState::Paid) => {
            let event = rows.event_of(OrderState::Paid);
            let stock = rows.stock.as_ref().map(|stock| stock.state.as_str());
            match stock {
                Some("RESERVED") => turn("order", Topic::InventoryReserved, None),
                Some("FAILED") => turn("order", Topic::InventoryReservationFailed, None),
                _ => turn("inventory", Topic::OrderConfirmed, event),
            }
        }
        Some(OrderState::Fulfilled) => told(facts),
        Some(OrderState::Cancelled) => {
            let event = rows.event_of(OrderState::Cancelled);
            let mut turns = vec![];
            match rows.payment.as_ref().map(|payment| (payment, payment.state.as_str())) {
                None | Some((_, "SUCCEEDED")) => {
                    turns.extend(turn("payment", Topic::OrderCancelled, event));
                }
                Some((payment, "PENDING")) => {
                    turns.push(Turn::Done(Box::new(of_provider(payment, "charge"))));
                }
                Some((payment, "REFUND_DUE")) => {
                    turns.push(Turn::Done(Box::new(of_provider(payment, "refund"))));
                }
                Some((payment, "REFUND_FAILED")) => {
                    turns.push(Turn::Done(Box::new(refused(payment))));
                }
                Some(_) => {}
            }
            let stock = rows.stock.as_ref().map(|stock| stock.state.as_str());
            if matches!(stock, None | Some("HELD" | "RESERVED")) {
                turns.extend(turn("inventory", Topic::OrderCancelled, event));
            }
            turns.extend(told(facts));
            turns
        }
    }
}

/// Whether the shopper was told.
fn told<'a>(facts: &Facts<'_>) -> Vec<Turn<'a>> {
    let rows = facts.rows;
    if !facts.tables {
        return vec![];
    }
    if rows.messages.is_empty() {
        let (service, topic) = ("notification", Topic::NotificationSend);
        return vec![Turn::Of { service, topic, event: None }];
    }
    let open = rows.messages.iter().filter(|message| message.state != "SENT");
    open.map(|message| Turn::Done(Box::new(of_message(message)))).collect()
}

fn of_letter(letter: &DeadLetter) -> Waiting {
    let DeadLetter { id, state, service, original_topic, error_reason, .. } = letter;
    let hint = match state {
        EntryState::Discarded => "; `ecom dlq restore` takes that back",
        EntryState::Replaying => "; it was sent back, and nothing was heard of it yet",
        _ => "",
    };
    let what = format!(
        "dead letter {id} ({state}): {service} gave up {original_topic}: {error_reason}{hint}"
    );
    let mut wait = Waiting::on(WaitReason::DeadLetter, what);
    wait.service = Some(letter.service.clone());
    wait.event_id = Some(letter.event_id.clone());
    wait.topic = Some(letter.original_topic.clone());
    wait.dead_letter = Some(letter.id.clone());
    wait.resumable = matches!(letter.state, EntryState::Open | EntryState::Parked);
    wait
}

fn of_provider(payment: &PaymentView, what: &str) -> Waiting {
    let PaymentView { attempts, next_attempt_at, .. } = payment;
    let text = match (attempts, next_attempt_at) {
        (0, _) => format!("the payment provider is asked for the {what}"),
        (n, Some(at)) => format!(
            "the payment provider gave no clear answer about the {what} in {n} attempts; it is asked again at {at}"
        ),
        (n, None) => {
            format!("the payment provider gave no clear answer about the {what} in {n} attempts")
        }
    };
    let mut wait = Waiting::on(WaitReason::Provider, text);
    wait.service = Some("payment".into());
    wait.next_at = *next_attempt_at;
    wait
}

fn refused(payment: &PaymentView) -> Waiting {
    let why = payment.reason.as_deref().unwrap_or("no reason given");
    let what = format!("the payment provider refused the refund for good: {why}");
    let mut wait = Waiting::on(WaitReason::RefundRefused, what);
    wait.service = Some("payment".into());
    wait.resumable = true;
    wait
}

fn of_message(message: &MessageView) -> Waiting {
    let MessageView { channel, attempts, reason, next_attempt_at, .. } = message;
    let why = reason.as_deref().unwrap_or("no reason given");
    let mut wait = if message.state == "FAILED" {
        Waiting::on(WaitReason::MailRefused, format!("the {channel} was refused for good: {why}"))
    } else {
        let what = format!("the {channel} is not handed over yet, after {attempts} attempts");
        Waiting::on(WaitReason::Mail, what)
    };
    wait.service = Some("notification".into());
    wait.next_at = *next_attempt_at;
    wait
}

fn of_reader(
    facts: &Facts<'_>,
    service: &'static str,
    topic: Topic,
    event: Option<&str>,
) -> Waiting {
    let key = match topic {
        Topic::CartCheckoutInitiated => facts.rows.user().unwrap_or_default(),
        _ => facts.order.as_str(),
    };
    let (mut reason, mut what) = facts.readers.why(service, topic, key);
    if reason == WaitReason::Skipped && !facts.tables {
        reason = WaitReason::Unclear;
        what = format!("{service} has read {topic}; what came of it the tables know (--postgres)");
    }
    let mut wait = Waiting::on(reason, what);
    wait.service = Some(service.into());
    wait.topic = Some(topic.as_str().into());
    wait.event_id = event.map(str::to_owned);
    wait.resumable = reason == WaitReason::Skipped;
    wait
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
