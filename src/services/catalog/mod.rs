//! The catalogue: sellers create, reprice, restock and delist products. It reads no events.

pub mod api;
pub mod model;
mod store;

use async_trait::async_trait;

use super::{Desk, Failure, Incoming, Service, UnitOfWork};
use crate::domain::{Invalid, Money, ProductId, Quantity};
use crate::events::catalog::StockReceived;
use crate::events::{Event, Topic};
use crate::ports::lookup::CatalogEntry;
use crate::ports::{CatalogLookup, StoreError};
use model::Offer;

/// How often a change is decided again because the product changed meanwhile.
const TRIES: usize = 20;

/// The catalogue service.
pub struct Catalog {
    desk: Desk,
}

/// A product to be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its id.
    pub product_id: ProductId,
    /// Who sells it.
    pub seller_id: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Price of one unit.
    pub price: Money,
    /// Units to begin with.
    pub stock: Option<Quantity>,
}

/// Why the catalogue was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogError {
    /// There is no such product.
    Unknown(ProductId),
    /// There is one already.
    Exists(ProductId),
    /// A field is wrong.
    Invalid(&'static str, Invalid),
    /// The shop cannot say.
    Store(StoreError),
}

impl From<StoreError> for CatalogError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

/// Adds what must be remembered of an answer to the unit of work that makes it true.
pub type Remember<'a> = &'a (dyn Fn(&mut UnitOfWork, &Offer) + Send + Sync);

impl Catalog {
    /// The service at `desk`.
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// Offers products that are new, all of them or none.
    pub async fn create(
        &self,
        products: &[NewProduct],
        remember: Remember<'_>,
    ) -> Result<Vec<Offer>, CatalogError> {
        let mut unit = self.desk.unit();
        let mut offers = vec![];
        for new in products {
            model::check_text(&new.name, model::NAME_MAX, true)
                .map_err(|e| CatalogError::Invalid("name", e))?;
            model::check_text(&new.description, model::DESCRIPTION_MAX, false)
                .map_err(|e| CatalogError::Invalid("description", e))?;
            model::check_text(&new.seller_id, model::SELLER_ID_MAX, false)
                .map_err(|e| CatalogError::Invalid("seller_id", e))?;
            let offer = Offer {
                product_id: new.product_id.clone(),
                seller_id: new.seller_id.clone(),
                name: new.name.clone(),
                description: new.description.clone(),
                price: new.price,
                listed: true,
                version: 1,
                created_at: unit.now,
            };
            store::insert(&mut unit, &offer);
            unit.emit(None, &Event::CatalogProductUpserted(offer.told()));
            if let Some(quantity) = new.stock {
                deliver(&mut unit, &new.product_id, quantity);
            }
            remember(&mut unit, &offer);
            offers.push(offer);
        }
        match self.desk.commit(unit).await {
            Ok(()) => Ok(offers),
            Err(StoreError::Conflict(text)) => {
                let ids: Vec<&ProductId> = products.iter().map(|p| &p.product_id).collect();
                match store::load(&self.desk, &ids).await?.into_iter().next() {
                    Some(there) => Err(CatalogError::Exists(there.product_id)),
                    None => Err(StoreError::Conflict(text).into()),
                }
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Changes a product's price.
    pub async fn reprice(&self, id: &ProductId, price: Money) -> Result<Offer, CatalogError> {
        self.change(id, |offer| offer.reprice(price)).await
    }

    /// Takes a product off sale.
    pub async fn delist(&self, id: &ProductId) -> Result<Offer, CatalogError> {
        self.change(id, Offer::delist).await
    }

    async fn change(
        &self,
        id: &ProductId,
        decide: impl Fn(&mut Offer) -> bool,
    ) -> Result<Offer, CatalogError> {
        for _ in 0..TRIES {
            let mut offer = self.offer(id).await?;
            let version = offer.version;
            if !decide(&mut offer) {
                return Ok(offer);
            }
            let mut unit = self.desk.unit();
            store::update(&mut unit, &offer, version);
            unit.emit(None, &Event::CatalogProductUpserted(offer.told()));
            match self.desk.commit(unit).await {
                Ok(()) => return Ok(offer),
                Err(StoreError::Conflict(_)) => self.desk.pause_after_conflict().await,
                Err(e) => return Err(e.into()),
            }
        }
        Err(StoreError::Unavailable(format!("product {id} changes too fast")).into())
    }

    /// Delivers units of a product.
    pub async fn restock(
        &self,
        id: &ProductId,
        quantity: Quantity,
        remember: Remember<'_>,
    ) -> Result<Offer, CatalogError> {
        let offer = self.offer(id).await?;
        let mut unit = self.desk.unit();
        deliver(&mut unit, id, quantity);
        remember(&mut unit, &offer);
        self.desk.commit(unit).await?;
        Ok(offer)
    }

    /// A product as it is offered.
    pub async fn offer(&self, id: &ProductId) -> Result<Offer, CatalogError> {
        let found = store::load(&self.desk, &[id]).await?.pop();
        found.ok_or_else(|| CatalogError::Unknown(id.clone()))
    }

    /// Whether nothing was ever offered.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(store::count(&self.desk).await? == 0)
    }
}

fn deliver(unit: &mut UnitOfWork, product: &ProductId, quantity: Quantity) {
    let received = StockReceived { product_id: product.clone(), quantity };
    let event = unit.emit(None, &Event::CatalogStockReceived(received));
    store::insert_delivery(unit, event, product, quantity);
}

#[async_trait]
impl CatalogLookup for Catalog {
    async fn product(&self, id: &ProductId) -> Result<Option<CatalogEntry>, StoreError> {
        let found = store::load(&self.desk, &[id]).await?.pop();
        Ok(found.map(|offer| CatalogEntry {
            product_id: offer.product_id,
            name: offer.name,
            price: offer.price,
            listed: offer.listed,
            version: offer.version,
        }))
    }
}

#[async_trait]
impl Service for Catalog {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn topics(&self) -> &'static [Topic] {
        &[]
    }

    async fn handle(&self, _: &mut UnitOfWork, _: &[Incoming]) -> Result<(), Failure> {
        Ok(())
    }
}
