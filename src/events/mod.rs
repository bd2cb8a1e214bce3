//! What happened, as the services tell each other: one struct per event type, one enum over all, and
//! the JSON form. Reading is tolerant (unknown fields are ignored), writing is exact.

pub mod cart;
pub mod catalog;
pub mod inventory;
pub mod notification;
pub mod order;
pub mod payment;
pub mod topic;

use serde::{Deserialize, Serialize};

use crate::domain::{EventId, OrderId, Timestamp};
pub use topic::Topic;

/// The version that this build writes into `schema_version`.
pub const SCHEMA_VERSION: u32 = 1;

/// What every event carries besides its body. In JSON the body's fields stand flat beside these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Names this event; redeliveries repeat it, nothing else does.
    pub event_id: EventId,
    /// What happened; the name of the topic as well.
    pub event_type: Topic,
    /// When.
    pub timestamp: Timestamp,
    /// The order this belongs to, else the cart or product.
    pub correlation_id: String,
    /// The event that caused this one; none for what a caller started.
    #[serde(default)]
    pub causation_id: Option<EventId>,
    /// Version of the body's shape.
    pub schema_version: u32,
}

/// Why bytes on a topic are not an event that this build can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or a field is missing or wrong.
    #[error("not a valid {topic} event: {detail}")]
    Malformed {
        /// The topic it was found on.
        topic: Topic,
        /// What the parser said.
        detail: String,
    },
    /// The record names another type than its topic's.
    #[error("event_type is {found} on topic {topic}")]
    WrongType {
        /// The topic it was found on.
        topic: Topic,
        /// The type it claims.
        found: Topic,
    },
    /// A newer schema than this build knows.
    #[error("schema_version {found} is newer than {SCHEMA_VERSION}, the newest this build reads")]
    TooNew {
        /// The version it claims.
        found: u32,
    },
    /// A record without a value.
    #[error("the record has no value")]
    Empty,
    /// A topic that no service of this build reads.
    #[error("topic {0} carries no event of this build")]
    Foreign(Topic),
}

impl DecodeError {
    /// A stable word to group by.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Empty => "decode.malformed",
            Self::WrongType { .. } => "decode.wrong_type",
            Self::TooNew { .. } => "decode.schema_too_new",
            Self::Foreign(_) => "decode.foreign_topic",
        }
    }
}

macro_rules! events {
    ($($topic:ident($body:ty) keyed by $key:expr, order $order:expr;)+) => {
        /// An event's body, by type.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant holds the documented struct of the same name")]
        pub enum Event { $($topic($body),)+ }

        impl Event {
            /// The topic it belongs on.
            pub const fn topic(&self) -> Topic {
                match self { $(Self::$topic(_) => Topic::$topic,)+ }
            }

            /// The record key: events with one key keep their order.
            pub fn key(&self) -> String {
                match self {
                    $(Self::$topic(body) => { let key: fn(&$body) -> &str = $key; key(body).to_owned() })+
                }
            }

            /// The order it is about, if it is about one.
            pub fn order_id(&self) -> Option<&OrderId> {
                match self {
                    $(Self::$topic(body) => { let order: fn(&$body) -> Option<&OrderId> = $order; order(body) })+
                }
            }

            fn body_json(&self) -> serde_json::Result<Vec<u8>> {
                match self { $(Self::$topic(body) => serde_json::to_vec(body),)+ }
            }

            fn parse_body(topic: Topic, value: &[u8]) -> Result<Self, DecodeError> {
                match topic {
                    $(Topic::$topic => Ok(Self::$topic(parse(topic, value)?)),)+
                    _ => Err(DecodeError::Foreign(topic)),
                }
            }
        }

        impl Topic {
            /// Topics that carry an [`Event`].
            pub const EVENTS: &'static [Topic] = &[$(Topic::$topic,)+];
        }
    };
}

events! {
    CartItemAdded(cart::ItemAdded) keyed by |e| e.user_id.as_str(), order |_| None;
    CartItemRemoved(cart::ItemRemoved) keyed by |e| e.user_id.as_str(), order |_| None;
    CartCheckoutInitiated(cart::CheckoutInitiated) keyed by |e| e.user_id.as_str(), order |e| Some(&e.order_id);
    OrderCreated(order::Created) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    OrderConfirmed(order::Confirmed) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    OrderCancelled(order::Cancelled) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    PaymentProcessed(payment::Processed) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    PaymentFailed(payment::Failed) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    PaymentRefunded(payment::Refunded) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    InventoryReserved(inventory::Reserved) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    InventoryReleased(inventory::Released) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    InventoryReservationFailed(inventory::ReservationFailed) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    InventoryLow(inventory::Low) keyed by |e| e.product_id.as_str(), order |_| None;
    InventoryDepleted(inventory::Depleted) keyed by |e| e.product_id.as_str(), order |_| None;
    NotificationSend(notification::Send) keyed by |e| e.order_id.as_str(), order |e| Some(&e.order_id);
    CatalogProductUpserted(catalog::ProductUpserted) keyed by |e| e.product_id.as_str(), order |_| None;
    CatalogStockReceived(catalog::StockReceived) keyed by |e| e.product_id.as_str(), order |_| None;
}

impl Event {
    /// The JSON value of a record: the header's fields, then the body's, flat.
    pub fn encode(&self, header: &Header) -> String {
        let written = serde_json::to_vec(header).and_then(|mut json| {
            let body = self.body_json()?;
            json.pop();
            json.push(b',');
            json.extend_from_slice(&body[1..]);
            Ok(json)
        });
        let json = written.expect("headers and bodies hold only strings, numbers and lists");
        String::from_utf8(json).expect("serde_json writes UTF-8")
    }

    /// Reads a record of `topic`.
    pub fn decode(topic: Topic, value: &[u8]) -> Result<(Header, Self), DecodeError> {
        if value.is_empty() {
            return Err(DecodeError::Empty);
        }
        let header: Header = parse(topic, value)?;
        if header.event_type != topic {
            return Err(DecodeError::WrongType { topic, found: header.event_type });
        }
        if header.schema_version > SCHEMA_VERSION {
            return Err(DecodeError::TooNew { found: header.schema_version });
        }
        Ok((header, Self::parse_body(topic, value)?))
    }
}

fn parse<'a, T: Deserialize<'a>>(topic: Topic, value: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(value).map_err(|_| {
        // Again, slowly: whoever repairs the record must know which field it is.
        let mut reader = serde_json::Deserializer::from_slice(value);
        let why = serde_path_to_error::deserialize::<_, T>(&mut reader).err();
        let detail = why.map_or_else(|| "trailing characters".into(), |e| e.to_string());
        DecodeError::Malformed { topic, detail }
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
