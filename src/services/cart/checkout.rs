//! Checkout: hold the stock, then turn the cart into an order in one transaction. Whoever tries with
//! the same cart (two tabs, a double click, a retry after a crash) gets the same order.
//!
//! Holds are soft. Without them an order is taken all the same, and the inventory finds out whether its
//! units are there: that costs a refund where they are not, and never sells a unit twice. The charge
//! keeps to the same end as with a hold.

use std::time::Duration;

use super::copy::CartView;
use super::model::Cart;
use super::{CartError, Carts, Refusal, TRIES, store};
use crate::domain::{Email, OrderId, Phone, Timestamp, UserId};
use crate::events::inventory::Units;
use crate::events::{Event, cart};
use crate::ports::StoreError;
use crate::ports::holds::{Held, Hold, HoldsError};
use crate::services::UnitOfWork;

/// How often holds that are being rebuilt are waited for: a rebuild takes one reading of the rows.
const REBUILD_WAITS: usize = 4;
/// How long each time.
const REBUILD_WAIT: Duration = Duration::from_millis(50);

/// How the shopper wants to hear of the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// By e-mail.
    pub email: Option<Email>,
    /// By SMS.
    pub phone: Option<Phone>,
}

/// A cart that became an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOut {
    /// The order.
    pub order_id: OrderId,
    /// The cart as it was.
    pub cart: CartView,
    /// Whether it became an order just now, and not before.
    pub placed: bool,
}

/// Adds what must be remembered of an answer to the unit of work that makes it true.
pub type Remember<'a> = &'a (dyn Fn(&mut UnitOfWork, &CheckedOut) + Send + Sync);

impl Carts {
    /// Turns the user's cart into an order. `remember` is called for every answer that names one.
    pub async fn checkout(
        &self,
        user: &UserId,
        contact: &Contact,
        remember: Remember<'_>,
    ) -> Result<CheckedOut, CartError> {
        if self.desk.under_pressure() {
            return Err(Refusal::Busy.into());
        }
        for _ in 0..TRIES {
            let mut unit = self.desk.unit();
            let mut cart = store::load(&self.desk, user, unit.now).await?;
            let stored = cart.version;
            let Some(cart_id) = cart.cart_id.filter(|_| !cart.items.is_empty()) else {
                match self.checked_out_before(cart, remember).await {
                    Err(CartError::Store(StoreError::Conflict(_))) => {
                        self.desk.pause_after_conflict().await;
                        continue;
                    }
                    answer => return answer,
                }
            };
            self.refresh_prices(&mut cart, stored).await?;
            let order_id = OrderId::of_cart(cart_id);
            let e = self.initiated(&unit, &cart, order_id.clone(), contact);
            self.hold(&e, cart.version, unit.now).await?;
            let (order, view) = (order_id.clone(), CartView::from(&cart));
            let done = CheckedOut { order_id: order, cart: view, placed: true };
            cart.checked_out(order_id);
            store::insert_checkout(&mut unit, &e);
            store::save(&mut unit, &self.desk, &mut cart, stored);
            unit.emit(None, &Event::CartCheckoutInitiated(e));
            remember(&mut unit, &done);
            match self.desk.commit(unit).await {
                Ok(()) => {
                    self.refresh_copy(&cart).await;
                    return Ok(done);
                }
                // The same order, made by somebody else, or a cart that has changed: look again.
                Err(StoreError::Conflict(_)) => self.desk.pause_after_conflict().await,
                // The hold lapses by itself: another tab may have made the order that it is for.
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Unavailable(format!("the cart of {user} changes too fast")).into())
    }

    /// An empty cart that was just checked out answers with the order that it became; an answer like
    /// any other, to be remembered.
    async fn checked_out_before(
        &self,
        cart: Cart,
        remember: Remember<'_>,
    ) -> Result<CheckedOut, CartError> {
        let Some(order_id) = cart.last_order_id else { return Err(Refusal::Empty.into()) };
        let Some(entry) = store::checkout(&self.desk, &order_id).await? else {
            return Err(Refusal::Empty.into());
        };
        let cart = CartView::of_lines(entry.user_id, entry.items);
        let done = CheckedOut { order_id, cart, placed: false };
        let mut unit = self.desk.unit();
        remember(&mut unit, &done);
        self.desk.commit(unit).await?;
        Ok(done)
    }

    /// Nobody is charged a price that was not shown: a cart with another is shown again first.
    async fn refresh_prices(&self, cart: &mut Cart, stored: i64) -> Result<(), CartError> {
        let tags = store::tags(&self.desk, cart.items.iter().map(|line| &line.product_id)).await?;
        let touched = cart.refresh(&tags);
        if touched.is_empty() {
            return Ok(());
        }
        let mut unit = self.desk.unit();
        store::save(&mut unit, &self.desk, cart, stored);
        match self.desk.commit(unit).await {
            Ok(()) => self.refresh_copy(cart).await,
            // Somebody else changed the cart: what it shows now is newer than what was asked for.
            Err(StoreError::Conflict(_)) => {}
            Err(e) => return Err(e.into()),
        }
        Err(Refusal::Repriced(touched).into())
    }

    fn initiated(
        &self,
        unit: &UnitOfWork,
        cart: &Cart,
        order_id: OrderId,
        contact: &Contact,
    ) -> cart::CheckoutInitiated {
        let settings = &self.desk.settings;
        cart::CheckoutInitiated {
            order_id,
            cart_id: cart.cart_id.expect("a cart with lines has an id"),
            user_id: cart.user_id.clone(),
            items: cart.items.clone(),
            total_amount: cart.total(),
            email: contact.email.clone(),
            phone: contact.phone.clone(),
            hold_expires_at: unit.now + settings.hold_ttl,
            deadline: unit.now + settings.pending_deadline,
        }
    }

    async fn hold(
        &self,
        e: &cart::CheckoutInitiated,
        rank: i64,
        now: Timestamp,
    ) -> Result<(), CartError> {
        let units = |line: &crate::domain::Line| Units {
            product_id: line.product_id.clone(),
            quantity: line.quantity,
        };
        let hold = Hold {
            order_id: e.order_id.clone(),
            units: e.items.iter().map(units).collect(),
            expires_at: e.hold_expires_at,
            rank,
        };
        match self.try_hold(&hold, now).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(short)) => Err(Refusal::Short(short).into()),
            Err(error) => {
                tracing::warn!(%error, order_id = %hold.order_id, "checked out without a hold");
                Ok(())
            }
        }
    }

    async fn try_hold(&self, hold: &Hold, now: Timestamp) -> Result<Held, HoldsError> {
        let mut waits = 0;
        loop {
            match self.holds.hold(std::slice::from_ref(hold), now).await {
                Ok(held) => {
                    let none = || HoldsError::Unavailable("no answer for a hold".into());
                    return held.into_iter().next().ok_or_else(none);
                }
                Err(HoldsError::NotReady) if waits < REBUILD_WAITS => {
                    waits += 1;
                    self.desk.clock.sleep(REBUILD_WAIT).await;
                }
                Err(e) => return Err(e),
            }
        }
    }
}
