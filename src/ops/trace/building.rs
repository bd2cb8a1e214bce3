//! What is gathered about one order, and what its events alone tell where there are no tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::app::office::SeenOutside;
use crate::domain::{OrderId, Timestamp};
use crate::events::Topic;
use crate::ops::dlq::{AuditView, DeadLetter};
use crate::ops::orders::rows::{OrderRow, Rows};
use crate::ops::orders::{OrderState, PaymentView, StateView, StockView};
use crate::ports::bus::Record;

/// All that was found about one order.
#[derive(Debug)]
pub(in crate::ops) struct Gathered {
    pub(in crate::ops) order: OrderId,
    pub(in crate::ops) rows: Rows,
    /// In the order of time.
    pub(in crate::ops) records: Vec<Arc<Record>>,
    /// When which service handled which event.
    pub(in crate::ops) handled: BTreeMap<(String, String), Timestamp>,
    pub(in crate::ops) letters: Vec<LetterSeen>,
    pub(in crate::ops) outside: SeenOutside,
}

/// A dead letter about the order.
#[derive(Debug)]
pub(in crate::ops) struct LetterSeen {
    pub(in crate::ops) view: DeadLetter,
    /// Its record, if it is still there.
    pub(in crate::ops) record: Option<Arc<Record>>,
    pub(in crate::ops) audit: Vec<AuditView>,
}

/// What a record says of itself, as far as it can be read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::ops) struct Said {
    pub(in crate::ops) event_id: Option<String>,
    pub(in crate::ops) timestamp: Option<Timestamp>,
    pub(in crate::ops) causation_id: Option<String>,
    pub(in crate::ops) correlation_id: Option<String>,
    pub(in crate::ops) order_id: Option<String>,
    pub(in crate::ops) cart_id: Option<String>,
    pub(in crate::ops) user_id: Option<String>,
    pub(in crate::ops) product_id: Option<String>,
    pub(in crate::ops) reason: Option<String>,
    outcome: Option<String>,
}

impl Said {
    /// What `record` says; nothing if it is no event.
    pub(in crate::ops) fn by(record: &Record) -> Self {
        record.value.as_deref().map(Self::in_bytes).unwrap_or_default()
    }

    pub(in crate::ops) fn in_bytes(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap_or_default()
    }

    /// The order that it is about.
    pub(in crate::ops) fn order(&self) -> Option<OrderId> {
        let own = [&self.order_id, &self.correlation_id].into_iter().flatten();
        own.into_iter().find_map(|text| text.parse().ok())
    }
}

/// The rows that there must be, told from the events alone: states without what only tables know.
pub(in crate::ops) fn rows_told(records: &[Arc<Record>]) -> Rows {
    let mut rows = Rows::default();
    for record in records {
        let (Some(topic), said) = (Topic::parse(&record.at.topic), Said::by(record)) else {
            continue;
        };
        let (Some(event_id), Some(at)) = (said.event_id, said.timestamp) else { continue };
        let user_id = said.user_id.unwrap_or_default();
        let mut step = |state: OrderState| {
            if rows.history.iter().any(|known| known.state == state) {
                return;
            }
            let reason = said.reason.clone().filter(|_| state == OrderState::Cancelled);
            rows.history.push(StateView {
                state,
                reason: reason.clone(),
                event_id: event_id.clone(),
                at,
            });
            let created_at = rows.order.as_ref().map_or(at, |order| order.created_at);
            rows.order = Some(OrderRow {
                user_id: user_id.clone(),
                state,
                items: vec![],
                total_minor: 0,
                reason,
                decline: None,
                deadline: None,
                created_at,
                updated_at: at,
            });
        };
        match topic {
            Topic::OrderCreated => step(OrderState::Pending),
            Topic::OrderConfirmed => step(OrderState::Paid),
            Topic::OrderCancelled => step(OrderState::Cancelled),
            Topic::NotificationSend if said.outcome.as_deref() == Some("FULFILLED") => {
                step(OrderState::Fulfilled);
            }
            Topic::PaymentProcessed => rows.payment = Some(payment("SUCCEEDED", at)),
            Topic::PaymentFailed => rows.payment = Some(payment("FAILED", at)),
            Topic::PaymentRefunded => rows.payment = Some(payment("REFUNDED", at)),
            Topic::InventoryReserved => rows.stock = Some(stock("RESERVED", at)),
            Topic::InventoryReservationFailed => rows.stock = Some(stock("FAILED", at)),
            Topic::InventoryReleased => rows.stock = Some(stock("RELEASED", at)),
            _ => {}
        }
    }
    rows
}

fn payment(state: &str, at: Timestamp) -> PaymentView {
    PaymentView {
        payment_id: String::new(),
        state: state.into(),
        amount_minor: 0,
        reason: None,
        attempts: 0,
        next_attempt_at: None,
        created_at: at,
        updated_at: at,
    }
}

fn stock(state: &str, at: Timestamp) -> StockView {
    StockView { state: state.into(), expires_at: at, created_at: at, updated_at: at }
}
