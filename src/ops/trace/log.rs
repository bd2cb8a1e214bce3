//! An order's records: on each topic only the partition of its key, from when it began on. What is read is
//! bounded, and what was left out is said.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::domain::Timestamp;
use crate::events::Topic;
use crate::ops::OpsError;
use crate::ports::EventBus;
use crate::ports::bus::{Position, Record, TopicInfo, partition_of};

/// Whether a record is wanted.
type Wanted<'a> = &'a (dyn Fn(&Record) -> bool + Send + Sync);

/// Records per reading.
const PAGE: usize = 2_000;
/// Records of one partition that are looked at.
pub(in crate::ops) const RECORDS_MAX: usize = 500_000;
/// Partitions that are read at once.
const AT_ONCE: usize = 4;
/// Clocks of those who write events and of those who append them may differ by less.
pub(in crate::ops) const SKEW: Duration = Duration::from_secs(5);

/// Topics whose records are keyed by the order.
const OF_ORDERS: [Topic; 10] = [
    Topic::OrderCreated,
    Topic::OrderConfirmed,
    Topic::OrderCancelled,
    Topic::PaymentProcessed,
    Topic::PaymentFailed,
    Topic::PaymentRefunded,
    Topic::InventoryReserved,
    Topic::InventoryReleased,
    Topic::InventoryReservationFailed,
    Topic::NotificationSend,
];
/// Topics whose records are keyed by the shopper.
const OF_SHOPPERS: [Topic; 3] =
    [Topic::CartItemAdded, Topic::CartItemRemoved, Topic::CartCheckoutInitiated];

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) struct Window {
    pub(in crate::ops) from: Timestamp,
    /// None: to the end.
    pub(in crate::ops) until: Option<Timestamp>,
}

/// Records that were found, in the order of the log, and what must be said about the search.
#[derive(Debug, Default)]
pub(in crate::ops) struct Found {
    pub(in crate::ops) records: Vec<Arc<Record>>,
    pub(in crate::ops) notes: Vec<String>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.records.extend(other.records);
        self.notes.extend(other.notes);
    }
}

/// The log of a shop.
pub(in crate::ops) struct Log<'a> {
    pub(in crate::ops) bus: &'a dyn EventBus,
    pub(in crate::ops) topics: Vec<TopicInfo>,
}

impl<'a> Log<'a> {
    pub(in crate::ops) async fn of(bus: &'a dyn EventBus) -> Result<Self, OpsError> {
        Ok(Self { bus, topics: bus.topics().await? })
    }

    fn info(&self, topic: Topic) -> Option<&TopicInfo> {
        self.topics.iter().find(|info| info.name == topic.as_str())
    }

    /// Whether any of the shop's topics is there.
    pub(in crate::ops) fn is_of_a_shop(&self) -> bool {
        Topic::EVENTS.iter().any(|topic| self.info(*topic).is_some())
    }

    /// Records of the topics that are keyed by orders, under this order's key.
    pub(in crate::ops) async fn of_order(
        &self,
        order: &str,
        window: Window,
    ) -> Result<Found, OpsError> {
        self.under(&OF_ORDERS, order, window, &|_| true).await
    }

    /// Records under a shopper's key that `takes` takes.
    pub(in crate::ops) async fn of_shopper(
        &self,
        user: &str,
        window: Window,
        takes: Wanted<'_>,
    ) -> Result<Found, OpsError> {
        self.under(&OF_SHOPPERS, user, window, takes).await
    }

    /// Records of one topic under a key.
    pub(in crate::ops) async fn on_topic(
        &self,
        topic: Topic,
        key: &str,
        window: Window,
    ) -> Result<Found, OpsError> {
        self.under(&[topic], key, window, &|_| true).await
    }

    async fn under(
        &self,
        topics: &[Topic],
        key: &str,
        window: Window,
        takes: Wanted<'_>,
    ) -> Result<Found, OpsError> {
        let takes =
            |record: &Record| record.key.as_deref() == Some(key.as_bytes()) && takes(record);
        let places = topics.iter().filter_map(|topic| {
            let info = self.info(*topic)?;
            Some((info.name.as_str(), partition_of(key.as_bytes(), info.partitions.len() as u32)))
        });
        self.each(places.collect(), window, &takes, false).await
    }

    /// The first record anywhere on `topics` that `takes` takes.
    pub(in crate::ops) async fn first(
        &self,
        topics: &[Topic],
        window: Window,
        takes: Wanted<'_>,
    ) -> Result<Found, OpsError> {
        let infos = topics.iter().filter_map(|topic| self.info(*topic));
        let places = infos
            .flat_map(|info| info.partitions.iter().map(|p| (info.name.as_str(), p.partition)));
        self.each(places.collect(), window, takes, true).await
    }

    async fn each(
        &self,
        places: Vec<(&str, u32)>,
        window: Window,
        takes: Wanted<'_>,
        first: bool,
    ) -> Result<Found, OpsError> {
        let mut reads: Vec<BoxFuture<'_, Result<Found, OpsError>>> = vec![];
        for place in places {
            reads.push(Box::pin(self.partition(place, window, takes, first)));
        }
        let mut all: Vec<Found> = vec![];
        let mut reads = stream::iter(reads).buffered(AT_ONCE);
        while let Some(found) = reads.try_next().await? {
            let done = first && !found.records.is_empty();
            all.push(found);
            if done {
                break;
            }
        }
        let mut found = Found::default();
        all.into_iter().for_each(|one| found.add(one));
        Ok(found)
    }

    async fn partition(
        &self,
        (topic, partition): (&str, u32),
        window: Window,
        takes: Wanted<'_>,
        first: bool,
    ) -> Result<Found, OpsError> {
        let mut found = Found::default();
        let offset = self.bus.offset_at(topic, partition, window.from).await?;
        let mut at = Position { topic: topic.into(), partition, offset };
        let mut left = RECORDS_MAX;
        loop {
            let page = self.bus.read(&at, PAGE.min(left)).await?;
            let Some(last) = page.last() else { return Ok(found) };
            at.offset = last.at.offset + 1;
            left -= page.len().min(left);
            let past = window.until.is_some_and(|until| last.timestamp > until);
            found.records.extend(page.into_iter().filter(|record| takes(record)));
            if past || first && !found.records.is_empty() {
                return Ok(found);
            }
            if left == 0 {
                found.notes.push(format!(
                    "{topic}/{partition} was read no further than {}: {RECORDS_MAX} records",
                    at.offset
                ));
                return Ok(found);
            }
        }
    }

    /// Topics of an order whose log begins after `from`: what was there before was removed.
    pub(in crate::ops) async fn begins_late(
        &self,
        order: &str,
        from: Timestamp,
    ) -> Result<Vec<String>, OpsError> {
        let mut late = vec![];
        for topic in OF_ORDERS {
            let Some(info) = self.info(topic) else { continue };
            let partition = partition_of(order.as_bytes(), info.partitions.len() as u32);
            let kept = info.partitions.iter().find(|p| p.partition == partition);
            let Some(kept) = kept.filter(|p| p.start > 0) else { continue };
            let at = Position { topic: info.name.as_str().into(), partition, offset: kept.start };
            let begins = match self.bus.read(&at, 1).await?.first() {
                Some(record) if record.timestamp <= from => continue,
                Some(record) => format!("begins at {}", record.timestamp),
                None => "is empty".to_owned(),
            };
            late.push(format!("{topic}/{partition} {begins}: older records were removed"));
        }
        Ok(late)
    }
}
