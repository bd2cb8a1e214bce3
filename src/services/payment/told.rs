//! What happens when the provider says that it decided something. It is asked what; nothing is taken
//! from the message itself.
//!
//! A charge or refund with that key may be under way here or elsewhere at the same time. That is
//! harmless: only an answer is recorded, an answer to a key never changes, and of all who record it
//! one finds the payment still waiting for it.

use super::model::{Outcome, Status};
use super::{Payments, store};
use crate::domain::OrderId;
use crate::ports::webhook::{Told, Webhook};
use crate::services::{Effects, Failure};

/// Decided again this often after a conflict, before the provider is told to come back.
const TRIES: usize = 10;

impl Payments {
    /// Finds out what a message is about, if anybody waits for that. An error if that cannot be told
    /// now: the provider sends the message again.
    pub async fn told(&self, webhook: &Webhook) -> Result<(), Failure> {
        let (Some(kind), Ok(order)) = (Told::parse(&webhook.kind), webhook.charge_key.parse())
        else {
            return Ok(());
        };
        for _ in 0..TRIES {
            match self.look(kind, &order).await {
                Err(Failure::Transient(_)) => self.desk.pause_after_conflict().await,
                looked => return looked,
            }
        }
        Err(Failure::Transient(format!("the payment of {order} changes all the time")))
    }

    async fn look(&self, kind: Told, order: &OrderId) -> Result<(), Failure> {
        let Some(payment) = store::load(&self.desk, [order]).await?.pop() else { return Ok(()) };
        let outcome = match (payment.status, kind) {
            (Status::Pending, Told::ChargeCaptured | Told::ChargeDeclined) => {
                match self.gateway.status(order.as_str()).await {
                    Ok(Some(decision)) => Outcome::Decided(decision),
                    // A message of somebody else's charge, or of one that is still to be made.
                    Ok(None) => return Ok(()),
                    Err(e) => return Err(unclear(&e)),
                }
            }
            (Status::RefundDue, Told::RefundDone) => match self.refund(&payment).await {
                Outcome::Refunded => Outcome::Refunded,
                outcome => return Err(unclear(&format!("{outcome:?}"))),
            },
            _ => return Ok(()),
        };
        tracing::debug!(order_id = %order, ?outcome, "told by the provider");
        let mut unit = self.desk.unit();
        self.record(&mut unit, &[(payment, outcome)]).await?;
        Ok(self.desk.commit(unit).await?)
    }
}

fn unclear(e: &dyn std::fmt::Display) -> Failure {
    Failure::Retry { code: "gateway.unclear", text: e.to_string() }
}
