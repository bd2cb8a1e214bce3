//! Reading the books of a payment provider that is a server.

use std::collections::BTreeMap;

use super::Charge;
use crate::app::NotUsable;
use crate::app::remains::HttpLedger;
use crate::domain::Timestamp;
use crate::ports::gateway::GatewayError;

/// Charges, and refunds by the charge that they undo.
pub(super) type Books = (Vec<Charge>, BTreeMap<String, Vec<(i64, i64)>>);

/// All that is in the books.
pub(super) async fn read(ledger: &HttpLedger) -> Result<Books, NotUsable> {
    let (charges, refunds) = (ledger.charges().await, ledger.refunds().await);
    let charges = charges.map_err(unread)?;
    let charges = charges.into_iter().map(|charge| Charge {
        key: charge.charge_key,
        order: charge.order_id,
        amount: charge.amount_minor,
        captured: charge.outcome == "captured",
        asked_at: charge.asked_at.map(Timestamp::millis),
        at: charge.at.millis(),
    });
    let mut books: Books = (charges.collect(), BTreeMap::new());
    for refund in refunds.map_err(unread)? {
        let of_charge = books.1.entry(refund.charge_key).or_default();
        of_charge.push((refund.amount_minor, refund.at.millis()));
    }
    Ok(books)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unread(e: GatewayError) -> NotUsable {
    NotUsable(format!("the provider's books cannot be read: {e}; check gateway.url"))
}
