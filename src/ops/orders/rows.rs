//! The rows of one order in all tables, of one snapshot.

use serde::Deserialize;

use super::{LineView, MessageView, NoteView, OrderState, PaymentView, StateView, StockView};
use crate::domain::{Line, OrderId, Timestamp};
use crate::ports::store::{Read, Row, Store, StoreError};
use crate::values;

const CHECKOUT: &str =
    "select cart_id, user_id, items, total_minor, created_at from checkouts where order_id = ?1";
const ORDER: &str = "select user_id, status, items, total_minor, cancel_reason, decline_reason,
   deadline, created_at, updated_at from orders where order_id = ?1";
const HISTORY: &str = "select status, reason, event_id, at from order_status_history
 where order_id = ?1 order by version";
const PAYMENT: &str = "select status, amount_minor, reason, attempts, next_attempt_at, created_at,
   updated_at, cause_event_id from payments where order_id = ?1";
const STOCK: &str =
    "select state, expires_at, created_at, updated_at from stock_holds where order_id = ?1";
const RESERVED: &str = "select product_id, quantity, reserved_event_id, created_at,
   released_event_id, released_at from stock_reservations where order_id = ?1 order by product_id";
// By its name, which is made of the order's: there is no index by order.
const MESSAGE: &str = "select message_id, channel, recipient, status, reason, attempts,
   next_attempt_at, created_at, updated_at from notifications where message_id = ?1";
const NOTES: &str =
    "select at, actor, action, detail from order_notes where order_id = ?1 order by seq";
// Those that wait are few, and have an index of their own.
const UNSENT: &str = "select id, event_type, service, created_at from outbox_events
 where published = 'N' and order_id = ?1 order by seq";

/// All that the shop's tables say of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ops) struct Rows {
    pub(in crate::ops) checkout: Option<Checkout>,
    pub(in crate::ops) order: Option<OrderRow>,
    pub(in crate::ops) history: Vec<StateView>,
    pub(in crate::ops) payment: Option<PaymentView>,
    pub(in crate::ops) stock: Option<StockView>,
    pub(in crate::ops) reserved: Vec<Reserved>,
    pub(in crate::ops) messages: Vec<MessageView>,
    pub(in crate::ops) notes: Vec<NoteView>,
    pub(in crate::ops) unsent: Vec<Unsent>,
}

/// A checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Checkout {
    pub(in crate::ops) cart_id: String,
    pub(in crate::ops) user_id: String,
    pub(in crate::ops) items: Vec<LineView>,
    pub(in crate::ops) total_minor: i64,
    pub(in crate::ops) created_at: Timestamp,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct OrderRow {
    pub(in crate::ops) user_id: String,
    pub(in crate::ops) state: OrderState,
    pub(in crate::ops) items: Vec<LineView>,
    pub(in crate::ops) total_minor: i64,
    pub(in crate::ops) reason: Option<String>,
    pub(in crate::ops) decline: Option<String>,
    pub(in crate::ops) deadline: Option<Timestamp>,
    pub(in crate::ops) created_at: Timestamp,
    pub(in crate::ops) updated_at: Timestamp,
}

/// Units that left the stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Reserved {
    pub(in crate::ops) product_id: String,
    pub(in crate::ops) quantity: i64,
    pub(in crate::ops) event_id: String,
    pub(in crate::ops) at: Timestamp,
    pub(in crate::ops) released: Option<(String, Timestamp)>,
}

/// An event that waits in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Unsent {
    pub(in crate::ops) event_id: String,
    pub(in crate::ops) event_type: String,
    pub(in crate::ops) service: String,
    pub(in crate::ops) created_at: Timestamp,
}

impl Rows {
    /// Those of `id`, as the store has them now.
    pub(in crate::ops) async fn of(store: &dyn Store, id: &OrderId) -> Result<Self, StoreError> {
        let names = ["fulfilled.email", "fulfilled.sms", "cancelled.email", "cancelled.sms"];
        let names = names.iter().map(|name| values![format!("{id}.{name}@ecom")]);
        let by_order = [CHECKOUT, ORDER, HISTORY, PAYMENT, STOCK, RESERVED, NOTES, UNSENT];
        let mut reads: Vec<Read> =
            by_order.into_iter().map(|sql| Read::new(sql, values![id])).collect();
        reads.push(Read::each(MESSAGE, names));
        let found = store.read(&reads).await?;
        let payment_id = id.as_str().replacen("ORD-", "PAY-", 1);
        Ok(Self {
            checkout: found[0].first().map(checkout).transpose()?,
            order: found[1].first().map(order).transpose()?,
            history: found[2].iter().map(step).collect::<Result<_, _>>()?,
            payment: found[3].first().map(|row| payment(row, payment_id)).transpose()?,
            stock: found[4].first().map(stock).transpose()?,
            reserved: found[5].iter().map(reserved).collect::<Result<_, _>>()?,
            notes: found[6].iter().map(note).collect::<Result<_, _>>()?,
            unsent: found[7].iter().map(unsent).collect::<Result<_, _>>()?,
            messages: found[8].iter().map(message).collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is nothing.
    pub(in crate::ops) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whose it is, as far as that is known.
    pub(in crate::ops) fn user(&self) -> Option<&str> {
        let order = self.order.as_ref().map(|order| order.user_id.as_str());
        order.or_else(|| self.checkout.as_ref().map(|checkout| checkout.user_id.as_str()))
    }

    /// Where it stands.
    pub(in crate::ops) fn state(&self) -> Option<OrderState> {
        self.order.as_ref().map(|order| order.state)
    }

    /// When the first of them came up.
    pub(in crate::ops) fn begun(&self) -> Option<Timestamp> {
        let all = [
            self.checkout.as_ref().map(|row| row.created_at),
            self.order.as_ref().map(|row| row.created_at),
            self.payment.as_ref().map(|row| row.created_at),
            self.stock.as_ref().map(|row| row.created_at),
        ];
        all.into_iter().flatten().min()
    }

    /// When the last of them changed.
    pub(in crate::ops) fn changed(&self) -> Option<Timestamp> {
        let all = [
            self.order.as_ref().map(|row| row.updated_at),
            self.payment.as_ref().map(|row| row.updated_at),
            self.stock.as_ref().map(|row| row.updated_at),
        ];
        let messages = self.messages.iter().map(|row| row.updated_at);
        let notes = self.notes.iter().map(|row| row.at);
        all.into_iter().flatten().chain(messages).chain(notes).max().or(self.begun())
    }

    /// The event that told of a state.
    pub(in crate::ops) fn event_of(&self, state: OrderState) -> Option<&str> {
        let step = self.history.iter().find(|step| step.state == state)?;
        Some(&step.event_id)
    }

    /// Events that there must have been.
    pub(in crate::ops) fn events(&self) -> impl Iterator<Item = &str> {
        let told = self.history.iter().map(|step| step.event_id.as_str());
        let moved = self.reserved.iter().flat_map(|row| {
            let released = row.released.as_ref().map(|(event, _)| event.as_str());
            [Some(row.event_id.as_str()), released].into_iter().flatten()
        });
        told.chain(moved)
    }
}

fn lines(row: &Row, at: usize) -> Result<Vec<LineView>, StoreError> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Lines(Vec<Line>);
    let lines: Lines = row.json(at)?;
    let view = |line: Line| LineView {
        product_id: line.product_id.to_string(),
        name: line.name,
        quantity: line.quantity.get().into(),
        price_minor: line.price.minor(),
    };
    Ok(lines.0.into_iter().map(view).collect())
}

pub(super) fn state(row: &Row, at: usize) -> Result<OrderState, StoreError> {
    OrderState::parse(row.text(at)?)
        .ok_or_else(|| StoreError::Broken(format!("order status {:?}", row.0[at])))
}

/// Units in a list of lines.
pub(super) fn units(row: &Row, at: usize) -> Result<u64, StoreError> {
    Ok(lines(row, at)?.iter().map(|line| line.quantity).sum())
}

fn opt(row: &Row, at: usize) -> Result<Option<String>, StoreError> {
    Ok(row.text_opt(at)?.map(str::to_owned))
}

fn text(row: &Row, at: usize) -> Result<String, StoreError> {
    row.text(at).map(str::to_owned)
}

fn checkout(row: &Row) -> Result<Checkout, StoreError> {
    Ok(Checkout {
        cart_id: text(row, 0)?,
        user_id: text(row, 1)?,
        items: lines(row, 2)?,
        total_minor: row.int(3)?,
        created_at: row.time(4)?,
    })
}

fn order(row: &Row) -> Result<OrderRow, StoreError> {
    Ok(OrderRow {
        user_id: text(row, 0)?,
        state: state(row, 1)?,
        items: lines(row, 2)?,
        total_minor: row.int(3)?,
        reason: opt(row, 4)?,
        decline: opt(row, 5)?,
        deadline: row.time_opt(6)?,
        created_at: row.time(7)?,
        updated_at: row.time(8)?,
    })
}

fn step(row: &Row) -> Result<StateView, StoreError> {
    let (state, reason) = (state(row, 0)?, opt(row, 1)?);
    Ok(StateView { state, reason, event_id: text(row, 2)?, at: row.time(3)? })
}

fn payment(row: &Row, payment_id: String) -> Result<PaymentView, StoreError> {
    Ok(PaymentView {
        payment_id,
        state: text(row, 0)?,
        amount_minor: row.int(1)?,
        reason: opt(row, 2)?,
        attempts: row.int(3)?,
        next_attempt_at: row.time_opt(4)?,
        created_at: row.time(5)?,
        updated_at: row.time(6)?,
    })
}

fn stock(row: &Row) -> Result<StockView, StoreError> {
    let (state, expires_at) = (text(row, 0)?, row.time(1)?);
    Ok(StockView { state, expires_at, created_at: row.time(2)?, updated_at: row.time(3)? })
}

fn reserved(row: &Row) -> Result<Reserved, StoreError> {
    let released = match opt(row, 4)? {
        Some(event) => Some((event, row.time(5)?)),
        None => None,
    };
    Ok(Reserved {
        product_id: text(row, 0)?,
        quantity: row.int(1)?,
        event_id: text(row, 2)?,
        at: row.time(3)?,
        released,
    })
}

fn note(row: &Row) -> Result<NoteView, StoreError> {
    let (at, actor) = (row.time(0)?, text(row, 1)?);
    Ok(NoteView { at, actor, action: text(row, 2)?, detail: text(row, 3)? })
}

fn unsent(row: &Row) -> Result<Unsent, StoreError> {
    let (event_id, event_type) = (text(row, 0)?, text(row, 1)?);
    Ok(Unsent { event_id, event_type, service: text(row, 2)?, created_at: row.time(3)? })
}

fn message(row: &Row) -> Result<MessageView, StoreError> {
    Ok(MessageView {
        message_id: text(row, 0)?,
        channel: text(row, 1)?,
        recipient: text(row, 2)?,
        state: text(row, 3)?,
        reason: opt(row, 4)?,
        attempts: row.int(5)?,
        next_attempt_at: row.time_opt(6)?,
        created_at: row.time(7)?,
        updated_at: row.time(8)?,
    })
}
