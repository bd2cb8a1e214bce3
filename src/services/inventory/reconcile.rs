//! Putting the holds right where a crash or a lost message left them beside the durable stock. A
//! difference may be a follow-up that is on its way, so only one that stands still between two
//! sweeps, with the product's row unchanged, is taken back; once, however many processes see it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Inventory, store};
use crate::domain::{ProductId, Timestamp};
use crate::ports::HoldsError;
use crate::ports::holds::Correction;
use crate::services::{Failure, Service};

/// The differences seen last: what the holds have too much, and the stock it was measured against.
#[derive(Default)]
pub(super) struct Drifts(Mutex<BTreeMap<ProductId, (i64, i64)>>);

pub(super) async fn reconcile(inventory: &Inventory, now: Timestamp) -> Result<(), Failure> {
    let levels = match inventory.soft.holds.levels().await {
        Ok(levels) => levels,
        Err(HoldsError::NotReady) => return inventory.start().await,
        Err(e) => return Err(e.into()),
    };
    let (stock, _) = store::durable_holds(inventory.desk.store.as_ref(), now).await?;
    let known: BTreeMap<_, _> = levels.into_iter().map(|l| (l.product_id, l.stock)).collect();
    let mut seen = BTreeMap::new();
    for (product, durable) in stock {
        let drift = known.get(&product).copied().unwrap_or(0) - durable;
        if drift != 0 {
            seen.insert(product, (drift, durable));
        }
    }
    let standing = {
        let mut last = inventory.drifts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(product_id, now): (&ProductId, &(i64, i64))| {
            let (drift, stock) = *now;
            let product_id = (last.get(product_id) == Some(now)).then(|| product_id.clone())?;
            Some(Correction { product_id, seen: stock + drift, stock })
        };
        let standing: Vec<Correction> = seen.iter().filter_map(same).collect();
        *last = seen;
        standing
    };
    if !standing.is_empty() {
        tracing::info!(products = standing.len(), "holds reconciled with the stock");
        inventory.soft.holds.correct(&standing).await?;
    }
    Ok(())
}
