//! The provider's own books, for evidence: page by page from its tables, or all of them over HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::http::HttpGateway;
use super::wire::{Ask, segment};
use crate::adapters::clock::SystemClock;
use crate::domain::{Invalid, OrderId, Secret, Timestamp};
use crate::ports::gateway::GatewayError;
use crate::ports::store::{Row, Store, StoreError, query};
use crate::values;

const CHARGES: &str = "select charge_key, order_id, user_id, amount_minor, outcome, lost_reply,
   asked_at, at from gateway_charges where charge_key > ?1 order by charge_key limit ?2";
const REFUNDS: &str = "select refund_key, charge_key, amount_minor, at from gateway_refunds
 where refund_key > ?1 order by refund_key limit ?2";

/// Rows of one page at most.
pub const PAGE_MAX: u32 = 1_000;
/// Rows among which those of one order are: its keys are next to each other.
const FEW: u32 = 32;
/// A page must come within this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A charge in the provider's books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerCharge {
    /// Its key.
    pub charge_key: String,
    /// For which order.
    pub order_id: String,
    /// From whom.
    pub user_id: String,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// `captured`, or why it was declined.
    pub outcome: String,
    /// Whether the caller was told nothing.
    pub lost_reply: bool,
    /// When it was asked for; none for old charges.
    pub asked_at: Option<Timestamp>,
    /// When it was decided.
    pub at: Timestamp,
}

/// A refund in the provider's books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerRefund {
    /// Its key.
    pub refund_key: String,
    /// The charge that it undoes.
    pub charge_key: String,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// When it was done.
    pub at: Timestamp,
}

impl LedgerCharge {
    /// The charge in a row with these columns, in their order.
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            charge_key: row.text(0)?.to_owned(),
            order_id: row.text(1)?.to_owned(),
            user_id: row.text(2)?.to_owned(),
            amount_minor: row.int(3)?,
            outcome: row.text(4)?.to_owned(),
            lost_reply: row.int(5)? != 0,
            asked_at: row.time_opt(6)?,
            at: row.time(7)?,
        })
    }
}

impl LedgerRefund {
    /// The refund in a row with these columns, in their order.
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            refund_key: row.text(0)?.to_owned(),
            charge_key: row.text(1)?.to_owned(),
            amount_minor: row.int(2)?,
            at: row.time(3)?,
        })
    }
}

/// The charge of an order and its refund.
pub type OrderBooks = (Vec<LedgerCharge>, Vec<LedgerRefund>);

/// The key right before that of an order's charge: pages after it begin with the charge.
fn before(id: &OrderId) -> &str {
    &id.as_str()[..id.as_str().len() - 1]
}

/// What is of this order among the rows of the pages that begin where its keys do.
fn only(id: &OrderId, (mut charges, mut refunds): OrderBooks) -> OrderBooks {
    charges.retain(|charge| charge.charge_key == id.as_str());
    refunds.retain(|refund| refund.charge_key == id.as_str());
    (charges, refunds)
}

/// The books, read from their tables.
pub struct Ledger(Arc<dyn Store>);

impl Ledger {
    /// The books in the tables of the world outside.
    pub fn new(outside: Arc<dyn Store>) -> Self {
        Self(outside)
    }

    /// The charge of an order and its refund.
    pub async fn of_order(&self, id: &OrderId) -> Result<OrderBooks, StoreError> {
        let charges = self.charges(before(id), FEW).await?;
        Ok(only(id, (charges, self.refunds(id.as_str(), FEW).await?)))
    }

    /// The first `limit` charges whose key comes after `after`.
    pub async fn charges(&self, after: &str, limit: u32) -> Result<Vec<LedgerCharge>, StoreError> {
        let rows = query(self.0.as_ref(), CHARGES, values![after, limit]).await?;
        rows.iter().map(LedgerCharge::read).collect()
    }

    /// The first `limit` refunds whose key comes after `after`.
    pub async fn refunds(&self, after: &str, limit: u32) -> Result<Vec<LedgerRefund>, StoreError> {
        let rows = query(self.0.as_ref(), REFUNDS, values![after, limit]).await?;
        rows.iter().map(LedgerRefund::read).collect()
    }
}

/// The books of a provider at a URL. What is written down while it reads may be missing.
pub struct HttpLedger(HttpGateway);

impl HttpLedger {
    /// The books of the provider at `url`.
    pub fn new(url: &str, secret: Option<&Secret>) -> Result<Self, Invalid> {
        HttpGateway::new(url, secret, PATIENCE, Arc::new(SystemClock::default())).map(Self)
    }

    /// All charges, by key.
    pub async fn charges(&self) -> Result<Vec<LedgerCharge>, GatewayError> {
        self.all("charges", |charge: &LedgerCharge| &charge.charge_key).await
    }

    /// All refunds, by key.
    pub async fn refunds(&self) -> Result<Vec<LedgerRefund>, GatewayError> {
        self.all("refunds", |refund: &LedgerRefund| &refund.refund_key).await
    }

    /// The charge of an order and its refund.
    pub async fn of_order(&self, id: &OrderId) -> Result<OrderBooks, GatewayError> {
        let charges = self.page("charges", before(id), FEW).await?;
        Ok(only(id, (charges, self.page("refunds", id.as_str(), FEW).await?)))
    }

    async fn page<T: DeserializeOwned>(
        &self,
        what: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<T>, GatewayError> {
        let path = format!("/v1/ledger/{what}?after={}&limit={limit}", segment(after));
        self.0.read(&Ask { method: "GET", path: &path, ..Ask::default() }).await
    }

    async fn all<T: DeserializeOwned>(
        &self,
        what: &str,
        key: impl Fn(&T) -> &String,
    ) -> Result<Vec<T>, GatewayError> {
        let mut all: Vec<T> = vec![];
        loop {
            let after = all.last().map_or("", |row| key(row));
            let page: Vec<T> = self.page(what, after, PAGE_MAX).await?;
            if page.iter().any(|row| key(row).as_str() <= after) {
                // It would never end.
                let text = format!("pages of the ledger's {what} overlap at {after}");
                return Err(GatewayError::Unavailable(text));
            }
            let more = page.len() == PAGE_MAX as usize;
            all.extend(page);
            if !more {
                return Ok(all);
            }
        }
    }
}
