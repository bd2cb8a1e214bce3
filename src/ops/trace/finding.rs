//! The order that somebody means: by its own id, its payment's, its cart's, one of its events, a record, or
//! the shopper's name where that is enough.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use uuid::Uuid;

use super::building::Said;
use super::log::{Log, SKEW, Window};
use crate::domain::{CartId, OrderId, Timestamp, UserId};
use crate::events::Topic;
use crate::ops::OpsError;
use crate::ops::dlq;
use crate::ports::bus::{Position, Record};
use crate::ports::store::{Store, query};
use crate::values;

const CHECKOUT: &str = "select order_id from checkouts where order_id = ?1";
const OF_USER: &str =
    "select order_id from orders where user_id = ?1 order by created_at desc limit 6";
const LAST_OF_USER: &str =
    "select last_order_id from carts where user_id = ?1 and last_order_id is not null";
const TYPE: &str = "select event_type from processed_events where consumer = ?1 and event_id = ?2";
/// Services that keep an inbox.
pub(in crate::ops) const CONSUMERS: [&str; 5] =
    ["order", "payment", "inventory", "notification", "cart"];
/// An event is published at most this much later than it is written, unless something is broken.
const LATE_MAX: Duration = Duration::from_hours(1);

/// What somebody may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    Order(OrderId),
    Uuid(Uuid),
    Record(Position),
    Shopper(UserId),
}

fn meant(id: &str) -> Result<Meant, OpsError> {
    if id.starts_with("ORD-") || id.starts_with("PAY-") {
        return crate::ops::orders::order_of(id).map(Meant::Order);
    }
    if let Ok(uuid) = Uuid::try_parse(id) {
        return Ok(Meant::Uuid(uuid));
    }
    let mut parts = id.rsplitn(3, '/');
    let (offset, partition) = (parts.next(), parts.next());
    if let (Some(Ok(offset)), Some(Ok(partition)), Some(topic)) =
        (offset.map(str::parse), partition.map(str::parse), parts.next())
    {
        return Ok(Meant::Record(Position { topic: topic.into(), partition, offset }));
    }
    id.parse().map(Meant::Shopper).map_err(|_| {
        OpsError::Invalid(format!(
            "{id:?} is no order, payment, event, cart, shopper or TOPIC/PARTITION/OFFSET"
        ))
    })
}

/// When a UUID that tells of a time was made.
fn made_at(uuid: Uuid) -> Option<Timestamp> {
    let (seconds, nanos) = uuid.get_timestamp().filter(|_| uuid.get_version_num() == 7)?.to_unix();
    Some(Timestamp::from_millis((seconds * 1_000 + u64::from(nanos) / 1_000_000) as i64))
}

fn cart(order: &OrderId) -> Option<Uuid> {
    let text = order.as_str().strip_prefix("ORD-")?;
    Uuid::from_slice(&BASE32_NOPAD.decode(text.as_bytes()).ok()?).ok()
}

/// The cart that became this order.
pub(in crate::ops) fn cart_of(order: &OrderId) -> Option<String> {
    cart(order).map(|cart| cart.as_hyphenated().to_string())
}

/// When the cart of this order got its first line.
pub(in crate::ops) fn cart_began(order: &OrderId) -> Option<Timestamp> {
    made_at(cart(order)?)
}

/// Where is looked.
pub(in crate::ops) struct Finder<'a> {
    pub(in crate::ops) log: &'a Log<'a>,
    /// The shop's tables, where they are in reach.
    pub(in crate::ops) tables: Option<&'a dyn Store>,
    pub(in crate::ops) index: &'a dlq::index::Index<'a>,
}

impl Finder<'_> {
    /// The order that `id` means. That there is one is not said.
    pub(in crate::ops) async fn find(&self, id: &str) -> Result<OrderId, OpsError> {
        match meant(id)? {
            Meant::Order(order) => Ok(order),
            Meant::Record(at) => self.of_record(&at).await,
            Meant::Uuid(uuid) => self.of_uuid(uuid).await,
            Meant::Shopper(user) => self.of_shopper(&user).await,
        }
    }

    async fn of_record(&self, at: &Position) -> Result<OrderId, OpsError> {
        let found = self.log.bus.read(at, 1).await?.pop().filter(|record| record.at == *at);
        let record = found.ok_or_else(|| {
            OpsError::NotFound(format!("there is no record {at}, or it was removed"))
        })?;
        let content = dlq::content(&record);
        let about = order_in(&record, content.payload.as_deref());
        about.ok_or_else(|| OpsError::NotFound(format!("the record {at} is about no order")))
    }

    async fn of_uuid(&self, uuid: Uuid) -> Result<OrderId, OpsError> {
        let cart = OrderId::of_cart(CartId(uuid));
        if let Some(tables) = self.tables
            && !query(tables, CHECKOUT, values![&cart]).await?.is_empty()
        {
            return Ok(cart);
        }
        let event = uuid.as_hyphenated().to_string();
        if let Ok(letter) = self.index.find(&event).await
            && let Ok(order) = self.of_record(&letter.at).await
        {
            return Ok(order);
        }
        let known = self.topic_of(&event).await?;
        let topics: Vec<Topic> = match known {
            Some(topic) => vec![topic],
            None => Topic::EVENTS.to_vec(),
        };
        let made = made_at(uuid);
        let window = Window {
            from: made.map_or(Timestamp::from_millis(0), |at| at - SKEW),
            until: made.map(|at| at + LATE_MAX),
        };
        let is_it = |record: &Record| {
            let value = record.value.as_deref().unwrap_or_default();
            // Most records are not it: looked at byte by byte before they are read.
            value.windows(event.len()).any(|part| part == event.as_bytes())
                && Said::in_bytes(value).event_id.as_deref() == Some(&event)
        };
        let found = self.log.first(&topics, window, &is_it).await?;
        let Some(record) = found.records.first() else {
            let text = format!(
                "no event or cart {event} is known: the log does not have it (any more), and no order came of it"
            );
            return Err(OpsError::NotFound(text));
        };
        let about = Said::by(record).order().or_else(|| {
            let cart = Said::by(record).cart_id?.parse().ok()?;
            Some(OrderId::of_cart(cart))
        });
        about.ok_or_else(|| {
            OpsError::NotFound(format!("the event {event} at {} is about no order", record.at))
        })
    }

    /// The type of an event that somebody has handled.
    async fn topic_of(&self, event: &str) -> Result<Option<Topic>, OpsError> {
        let Some(tables) = self.tables else { return Ok(None) };
        for consumer in CONSUMERS {
            let rows = query(tables, TYPE, values![consumer, event]).await?;
            if let Some(row) = rows.first() {
                return Ok(Topic::parse(row.text(0)?));
            }
        }
        Ok(None)
    }

    async fn of_shopper(&self, user: &UserId) -> Result<OrderId, OpsError> {
        let mut orders: Vec<String> = vec![];
        if let Some(tables) = self.tables {
            for sql in [LAST_OF_USER, OF_USER] {
                for row in query(tables, sql, values![user]).await? {
                    orders.push(row.text(0)?.to_owned());
                }
            }
        } else {
            let all = Window { from: Timestamp::from_millis(0), until: None };
            let topic = Topic::CartCheckoutInitiated;
            let found = self.log.on_topic(topic, user.as_str(), all).await?;
            let named = found.records.iter().rev().filter_map(|record| Said::by(record).order());
            orders.extend(named.map(|order| order.to_string()));
        }
        let mut different: Vec<String> = vec![];
        for order in orders {
            if !different.contains(&order) {
                different.push(order);
            }
        }
        match different.as_slice() {
            [] => Err(OpsError::NotFound(format!(
                "there is no order, event or shopper {user}; see `ecom orders list`"
            ))),
            [order] => order.parse().map_err(|e| OpsError::Failed(format!("{order}: {e}"))),
            many => Err(OpsError::Invalid(format!(
                "{user} has several orders; name one of them: {}",
                many.iter().take(5).cloned().collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

/// The order that a record, or the payload of a dead letter, is about.
pub(in crate::ops) fn order_in(record: &Record, payload: Option<&[u8]>) -> Option<OrderId> {
    let key = || std::str::from_utf8(record.key.as_deref()?).ok()?.parse().ok();
    let inside = payload.and_then(|payload| Said::in_bytes(payload).order());
    inside.or_else(|| Said::by(record).order()).or_else(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_for_what_they_look_like() {
        let order: OrderId = "ORD-AAAA".parse().unwrap();
        let at = |topic: &str| Position { topic: topic.into(), partition: 1, offset: 20 };
        let uuid = Uuid::from_u128(7);
        let cases = [
            ("ORD-AAAA", Meant::Order(order.clone())),
            ("PAY-AAAA", Meant::Order(order)),
            ("dlq.events/1/20", Meant::Record(at("dlq.events"))),
            ("a/b/1/20", Meant::Record(at("a/b"))),
            (&uuid.to_string(), Meant::Uuid(uuid)),
            ("ann", Meant::Shopper("ann".parse().unwrap())),
        ];
        for (text, expected) in cases {
            assert_eq!(meant(text), Ok(expected), "{text}");
        }
        for wrong in ["", "ORD-", "a/b", "a/b/c", "two words"] {
            assert!(matches!(meant(wrong), Err(OpsError::Invalid(_))), "{wrong}");
        }
    }

    #[test]
    fn an_order_knows_when_its_cart_began() {
        let ms = 1_769_860_800_123;
        let uuid = uuid::Builder::from_unix_timestamp_millis(ms, &[7; 10]).into_uuid();
        let order = OrderId::of_cart(CartId(uuid));
        assert_eq!(cart_began(&order), Some(Timestamp::from_millis(ms as i64)));
        assert_eq!(cart_began(&"ORD-1".parse().unwrap()), None);
    }
}
