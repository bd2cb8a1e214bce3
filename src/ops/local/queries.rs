//! Questions to the shop's tables.

use async_trait::async_trait;

use super::{Ground, LocalOps};
use crate::ops::queries::{self, QueryRequest, QueryView};
use crate::ops::{OpsError, QueryOps};

#[async_trait]
impl QueryOps for LocalOps {
    async fn query(&self, request: &QueryRequest) -> Result<QueryView, OpsError> {
        let Ground { store, clock, inbox, .. } = &self.shared.ground;
        if !inbox {
            let text = "there are no tables of a shop; name them with --postgres or postgres.url";
            return Err(OpsError::Invalid(text.into()));
        }
        queries::ask(store.as_ref(), clock.now(), request).await
    }
}
