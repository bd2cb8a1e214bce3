//! One order's way, gathered from wherever it is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Ground, LocalOps};
use crate::domain::{OrderId, Timestamp};
use crate::events::Topic;
use crate::ops::dlq::index::Cursor;
use crate::ops::dlq::{self, DeadLetter, DlqFilter};
use crate::ops::orders::groups::Readers;
use crate::ops::orders::rows::Rows;
use crate::ops::orders::waiting::{Facts, waiting};
use crate::ops::orders::{self, Waiting};
use crate::ops::trace::building::{Gathered, LetterSeen, Said, rows_told};
use crate::ops::trace::finding::{CONSUMERS, Finder, cart_began, order_in};
use crate::ops::trace::log::{Found, Log, SKEW, Window};
use crate::ops::trace::{Trace, TraceQuery, steps};
use crate::ops::{OpsError, TraceOps};
use crate::ports::bus::Record;
use crate::ports::store::{Read, Store};
use crate::values;

/// What comes later than this after an order has ended is not looked for, unless something tells of it.
const AFTER_MAX: Duration = Duration::from_mins(1);
const PROCESSED: &str = "select consumer, event_id, processed_at from processed_events where consumer = ?1 and event_id = ?2";

#[async_trait]
impl TraceOps for LocalOps {
    async fn trace(&self, query: &TraceQuery) -> Result<Trace, OpsError> {
        self.shared.look().await?;
        let log = Log::of(self.shared.ground.bus.as_ref()).await?;
        let index = self.shared.index();
        let order =
            Finder { log: &log, tables: self.tables(), index: &index }.find(&query.id).await?;
        let rows = self.rows_of(&order).await?;
        if self.tables().is_none() && !log.is_of_a_shop() {
            let text = "this cluster has no topics of a shop; check kafka.prefix, or name the shop";
            return Err(OpsError::NotFound(text.into()));
        }
        let letters = self.letters_about(&order, rows.user()).await?;
        let Found { records, notes } = self.records_of(&log, &order, &rows, &letters).await?;
        self.told(order, rows, letters, records, notes, &log).await
    }
}

/// Whose order it is, told by whatever tells it.
fn shopper(rows: &Rows, records: &[Arc<Record>], letters: &[LetterSeen]) -> Option<String> {
    let said = || records.iter().find_map(|record| Said::by(record).user_id);
    let given_up = || {
        letters.iter().find_map(|letter| {
            let content = dlq::content(letter.record.as_ref()?);
            Said::in_bytes(content.payload.as_deref()?).user_id
        })
    };
    rows.user().map(str::to_owned).or_else(said).or_else(given_up)
}

impl LocalOps {
    /// The shop's tables, where they are in reach.
    pub(super) fn tables(&self) -> Option<&dyn Store> {
        self.shared.ground.inbox.then_some(self.shared.ground.store.as_ref())
    }

    /// An order's rows; none where the tables are out of reach.
    pub(super) async fn rows_of(&self, order: &OrderId) -> Result<Rows, OpsError> {
        match self.tables() {
            Some(tables) => Ok(Rows::of(tables, order).await?),
            None => Ok(Rows::default()),
        }
    }

    /// Dead letters about an order, oldest first: under its key, and under its shopper's if they name it.
    pub(super) async fn letters_about(
        &self,
        order: &OrderId,
        user: Option<&str>,
    ) -> Result<Vec<LetterSeen>, OpsError> {
        let under = |key: Option<&str>, topic: Option<Topic>| DlqFilter {
            key: key.map(str::to_owned),
            topic: topic.map(|topic| topic.as_str().to_owned()),
            ..DlqFilter::default()
        };
        // Who checked it out is not known where it was never taken up: then only payloads tell.
        let filters =
            [under(Some(order.as_str()), None), under(user, Some(Topic::CartCheckoutInitiated))];
        let mut letters = vec![];
        for filter in filters {
            let (checked, mut cursor) = (filter.checked()?, Cursor::default());
            loop {
                let page = self.shared.index().list(&checked, &mut cursor).await?;
                if page.is_empty() {
                    break;
                }
                let mut audits = self.shared.ledger().audits(&page).await?;
                for letter in page {
                    let record = self.shared.ground.bus.read(&letter.at, 1).await?.pop();
                    let record = record.filter(|record| record.at == letter.at);
                    let about = record.as_ref().and_then(|record| {
                        order_in(record, dlq::content(record).payload.as_deref())
                    });
                    if about.as_ref() == Some(order) || filter.topic.is_none() {
                        let audit = audits.remove(&letter.view.id).unwrap_or_default();
                        letters.push(LetterSeen { view: letter.view, record, audit });
                    }
                }
            }
        }
        letters.sort_by_key(|letter| letter.view.failed_at);
        Ok(letters)
    }

    /// An order's records, in the order of time.
    async fn records_of(
        &self,
        log: &Log<'_>,
        order: &OrderId,
        rows: &Rows,
        letters: &[LetterSeen],
    ) -> Result<Found, OpsError> {
        let cart = cart_began(order);
        let begun = rows.begun().or(cart).unwrap_or_default() - SKEW;
        let mut window = Window { from: begun, until: None };
        let acted = letters.iter().flat_map(|letter| letter.audit.iter().map(|done| done.at));
        let acted = acted.chain(letters.iter().map(|letter| letter.view.failed_at)).max();
        if steps::is_final(rows.state()) && rows.unsent.is_empty() {
            window.until = rows.changed().max(acted).map(|at| at + AFTER_MAX);
        } else if self.tables().is_none() {
            // Its last event says when it was over.
            let last = log.on_topic(Topic::NotificationSend, order.as_str(), window).await?;
            let last = last.records.last().map(|record| record.timestamp);
            window.until = last.map(|last| acted.map_or(last, |acted| acted.max(last)) + AFTER_MAX);
        }
        let mut found = log.of_order(order.as_str(), window).await?;
        let user = shopper(rows, &found.records, letters);
        let cart_id = rows.checkout.as_ref().map(|row| row.cart_id.clone());
        let cart_id = cart_id.or_else(|| crate::ops::trace::finding::cart_of(order));
        if let Some(user) = user {
            let ours = |record: &Record| {
                let said = Said::by(record);
                said.order().as_ref() == Some(order)
                    || said.cart_id.is_some() && said.cart_id == cart_id
            };
            let window = Window { from: cart.map_or(begun, |at| at - SKEW), ..window };
            let carts = log.of_shopper(&user, window, &ours).await?;
            found.records.extend(carts.records);
            found.notes.extend(carts.notes);
        }
        found.records.sort_by(|a, b| (a.timestamp, &a.at).cmp(&(b.timestamp, &b.at)));
        Ok(found)
    }

    /// Everything put together.
    async fn told(
        &self,
        order: OrderId,
        rows: Rows,
        letters: Vec<LetterSeen>,
        records: Vec<Arc<Record>>,
        mut notes: Vec<String>,
        log: &Log<'_>,
    ) -> Result<Trace, OpsError> {
        if rows.is_empty() && records.is_empty() && letters.is_empty() {
            return Err(match self.tables() {
                Some(_) => orders::unknown(&order),
                None => OpsError::NotFound(format!(
                    "the log has no events of {order}; they may have been removed, and the tables are not named (--postgres)"
                )),
            });
        }
        let events = records.iter().filter_map(|record| Said::by(record).event_id);
        let events: BTreeSet<String> = events.chain(rows.events().map(str::to_owned)).collect();
        let handled = self.handled(&events).await?;
        let outside = match &self.office {
            Some(office) => office.outside(&order).await,
            None => crate::app::office::SeenOutside::default(),
        };
        if self.tables().is_none() {
            notes.push(
                "the shop's tables are not named (--postgres): no rows, and no handling".into(),
            );
        }
        notes.extend(outside.unseen.iter().map(|what| format!("not seen: {what}")));
        let gathered = Gathered { order, rows, records, handled, letters, outside };
        let gone = steps::missing(&gathered);
        if !gone.is_empty() {
            let all = gone.join(", ");
            notes.push(format!("the log does not have these events of it (any more): {all}"));
        }
        if !gone.is_empty() || self.tables().is_none() {
            let from = gathered.rows.begun().or(cart_began(&gathered.order)).unwrap_or_default();
            notes.extend(log.begins_late(gathered.order.as_str(), from).await?);
        }
        let views: Vec<DeadLetter> =
            gathered.letters.iter().map(|letter| letter.view.clone()).collect();
        let done = gathered.handled.keys().cloned().collect();
        let known = if self.tables().is_some() {
            gathered.rows.clone()
        } else {
            rows_told(&gathered.records)
        };
        let waiting = self.waits(&gathered.order, &known, &views, &done).await?;
        let user_id = shopper(&gathered.rows, &gathered.records, &gathered.letters);
        Ok(Trace {
            order_id: gathered.order.to_string(),
            user_id,
            state: known.state(),
            steps: steps::of(&gathered),
            waiting,
            notes,
        })
    }

    /// Which service has handled which of these events, and when.
    pub(super) async fn handled(
        &self,
        events: &BTreeSet<String>,
    ) -> Result<BTreeMap<(String, String), Timestamp>, OpsError> {
        let mut handled = BTreeMap::new();
        let Some(tables) = self.tables() else { return Ok(handled) };
        let pairs = events.iter().filter(|event| uuid::Uuid::try_parse(event).is_ok());
        let pairs = pairs.flat_map(|event| CONSUMERS.map(|consumer| values![consumer, event]));
        for row in tables.read(&[Read::each(PROCESSED, pairs)]).await?.concat() {
            let pair = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
            handled.insert(pair, row.time(2)?);
        }
        Ok(handled)
    }

    /// What an order with these rows waits for.
    pub(super) async fn waits(
        &self,
        order: &OrderId,
        rows: &Rows,
        letters: &[DeadLetter],
        handled: &BTreeSet<(String, String)>,
    ) -> Result<Vec<Waiting>, OpsError> {
        let Ground { bus, running, .. } = &self.shared.ground;
        let readers = Readers::look(bus.as_ref(), *running).await?;
        let tables = self.tables().is_some();
        Ok(waiting(&Facts { order, rows, letters, handled, readers: &readers, tables }))
    }
}
