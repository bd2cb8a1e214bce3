//! The catalogue's SQL.

use super::model::Offer;
use crate::domain::{EventId, Money, ProductId, Quantity};
use crate::ports::store::{Read, Row, StoreError};
use crate::services::{Desk, UnitOfWork};
use crate::values;

const SELECT: &str =
    "select product_id, seller_id, name, description, price_minor, listed, version, created_at
 from catalog_products where product_id = ?1";
const COUNT: &str = "select count(*) from catalog_products";
const INSERT: &str =
    "insert into catalog_products (product_id, seller_id, name, description, price_minor,
   listed, version, created_at, updated_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const UPDATE: &str =
    "update catalog_products set price_minor = ?3, listed = ?4, version = ?5, updated_at = ?6
 where product_id = ?1 and version = ?2";
const INSERT_PRICE: &str =
    "insert into catalog_prices (product_id, version, price_minor, listed, since)
 values (?1, ?2, ?3, ?4, ?5)";
const INSERT_DELIVERY: &str =
    "insert into catalog_deliveries (event_id, product_id, quantity, at) values (?1, ?2, ?3, ?4)";

/// Those of `products` that are offered.
pub(super) async fn load(desk: &Desk, products: &[&ProductId]) -> Result<Vec<Offer>, StoreError> {
    let read = Read::each(SELECT, products.iter().map(|id| values![*id]));
    desk.read(&[read]).await?.concat().iter().map(offer).collect()
}

/// How many products there are.
pub(super) async fn count(desk: &Desk) -> Result<i64, StoreError> {
    desk.query(COUNT, vec![]).await?.first().map_or(Ok(0), |row| row.int(0))
}

fn offer(row: &Row) -> Result<Offer, StoreError> {
    Ok(Offer {
        product_id: row.parsed(0)?,
        seller_id: row.text(1)?.to_owned(),
        name: row.text(2)?.to_owned(),
        description: row.text(3)?.to_owned(),
        price: Money::from_minor(row.int(4)?),
        listed: row.int(5)? != 0,
        version: row.int(6)?,
        created_at: row.time(7)?,
    })
}

/// Adds an offer, which must be the first of its product.
pub(super) fn insert(unit: &mut UnitOfWork, o: &Offer) {
    let now = unit.now;
    unit.one(
        INSERT,
        values![
            &o.product_id,
            &o.seller_id,
            &o.name,
            &o.description,
            o.price,
            o.listed,
            o.version,
            o.created_at,
            now
        ],
    );
    note_price(unit, o);
}

/// Writes an offer that was at `version` when it was read.
pub(super) fn update(unit: &mut UnitOfWork, o: &Offer, version: i64) {
    let now = unit.now;
    unit.one(UPDATE, values![&o.product_id, version, o.price, o.listed, o.version, now]);
    note_price(unit, o);
}

fn note_price(unit: &mut UnitOfWork, o: &Offer) {
    let now = unit.now;
    unit.one(INSERT_PRICE, values![&o.product_id, o.version, o.price, o.listed, now]);
}

/// Notes a delivery of units.
pub(super) fn insert_delivery(
    unit: &mut UnitOfWork,
    event: EventId,
    product: &ProductId,
    quantity: Quantity,
) {
    let now = unit.now;
    unit.one(INSERT_DELIVERY, values![event, product, quantity, now]);
}
