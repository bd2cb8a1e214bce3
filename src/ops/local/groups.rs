//! Operations on consumer groups.

use std::time::Duration;

use async_trait::async_trait;

use super::{Ground, LocalOps};
use crate::ops::groups::{self, GroupView, LagQuery, LagView, ResetRequest, ResetView};
use crate::ops::{GroupOps, OpsError};

/// Looks while a group is judged.
const LOOKS: u32 = 5;

#[async_trait]
impl GroupOps for LocalOps {
    async fn groups(&self) -> Result<Vec<GroupView>, OpsError> {
        groups::list(self.shared.ground.bus.as_ref()).await
    }

    async fn lag(&self, query: &LagQuery) -> Result<Vec<LagView>, OpsError> {
        let Ground { bus, clock, .. } = &self.shared.ground;
        query.check()?;
        let mut looks = vec![];
        loop {
            let mut look = groups::list(bus.as_ref()).await?;
            if let Some(wanted) = &query.group {
                look.retain(|group| group.group == *wanted);
                if look.is_empty() {
                    let text = format!("there is no group {wanted}; see `ecom groups list`");
                    return Err(OpsError::NotFound(text));
                }
            }
            looks.push(look);
            if query.watch_ms == 0 || looks.len() > LOOKS as usize {
                return groups::lag(bus.as_ref(), &looks, clock.now()).await;
            }
            clock.sleep(Duration::from_millis(query.watch_ms) / LOOKS).await;
        }
    }

    async fn reset_offsets(&self, request: &ResetRequest) -> Result<Vec<ResetView>, OpsError> {
        let Ground { bus, store, clock, .. } = &self.shared.ground;
        let changes = groups::reset(bus.as_ref(), request, clock.now()).await?;
        store.durable().await?;
        Ok(changes)
    }
}
