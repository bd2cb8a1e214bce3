//! What a run left behind, read once and kept compact.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::facts;
use crate::ports::store::{Read, Row, Store, Value};
use crate::sim::lab::history::Entry;

/// An event's id.
pub(super) type Id = u128;

/// The first half of a SHA-256: enough to tell whether bytes differ.
pub(super) type Fingerprint = [u8; 16];

/// Where evidence is read from.
pub struct Sources<'a> {
    /// The shop's tables and log.
    pub shop: &'a dyn Store,
    /// The provider's ledger and the mailbox.
    pub outside: &'a dyn Store,
    /// What clients asked for and were told, if that was kept.
    pub history: Option<Vec<Entry>>,
    /// The time of the verdict, in ms since the epoch.
    pub now: i64,
}

#[derive(Debug)]
pub(super) struct Order {
    pub(super) user: String,
    pub(super) status: String,
    /// Product, units, price of one.
    pub(super) items: Vec<(String, i64, i64)>,
    pub(super) total: i64,
    pub(super) phone: bool,
    pub(super) payment: Option<String>,
    /// Why it was cancelled; for a declined payment, why that was.
    pub(super) reason: Option<String>,
    pub(super) version: i64,
    pub(super) created_at: i64,
    /// Version, status, event.
    pub(super) steps: Vec<(i64, String, Id)>,
}

#[derive(Debug)]
pub(super) struct Payment {
    pub(super) amount: i64,
    pub(super) status: String,
}

#[derive(Debug)]
pub(super) struct Hold {
    pub(super) state: String,
    pub(super) created_at: i64,
}

#[derive(Debug)]
pub(super) struct Product {
    pub(super) stock: i64,
    pub(super) version: i64,
}

#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) order: String,
    pub(super) product: String,
    pub(super) quantity: i64,
    pub(super) reserved: (Id, i64),
    pub(super) released: Option<(Id, i64)>,
}

#[derive(Debug)]
pub(super) struct Change {
    pub(super) product: String,
    pub(super) version: i64,
    pub(super) quantity: i64,
    pub(super) event: Id,
    pub(super) restock: bool,
}

#[derive(Debug)]
pub(super) struct Price {
    pub(super) price: i64,
    pub(super) since: i64,
}

#[derive(Debug)]
pub(super) struct OutRow {
    pub(super) seq: i64,
    pub(super) topic: Arc<str>,
    pub(super) key: String,
    pub(super) order: Option<String>,
    pub(super) bytes: Fingerprint,
    pub(super) published: bool,
    pub(super) created_at: i64,
    /// Ids of rows with this id: more than one is a violation.
    pub(super) rows: u64,
}

#[derive(Debug)]
pub(super) struct LogRecord {
    pub(super) topic: Arc<str>,
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) at: i64,
    pub(super) key: String,
    /// None if the bytes are no event.
    pub(super) event: Option<LogEvent>,
    pub(super) bytes: Fingerprint,
    /// The one group that this replay is for.
    pub(super) replay_group: Option<String>,
    pub(super) letter: Option<Box<Letter>>,
}

#[derive(Debug)]
pub(super) struct LogEvent {
    pub(super) id: Id,
    pub(super) cause: Option<Id>,
    pub(super) order: Option<String>,
    pub(super) product: Option<String>,
    pub(super) timestamp: i64,
}

/// A dead letter.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) group: String,
    pub(super) place: (String, u32, u64),
    pub(super) retries: u64,
    pub(super) original_timestamp: i64,
    pub(super) failed_at: i64,
    pub(super) well_formed: bool,
    pub(super) sha256_matches: bool,
}

#[derive(Debug)]
pub(super) struct Charge {
    pub(super) key: String,
    pub(super) order: String,
    pub(super) amount: i64,
    pub(super) captured: bool,
    pub(super) at: i64,
}

#[derive(Debug)]
pub(super) struct MailCopy {
    pub(super) message_id: String,
    pub(super) order: Option<String>,
    pub(super) at: i64,
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
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) checkouts: BTreeMap<String, i64>,
    pub(super) payments: BTreeMap<String, Payment>,
    pub(super) holds: BTreeMap<String, Hold>,
    pub(super) products: BTreeMap<String, Product>,
    pub(super) reservations: Vec<Reservation>,
    pub(super) changes: Vec<Change>,
    pub(super) prices: BTreeMap<String, Vec<Price>>,
    pub(super) deliveries: BTreeMap<Id, (String, i64)>,
    pub(super) outbox: BTreeMap<Id, OutRow>,
    pub(super) inbox: BTreeMap<String, BTreeSet<Id>>,
    pub(super) log: Vec<LogRecord>,
    pub(super) offsets: BTreeMap<(String, String, u32), u64>,
    pub(super) ends: BTreeMap<(String, u32), u64>,
    pub(super) charges: Vec<Charge>,
    /// By charge key: refunds as amount and time.
    pub(super) refunds: BTreeMap<String, Vec<(i64, i64)>>,
    pub(super) mail: Vec<MailCopy>,
    pub(super) history: Option<Vec<Entry>>,
    /// When processes started, in ms since the epoch.
    pub(super) starts: Vec<i64>,
    /// What is older may be gone from the log or the outbox.
    pub(super) since: i64,
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
            since: i64::MIN,
        }
    }

    /// Reads all of it.
    pub async fn read(sources: Sources<'_>) -> anyhow::Result<Self> {
        let (shop, outside) = (sources.shop, sources.outside);
        let mut evidence = Self {
            orders: orders(shop).await?,
            checkouts: checkouts(shop).await?,
            payments: payments(shop).await?,
            holds: holds(shop).await?,
            products: products(shop).await?,
            reservations: reservations(shop).await?,
            changes: changes(shop).await?,
            prices: prices(shop).await?,
            deliveries: deliveries(shop).await?,
            inbox: inbox(shop).await?,
            offsets: offsets(shop).await?,
            charges: charges(outside).await?,
            refunds: refunds(outside).await?,
            mail: mail(outside).await?,
            history: sources.history,
            starts: starts(shop).await?,
            ..Self::of_history_alone(vec![])
        };
        evidence.read_outbox(shop).await?;
        evidence.read_log(shop, sources.now).await?;
        Ok(evidence)
    }

    /// Whether all that was ever told of an order (or whatever is this old) is still there.
    pub(super) fn covers(&self, created_at: i64) -> bool {
        created_at >= self.since
    }

    /// Orders by status, and cancelled ones by reason.
    pub fn order_counts(&self) -> OrderCounts {
        let mut counts =
            OrderCounts { placed: self.checkouts.len() as u64, ..OrderCounts::default() };
        for order in self.orders.values() {
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

    /// Records in the log.
    pub fn log_len(&self) -> u64 {
        self.log.len() as u64
    }

    async fn read_outbox(&mut self, shop: &dyn Store) -> anyhow::Result<()> {
        let topics: BTreeMap<&str, Arc<str>> =
            facts::FROM_OUTBOX.iter().map(|topic| (*topic, Arc::from(*topic))).collect();
        let mut after = 0;
        loop {
            let rows = each(shop, SELECT_OUTBOX, vec![Value::Int(after)]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            if after == 0 {
                let first = rows[0].int(0)?;
                if first > 1 {
                    self.since = self.since.max(ms(&rows[0], 7)?);
                }
            }
            after = last.int(0)?;
            for row in &rows {
                let topic = row.text(2)?;
                let fresh = OutRow {
                    seq: row.int(0)?,
                    topic: topics.get(topic).cloned().unwrap_or_else(|| Arc::from(topic)),
                    key: row.text(3)?.to_owned(),
                    order: row.text_opt(4)?.map(str::to_owned),
                    bytes: fingerprint(row.text(5)?.as_bytes()),
                    published: row.text(6)? == "Y",
                    created_at: ms(row, 7)?,
                    rows: 0,
                };
                self.outbox.entry(id(row.text(1)?)?).or_insert(fresh).rows += 1;
            }
        }
    }

    async fn read_log(&mut self, shop: &dyn Store, now: i64) -> anyhow::Result<()> {
        let partitions = each(shop, SELECT_PARTITIONS, vec![]).await?;
        for row in &partitions {
            let (tp, topic, partition) =
                (row.int(0)?, Arc::<str>::from(row.text(1)?), row.int(2)? as u32);
            let start = row.int(3)? as u64;
            let mut next = start;
            let mut first_at = None;
            loop {
                let bounds =
                    vec![Value::Int((tp << 40) + next as i64), Value::Int(((tp + 1) << 40) - 1)];
                let rows = each(shop, SELECT_LOG, bounds).await?;
                if rows.is_empty() {
                    break;
                }
                for row in &rows {
                    let record = log_record(&topic, partition, row)?;
                    first_at.get_or_insert(record.at);
                    next = record.offset + 1;
                    self.log.push(record);
                }
            }
            if start > 0 {
                self.since = self.since.max(first_at.unwrap_or(now));
            }
            self.ends.insert((topic.to_string(), partition), next);
        }
        Ok(())
    }
}

const SELECT_OUTBOX: &str =
    "select seq, id, event_type, record_key, order_id, event_data, published, created_at
 from outbox_events where seq > ?1 order by seq limit 5000";
const SELECT_PARTITIONS: &str =
    "select tp, topic, partition, start_offset from log_partitions order by topic, partition";
const SELECT_LOG: &str =
    "select position, timestamp_ms, record_key, headers, value from log_records
 where position between ?1 and ?2 order by position limit 5000";

async fn each(store: &dyn Store, sql: &'static str, row: Vec<Value>) -> anyhow::Result<Vec<Row>> {
    let results = store.read(&[Read::new(sql, row)]).await;
    Ok(results.with_context(|| format!("reading evidence: {sql}"))?.concat())
}

pub(super) fn id(text: &str) -> anyhow::Result<Id> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    Id::from_str_radix(&digits, 16).map_err(|_| anyhow!("{text:?} is no event id"))
}

pub(super) fn show(id: Id) -> String {
    uuid::Uuid::from_u128(id).to_string()
}

pub(super) fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|at| digest[at])
}

fn ms(row: &Row, at: usize) -> anyhow::Result<i64> {
    Ok(row.time(at)?.millis())
}

#[derive(Deserialize)]
struct Item {
    product_id: String,
    quantity: i64,
    #[serde(default)]
    price: Option<Box<serde_json::value::RawValue>>,
}

fn items(json: &str) -> anyhow::Result<Vec<(String, i64, i64)>> {
    let items: Vec<Item> = serde_json::from_str(json).with_context(|| format!("items {json}"))?;
    let line = |item: Item| {
        let price = item.price.map_or(Ok(0), |raw| cents(raw.get()))?;
        Ok((item.product_id, item.quantity, price))
    };
    items.into_iter().map(line).collect()
}

/// `49.99` as 4999.
fn cents(text: &str) -> anyhow::Result<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let wrong = || anyhow!("{text:?} is no amount");
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let part: i64 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    Ok(whole * 100 + part)
}

async fn orders(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Order>> {
    const ORDERS: &str = "select order_id, user_id, status, items, total_minor, phone, payment_id, version, created_at,
       coalesce(decline_reason, cancel_reason) from orders order by order_id";
    const STEPS: &str = "select order_id, version, status, event_id from order_status_history order by order_id, version";
    let mut orders = BTreeMap::new();
    for row in each(shop, ORDERS, vec![]).await? {
        let order = Order {
            user: row.text(1)?.to_owned(),
            status: row.text(2)?.to_owned(),
            items: items(row.text(3)?)?,
            total: row.int(4)?,
            phone: row.text_opt(5)?.is_some(),
            payment: row.text_opt(6)?.map(str::to_owned),
            version: row.int(7)?,
            created_at: ms(&row, 8)?,
            reason: row.text_opt(9)?.map(str::to_owned),
            steps: vec![],
        };
        orders.insert(row.text(0)?.to_owned(), order);
    }
    for row in each(shop, STEPS, vec![]).await? {
        if let Some(order) = orders.get_mut(row.text(0)?) {
            order.steps.push((row.int(1)?, row.text(2)?.to_owned(), id(row.text(3)?)?));
        }
    }
    Ok(orders)
}

async fn checkouts(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, i64>> {
    let rows =
        each(shop, "select order_id, created_at from checkouts order by order_id", vec![]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), ms(row, 1)?))).collect()
}

async fn payments(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Payment>> {
    let sql = "select order_id, amount_minor, status from payments order by order_id";
    let payment = |row: &Row| {
        let payment = Payment { amount: row.int(1)?, status: row.text(2)?.to_owned() };
        Ok((row.text(0)?.to_owned(), payment))
    };
    each(shop, sql, vec![]).await?.iter().map(payment).collect()
}

async fn holds(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Hold>> {
    let sql = "select order_id, state, created_at from stock_holds order by order_id";
    let hold = |row: &Row| {
        let hold = Hold { state: row.text(1)?.to_owned(), created_at: ms(row, 2)? };
        Ok((row.text(0)?.to_owned(), hold))
    };
    each(shop, sql, vec![]).await?.iter().map(hold).collect()
}

async fn products(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Product>> {
    let sql = "select product_id, stock, version from products order by product_id";
    let product = |row: &Row| {
        Ok((row.text(0)?.to_owned(), Product { stock: row.int(1)?, version: row.int(2)? }))
    };
    each(shop, sql, vec![]).await?.iter().map(product).collect()
}

async fn reservations(shop: &dyn Store) -> anyhow::Result<Vec<Reservation>> {
    let sql = "select order_id, product_id, quantity, reserved_event_id, reserved_version,
       released_event_id, released_version from stock_reservations order by order_id, product_id";
    let reservation = |row: &Row| {
        let released = match row.text_opt(5)? {
            Some(event) => Some((id(event)?, row.int(6)?)),
            None => None,
        };
        Ok(Reservation {
            order: row.text(0)?.to_owned(),
            product: row.text(1)?.to_owned(),
            quantity: row.int(2)?,
            reserved: (id(row.text(3)?)?, row.int(4)?),
            released,
        })
    };
    each(shop, sql, vec![]).await?.iter().map(reservation).collect()
}

async fn changes(shop: &dyn Store) -> anyhow::Result<Vec<Change>> {
    let sql = "select product_id, version, kind, quantity, event_id from product_changes
     order by product_id, version, event_id";
    let change = |row: &Row| {
        Ok(Change {
            product: row.text(0)?.to_owned(),
            version: row.int(1)?,
            quantity: row.int(3)?,
            event: id(row.text(4)?)?,
            restock: row.text(2)? == "restock",
        })
    };
    each(shop, sql, vec![]).await?.iter().map(change).collect()
}

async fn prices(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Vec<Price>>> {
    let sql =
        "select product_id, price_minor, since from catalog_prices order by product_id, version";
    let mut prices: BTreeMap<String, Vec<Price>> = BTreeMap::new();
    for row in each(shop, sql, vec![]).await? {
        let price = Price { price: row.int(1)?, since: ms(&row, 2)? };
        prices.entry(row.text(0)?.to_owned()).or_default().push(price);
    }
    Ok(prices)
}

async fn deliveries(shop: &dyn Store) -> anyhow::Result<BTreeMap<Id, (String, i64)>> {
    let sql = "select event_id, product_id, quantity from catalog_deliveries order by event_id";
    let delivery = |row: &Row| Ok((id(row.text(0)?)?, (row.text(1)?.to_owned(), row.int(2)?)));
    each(shop, sql, vec![]).await?.iter().map(delivery).collect()
}

async fn inbox(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, BTreeSet<Id>>> {
    const PAGE: &str = "select event_id from processed_events where consumer = ?1 and event_id > ?2
     order by event_id limit 20000";
    let mut inbox: BTreeMap<String, BTreeSet<Id>> = BTreeMap::new();
    for (consumer, ..) in facts::READERS {
        let ids = inbox.entry((*consumer).to_owned()).or_default();
        let mut after = String::new();
        loop {
            let bounds = vec![Value::from(*consumer), Value::from(&after)];
            let rows = each(shop, PAGE, bounds).await?;
            let Some(last) = rows.last() else { break };
            after = last.text(0)?.to_owned();
            for row in &rows {
                ids.insert(id(row.text(0)?)?);
            }
        }
    }
    Ok(inbox)
}

async fn offsets(shop: &dyn Store) -> anyhow::Result<BTreeMap<(String, String, u32), u64>> {
    let sql = "select group_id, topic, partition, committed from log_offsets
     order by group_id, topic, partition";
    let offset = |row: &Row| {
        let place = (row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.int(2)? as u32);
        Ok((place, row.int(3)? as u64))
    };
    each(shop, sql, vec![]).await?.iter().map(offset).collect()
}

async fn starts(shop: &dyn Store) -> anyhow::Result<Vec<i64>> {
    let rows =
        each(shop, "select started_at from process_starts order by started_at", vec![]).await?;
    rows.iter().map(|row| ms(row, 0)).collect()
}

async fn charges(outside: &dyn Store) -> anyhow::Result<Vec<Charge>> {
    let sql = "select charge_key, order_id, amount_minor, outcome, at from gateway_charges order by charge_key";
    let charge = |row: &Row| {
        Ok(Charge {
            key: row.text(0)?.to_owned(),
            order: row.text(1)?.to_owned(),
            amount: row.int(2)?,
            captured: row.text(3)? == "captured",
            at: ms(row, 4)?,
        })
    };
    each(outside, sql, vec![]).await?.iter().map(charge).collect()
}

async fn refunds(outside: &dyn Store) -> anyhow::Result<BTreeMap<String, Vec<(i64, i64)>>> {
    let sql = "select charge_key, amount_minor, at from gateway_refunds order by refund_key";
    let mut refunds: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for row in each(outside, sql, vec![]).await? {
        refunds.entry(row.text(0)?.to_owned()).or_default().push((row.int(1)?, ms(&row, 2)?));
    }
    Ok(refunds)
}

async fn mail(outside: &dyn Store) -> anyhow::Result<Vec<MailCopy>> {
    let sql = "select message_id, order_id, received_at from mailbox order by seq";
    let copy = |row: &Row| {
        Ok(MailCopy {
            message_id: row.text(0)?.to_owned(),
            order: row.text_opt(1)?.map(str::to_owned),
            at: ms(row, 2)?,
        })
    };
    each(outside, sql, vec![]).await?.iter().map(copy).collect()
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event_id: &'a str,
    event_type: &'a str,
    timestamp: &'a str,
    #[serde(default)]
    causation_id: Option<&'a str>,
    #[serde(default)]
    order_id: Option<&'a str>,
    #[serde(default)]
    product_id: Option<&'a str>,
}

fn log_record(topic: &Arc<str>, partition: u32, row: &Row) -> anyhow::Result<LogRecord> {
    let bytes = |at: usize| match row.0.get(at) {
        Some(Value::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let value = bytes(4).unwrap_or_default();
    let headers = headers(&bytes(3).unwrap_or_default());
    let header = |name: &str| headers.get(name).cloned();
    let letter = (&**topic == facts::DEAD_LETTERS).then(|| Box::new(letter(&headers, &value)));
    Ok(LogRecord {
        topic: Arc::clone(topic),
        partition,
        offset: (row.int(0)? & ((1 << 40) - 1)) as u64,
        at: row.int(1)?,
        key: String::from_utf8_lossy(&bytes(2).unwrap_or_default()).into_owned(),
        event: event(topic, &value),
        bytes: fingerprint(&value),
        replay_group: header("ecom-replay-group"),
        letter,
    })
}

fn event(topic: &str, value: &[u8]) -> Option<LogEvent> {
    let envelope: Envelope<'_> = serde_json::from_slice(value).ok()?;
    let timestamp: crate::domain::Timestamp = envelope.timestamp.parse().ok()?;
    if envelope.event_type != topic {
        return None;
    }
    Some(LogEvent {
        id: id(envelope.event_id).ok()?,
        cause: envelope.causation_id.and_then(|cause| id(cause).ok()),
        order: envelope.order_id.map(str::to_owned),
        product: envelope.product_id.map(str::to_owned),
        timestamp: timestamp.millis(),
    })
}

fn headers(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let mut take = || {
        let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let text = String::from_utf8_lossy(bytes.get(4..4 + length)?).into_owned();
        bytes = &bytes[4 + length..];
        Some(text)
    };
    while let Some(name) = take()
        && let Some(value) = take()
    {
        headers.insert(name, value);
    }
    headers
}

fn letter(headers: &BTreeMap<String, String>, value: &[u8]) -> Letter {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(rename = "original_topic")]
        _original_topic: String,
        #[serde(rename = "event_id")]
        _event_id: String,
        #[serde(rename = "error_reason")]
        _error_reason: String,
        retry_count: u64,
        #[serde(rename = "timestamp")]
        _timestamp: crate::domain::Timestamp,
        payload: Box<serde_json::value::RawValue>,
    }
    let text = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let number = |name: &str| text(name).parse::<u64>().unwrap_or(u64::MAX);
    let body: Option<Body> = serde_json::from_slice(value).ok();
    let payload =
        body.as_ref().and_then(|body| original(&body.payload, &text("ecom-dlq-payload-encoding")));
    let digest = payload.map(|bytes| data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)));
    let failed_at = text("ecom-dlq-failed-at").parse::<crate::domain::Timestamp>();
    Letter {
        group: text("__dlq.errors.group"),
        place: (
            text("__dlq.errors.topic"),
            number("__dlq.errors.partition") as u32,
            number("__dlq.errors.offset"),
        ),
        retries: body.as_ref().map_or(u64::MAX, |body| body.retry_count),
        original_timestamp: text("ecom-dlq-original-timestamp").parse().unwrap_or(i64::MAX),
        failed_at: failed_at.map_or(i64::MIN, crate::domain::Timestamp::millis),
        well_formed: body.is_some(),
        sha256_matches: digest.is_some_and(|digest| digest == text("ecom-dlq-payload-sha256")),
    }
}

fn original(payload: &serde_json::value::RawValue, encoding: &str) -> Option<Vec<u8>> {
    match encoding {
        "json" => Some(payload.get().as_bytes().to_vec()),
        "none" => Some(vec![]),
        "base64" => {
            let text: String = serde_json::from_str(payload.get()).ok()?;
            data_encoding::BASE64.decode(text.as_bytes()).ok()
        }
        _ => None,
    }
}
