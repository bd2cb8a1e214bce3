//! The holds as the inventory works with them: filled again at once where they were lost, done without
//! where they cannot be reached. The durable stock has the last word, so that either costs time, at
//! worst a refund, and never sells a unit twice.

use std::sync::Arc;

use super::store;
use crate::domain::{OrderId, ProductId, Timestamp};
use crate::events::inventory::Units;
use crate::ports::holds::{Hold, Holds};
use crate::ports::{Clock, HoldsError, Store, StoreError};
use crate::services::Failure;

/// Holds, and what they are filled from.
#[derive(Clone)]
pub(super) struct SoftHolds {
    pub(super) holds: Arc<dyn Holds>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What must follow in the holds once a batch is committed.
#[derive(Default)]
pub(super) struct FollowUp {
    pub(super) consumed: Vec<(OrderId, Vec<Units>)>,
    pub(super) released: Vec<OrderId>,
    pub(super) adjusted: Vec<(ProductId, i64)>,
}

impl SoftHolds {
    /// Fills the holds from the rows, if they are empty.
    pub(super) async fn fill(&self) -> Result<Result<(), HoldsError>, StoreError> {
        let (stock, live) = store::durable_holds(self.store.as_ref(), self.clock.now()).await?;
        Ok(self.holds.rebuild(&stock, &live).await)
    }

    /// Takes or renews holds; of each, whether the order may have its units if the stock has them.
    /// Where the holds cannot be reached, all may.
    pub(super) async fn hold(&self, wanted: &[Hold], now: Timestamp) -> Result<Vec<bool>, Failure> {
        let mut held = self.holds.hold(wanted, now).await;
        if held == Err(HoldsError::NotReady) {
            held = match self.fill().await? {
                Ok(()) => self.holds.hold(wanted, now).await,
                Err(e) => Err(e),
            };
        }
        match held {
            Ok(held) => Ok(held.iter().map(Result::is_ok).collect()),
            // Lost once more meanwhile: they are there, so all of it is tried again.
            Err(HoldsError::NotReady) => Err(HoldsError::NotReady.into()),
            Err(error @ HoldsError::Unavailable(_)) => {
                tracing::warn!(%error, orders = wanted.len(), "reserving by the durable stock alone");
                Ok(vec![true; wanted.len()])
            }
        }
    }

    /// Does what follows a commit. Where that fails or gets lost, holds lapse by themselves and the
    /// stock is reconciled; holds that were lost are filled from rows in which all of it is contained.
    pub(super) async fn follow(&self, follow: FollowUp) {
        match self.try_follow(&follow).await {
            Ok(()) => {}
            Err(HoldsError::NotReady) => match self.fill().await {
                Ok(Ok(())) => tracing::info!("holds rebuilt"),
                Ok(Err(error)) => tracing::warn!(%error, "holds not rebuilt, with the next sweep"),
                Err(error) => tracing::warn!(%error, "holds not rebuilt, with the next sweep"),
            },
            Err(error) => {
                tracing::warn!(%error, "holds are behind the stock until they are reconciled");
            }
        }
    }

    async fn try_follow(&self, follow: &FollowUp) -> Result<(), HoldsError> {
        let FollowUp { consumed, released, adjusted } = follow;
        if !consumed.is_empty() {
            self.holds.consume(consumed).await?;
        }
        if !released.is_empty() {
            self.holds.release(released).await?;
        }
        if !adjusted.is_empty() {
            self.holds.adjust(adjusted).await?;
        }
        Ok(())
    }
}
