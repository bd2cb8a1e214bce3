//! Reading the tables of the shop and of the world outside.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use anyhow::{Context, anyhow};
use serde::Deserialize;

use super::{
    Change, Charge, Hold, Id, MailCopy, Order, Payment, Price, Product, Reservation, each, id, ms,
};
use crate::domain::Timestamp;
use crate::ports::store::{Row, Store, Value};
use crate::sim::check::facts;

pub(super) async fn orders(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Order>> {
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

pub(super) async fn checkouts(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, i64>> {
    let rows =
        each(shop, "select order_id, created_at from checkouts order by order_id", vec![]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), ms(row, 1)?))).collect()
}

pub(super) async fn payments(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Payment>> {
    let sql = "select order_id, amount_minor, status from payments order by order_id";
    let payment = |row: &Row| {
        let payment = Payment { amount: row.int(1)?, status: row.text(2)?.to_owned() };
        Ok((row.text(0)?.to_owned(), payment))
    };
    each(shop, sql, vec![]).await?.iter().map(payment).collect()
}

pub(super) async fn holds(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Hold>> {
    let sql = "select order_id, state, created_at from stock_holds order by order_id";
    let hold = |row: &Row| {
        let hold = Hold { state: row.text(1)?.to_owned(), created_at: ms(row, 2)? };
        Ok((row.text(0)?.to_owned(), hold))
    };
    each(shop, sql, vec![]).await?.iter().map(hold).collect()
}

pub(super) async fn products(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Product>> {
    let sql = "select product_id, stock, version from products order by product_id";
    let product = |row: &Row| {
        Ok((row.text(0)?.to_owned(), Product { stock: row.int(1)?, version: row.int(2)? }))
    };
    each(shop, sql, vec![]).await?.iter().map(product).collect()
}

pub(super) async fn reservations(shop: &dyn Store) -> anyhow::Result<Vec<Reservation>> {
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

pub(super) async fn changes(shop: &dyn Store) -> anyhow::Result<Vec<Change>> {
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

pub(super) async fn prices(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, Vec<Price>>> {
    let sql =
        "select product_id, price_minor, since from catalog_prices order by product_id, version";
    let mut prices: BTreeMap<String, Vec<Price>> = BTreeMap::new();
    for row in each(shop, sql, vec![]).await? {
        let price = Price { price: row.int(1)?, since: ms(&row, 2)? };
        prices.entry(row.text(0)?.to_owned()).or_default().push(price);
    }
    Ok(prices)
}

pub(super) async fn deliveries(shop: &dyn Store) -> anyhow::Result<BTreeMap<Id, (String, i64)>> {
    let sql = "select event_id, product_id, quantity from catalog_deliveries order by event_id";
    let delivery = |row: &Row| Ok((id(row.text(0)?)?, (row.text(1)?.to_owned(), row.int(2)?)));
    each(shop, sql, vec![]).await?.iter().map(delivery).collect()
}

pub(super) async fn inbox(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, BTreeSet<Id>>> {
    const PAGE: &str = "select event_id from processed_events where consumer = ?1 and event_id > ?2
     order by event_id limit 20000";
    let mut inbox: BTreeMap<String, BTreeSet<Id>> = BTreeMap::new();
    for (consumer, ..) in facts::READERS {
        let ids = inbox.entry((*consumer).to_owned()).or_default();
        let mut after = uuid::Uuid::nil().to_string();
        loop {
            let bounds = vec![Value::from(*consumer), Value::from(&after)];
            let rows = each(shop, PAGE, bounds).await?;
            let Some(last) = rows.last() else { break };
            last.text(0)?.clone_into(&mut after);
            for row in &rows {
                ids.insert(id(row.text(0)?)?);
            }
        }
    }
    Ok(inbox)
}

pub(super) async fn offsets(
    shop: &dyn Store,
) -> anyhow::Result<BTreeMap<(String, String, u32), u64>> {
    let sql = "select group_id, topic, partition, committed from log_offsets
     order by group_id, topic, partition";
    let offset = |row: &Row| {
        let place = (row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.int(2)? as u32);
        Ok((place, row.int(3)? as u64))
    };
    each(shop, sql, vec![]).await?.iter().map(offset).collect()
}

pub(super) async fn starts(shop: &dyn Store) -> anyhow::Result<Vec<i64>> {
    let rows =
        each(shop, "select started_at from process_starts order by started_at", vec![]).await?;
    rows.iter().map(|row| ms(row, 0)).collect()
}

/// When processes counted as gone: from then until they noted that they were back. What ended and left a
/// sign of life behind did so by `now`.
pub(super) async fn gaps(shop: &dyn Store, now: i64) -> anyhow::Result<Vec<RangeInclusive<i64>>> {
    let sql = "select gone_since, back_at from process_gaps";
    let noted = each(shop, sql, vec![]).await?;
    let mut gaps: Vec<RangeInclusive<i64>> =
        noted.iter().map(|row| Ok(ms(row, 0)?..=ms(row, 1)?)).collect::<anyhow::Result<_>>()?;
    let sql = "select alive_until from members where alive_until < ?1";
    for row in each(shop, sql, vec![Timestamp::from_millis(now).into()]).await? {
        let gone = ms(&row, 0)?;
        gaps.push(gone..=gone);
    }
    Ok(gaps)
}

/// Of each message, attempts whose answer never came.
pub(super) async fn unanswered(shop: &dyn Store) -> anyhow::Result<BTreeMap<String, i64>> {
    let sql = "select message_id, unanswered from notifications where unanswered > 0";
    let of = |row: &Row| Ok((row.text(0)?.to_owned(), row.int(1)?));
    each(shop, sql, vec![]).await?.iter().map(of).collect()
}

pub(super) async fn charges(outside: &dyn Store) -> anyhow::Result<Vec<Charge>> {
    let sql = "select charge_key, order_id, amount_minor, outcome, at, asked_at
     from gateway_charges order by charge_key";
    let charge = |row: &Row| {
        Ok(Charge {
            key: row.text(0)?.to_owned(),
            order: row.text(1)?.to_owned(),
            amount: row.int(2)?,
            captured: row.text(3)? == "captured",
            at: ms(row, 4)?,
            asked_at: row.time_opt(5)?.map(Timestamp::millis),
        })
    };
    each(outside, sql, vec![]).await?.iter().map(charge).collect()
}

pub(super) async fn refunds(
    outside: &dyn Store,
) -> anyhow::Result<BTreeMap<String, Vec<(i64, i64)>>> {
    let sql = "select charge_key, amount_minor, at from gateway_refunds order by refund_key";
    let mut refunds: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for row in each(outside, sql, vec![]).await? {
        refunds.entry(row.text(0)?.to_owned()).or_default().push((row.int(1)?, ms(&row, 2)?));
    }
    Ok(refunds)
}

pub(super) async fn mail(outside: &dyn Store) -> anyhow::Result<Vec<MailCopy>> {
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
