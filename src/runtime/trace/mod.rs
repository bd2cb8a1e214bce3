//! One trace per order, across processes. Trace and span ids are made of ids that all processes know:
//!
//! ```text
//! trace     the order's id
//! POST /cart/{user_id}/checkout            half of the order's id
//! └─ publish cart.checkout_initiated       half of the event's id, as its `traceparent` says
//!    └─ process cart.checkout_initiated    the same, turned by the service that handles it
//!       └─ publish order.created           …
//! ```
//!
//! So whoever publishes an event, later and elsewhere, knows the span that led to it without being
//! told. Where nobody collects spans, nothing is done here.

mod ids;
mod outside;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::{EventId, OrderId};
use crate::events::Topic;
use crate::ports::Clock;
use crate::ports::bus::{Position, Record};
pub use crate::ports::spans::TRACEPARENT;
use crate::ports::spans::{Said, Span, SpanContext, SpanCounts, SpanId, SpanKind, Spans};
use crate::runtime::worker::deadletter::Cause;
use crate::services::{Failure, Incoming, ServiceName};
pub use ids::event_context;
use ids::{handling, root, trace_of};
pub use outside::Traced;

/// The order that a span is about.
pub const ORDER: &str = "ecom.order_id";

/// Tells of an order's way as spans. Cheap to clone; off unless it was given a collector.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    spans: Arc<dyn Spans>,
    clock: Arc<dyn Clock>,
    /// What carries the events.
    system: &'static str,
}

/// An event as it leaves the outbox.
pub struct Outgoing<'a> {
    /// Its id.
    pub event_id: &'a str,
    /// The service that it is of.
    pub service: &'a str,
    /// Its key.
    pub key: &'a str,
    /// The order that it is about.
    pub order: Option<&'a str>,
    /// Itself, as JSON.
    pub json: &'a str,
    /// Where it is now.
    pub at: &'a Position,
}

/// How the handling of events went.
#[derive(Clone, Copy)]
pub enum Handled<'a> {
    /// They took effect.
    Now,
    /// They had taken effect before.
    Before,
    /// They did not take effect, and why.
    Not(&'a Failure),
}

/// The place of a request in a trace.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its own span.
    pub context: SpanContext,
    /// The one that led to it; none if the trace begins here.
    pub parent: Option<SpanId>,
}

/// A dead letter.
pub struct Letter<'a> {
    /// Why the record was given up.
    pub cause: &'a Cause,
    /// Where the letter is.
    pub at: Option<&'a Position>,
}

impl Tracer {
    /// Tells `spans` of what is done by `clock`, with events on `system`.
    pub fn new(spans: Arc<dyn Spans>, clock: Arc<dyn Clock>, system: &'static str) -> Self {
        Self(Some(Arc::new(Inner { spans, clock, system })))
    }

    /// Whether anybody listens.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// When something begins that may be told of; none if nobody listens.
    pub fn begin(&self) -> Option<Duration> {
        self.0.as_ref().map(|inner| inner.clock.elapsed())
    }

    /// What became of the spans, if there are any.
    pub fn counts(&self) -> Option<Arc<SpanCounts>> {
        self.0.as_ref().map(|inner| inner.spans.counts())
    }

    /// An event was published.
    pub fn published(&self, began: Duration, event: &Outgoing<'_>) {
        let (Some(inner), Some(order)) = (&self.0, event.order) else { return };
        let context = event_context(order, event.event_id);
        if !inner.spans.wants(context.trace) {
            return;
        }
        let cause = causation(event.json);
        let parent = match cause {
            Some(cause) => handling(cause, event.service),
            None => root(context.trace),
        };
        let mut span = inner.of_record("publish", SpanKind::Producer, context, began, event.at);
        span.parent = Some(parent);
        span.attributes.extend([
            ("messaging.operation.type", "send".into()),
            ("messaging.message.id", event.event_id.to_owned().into()),
            ("messaging.kafka.message.key", event.key.to_owned().into()),
            ("ecom.service", event.service.to_owned().into()),
            (ORDER, order.to_owned().into()),
        ]);
        inner.spans.add(span);
    }

    /// A service handled `events`, the `attempt`-th time.
    pub fn handled<'a>(
        &self,
        began: Option<Duration>,
        service: ServiceName,
        attempt: u64,
        how: Handled<'_>,
        events: impl IntoIterator<Item = &'a Incoming>,
    ) {
        let (Some(inner), Some(began)) = (&self.0, began) else { return };
        for incoming in events {
            let Some(order) = incoming.event.order_id() else { continue };
            let id = match how {
                Handled::Now => Some(handling(incoming.header.event_id, service.as_str())),
                // Whatever comes of the event comes of the one time that it took effect.
                Handled::Before | Handled::Not(_) => None,
            };
            let span = inner.processing(began, service.as_str(), order, &incoming.record, id);
            let Some(mut span) = span else { continue };
            let (outcome, error) = match how {
                Handled::Now => ("processed", None),
                Handled::Before => ("duplicate", None),
                Handled::Not(why) => ("failed", Some(why.to_string())),
            };
            span.error = error;
            span.attributes.extend([
                ("messaging.message.id", incoming.header.event_id.to_string().into()),
                ("ecom.attempts", attempt.into()),
                ("ecom.outcome", outcome.into()),
            ]);
            inner.spans.add(span);
        }
    }

    /// A record was given up: a letter about it was published.
    pub fn given_up(&self, began: Option<Duration>, record: &Record, letter: &Letter<'_>) {
        let (Some(inner), Some(began)) = (&self.0, began) else { return };
        let Some(order) = order_of(record) else { return };
        let Letter { cause, at } = letter;
        let Some(mut span) = inner.processing(began, cause.service, &order, record, None) else {
            return;
        };
        span.name = format!("give up {}", record.at.topic).into();
        span.error = Some(format!("{}: {}", cause.code, cause.text));
        span.attributes.extend([
            ("error.type", cause.code.clone().into()),
            ("ecom.attempts", u64::from(cause.retries + 1).into()),
            ("ecom.outcome", "dead_letter".into()),
        ]);
        if let Some(at) = at {
            span.attributes.push(("ecom.dead_letter_id", at.to_string().into()));
        }
        inner.spans.add(span);
    }

    /// Runs `work`, which an event that `service` handled led to.
    pub async fn because<T>(
        &self,
        service: ServiceName,
        origin: impl FnOnce() -> Option<(OrderId, Option<EventId>)>,
        work: impl Future<Output = T>,
    ) -> T {
        let wanted = |inner: &Arc<Inner>| {
            let (order, cause) = origin()?;
            let trace = trace_of(order.as_str());
            let span = cause.map_or(root(trace), |cause| handling(cause, service.as_str()));
            inner.spans.wants(trace).then_some(SpanContext { trace, span })
        };
        match self.0.as_ref().and_then(wanted) {
            Some(context) => context.around(work).await,
            None => work.await,
        }
    }

    /// Runs `work`, which asks somebody outside, and tells of it what `outcome` says; only where it
    /// is done for an order.
    pub async fn asking<T, E: std::fmt::Display>(
        &self,
        (name, peer): (&'static str, &'static str),
        work: impl Future<Output = Result<T, E>>,
        outcome: impl FnOnce(&T) -> Said,
    ) -> Result<T, E> {
        let (Some(inner), Some(parent)) = (&self.0, SpanContext::current()) else {
            return work.await;
        };
        let began = inner.clock.elapsed();
        let context = SpanContext { trace: parent.trace, span: inner.spans.new_id() };
        let done = context.around(work).await;
        let mut span = inner.span(name, SpanKind::Client, context, began);
        span.parent = Some(parent.span);
        span.attributes.push(("peer.service", peer.into()));
        match &done {
            Ok(done) => span.attributes.push(("ecom.outcome", outcome(done))),
            Err(error) => span.error = Some(error.to_string()),
        }
        inner.spans.add(span);
        done
    }

    /// A request at `place` was answered; `tell` says more about it.
    pub fn answered(
        &self,
        began: Duration,
        place: Place,
        name: String,
        tell: impl FnOnce(&mut Span),
    ) {
        let Some(inner) = &self.0 else { return };
        let mut span = inner.span(name, SpanKind::Server, place.context, began);
        span.parent = place.parent;
        tell(&mut span);
        inner.spans.add(span);
    }

    /// The place of a request about `order`: the beginning of its trace, if it placed the order.
    pub fn of_order(&self, order: &OrderId, placed: bool) -> Option<Place> {
        let inner = self.0.as_ref()?;
        let trace = trace_of(order.as_str());
        let root = root(trace);
        let (span, parent) = if placed { (root, None) } else { (inner.spans.new_id(), Some(root)) };
        let place = Place { context: SpanContext { trace, span }, parent };
        inner.spans.wants(trace).then_some(place)
    }

    /// The place of a request that is a part of what `caller` does.
    pub fn of_caller(&self, caller: SpanContext) -> Option<Place> {
        let inner = self.0.as_ref()?;
        let context = SpanContext { trace: caller.trace, span: inner.spans.new_id() };
        inner.spans.wants(caller.trace).then_some(Place { context, parent: Some(caller.span) })
    }
}

impl Inner {
    fn span(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        context: SpanContext,
        began: Duration,
    ) -> Span {
        Span {
            context,
            parent: None,
            link: None,
            kind,
            name: name.into(),
            began,
            ended: self.clock.elapsed(),
            attributes: vec![],
            error: None,
        }
    }

    /// A span of what is done with the record at a place.
    fn of_record(
        &self,
        operation: &'static str,
        kind: SpanKind,
        context: SpanContext,
        began: Duration,
        at: &Position,
    ) -> Span {
        let mut span = self.span(format!("{operation} {}", at.topic), kind, context, began);
        let topic = || Said::from(at.topic.to_string());
        span.attributes = vec![
            ("messaging.system", self.system.into()),
            ("messaging.operation.name", operation.into()),
            ("messaging.destination.name", topic()),
            ("messaging.destination.partition.id", at.partition.to_string().into()),
            ("messaging.kafka.offset", at.offset.into()),
            ("ecom.event_type", topic()),
        ];
        span
    }

    /// A span of a service that handles a record about `order`; none if nobody wants it.
    fn processing(
        &self,
        began: Duration,
        service: &str,
        order: &OrderId,
        record: &Record,
        id: Option<SpanId>,
    ) -> Option<Span> {
        let trace = trace_of(order.as_str());
        if !self.spans.wants(trace) {
            return None;
        }
        let context = SpanContext { trace, span: id.unwrap_or_else(|| self.spans.new_id()) };
        let published = record.header(TRACEPARENT).and_then(SpanContext::parse);
        let mut span = self.of_record("process", SpanKind::Consumer, context, began, &record.at);
        match published {
            Some(published) if published.trace == trace => span.parent = Some(published.span),
            // Published by somebody else.
            other => (span.parent, span.link) = (Some(root(trace)), other),
        }
        span.attributes.extend([
            ("messaging.operation.type", "process".into()),
            ("messaging.consumer.group.name", format!("{service}-service-group").into()),
            ("ecom.service", service.to_owned().into()),
            (ORDER, order.to_string().into()),
        ]);
        Some(span)
    }
}

fn causation(json: &str) -> Option<EventId> {
    #[derive(Deserialize)]
    struct Header {
        causation_id: Option<EventId>,
    }
    serde_json::from_str::<Header>(json).ok()?.causation_id
}

/// The order that a record is about, by its key: its value may be no event.
fn order_of(record: &Record) -> Option<OrderId> {
    let value = record.value.as_deref().unwrap_or_default();
    let event = Topic::parse(&record.at.topic)
        .and_then(|topic| crate::events::Event::decode(topic, value).ok());
    match event {
        Some((_, event)) => event.order_id().cloned(),
        None => std::str::from_utf8(record.key.as_deref()?).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn where_nobody_listens_nothing_is_looked_at() {
        let (off, name) = (Tracer::default(), ServiceName::Order);
        assert!(!off.is_on() && off.begin().is_none() && off.counts().is_none());
        let events =
            std::iter::from_fn(|| -> Option<&Incoming> { panic!("an event is looked at") });
        off.handled(off.begin(), name, 1, Handled::Now, events);
        let origin = || panic!("an effect is looked at");
        assert_eq!(off.because(name, origin, async { 1 }).now_or_never(), Some(1));
        let asked = async { (Ok::<_, String>(2), SpanContext::current()) };
        let asked = async { Ok::<_, String>(asked.await) };
        let outcome = |_: &_| panic!("an outcome is looked at");
        let asked = off.asking(("charge", "provider"), asked, outcome).now_or_never();
        assert_eq!(asked, Some(Ok((Ok(2), None))));
    }

    #[test]
    fn the_cause_of_an_event_is_read_from_its_json() {
        let cause = EventId(Uuid::from_u128(7));
        let json = format!(r#"{{"event_id":"x","causation_id":"{cause}","a":[1]}}"#);
        assert_eq!(causation(&json), Some(cause));
        assert_eq!(causation(r#"{"causation_id":null}"#), None);
        assert_eq!(causation("{}"), None);
    }
}
