//! The inventory service's SQL.

use std::collections::BTreeSet;

use super::model::{HoldRow, HoldState, Movement, OnShelf, Product, Shelf, Tracked};
use crate::domain::{EventId, Money, OrderId, ProductId, Timestamp};
use crate::ports::holds::Hold;
use crate::ports::store::{Read, Row, StoreError};
use crate::services::{Desk, UnitOfWork};
use crate::values;

macro_rules! select_products {
    ($($tail:literal)+) => {
        concat!(
            "select product_id, name, description, price_minor, listed, stock, version,
               catalog_version, created_at from products ",
            $($tail),+
        )
    };
}

macro_rules! select_holds {
    ($($tail:literal)+) => {
        concat!(
            "select order_id, items, state, expires_at, version, created_at from stock_holds ",
            $($tail),+
        )
    };
}

const SELECT_PRODUCT: &str = select_products!("where product_id = ?1");
const SELECT_LISTED: &str =
    select_products!("where listed and product_id > ?1 order by product_id limit ?2");
const SELECT_STOCK: &str = "select product_id, stock from products order by product_id";
const INSERT_PRODUCT: &str =
    "insert into products (product_id, name, description, price_minor, listed,
   stock, version, catalog_version, created_at, updated_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const UPDATE_PRODUCT: &str = "update products set name = ?3, description = ?4, price_minor = ?5,
   listed = ?6, stock = ?7, version = ?8, catalog_version = ?9, updated_at = ?10
 where product_id = ?1 and version = ?2";
const INSERT_CHANGE: &str =
    "insert into product_changes (product_id, version, kind, quantity, event_id, at)
 values (?1, ?2, ?3, ?4, ?5, ?6)";
const SELECT_HOLD: &str = select_holds!("where order_id = ?1");
const SELECT_LIVE: &str =
    select_holds!("where state = 'HELD' and expires_at > ?1 order by order_id");
const INSERT_HOLD: &str =
    "insert into stock_holds (order_id, items, state, expires_at, version, created_at, updated_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const UPDATE_HOLD: &str =
    "update stock_holds set items = ?3, state = ?4, version = ?5, updated_at = ?6
 where order_id = ?1 and version = ?2";
const INSERT_RESERVATION: &str = "insert into stock_reservations
 (order_id, product_id, quantity, reserved_event_id, reserved_version, created_at) values (?1, ?2, ?3, ?4, ?5, ?6)";
const RELEASE_RESERVATION: &str = "update stock_reservations set released_event_id = ?3,
   released_version = ?4, released_at = ?5
 where order_id = ?1 and product_id = ?2 and released_event_id is null";

/// Puts the holds of `orders`, and the products that these or `products` name, on the shelf.
pub(super) async fn load(
    desk: &Desk,
    orders: BTreeSet<&OrderId>,
    mut products: BTreeSet<ProductId>,
) -> Result<Shelf, StoreError> {
    let mut shelf = Shelf::default();
    if !orders.is_empty() {
        let read = Read::each(SELECT_HOLD, orders.into_iter().map(|id| values![id]));
        for row in desk.read(&[read]).await?.concat() {
            let hold = hold(&row)?;
            if hold.state == HoldState::Reserved {
                products.extend(hold.units.iter().map(|units| units.product_id.clone()));
            }
            shelf.holds.insert(hold.order_id.clone(), Tracked::stored(hold.clone(), hold.version));
        }
    }
    if !products.is_empty() {
        let read = Read::each(SELECT_PRODUCT, products.iter().map(|id| values![id]));
        for row in desk.read(&[read]).await?.concat() {
            let product = product(&row)?;
            let (stock_before, version) = (product.stock, product.version);
            let id = product.product_id.clone();
            let tracked = Tracked::stored(product, version);
            shelf.products.insert(id, OnShelf { tracked, stock_before });
        }
    }
    Ok(shelf)
}

/// Writes what has changed on the shelf.
pub(super) fn save(unit: &mut UnitOfWork, shelf: &Shelf) {
    for on_shelf in shelf.products.values().filter(|p| p.tracked.dirty) {
        save_product(unit, &on_shelf.tracked);
    }
    for tracked in shelf.holds.values().filter(|hold| hold.dirty) {
        let (hold, now) = (&tracked.row, unit.now);
        let items = serde_json::to_string(&hold.units).expect("units are plain data");
        let state = hold.state.as_str();
        match tracked.stored_version {
            None => unit.one(
                INSERT_HOLD,
                values![
                    &hold.order_id,
                    items,
                    state,
                    hold.expires_at,
                    hold.version,
                    hold.created_at,
                    now
                ],
            ),
            Some(version) => {
                unit.one(
                    UPDATE_HOLD,
                    values![&hold.order_id, version, items, state, hold.version, now],
                );
            }
        }
    }
}

fn save_product(unit: &mut UnitOfWork, tracked: &Tracked<Product>) {
    let (p, now) = (&tracked.row, unit.now);
    match tracked.stored_version {
        None => unit.one(
            INSERT_PRODUCT,
            values![
                &p.product_id,
                &p.name,
                &p.description,
                p.price,
                p.listed,
                p.stock,
                p.version,
                p.catalog_version,
                p.created_at,
                now
            ],
        ),
        Some(version) => unit.one(
            UPDATE_PRODUCT,
            values![
                &p.product_id,
                version,
                &p.name,
                &p.description,
                p.price,
                p.listed,
                p.stock,
                p.version,
                p.catalog_version,
                now
            ],
        ),
    }
}

/// Notes a change of a product's row that no order caused.
pub(super) fn note_change(
    unit: &mut UnitOfWork,
    shelf: &Shelf,
    product: &ProductId,
    kind: &'static str,
    quantity: i64,
    event: EventId,
) {
    let (version, now) = (shelf.version_of(product), unit.now);
    unit.one(INSERT_CHANGE, values![product, version, kind, quantity, event, now]);
}

/// Notes units that left the stock for an order.
pub(super) fn note_reserved(unit: &mut UnitOfWork, shelf: &Shelf, movement: &Movement) {
    let Movement { order_id, units, event_id } = movement;
    let (version, now) = (shelf.version_of(&units.product_id), unit.now);
    unit.one(
        INSERT_RESERVATION,
        values![order_id, &units.product_id, units.quantity, *event_id, version, now],
    );
}

/// Notes units that came back from an order.
pub(super) fn note_released(unit: &mut UnitOfWork, shelf: &Shelf, movement: &Movement) {
    let Movement { order_id, units, event_id } = movement;
    let (version, now) = (shelf.version_of(&units.product_id), unit.now);
    unit.one(RELEASE_RESERVATION, values![order_id, &units.product_id, *event_id, version, now]);
}

/// One product.
pub(super) async fn product_of(desk: &Desk, id: &ProductId) -> Result<Option<Product>, StoreError> {
    desk.query(SELECT_PRODUCT, values![id]).await?.first().map(product).transpose()
}

/// A page of the products on sale, by id, after `after`.
pub(super) async fn listed(
    desk: &Desk,
    after: &str,
    limit: u32,
) -> Result<Vec<Product>, StoreError> {
    desk.query(SELECT_LISTED, values![after, limit]).await?.iter().map(product).collect()
}

/// What holds are rebuilt from: every product's stock, and the holds that still live.
pub(super) async fn durable_holds(
    desk: &Desk,
    now: Timestamp,
) -> Result<(Vec<(ProductId, i64)>, Vec<Hold>), StoreError> {
    let reads = [Read::new(SELECT_STOCK, vec![]), Read::new(SELECT_LIVE, values![now])];
    let results = desk.read(&reads).await?;
    let stock = results[0].iter().map(|row| Ok((row.parsed(0)?, row.int(1)?)));
    let live = results[1].iter().map(|row| {
        let HoldRow { order_id, units, expires_at, .. } = hold(row)?;
        Ok(Hold { order_id, units, expires_at, rank: Hold::FINAL })
    });
    Ok((stock.collect::<Result<_, StoreError>>()?, live.collect::<Result<_, StoreError>>()?))
}

fn product(row: &Row) -> Result<Product, StoreError> {
    Ok(Product {
        product_id: row.parsed(0)?,
        name: row.text(1)?.to_owned(),
        description: row.text(2)?.to_owned(),
        price: Money::from_minor(row.int(3)?),
        listed: row.int(4)? != 0,
        stock: row.int(5)?,
        version: row.int(6)?,
        catalog_version: row.int(7)?,
        created_at: row.time(8)?,
    })
}

fn hold(row: &Row) -> Result<HoldRow, StoreError> {
    let state = HoldState::parse(row.text(2)?)
        .ok_or_else(|| StoreError::Broken(format!("hold state {:?}", row.0[2])))?;
    Ok(HoldRow {
        order_id: row.parsed(0)?,
        units: row.json(1)?,
        state,
        expires_at: row.time(3)?,
        version: row.int(4)?,
        created_at: row.time(5)?,
    })
}
