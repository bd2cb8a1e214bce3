//! What an operator can do with orders, through the models of the services that own them; and what can be
//! seen of an order in the world outside.

use std::sync::Arc;

use super::{Embedded, Ports, Remains, Settings, Shop};
use crate::adapters::gateway::Ledger;
pub use crate::adapters::gateway::{HttpLedger, LedgerCharge, LedgerRefund};
use crate::adapters::mail::received;
use crate::domain::OrderId;
use crate::ports::Mailbox;
use crate::ports::mail::{MailFilter, Received};
use crate::ports::store::{Store, StoreError};
pub use crate::services::order::Operator;
use crate::services::order::{Cancellation, Orders};
use crate::services::payment::Payments;

/// Copies of messages about one order that are looked at.
const MAILS_MAX: u32 = 1_000;

/// What became of a wish about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is so, now or before; the order's or payment's status, and whether this made the difference.
    Done(&'static str, bool),
    /// It cannot be any more: the status that stands against it.
    TooLate(&'static str),
    /// Checked out, but not yet taken up by the order service.
    NotYet,
    /// There is no such order.
    Unknown,
}

/// An order as it is known outside of the shop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenOutside {
    /// Charges in the provider's books.
    pub charges: Vec<LedgerCharge>,
    /// Refunds in the provider's books.
    pub refunds: Vec<LedgerRefund>,
    /// Messages that arrived.
    pub mails: Vec<Received>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

/// The services of a shop as an operator uses them, and the world outside as far as it can be seen.
#[derive(Clone)]
pub struct Office {
    orders: Arc<Orders>,
    payments: Arc<Payments>,
    outside: Option<Arc<dyn Store>>,
    ledger: Option<Arc<HttpLedger>>,
    inbox: Option<Arc<dyn Mailbox>>,
}

impl Office {
    /// That of a shop in this process, running or not; `remains` is what there is to see outside.
    pub fn of(shop: &Shop, remains: Remains) -> Self {
        let Remains { outside, ledger, inbox, .. } = remains;
        let (orders, payments) =
            (Arc::clone(&shop.services.orders), Arc::clone(&shop.services.payments));
        Self { orders, payments, outside, ledger, inbox }
    }

    /// That of the shop which has these ports, without running any of it.
    pub fn on(settings: &Settings, ports: &Ports, remains: Remains) -> Self {
        Self::of(&Shop::build(settings, ports.clone(), |ports| ports), remains)
    }

    /// That of the shop in `embedded`: its ledger and mailbox where the settings name no servers for them.
    pub fn seeing(shop: &Shop, settings: &Settings, embedded: &Embedded) -> Self {
        let mut remains = embedded.remains();
        if !settings.gateway.url.is_empty() {
            let (url, secret) = (&settings.gateway.url, settings.gateway.secret.as_ref());
            remains.ledger = HttpLedger::new(url, secret).ok().map(Arc::new);
        }
        if !settings.smtp.url.is_empty() {
            remains.inbox.clone_from(&shop.ports().mailbox);
        }
        Self::of(shop, remains)
    }

    /// Cancels an order on the customer's behalf; who did it and why stays with the order.
    pub async fn cancel(&self, id: &OrderId, by: &Operator) -> Result<Answer, StoreError> {
        Ok(match self.orders.cancel_for(id, Some(by)).await? {
            Cancellation::Done(order, now) => Answer::Done(order.status.as_str(), now),
            Cancellation::TooLate(order) => Answer::TooLate(order.status.as_str()),
            Cancellation::NotYet => Answer::NotYet,
            Cancellation::Unknown => Answer::Unknown,
        })
    }

    /// Has the provider asked once more for a refund that is owed and that it had refused.
    pub async fn ask_again(&self, id: &OrderId) -> Result<Answer, StoreError> {
        let known = self.payments.ask_again(id).await?;
        Ok(known.map_or(Answer::Unknown, |(asked, status)| Answer::Done(status.as_str(), asked)))
    }

    /// Writes down what an operator did about an order.
    pub async fn note(
        &self,
        id: &OrderId,
        by: &Operator,
        action: &'static str,
    ) -> Result<(), StoreError> {
        self.orders.note(id, by, action).await
    }

    /// What the provider and the mailbox know of an order.
    pub async fn outside(&self, id: &OrderId) -> SeenOutside {
        let mut seen = SeenOutside::default();
        let books = match &self.ledger {
            Some(ledger) => ledger.of_order(id).await.map_err(|e| e.to_string()),
            None => match &self.outside {
                Some(store) => {
                    Ledger::new(Arc::clone(store)).of_order(id).await.map_err(|e| e.to_string())
                }
                None => Err("the settings name no gateway.url".into()),
            },
        };
        match books {
            Ok(books) => (seen.charges, seen.refunds) = books,
            Err(why) => seen.unseen.push(format!("the provider's ledger: {why}")),
        }
        let order_id = Some(id.to_string());
        let filter = MailFilter { order_id, limit: MAILS_MAX, ..MailFilter::default() };
        let mails = match (&self.inbox, &self.outside) {
            (Some(inbox), _) => inbox.messages(&filter).await.map_err(|e| e.to_string()),
            (None, Some(store)) => {
                received(store.as_ref(), &filter).await.map_err(|e| e.to_string())
            }
            (None, None) => Err("the settings name no smtp.inbox".into()),
        };
        match mails {
            Ok(mails) => seen.mails = mails,
            Err(why) => seen.unseen.push(format!("the mailbox: {why}")),
        }
        seen
    }
}
