//! The cart service's SQL.

use std::collections::BTreeSet;

use super::model::{Cart, PriceTag};
use crate::domain::{Email, Money, OrderId, Phone, ProductId, Timestamp, UserId};
use crate::events::cart::CheckoutInitiated;
use crate::ports::lookup::CheckoutEntry;
use crate::ports::store::{Read, Row, StoreError};
use crate::services::{Desk, UnitOfWork};
use crate::values;

const SELECT_CART: &str =
    "select user_id, cart_id, items, version, last_order_id, created_at, expires_at from carts
 where user_id = ?1 and expires_at > ?2";
// An expired row is as good as none: whoever comes first overwrites it, from whatever version.
const INSERT_CART: &str = "insert into carts (user_id, cart_id, items, version, last_order_id, created_at, updated_at, expires_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
 on conflict (user_id) do update set cart_id = excluded.cart_id, items = excluded.items,
   version = excluded.version, last_order_id = excluded.last_order_id, created_at = excluded.created_at,
   updated_at = excluded.updated_at, expires_at = excluded.expires_at
 where carts.expires_at <= excluded.updated_at";
const UPDATE_CART: &str =
    "update carts set cart_id = ?3, items = ?4, version = ?5, last_order_id = ?6,
   updated_at = ?7, expires_at = ?8
 where user_id = ?1 and version = ?2";
// Also outside of the subquery: what was revived while the deletion waited for it is not expired.
const DELETE_EXPIRED: &str = "delete from carts where expires_at <= ?1 and user_id in
 (select user_id from carts where expires_at <= ?1 order by expires_at limit ?2)";
const COUNT_EXPIRED: &str =
    "select count(*) from (select 1 from carts where expires_at <= ?1 limit ?2) as expired";
const INSERT_CHECKOUT: &str =
    "insert into checkouts (order_id, cart_id, user_id, items, total_minor, email,
   phone, hold_expires_at, deadline, created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const SELECT_CHECKOUT: &str =
    "select order_id, user_id, items, total_minor, created_at from checkouts where order_id = ?1";
const SELECT_TAG: &str =
    "select product_id, name, price_minor, listed, version, previous from cart_products
 where product_id = ?1";
const UPSERT_TAG: &str = "insert into cart_products (product_id, name, price_minor, listed, version, previous, updated_at)
 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
 on conflict (product_id) do update set name = excluded.name, price_minor = excluded.price_minor,
   listed = excluded.listed, version = excluded.version, previous = excluded.previous, updated_at = excluded.updated_at
 where cart_products.version < excluded.version";

/// The user's cart, untouched if there is none.
pub(super) async fn load(desk: &Desk, user: &UserId, now: Timestamp) -> Result<Cart, StoreError> {
    let rows = desk.query(SELECT_CART, values![user, now]).await?;
    rows.first().map_or_else(|| Ok(Cart::untouched(user.clone(), now)), cart)
}

/// The carts of all of them, untouched where there is none.
pub(super) async fn load_all(
    desk: &Desk,
    users: &BTreeSet<&UserId>,
    now: Timestamp,
) -> Result<Vec<Cart>, StoreError> {
    let read = Read::each(SELECT_CART, users.iter().map(|user| values![*user, now]));
    let rows = desk.read(&[read]).await?.concat();
    let mut carts = rows.iter().map(cart).collect::<Result<Vec<_>, _>>()?;
    let there: BTreeSet<UserId> = carts.iter().map(|cart| cart.user_id.clone()).collect();
    let none = users.iter().filter(|user| !there.contains(**user));
    carts.extend(none.map(|user| Cart::untouched((*user).clone(), now)));
    Ok(carts)
}

fn cart(row: &Row) -> Result<Cart, StoreError> {
    Ok(Cart {
        user_id: row.parsed(0)?,
        cart_id: row.parsed_opt(1)?,
        items: row.json(2)?,
        version: row.int(3)?,
        last_order_id: row.parsed_opt(4)?,
        created_at: row.time(5)?,
        expires_at: row.time(6)?,
    })
}

/// Writes a cart that was at `stored_version` when it was read (0: there was none), and has just been
/// touched.
pub(super) fn save(unit: &mut UnitOfWork, desk: &Desk, cart: &mut Cart, stored_version: i64) {
    let items = serde_json::to_string(&cart.items).expect("lines are plain data");
    let (last, now) = (cart.last_order_id.as_ref(), unit.now);
    let expires_at = now + desk.settings.cart_ttl;
    cart.expires_at = expires_at;
    if stored_version == 0 {
        unit.one(
            INSERT_CART,
            values![
                &cart.user_id,
                cart.cart_id,
                items,
                cart.version,
                last,
                cart.created_at,
                now,
                expires_at
            ],
        );
    } else {
        unit.one(
            UPDATE_CART,
            values![
                &cart.user_id,
                stored_version,
                cart.cart_id,
                items,
                cart.version,
                last,
                now,
                expires_at
            ],
        );
    }
}

/// Deletes expired carts; whether there may be more.
pub(super) async fn expire(
    desk: &Desk,
    unit: &mut UnitOfWork,
    limit: u32,
) -> Result<bool, StoreError> {
    let rows = desk.query(COUNT_EXPIRED, values![unit.now, limit]).await?;
    let expired = rows.first().map_or(Ok(0), |row| row.int(0))?;
    if expired > 0 {
        unit.any(DELETE_EXPIRED, values![unit.now, limit]);
    }
    Ok(expired == i64::from(limit))
}

/// Adds the checkout, which must be the first of its cart.
pub(super) fn insert_checkout(unit: &mut UnitOfWork, e: &CheckoutInitiated) {
    let items = serde_json::to_string(&e.items).expect("lines are plain data");
    let email = e.email.as_ref().map(Email::as_str);
    let phone = e.phone.as_ref().map(Phone::as_str);
    let now = unit.now;
    unit.one(
        INSERT_CHECKOUT,
        values![
            &e.order_id,
            e.cart_id,
            &e.user_id,
            items,
            e.total_amount,
            email,
            phone,
            e.hold_expires_at,
            e.deadline,
            now
        ],
    );
}

/// The checkout that made an order.
pub(super) async fn checkout(
    desk: &Desk,
    id: &OrderId,
) -> Result<Option<CheckoutEntry>, StoreError> {
    let entry = |row: &Row| {
        Ok(CheckoutEntry {
            order_id: row.parsed(0)?,
            user_id: row.parsed(1)?,
            items: row.json(2)?,
            total: Money::from_minor(row.int(3)?),
            created_at: row.time(4)?,
        })
    };
    desk.query(SELECT_CHECKOUT, values![id]).await?.first().map(entry).transpose()
}

/// What those of `products` cost that the cart has heard of.
pub(super) async fn tags<'a>(
    desk: &Desk,
    products: impl IntoIterator<Item = &'a ProductId>,
) -> Result<Vec<PriceTag>, StoreError> {
    let read = Read::each(SELECT_TAG, products.into_iter().map(|id| values![id]));
    desk.read(&[read]).await?.concat().iter().map(tag).collect()
}

fn tag(row: &Row) -> Result<PriceTag, StoreError> {
    Ok(PriceTag {
        product_id: row.parsed(0)?,
        name: row.text(1)?.to_owned(),
        price: Money::from_minor(row.int(2)?),
        listed: row.int(3)? != 0,
        version: row.int(4)?,
        previous: row.json(5)?,
    })
}

/// Remembers what a product costs, unless something newer is known.
pub(super) fn save_tag(unit: &mut UnitOfWork, tag: &PriceTag) {
    let previous = serde_json::to_string(&tag.previous).expect("prices are plain data");
    let now = unit.now;
    unit.any(
        UPSERT_TAG,
        values![&tag.product_id, &tag.name, tag.price, tag.listed, tag.version, previous, now],
    );
}
