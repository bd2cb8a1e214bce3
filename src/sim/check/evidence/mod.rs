//! What a run left behind, read once and kept compact.

mod ledger;
mod log;
mod mail;
mod settled;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use sha2::{Digest, Sha256};

use crate::app::Remains;
use crate::ports::store::{Read, Row, Store, Value};
use crate::sim::lab::history::{Entry, Operation};

/// An event's id.
pub(in crate::sim::check) type Id = u128;

/// The first half of a SHA-256: enough to tell whether bytes differ.
pub(in crate::sim::check) type Fingerprint = [u8; 16];

/// Where evidence is read from.
pub struct Sources {
    /// What the shop and the world outside wrote down.
    pub remains: Remains,
    /// What clients asked for and were told, if that was kept.
    pub history: Option<Vec<Entry>>,
    /// The time of the verdict, in ms since the epoch.
    pub now: i64,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Order {
    pub(in crate::sim::check) user: String,
    pub(in crate::sim::check) status: String,
    /// Product, units, price of one.
    pub(in crate::sim::check) items: Vec<(String, i64, i64)>,
    pub(in crate::sim::check) total: i64,
    pub(in crate::sim::check) phone: bool,
    pub(in crate::sim::check) payment: Option<String>,
    /// Why it was cancelled; for a declined payment, why that was.
    pub(in crate::sim::check) reason: Option<String>,
    pub(in crate::sim::check) version: i64,
    pub(in crate::sim::check) created_at: i64,
    /// Version, status, event.
    pub(in crate::sim::check) steps: Vec<(i64, String, Id)>,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Payment {
    pub(in crate::sim::check) amount: i64,
    pub(in crate::sim::check) status: String,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Hold {
    pub(in crate::sim::check) state: String,
    pub(in crate::sim::check) created_at: i64,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Product {
    pub(in crate::sim::check) stock: i64,
    pub(in crate::sim::check) version: i64,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Reservation {
    pub(in crate::sim::check) order: String,
    pub(in crate::sim::check) product: String,
    pub(in crate::sim::check) quantity: i64,
    pub(in crate::sim::check) reserved: (Id, i64),
    pub(in crate::sim::check) released: Option<(Id, i64)>,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Change {
    pub(in crate::sim::check) product: String,
    pub(in crate::sim::check) version: i64,
    pub(in crate::sim::check) quantity: i64,
    pub(in crate::sim::check) event: Id,
    pub(in crate::sim::check) restock: bool,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Price {
    pub(in crate::sim::check) price: i64,
    pub(in crate::sim::check) since: i64,
}

#[derive(Debug)]
pub(in crate::sim::check) struct OutRow {
    pub(in crate::sim::check) seq: i64,
    pub(in crate::sim::check) topic: Arc<str>,
    pub(in crate::sim::check) key: String,
    pub(in crate::sim::check) order: Option<String>,
    pub(in crate::sim::check) bytes: Fingerprint,
    pub(in crate::sim::check) published: bool,
    pub(in crate::sim::check) created_at: i64,
    /// Ids of rows with this id: more than one is a violation.
    pub(in crate::sim::check) rows: u64,
}

#[derive(Debug)]
pub(in crate::sim::check) struct LogRecord {
    pub(in crate::sim::check) topic: Arc<str>,
    pub(in crate::sim::check) partition: u32,
    pub(in crate::sim::check) offset: u64,
    pub(in crate::sim::check) at: i64,
    pub(in crate::sim::check) key: String,
    /// None if the bytes are no event.
    pub(in crate::sim::check) event: Option<LogEvent>,
    pub(in crate::sim::check) bytes: Fingerprint,
    /// The one group that this replay is for.
    pub(in crate::sim::check) replay_group: Option<String>,
    /// The dead letter that this is a repair of: `TOPIC/PARTITION/OFFSET`.
    pub(in crate::sim::check) repair_of: Option<String>,
    pub(in crate::sim::check) letter: Option<Box<Letter>>,
}

#[derive(Debug)]
pub(in crate::sim::check) struct LogEvent {
    pub(in crate::sim::check) id: Id,
    pub(in crate::sim::check) cause: Option<Id>,
    pub(in crate::sim::check) order: Option<String>,
    pub(in crate::sim::check) product: Option<String>,
    /// Until when a checkout's units are held.
    pub(in crate::sim::check) hold_expires_at: Option<i64>,
    pub(in crate::sim::check) timestamp: i64,
}

/// A dead letter.
#[derive(Debug)]
pub(in crate::sim::check) struct Letter {
    pub(in crate::sim::check) group: String,
    pub(in crate::sim::check) place: (String, u32, u64),
    pub(in crate::sim::check) retries: u64,
    pub(in crate::sim::check) original_timestamp: i64,
    pub(in crate::sim::check) first_tried_at: Option<i64>,
    pub(in crate::sim::check) failed_at: i64,
    pub(in crate::sim::check) well_formed: bool,
    pub(in crate::sim::check) sha256_matches: bool,
}

#[derive(Debug)]
pub(in crate::sim::check) struct Charge {
    pub(in crate::sim::check) key: String,
    pub(in crate::sim::check) order: String,
    pub(in crate::sim::check) amount: i64,
    pub(in crate::sim::check) captured: bool,
    /// When the provider was asked, if it wrote that down.
    pub(in crate::sim::check) asked_at: Option<i64>,
    pub(in crate::sim::check) at: i64,
}

#[derive(Debug)]
pub(in crate::sim::check) struct MailCopy {
    pub(in crate::sim::check) message_id: String,
    pub(in crate::sim::check) order: Option<String>,
    pub(in crate::sim::check) at: i64,
}

/// Orders of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct OrderCounts {
    /// Checkouts answered with 202.
    pub placed: u64,
    /// Served.
    pub fulfilled: u64,
    /// Not served.
    pub cancelled: u64,
    /// Neither.
    pub stuck: u64,
    /// Cancelled ones, by reason.
    pub by_reason: BTreeMap<String, u64>,
}

/// Everything.
pub struct Evidence {
    pub(in crate::sim::check) orders: BTreeMap<String, Order>,
    pub(in crate::sim::check) checkouts: BTreeMap<String, i64>,
    pub(in crate::sim::check) payments: BTreeMap<String, Payment>,
    pub(in crate::sim::check) holds: BTreeMap<String, Hold>,
    pub(in crate::sim::check) products: BTreeMap<String, Product>,
    pub(in crate::sim::check) reservations: Vec<Reservation>,
    pub(in crate::sim::check) changes: Vec<Change>,
    pub(in crate::sim::check) prices: BTreeMap<String, Vec<Price>>,
    pub(in crate::sim::check) deliveries: BTreeMap<Id, (String, i64)>,
    pub(in crate::sim::check) outbox: BTreeMap<Id, OutRow>,
    pub(in crate::sim::check) inbox: BTreeMap<String, BTreeSet<Id>>,
    pub(in crate::sim::check) log: Vec<LogRecord>,
    pub(in crate::sim::check) offsets: BTreeMap<(String, String, u32), u64>,
    pub(in crate::sim::check) ends: BTreeMap<(String, u32), u64>,
    pub(in crate::sim::check) charges: Vec<Charge>,
    /// By charge key: refunds as amount and time.
    pub(in crate::sim::check) refunds: BTreeMap<String, Vec<(i64, i64)>>,
    pub(in crate::sim::check) mail: Vec<MailCopy>,
    pub(in crate::sim::check) history: Option<Vec<Entry>>,
    /// When processes started, in ms since the epoch.
    pub(in crate::sim::check) starts: Vec<i64>,
    /// When a process counted as gone, in ms since the epoch: another may have done its work again.
    pub(in crate::sim::check) gaps: Vec<RangeInclusive<i64>>,
    /// Attempts to send a message whose answer never came, by its id.
    pub(in crate::sim::check) unanswered: BTreeMap<String, i64>,
    /// What is older may be gone from the log or the outbox.
    pub(in crate::sim::check) since: i64,
    /// Orders of which something is in flight.
    unsettled: BTreeSet<String>,
}

impl Evidence {
    /// Nothing but what clients were told: all there is of a shop that cannot be looked into.
    pub fn of_history_alone(history: Vec<Entry>) -> Self {
        Self {
            orders: BTreeMap::new(),
            checkouts: BTreeMap::new(),
            payments: BTreeMap::new(),
            holds: BTreeMap::new(),
            products: BTreeMap::new(),
            reservations: vec![],
            changes: vec![],
            prices: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            outbox: BTreeMap::new(),
            inbox: BTreeMap::new(),
            log: vec![],
            offsets: BTreeMap::new(),
            ends: BTreeMap::new(),
            charges: vec![],
            refunds: BTreeMap::new(),
            mail: vec![],
            history: Some(history),
            starts: vec![],
            gaps: vec![],
            unanswered: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            since: i64::MIN,
        }
    }

    /// Reads all of it.
    pub async fn read(sources: Sources) -> anyhow::Result<Self> {
        let Remains { shop, bus, log, outside, ledger, inbox } = sources.remains;
        let log = log.unwrap_or_else(|| Arc::clone(&shop));
        let shop = shop.as_ref();
        let outside = outside.as_deref();
        let mut evidence = Self {
            orders: tables::orders(shop).await?,
            checkouts: tables::checkouts(shop).await?,
            payments: tables::payments(shop).await?,
            holds: tables::holds(shop).await?,
            products: tables::products(shop).await?,
            reservations: tables::reservations(shop).await?,
            changes: tables::changes(shop).await?,
            prices: tables::prices(shop).await?,
            deliveries: tables::deliveries(shop).await?,
            inbox: tables::inbox(shop).await?,
            history: sources.history,
            starts: tables::starts(shop).await?,
            gaps: tables::gaps(shop, sources.now).await?,
            unanswered: tables::unanswered(shop).await?,
            ..Self::of_history_alone(vec![])
        };
        evidence.read_outbox(shop).await?;
        if let Some(bus) = bus {
            evidence.read_bus(bus.as_ref(), sources.now).await?;
        } else {
            evidence.offsets = tables::offsets(log.as_ref()).await?;
            evidence.read_log(log.as_ref(), sources.now).await?;
        }
        if let Some(ledger) = ledger {
            (evidence.charges, evidence.refunds) = ledger::read(&ledger).await?;
        } else if let Some(outside) = outside {
            evidence.charges = tables::charges(outside).await?;
            evidence.refunds = tables::refunds(outside).await?;
        }
        match (inbox, outside) {
            (Some(inbox), _) => {
                // A mail server is everybody's: what is about other shops' orders is none of ours.
                // Alerts are called after the event that they are about.
                let ours = |copy: &MailCopy| {
                    if let Some(order) = &copy.order {
                        return evidence.checkouts.contains_key(order);
                    }
                    let event = copy.message_id.split('.').next().unwrap_or_default();
                    id(event).is_ok_and(|event| evidence.outbox.contains_key(&event))
                };
                let mut copies = mail::copies(inbox.as_ref()).await?;
                copies.retain(ours);
                evidence.mail = copies;
            }
            (None, Some(outside)) => evidence.mail = tables::mail(outside).await?,
            (None, None) => {}
        }
        evidence.read_unsettled(shop).await?;
        Ok(evidence)
    }

    /// Whether all that was ever told of an order (or whatever is this old) is still there.
    pub(in crate::sim::check) fn covers(&self, created_at: i64) -> bool {
        created_at >= self.since
    }

    /// When the first client of the history sent something; the beginning of time without any.
    pub fn begun(&self) -> i64 {
        self.sent().min().unwrap_or(i64::MIN)
    }

    fn sent(&self) -> impl Iterator<Item = i64> {
        self.history.iter().flatten().map(|entry| entry.sent)
    }

    /// When the clients of the history were there: in each process that they asked for something,
    /// from then until the next one started. What others asked of other processes is not theirs.
    pub(in crate::sim::check) fn visits(&self) -> Vec<Range<i64>> {
        let starts = || self.starts.iter().copied();
        let lives = iter::once(i64::MIN).chain(starts()).zip(starts().chain([i64::MAX]));
        let visit =
            |(start, end)| Some(self.sent().filter(|at| (start..end).contains(at)).min()?..end);
        lives.filter_map(visit).collect()
    }

    /// Orders checked out at `since` or later by status, and cancelled ones by reason.
    pub fn order_counts(&self, since: i64) -> OrderCounts {
        if self.orders.is_empty() {
            return self.history.as_deref().map(counts_seen).unwrap_or_default();
        }
        let placed = self.checkouts.values().filter(|at| **at >= since).count() as u64;
        let mut counts = OrderCounts { placed, ..OrderCounts::default() };
        let at = |id: &String, order: &Order| *self.checkouts.get(id).unwrap_or(&order.created_at);
        for (_, order) in self.orders.iter().filter(|(id, order)| at(id, order) >= since) {
            match order.status.as_str() {
                "FULFILLED" => counts.fulfilled += 1,
                "CANCELLED" => {
                    counts.cancelled += 1;
                    let reason = order.reason.clone().unwrap_or_default();
                    *counts.by_reason.entry(reason).or_default() += 1;
                }
                _ => {}
            }
        }
        counts.stuck = counts.placed.saturating_sub(counts.fulfilled + counts.cancelled);
        counts
    }

    /// Records appended to the log at `since` or later.
    pub fn log_len(&self, since: i64) -> u64 {
        self.log.iter().filter(|record| record.at >= since).count() as u64
    }
}

/// Orders as their clients saw them: all there is where tables cannot be read.
fn counts_seen(history: &[Entry]) -> OrderCounts {
    let mut answered = BTreeSet::new();
    let mut ended: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in history {
        match &entry.operation {
            Operation::Checkout { order: Some(order), .. } => drop(answered.insert(order)),
            Operation::SawFinal { order, final_status } => {
                ended.insert(order, final_status);
            }
            _ => {}
        }
    }
    let count = |status| ended.values().filter(|ended| **ended == status).count() as u64;
    let (placed, fulfilled, cancelled) =
        (answered.len() as u64, count("FULFILLED"), count("CANCELLED"));
    let stuck = placed.saturating_sub(fulfilled + cancelled);
    OrderCounts { placed, fulfilled, cancelled, stuck, by_reason: BTreeMap::new() }
}

async fn each(store: &dyn Store, sql: &'static str, row: Vec<Value>) -> anyhow::Result<Vec<Row>> {
    let results = store.read(&[Read::new(sql, row)]).await;
    Ok(results.with_context(|| format!("reading evidence: {sql}"))?.concat())
}

pub(in crate::sim::check) fn id(text: &str) -> anyhow::Result<Id> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    Id::from_str_radix(&digits, 16).map_err(|_| anyhow!("{text:?} is no event id"))
}

pub(in crate::sim::check) fn show(id: Id) -> String {
    uuid::Uuid::from_u128(id).to_string()
}

pub(in crate::sim::check) fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|at| digest[at])
}

fn ms(row: &Row, at: usize) -> anyhow::Result<i64> {
    Ok(row.time(at)?.millis())
}
