//! The cart service: carts, prices as shown, and checkout.

pub mod api;
mod checkout;
mod copy;
pub mod model;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Desk, Failure, Incoming, Service, UnitOfWork};
use crate::domain::{Invalid, Line, Money, OrderId, ProductId, Quantity, UserId};
use crate::events::{Event, Topic, cart, catalog};
use crate::ports::lookup::{CatalogEntry, CheckoutEntry};
use crate::ports::{Cache, CatalogLookup, CheckoutLookup, Holds, StoreError};
pub use checkout::{CheckedOut, Contact, Remember};
pub use copy::CartView;
use copy::Copies;
use model::{Cart, PriceTag};

/// How often a change is decided again because the cart changed meanwhile.
const TRIES: usize = 20;
/// Expired carts deleted in one unit of work.
const SWEEP_MAX: u32 = 500;
/// Copies brought up to date in one sweep.
const CATCH_UP_MAX: usize = 1_000;

/// The cart service.
pub struct Carts {
    desk: Desk,
    copies: Copies,
    holds: Arc<dyn Holds>,
    catalog: Arc<dyn CatalogLookup>,
}

/// Why a cart was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The catalogue has no such product.
    UnknownProduct(ProductId),
    /// The product is not sold any more.
    Delisted(ProductId),
    /// The price is not one that was shown lately.
    WrongPrice {
        /// The product.
        product_id: ProductId,
        /// What it costs today.
        price: Money,
    },
    /// The product is not in the cart.
    NotInCart(ProductId),
    /// The cart is empty.
    Empty,
    /// Products cost something else now, or are gone; the cart shows it.
    Repriced(Vec<ProductId>),
    /// Too few units are left of these.
    Short(Vec<crate::ports::holds::Short>),
    /// A bound of carts.
    Bound(Invalid),
    /// New orders are not taken for now.
    Busy,
}

/// A refusal, or trouble with the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartError {
    /// The shop says no.
    Refused(Refusal),
    /// The shop cannot say.
    Store(StoreError),
}

impl From<StoreError> for CartError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

impl From<Refusal> for CartError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Carts {
    /// The service at `desk`. `holds` is shared with the inventory.
    pub fn new(
        desk: Desk,
        cache: Arc<dyn Cache>,
        holds: Arc<dyn Holds>,
        catalog: Arc<dyn CatalogLookup>,
    ) -> Self {
        Self { desk, copies: Copies::new(cache), holds, catalog }
    }

    /// A user's cart: the copy if there is one, else the row.
    pub async fn view(&self, user: &UserId) -> Result<CartView, StoreError> {
        if let Some(view) = self.copies.read(user).await {
            return Ok(view);
        }
        let cart = store::load(&self.desk, user, self.desk.clock.now()).await?;
        if cart.version > 0 {
            self.refresh_copy(&cart).await;
        }
        Ok(CartView::from(&cart))
    }

    /// Adds units of a product, at the price that the shopper was shown; without one, at today's.
    pub async fn add(
        &self,
        user: &UserId,
        product: &ProductId,
        quantity: Quantity,
        shown: Option<Money>,
    ) -> Result<CartView, CartError> {
        let mut unit = self.desk.unit();
        let tag = self.tag_for(&mut unit, product, shown).await?;
        let price = shown.unwrap_or(tag.price);
        let line = Line { product_id: product.clone(), name: tag.name, quantity, price };
        self.change(user, Some(unit), |cart, unit| {
            let fresh = self.desk.cart_id(unit.now);
            let cart_id = cart.add(line.clone(), fresh).map_err(Refusal::Bound)?;
            unit.emit(
                None,
                &Event::CartItemAdded(cart::ItemAdded {
                    user_id: user.clone(),
                    cart_id,
                    product_id: product.clone(),
                    quantity,
                    price,
                }),
            );
            Ok(())
        })
        .await
    }

    /// Sets the quantity of a line.
    pub async fn set_quantity(
        &self,
        user: &UserId,
        product: &ProductId,
        quantity: Quantity,
    ) -> Result<CartView, CartError> {
        self.change(user, None, |cart, unit| {
            let missing = || Refusal::NotInCart(product.clone());
            let before = cart.set_quantity(product, quantity).ok_or_else(missing)?;
            let (Some(cart_id), Some(line)) =
                (cart.cart_id, cart.items.iter().find(|l| l.product_id == *product))
            else {
                return Err(missing());
            };
            let difference = before.get().abs_diff(quantity.get());
            let Ok(difference) = Quantity::new(difference) else { return Ok(()) };
            let (user_id, product_id) = (user.clone(), product.clone());
            unit.emit(
                None,
                &if quantity > before {
                    let price = line.price;
                    Event::CartItemAdded(cart::ItemAdded {
                        user_id,
                        cart_id,
                        product_id,
                        quantity: difference,
                        price,
                    })
                } else {
                    Event::CartItemRemoved(cart::ItemRemoved {
                        user_id,
                        cart_id,
                        product_id,
                        quantity: difference,
                    })
                },
            );
            Ok(())
        })
        .await
    }

    /// Takes a line out.
    pub async fn remove(&self, user: &UserId, product: &ProductId) -> Result<CartView, CartError> {
        self.change(user, None, |cart, unit| {
            let missing = || Refusal::NotInCart(product.clone());
            let cart_id = cart.cart_id.ok_or_else(missing)?;
            let line = cart.remove(product).ok_or_else(missing)?;
            unit.emit(
                None,
                &Event::CartItemRemoved(cart::ItemRemoved {
                    user_id: user.clone(),
                    cart_id,
                    product_id: product.clone(),
                    quantity: line.quantity,
                }),
            );
            Ok(())
        })
        .await
    }

    /// Changes a cart: read, decide, compare-and-set, again if somebody else was faster.
    async fn change(
        &self,
        user: &UserId,
        mut first: Option<UnitOfWork>,
        decide: impl Fn(&mut Cart, &mut UnitOfWork) -> Result<(), Refusal>,
    ) -> Result<CartView, CartError> {
        for _ in 0..TRIES {
            let mut unit = first.take().unwrap_or_else(|| self.desk.unit());
            let mut cart = store::load(&self.desk, user, unit.now).await?;
            let stored = cart.version;
            decide(&mut cart, &mut unit)?;
            store::save(&mut unit, &self.desk, &mut cart, stored);
            match self.desk.commit(unit).await {
                Ok(()) => {
                    self.refresh_copy(&cart).await;
                    return Ok(CartView::from(&cart));
                }
                Err(StoreError::Conflict(_)) => self.desk.pause_after_conflict().await,
                Err(e) => return Err(e.into()),
            }
        }
        Err(StoreError::Unavailable(format!("the cart of {user} changes too fast")).into())
    }

    async fn refresh_copy(&self, cart: &Cart) {
        self.copies.refresh(cart, self.desk.clock.now()).await;
    }

    /// Brings copies up to date that are behind, until one cannot be.
    async fn catch_up(&self) -> Result<(), StoreError> {
        for user in self.copies.behind(CATCH_UP_MAX) {
            let now = self.desk.clock.now();
            let cart = store::load(&self.desk, &user, now).await?;
            if cart.version == 0 {
                self.copies.forget(&user);
            } else if !self.copies.refresh(&cart, now).await {
                break;
            }
        }
        Ok(())
    }

    /// What a product costs, if `shown` is a price that may have been shown. What the cart has not
    /// heard of yet is asked of the catalogue, and remembered with `unit`.
    async fn tag_for(
        &self,
        unit: &mut UnitOfWork,
        product: &ProductId,
        shown: Option<Money>,
    ) -> Result<PriceTag, CartError> {
        let grace = self.desk.settings.price_grace;
        let known = store::tags(&self.desk, [product]).await?.pop();
        let fits = |tag: &PriceTag| {
            tag.listed && shown.is_none_or(|price| tag.accepts(price, unit.now, grace))
        };
        if let Some(tag) = known.as_ref().filter(|tag| fits(tag)) {
            return Ok(tag.clone());
        }
        let Some(entry) = self.catalog.product(product).await? else {
            return Err(Refusal::UnknownProduct(product.clone()).into());
        };
        let fresh = self.learn(unit, known, entry);
        if !fresh.listed {
            return Err(Refusal::Delisted(product.clone()).into());
        }
        if shown.is_some_and(|price| !fresh.accepts(price, unit.now, grace)) {
            let (product_id, price) = (product.clone(), fresh.price);
            return Err(Refusal::WrongPrice { product_id, price }.into());
        }
        Ok(fresh)
    }

    /// Takes up what the catalogue says now.
    fn learn(
        &self,
        unit: &mut UnitOfWork,
        known: Option<PriceTag>,
        entry: CatalogEntry,
    ) -> PriceTag {
        let fresh = PriceTag {
            product_id: entry.product_id,
            name: entry.name,
            price: entry.price,
            listed: entry.listed,
            version: entry.version,
            previous: vec![],
        };
        match known {
            Some(known) if known.version >= fresh.version => known,
            Some(mut known) => {
                known.replace(fresh, unit.now, self.desk.settings.price_grace);
                store::save_tag(unit, &known);
                known
            }
            None => {
                store::save_tag(unit, &fresh);
                fresh
            }
        }
    }

    async fn take_prices(
        &self,
        unit: &mut UnitOfWork,
        changes: &[&catalog::ProductUpserted],
    ) -> Result<(), Failure> {
        let ids: BTreeSet<&ProductId> = changes.iter().map(|e| &e.product_id).collect();
        let mut known = store::tags(&self.desk, ids).await?;
        for e in changes {
            let at = known.iter().position(|tag| tag.product_id == e.product_id);
            let entry = CatalogEntry {
                product_id: e.product_id.clone(),
                name: e.name.clone(),
                price: e.price,
                listed: e.listed,
                version: e.version,
            };
            let before = at.map(|at| known.swap_remove(at));
            let after = self.learn(unit, before, entry);
            known.push(after);
        }
        Ok(())
    }
}

#[async_trait]
impl Service for Carts {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn topics(&self) -> &'static [Topic] {
        &[
            Topic::CartItemAdded,
            Topic::CartItemRemoved,
            Topic::CartCheckoutInitiated,
            Topic::CatalogProductUpserted,
        ]
    }

    async fn handle(&self, unit: &mut UnitOfWork, events: &[Incoming]) -> Result<(), Failure> {
        let mut users = BTreeSet::new();
        let mut prices = vec![];
        for incoming in events {
            match &incoming.event {
                Event::CartItemAdded(e) => drop(users.insert(&e.user_id)),
                Event::CartItemRemoved(e) => drop(users.insert(&e.user_id)),
                Event::CartCheckoutInitiated(e) => drop(users.insert(&e.user_id)),
                Event::CatalogProductUpserted(e) => prices.push(e),
                _ => {}
            }
        }
        if !prices.is_empty() {
            self.take_prices(unit, &prices).await?;
        }
        let carts = store::load_all(&self.desk, &users, unit.now).await?;
        self.copies.refresh_all(&carts, self.desk.clock.as_ref()).await;
        Ok(())
    }

    async fn sweep(&self, unit: &mut UnitOfWork) -> Result<bool, Failure> {
        self.catch_up().await?;
        Ok(store::expire(&self.desk, unit, SWEEP_MAX).await?)
    }
}

#[async_trait]
impl CheckoutLookup for Carts {
    async fn checkout(&self, id: &OrderId) -> Result<Option<CheckoutEntry>, StoreError> {
        store::checkout(&self.desk, id).await
    }

    async fn last_checkout_of(&self, user: &UserId) -> Result<Option<CheckoutEntry>, StoreError> {
        let cart = store::load(&self.desk, user, self.desk.clock.now()).await?;
        match cart.last_order_id {
            Some(order) => store::checkout(&self.desk, &order).await,
            None => Ok(None),
        }
    }
}
