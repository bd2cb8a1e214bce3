//! Steps, made of what was gathered: who led to what. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::building::{Gathered, Said};
use super::tree::laid_out;
use super::{Step, StepKind, StepSource};
use crate::domain::{Money, Timestamp};
use crate::events::Topic;
use crate::ops::orders::OrderState;
use crate::ops::orders::groups::group_of;
use crate::ports::bus::Record;

/// All steps, in the order of time; of the same millisecond, causes first.
pub(in crate::ops) fn of(gathered: &Gathered) -> Vec<Step> {
    let mut steps = Steps::of(gathered);
    steps.checkout();
    steps.records();
    steps.states();
    steps.handled();
    steps.rows();
    steps.unsent();
    steps.outside();
    gathered.letters.iter().for_each(|letter| steps.letter(letter));
    let mut all = steps.all;
    // Who checks out has filled the cart before, be it in the same millisecond.
    all.sort_by_key(|step| (step.at, step.kind == StepKind::Checkout));
    let mut laid: Vec<Step> = laid_out(&all).into_iter().map(|(_, step)| step.clone()).collect();
    laid.sort_by_key(|step| step.at);
    laid
}

/// A copy of an event in the log.
pub(super) struct Arrival<'a> {
    step: String,
    at: Timestamp,
    /// The group that it is for; none: everybody's.
    group: Option<&'a str>,
}

/// Steps in the making.
pub(super) struct Steps<'a> {
    pub(super) from: &'a Gathered,
    pub(super) all: Vec<Step>,
    /// What each record says.
    said: Vec<(&'a Arc<Record>, Said)>,
    /// Which event led to an event.
    pub(super) causes: BTreeMap<String, String>,
    pub(super) copies: BTreeMap<String, Vec<Arrival<'a>>>,
    /// Steps of records, by where these stand.
    pub(super) places: BTreeMap<String, String>,
}

/// Who writes the events of a topic.
fn writer(topic: &str) -> &str {
    match topic {
        "notification.send" => "order",
        topic => topic.split('.').next().unwrap_or_default(),
    }
}

fn handling(event: &str, service: &str) -> String {
    format!("{event}@{service}")
}

fn money(minor: i64) -> Money {
    Money::from_minor(minor)
}

impl<'a> Steps<'a> {
    fn of(from: &'a Gathered) -> Self {
        let said: Vec<_> = from.records.iter().map(|record| (record, Said::by(record))).collect();
        let cause = |(_, said): &(&Arc<Record>, Said)| {
            Some((said.event_id.clone()?, said.causation_id.clone()?))
        };
        let causes = said.iter().filter_map(cause).collect();
        let (copies, places) = (BTreeMap::new(), BTreeMap::new());
        Self { from, all: vec![], said, causes, copies, places }
    }

    pub(super) fn add(
        &mut self,
        id: impl Into<String>,
        kind: StepKind,
        at: Timestamp,
        what: String,
    ) -> &mut Step {
        let source = match kind {
            StepKind::Event | StepKind::Repeat | StepKind::Replay | StepKind::Edit => {
                StepSource::Log
            }
            StepKind::DeadLetter => StepSource::Letters,
            StepKind::Charge | StepKind::Refund => StepSource::Provider,
            StepKind::Mail => StepSource::Mailbox,
            _ => StepSource::Tables,
        };
        self.all.push(Step {
            id: id.into(),
            cause: None,
            kind,
            at,
            source,
            what,
            service: None,
            event_id: None,
            event_type: None,
            record: None,
            state: None,
            error: None,
            details: BTreeMap::new(),
        });
        self.all.last_mut().expect("it was just added")
    }

    /// Whether this service is known to have handled this event.
    fn has_handled(&self, event: &str, service: &str) -> bool {
        self.from.handled.contains_key(&(service.to_owned(), event.to_owned()))
    }

    /// The step in which `service` handled `event`; the event's own where that is not known.
    pub(super) fn handled_by(&self, event: &str, service: &str) -> String {
        if self.has_handled(event, service) { handling(event, service) } else { event.to_owned() }
    }

    /// The step in which `service` handled the first event of `topic`.
    pub(super) fn turn(&self, topic: Topic, service: &str) -> Option<String> {
        let of = |(record, said): &&(&Arc<Record>, Said)| {
            *record.at.topic == *topic.as_str() && said.event_id.is_some()
        };
        let event = self.said.iter().find(of)?.1.event_id.as_deref()?;
        Some(self.handled_by(event, service))
    }

    /// The step of the state that the order took when this event was written by the order service.
    pub(super) fn state_of(&self, event: &str, said: &Said) -> Option<String> {
        let mut history = self.from.rows.history.iter();
        let told = history.position(|step| {
            let same = || {
                let cause = self.causes.get(&step.event_id);
                match (&said.causation_id, cause) {
                    (Some(mine), Some(cause)) => mine == cause,
                    _ => said.timestamp == Some(step.at),
                }
            };
            step.event_id == event || same()
        });
        told.map(|n| format!("state/{n}"))
    }

    fn checkout(&mut self) {
        for (n, note) in self.from.rows.notes.iter().enumerate() {
            let why =
                if note.detail.is_empty() { String::new() } else { format!(": {}", note.detail) };
            let what = format!("{} by {}{why}", note.action, note.actor);
            self.add(format!("note/{n}"), StepKind::Action, note.at, what);
        }
        let Some(row) = &self.from.rows.checkout else { return };
        let items = row.items.iter().map(|line| format!("{} × {}", line.quantity, line.product_id));
        let items: Vec<String> = items.collect();
        let (items, total) = (items.join(", "), money(row.total_minor));
        let what = format!("{} checked out {items} over {total}", row.user_id);
        let step = self.add("checkout", StepKind::Checkout, row.created_at, what);
        step.service = Some("cart".into());
        step.details.insert("cart_id".into(), row.cart_id.clone());
    }

    fn records(&mut self) {
        for (record, said) in self.said.clone() {
            let (topic, place) = (record.at.topic.to_string(), record.at.to_string());
            let replayed = record.header("ecom-replay-of").map(str::to_owned);
            let edited = record.header("ecom-edit-of").map(str::to_owned);
            let known = said.event_id.as_ref().is_some_and(|id| self.copies.contains_key(id));
            let (kind, what) = match (&said.event_id, &replayed, &edited) {
                (None, ..) => (StepKind::Event, format!("{topic}: a record that is no event")),
                (_, Some(letter), _) => {
                    (StepKind::Replay, format!("{topic} sent back from {letter}"))
                }
                (_, _, Some(letter)) => {
                    (StepKind::Edit, format!("{topic} repaired, from {letter}"))
                }
                _ if known => (StepKind::Repeat, format!("{topic} once more")),
                _ => (StepKind::Event, topic.clone()),
            };
            let id = match &said.event_id {
                Some(id) if !known && kind != StepKind::Replay => id.clone(),
                _ => place.clone(),
            };
            let first =
                said.event_id.as_ref().and_then(|id| Some(self.copies.get(id)?[0].step.clone()));
            let cause = match kind {
                StepKind::Replay => replayed.clone(),
                StepKind::Edit => edited.clone(),
                StepKind::Repeat => first,
                _ => self.cause_of(record, &said),
            };
            if let Some(event) = &said.event_id {
                let group = record.header("ecom-replay-group");
                let copy = Arrival { step: id.clone(), at: record.timestamp, group };
                self.copies.entry(event.clone()).or_default().push(copy);
            }
            self.places.insert(place.clone(), id.clone());
            let details = ["ecom-replay-job", "ecom-replay-count", "ecom-replay-group"];
            let details = details.into_iter().filter_map(|name| {
                Some((
                    name.strip_prefix("ecom-")?.replace('-', "_"),
                    record.header(name)?.to_owned(),
                ))
            });
            let details: BTreeMap<String, String> = details.collect();
            let step = self.add(id, kind, record.timestamp, what);
            step.cause = cause;
            step.service = Some(writer(&topic).to_owned());
            step.error = said.event_id.is_none().then(|| "not readable".to_owned());
            step.event_id.clone_from(&said.event_id);
            step.event_type = Some(topic);
            step.record = Some(place);
            step.details = details;
            for (name, value) in [("product_id", said.product_id), ("reason", said.reason)] {
                step.details.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
    }

    /// What led to an event that was published for the first time.
    fn cause_of(&self, record: &Record, said: &Said) -> Option<String> {
        let (event, topic) = (said.event_id.as_deref()?, Topic::parse(&record.at.topic)?);
        let by = writer(topic.as_str());
        let charged = || {
            let charge = self.from.outside.charges.first()?;
            Some(format!("charge/{}", charge.charge_key))
        };
        let refunded = || {
            let refund = self.from.outside.refunds.first()?;
            Some(format!("refund/{}", refund.refund_key))
        };
        let known = match topic {
            Topic::CartCheckoutInitiated => {
                self.from.rows.checkout.as_ref().map(|_| "checkout".to_owned())
            }
            Topic::PaymentProcessed | Topic::PaymentFailed => charged(),
            Topic::PaymentRefunded => refunded(),
            _ if by == "order" => self.state_of(event, said),
            _ => None,
        };
        known.or_else(|| said.causation_id.as_ref().map(|cause| self.handled_by(cause, by)))
    }

    fn states(&mut self) {
        for (n, row) in self.from.rows.history.iter().enumerate() {
            let cause = self.causes.get(&row.event_id);
            let cause = cause.map(|cause| self.handled_by(cause, "order"));
            let by_hand = || {
                let same = |note: &crate::ops::orders::NoteView| note.at == row.at;
                self.from.rows.notes.iter().position(same).map(|n| format!("note/{n}"))
            };
            let cause = cause.or_else(by_hand);
            let why = row.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let what = format!("order is {}{why}", row.state);
            let step = self.add(format!("state/{n}"), StepKind::State, row.at, what);
            step.cause = cause;
            step.service = Some("order".into());
            step.state = Some(row.state.to_string());
            step.event_id = Some(row.event_id.clone());
        }
    }

    fn handled(&mut self) {
        for ((service, event), at) in &self.from.handled {
            let group = group_of(service);
            let copies = self.copies.get(event).map(Vec::as_slice).unwrap_or_default();
            // A replay is for one group; whoever else handled the event had it before.
            let theirs =
                |copy: &&Arrival<'_>| copy.group.is_some_and(|of| of == group) && copy.at <= *at;
            let copy = copies.iter().rev().find(theirs).or_else(|| copies.first());
            let cause = copy.map_or_else(|| event.clone(), |copy| copy.step.clone());
            let step = self.add(
                handling(event, service),
                StepKind::Handled,
                *at,
                format!("{service} handled it"),
            );
            step.cause = Some(cause);
            step.service = Some(service.clone());
            step.event_id = Some(event.clone());
        }
    }
}

/// Events that the tables name and that are neither in the log nor waiting to be published.
pub(in crate::ops) fn missing(gathered: &Gathered) -> Vec<String> {
    let said = gathered.records.iter().filter_map(|record| Said::by(record).event_id);
    let unsent = gathered.rows.unsent.iter().map(|row| row.event_id.clone());
    let there: BTreeSet<String> = said.chain(unsent).collect();
    let mut gone: Vec<String> = vec![];
    for event in gathered.rows.events().filter(|event| !there.contains(*event)) {
        if !gone.iter().any(|known| known == event) {
            gone.push(event.to_owned());
        }
    }
    gone
}

/// How the order ended, in words, where it has.
pub(in crate::ops) const fn is_final(state: Option<OrderState>) -> bool {
    matches!(state, Some(OrderState::Fulfilled | OrderState::Cancelled))
}
