//! A unit of work: everything one decision writes, its events included, committed whole.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::ServiceName;
use super::desk::OrderChange;
use crate::domain::{EventId, OrderId, Timestamp};
use crate::events::{Event, Header, SCHEMA_VERSION};
use crate::ports::Dice;
use crate::ports::store::{Batch, Value};
use crate::values;

const INSERT_OUTBOX: &str = "insert into outbox_events
 (id, service, event_type, record_key, order_id, event_data, created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Writes and what follows them.
pub struct UnitOfWork {
    /// The time of the decision; all of its rows and events carry it.
    pub now: Timestamp,
    /// Who performs the effects that it asks for.
    pub owner: Arc<str>,
    pub(super) batch: Batch,
    pub(super) emitted: usize,
    pub(super) changed_orders: Vec<OrderChange>,
    pub(super) afterwards: Vec<BoxFuture<'static, ()>>,
    service: ServiceName,
    dice: Dice,
}

impl UnitOfWork {
    pub(super) fn new(service: ServiceName, now: Timestamp, owner: Arc<str>, dice: Dice) -> Self {
        Self {
            now,
            owner,
            batch: Batch::default(),
            emitted: 0,
            changed_orders: vec![],
            afterwards: vec![],
            service,
            dice,
        }
    }

    /// A statement that must change exactly one row.
    pub fn one(&mut self, sql: &'static str, row: Vec<Value>) {
        self.batch.one(sql, row);
    }

    /// A statement that may change any number of rows.
    pub fn any(&mut self, sql: &'static str, row: Vec<Value>) {
        self.batch.any(sql, row);
    }

    /// Puts an event into the outbox; `cause` is the event that led to it. Returns its id.
    pub fn emit(&mut self, cause: Option<EventId>, event: &Event) -> EventId {
        let event_id = self.dice.event_id(self.now);
        let correlation_id = match event.order_id() {
            Some(order) => order.to_string(),
            None => event.key(),
        };
        let header = Header {
            event_id,
            event_type: event.topic(),
            timestamp: self.now,
            correlation_id,
            causation_id: cause,
            schema_version: SCHEMA_VERSION,
        };
        let json = event.encode(&header);
        let (service, topic) = (self.service.as_str(), event.topic().as_str());
        let order = event.order_id();
        self.batch.one(
            INSERT_OUTBOX,
            values![event_id, service, topic, event.key(), order, json, self.now],
        );
        self.emitted += 1;
        event_id
    }

    /// This order's status changes with this unit.
    pub fn order_changed(&mut self, order_id: OrderId, status: &'static str) {
        self.changed_orders.push(OrderChange { order_id, status });
    }

    /// Something to be done once the unit is committed. It may get lost in a crash: only for what
    /// heals by itself.
    pub fn afterwards(&mut self, follow_up: BoxFuture<'static, ()>) {
        self.afterwards.push(follow_up);
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
}

/// For the deliberate bug of publishing from the handler.
impl UnitOfWork {
    /// Takes the events back out of the unit, as records.
    pub fn take_outbox(&mut self) -> Vec<crate::ports::NewRecord> {
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            _ => String::new(),
        };
        let at = self.batch.writes.iter().position(|w| w.sql == INSERT_OUTBOX);
        let rows = at.map(|at| self.batch.writes.remove(at).rows).unwrap_or_default();
        let record = |row: &Vec<Value>| crate::ports::NewRecord {
            topic: text(&row[2]),
            partition: None,
            key: Some(text(&row[3]).into()),
            headers: vec![],
            value: Some(text(&row[5]).into()),
        };
        rows.iter().map(record).collect()
    }
}
