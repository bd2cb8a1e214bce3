//! The inventory service: keeps the stock, the durable side of holds, and reservations.

pub mod api;
pub mod model;
mod reconcile;
mod soft;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Desk, Failure, Incoming, Mutant, Service, UnitOfWork};
use crate::domain::{EventId, Line, OrderId, ProductId, Timestamp};
use crate::events::inventory::{self, Units};
use crate::events::{Event, Topic, catalog, order};
use crate::ports::holds::{Hold, Holds};
use crate::ports::{HoldsError, StoreError};
use model::{Fall, HoldRow, HoldState, Movement, Product, Shelf, Tracked, units_of};
use soft::{FollowUp, SoftHolds};

/// A reservation takes its hold along for this long, past any commit.
const RESERVING_TTL: Duration = Duration::from_mins(1);

/// The inventory service.
pub struct Inventory {
    desk: Desk,
    soft: SoftHolds,
    drifts: reconcile::Drifts,
}

impl Inventory {
    /// The service at `desk`; `holds` is shared with the cart.
    pub fn new(desk: Desk, holds: Arc<dyn Holds>) -> Self {
        let (store, clock) = (Arc::clone(&desk.store), Arc::clone(&desk.clock));
        let soft = SoftHolds { holds, store, clock };
        Self { desk, soft, drifts: reconcile::Drifts::default() }
    }

    /// One product, as on the shelf.
    pub async fn product(&self, id: &ProductId) -> Result<Option<Product>, StoreError> {
        store::product_of(&self.desk, id).await
    }

    /// A page of the products on sale, by id, after `after`.
    pub async fn listed(&self, after: &str, limit: u32) -> Result<Vec<Product>, StoreError> {
        store::listed(&self.desk, after, limit).await
    }

    /// Takes or renews the holds of all paid orders in the batch, in order. An order whose hold still
    /// lives keeps its units; one whose hold lapsed gets units that nobody holds, or none. Without
    /// holds, every order may try the durable stock.
    async fn acquire(
        &self,
        shelf: &Shelf,
        events: &[Incoming],
        now: Timestamp,
    ) -> Result<BTreeMap<OrderId, bool>, Failure> {
        let mut wanted = vec![];
        for incoming in events {
            if let Event::OrderConfirmed(e) = &incoming.event {
                let state = shelf.holds.get(&e.order_id).map(|hold| hold.row.state);
                if matches!(state, None | Some(HoldState::Held)) {
                    let units = units_of(&e.items);
                    let expires_at = now + RESERVING_TTL;
                    let (order_id, rank) = (e.order_id.clone(), Hold::FINAL);
                    wanted.push(Hold { order_id, units, expires_at, rank });
                }
            }
        }
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let held = self.soft.hold(&wanted, now).await?;
        Ok(wanted.into_iter().zip(held).map(|(hold, held)| (hold.order_id, held)).collect())
    }

    fn created(shelf: &mut Shelf, e: &order::Created, now: Timestamp) {
        shelf.holds.entry(e.order_id.clone()).or_insert_with(|| {
            Tracked::new(HoldRow {
                order_id: e.order_id.clone(),
                units: units_of(&e.items),
                state: HoldState::Held,
                expires_at: e.hold_expires_at,
                version: 1,
                created_at: now,
            })
        });
    }

    fn confirmed(
        &self,
        unit: &mut UnitOfWork,
        shelf: &mut Shelf,
        follow: &mut FollowUp,
        e: &order::Confirmed,
        cause: EventId,
        acquired: bool,
    ) {
        let units = row_of(shelf, &e.order_id, &e.items, unit.now).units.clone();
        if shelf.holds[&e.order_id].row.state != HoldState::Held {
            return; // reserved before, or cancelled meanwhile
        }
        let mutation = self.desk.settings.mutation;
        let mut short = shelf.short_of(&units);
        if !acquired && short.is_empty() {
            // The units are there, but others hold them.
            short.clone_from(&units);
        }
        let mut taken = units.clone();
        if mutation.is(Mutant::Oversell) {
            shelf.put_back(&short); // units out of thin air
            short.clear();
        }
        if mutation.is(Mutant::PartialReservation) && !short.is_empty() {
            taken.retain(|units| !short.contains(units));
        } else if !short.is_empty() {
            shelf.set_state(&e.order_id, HoldState::Failed);
            let failed = inventory::ReservationFailed { order_id: e.order_id.clone(), short };
            unit.emit(Some(cause), &Event::InventoryReservationFailed(failed));
            follow.released.push(e.order_id.clone());
            return;
        }
        if short.is_empty() {
            shelf.set_state(&e.order_id, HoldState::Reserved);
            shelf.take(&taken);
            let reserved =
                inventory::Reserved { order_id: e.order_id.clone(), items: taken.clone() };
            let event_id = unit.emit(Some(cause), &Event::InventoryReserved(reserved));
            note_movements(unit, shelf, &e.order_id, &taken, event_id, store::note_reserved);
        } else {
            shelf.set_state(&e.order_id, HoldState::Failed);
            shelf.take(&taken);
            let failed = inventory::ReservationFailed { order_id: e.order_id.clone(), short };
            let event_id = unit.emit(Some(cause), &Event::InventoryReservationFailed(failed));
            note_movements(unit, shelf, &e.order_id, &taken, event_id, store::note_reserved);
        }
        follow.consumed.push((e.order_id.clone(), taken));
    }

    fn cancelled(
        unit: &mut UnitOfWork,
        shelf: &mut Shelf,
        follow: &mut FollowUp,
        e: &order::Cancelled,
        cause: EventId,
    ) {
        let Some(hold) = shelf.holds.get(&e.order_id).map(|tracked| tracked.row.clone()) else {
            let stone = HoldRow {
                order_id: e.order_id.clone(),
                units: vec![],
                state: HoldState::Tombstone,
                expires_at: unit.now,
                version: 1,
                created_at: unit.now,
            };
            shelf.holds.insert(e.order_id.clone(), Tracked::new(stone));
            follow.released.push(e.order_id.clone());
            return;
        };
        match hold.state {
            HoldState::Held => follow.released.push(e.order_id.clone()),
            HoldState::Reserved => {
                shelf.put_back(&hold.units);
                let back = |u: &Units| (u.product_id.clone(), i64::from(u.quantity.get()));
                follow.adjusted.extend(hold.units.iter().map(back));
            }
            HoldState::Released | HoldState::Failed | HoldState::Tombstone => return,
        }
        shelf.set_state(&e.order_id, HoldState::Released);
        let released =
            inventory::Released { order_id: e.order_id.clone(), items: hold.units.clone() };
        let event_id = unit.emit(Some(cause), &Event::InventoryReleased(released));
        if hold.state == HoldState::Reserved {
            note_movements(unit, shelf, &e.order_id, &hold.units, event_id, store::note_released);
        }
    }

    fn upserted(
        unit: &mut UnitOfWork,
        shelf: &mut Shelf,
        e: &catalog::ProductUpserted,
        cause: EventId,
    ) {
        let known = shelf.products.get(&e.product_id).map_or(0, |p| p.tracked.row.catalog_version);
        if e.version <= known {
            return; // an older change that was overtaken
        }
        let kind = if shelf.products.contains_key(&e.product_id) { "upsert" } else { "created" };
        let product = shelf.product_mut(&e.product_id, unit.now);
        product.name.clone_from(&e.name);
        product.description.clone_from(&e.description);
        product.price = e.price;
        product.listed = e.listed;
        product.catalog_version = e.version;
        store::note_change(unit, shelf, &e.product_id, kind, 0, cause);
    }

    fn received(
        unit: &mut UnitOfWork,
        shelf: &mut Shelf,
        follow: &mut FollowUp,
        e: &catalog::StockReceived,
        cause: EventId,
    ) {
        let units = i64::from(e.quantity.get());
        shelf.product_mut(&e.product_id, unit.now).stock += units;
        store::note_change(unit, shelf, &e.product_id, "restock", units, cause);
        follow.adjusted.push((e.product_id.clone(), units));
    }

    fn tell_falls(&self, unit: &mut UnitOfWork, shelf: &Shelf) {
        let threshold = self.desk.settings.low_stock;
        for fall in shelf.falls(threshold) {
            let event = match fall {
                Fall::Low(product_id, stock) => Event::InventoryLow(inventory::Low {
                    product_id,
                    current_stock: stock.max(0) as u64,
                    threshold: threshold.max(0) as u64,
                }),
                Fall::Depleted(product_id) => {
                    Event::InventoryDepleted(inventory::Depleted { product_id })
                }
            };
            unit.emit(None, &event);
        }
    }
}

/// The order's row, made from its lines if `order.created` has not been seen yet.
fn row_of<'a>(
    shelf: &'a mut Shelf,
    order_id: &OrderId,
    items: &[Line],
    now: Timestamp,
) -> &'a HoldRow {
    let fresh = || HoldRow {
        order_id: order_id.clone(),
        units: units_of(items),
        state: HoldState::Held,
        expires_at: now,
        version: 1,
        created_at: now,
    };
    &shelf.holds.entry(order_id.clone()).or_insert_with(|| Tracked::new(fresh())).row
}

fn note_movements(
    unit: &mut UnitOfWork,
    shelf: &Shelf,
    order_id: &OrderId,
    units: &[Units],
    event_id: EventId,
    note: fn(&mut UnitOfWork, &Shelf, &Movement),
) {
    for units in units {
        let movement = Movement { order_id: order_id.clone(), units: units.clone(), event_id };
        note(unit, shelf, &movement);
    }
}

/// The products that the events themselves name.
fn products_named(events: &[Incoming]) -> BTreeSet<ProductId> {
    let mut named = BTreeSet::new();
    for incoming in events {
        match &incoming.event {
            Event::OrderConfirmed(e) => named.extend(e.items.iter().map(|l| l.product_id.clone())),
            Event::CatalogProductUpserted(e) => drop(named.insert(e.product_id.clone())),
            Event::CatalogStockReceived(e) => drop(named.insert(e.product_id.clone())),
            _ => {}
        }
    }
    named
}

#[async_trait]
impl Service for Inventory {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn topics(&self) -> &'static [Topic] {
        &[
            Topic::OrderCreated,
            Topic::OrderConfirmed,
            Topic::OrderCancelled,
            Topic::CatalogProductUpserted,
            Topic::CatalogStockReceived,
        ]
    }

    async fn start(&self) -> Result<(), Failure> {
        if let Err(error) = self.soft.fill().await? {
            tracing::warn!(%error, "holds not filled; done without until they are there");
        }
        Ok(())
    }

    async fn handle(&self, unit: &mut UnitOfWork, events: &[Incoming]) -> Result<(), Failure> {
        let orders = events.iter().filter_map(|incoming| incoming.event.order_id()).collect();
        let mut shelf = store::load(&self.desk, orders, products_named(events)).await?;
        let acquired = self.acquire(&shelf, events, unit.now).await?;
        let mut follow = FollowUp::default();
        for incoming in events {
            let cause = incoming.header.event_id;
            match &incoming.event {
                Event::OrderCreated(e) => Self::created(&mut shelf, e, unit.now),
                Event::OrderConfirmed(e) => {
                    let acquired = acquired.get(&e.order_id).copied().unwrap_or(false);
                    self.confirmed(unit, &mut shelf, &mut follow, e, cause, acquired);
                }
                Event::OrderCancelled(e) => {
                    Self::cancelled(unit, &mut shelf, &mut follow, e, cause);
                }
                Event::CatalogProductUpserted(e) => Self::upserted(unit, &mut shelf, e, cause),
                Event::CatalogStockReceived(e) => {
                    Self::received(unit, &mut shelf, &mut follow, e, cause);
                }
                _ => {}
            }
        }
        self.tell_falls(unit, &shelf);
        store::save(unit, &shelf);
        let soft = self.soft.clone();
        unit.afterwards(Box::pin(async move { soft.follow(follow).await }));
        Ok(())
    }

    async fn sweep(&self, unit: &mut UnitOfWork) -> Result<bool, Failure> {
        match self.soft.holds.expire(unit.now).await {
            Ok(_) => {}
            Err(HoldsError::NotReady) => self.start().await?,
            Err(e) => return Err(e.into()),
        }
        reconcile::reconcile(self, unit.now).await?;
        Ok(false)
    }
}
