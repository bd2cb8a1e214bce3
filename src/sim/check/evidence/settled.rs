//! What is still under way. A shop that was stopped, or that runs, may be looked at in the middle of an
//! order: what the order's ends must agree on can only be told when nothing of it is in flight. That
//! something is in flight is found by the liveness checks.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, LogEvent, LogRecord, each};
use crate::ports::Store;
use crate::sim::check::facts;

/// Orders whose payment waits for the world outside, and what pending messages are about.
const WAITING: &str = "select order_id from payments where next_attempt_at is not null
 union select message_id from notifications where next_attempt_at is not null";

impl Evidence {
    pub(super) async fn read_unsettled(&mut self, shop: &dyn Store) -> anyhow::Result<()> {
        for row in each(shop, WAITING, vec![]).await? {
            // A message is called after what it is about, a dot, and who is told.
            let about = row.text(0)?.split('.').next().unwrap_or_default();
            self.unsettled.insert(about.to_owned());
        }
        let told = self.outbox.values().filter(|row| !row.published);
        let told: BTreeSet<String> = told.filter_map(|row| row.order.clone()).collect();
        let unread = self.unread();
        self.unsettled.extend(told);
        self.unsettled.extend(unread);
        Ok(())
    }

    /// Orders with a record that one of its readers has not passed.
    fn unread(&self) -> BTreeSet<String> {
        let mut unread = BTreeSet::new();
        for (_, group, topics) in facts::READERS {
            for record in self.log.iter().filter(|record| topics.contains(&&*record.topic)) {
                let place = ((*group).to_owned(), record.topic.to_string(), record.partition);
                if record.offset >= self.offsets.get(&place).copied().unwrap_or(0) {
                    unread.extend(record.event.as_ref().and_then(|event| event.order.clone()));
                }
            }
        }
        unread
    }

    /// Whether nothing of the order is in flight.
    pub(in crate::sim::check) fn is_settled(&self, order: &str) -> bool {
        !self.unsettled.contains(order)
    }

    /// Topics that dead letters came from, by where the letters lie: `TOPIC/PARTITION/OFFSET`.
    pub(in crate::sim::check) fn letters(&self) -> BTreeMap<String, &str> {
        let place = |r: &LogRecord| format!("{}/{}/{}", r.topic, r.partition, r.offset);
        let letter = |r| Some((place(r), r.letter.as_ref()?.place.0.as_str()));
        self.log.iter().filter_map(letter).collect()
    }

    /// Whether the event is somebody's who has nothing to do with the shop: of an order that nobody
    /// knows, and no service let it take effect.
    pub(in crate::sim::check) fn is_foreign(&self, event: &LogEvent) -> bool {
        let known =
            |order: &String| self.orders.contains_key(order) || self.checkouts.contains_key(order);
        event.order.as_ref().is_none_or(|order| !known(order))
            && !self.inbox.values().any(|inbox| inbox.contains(&event.id))
    }
}

impl LogRecord {
    /// Which of these dead letters a person repaired with it, under an id of its own, if any: one that came
    /// from where it is.
    pub(in crate::sim::check) fn repairs(&self, letters: &BTreeMap<String, &str>) -> Option<&str> {
        let of = self.repair_of.as_deref()?;
        (*letters.get(of)? == &*self.topic).then_some(of)
    }
}
