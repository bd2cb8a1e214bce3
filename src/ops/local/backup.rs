//! Backups of the shop that this process runs.

use async_trait::async_trait;

use super::LocalOps;
use crate::app::backup::BackupReport;
use crate::ops::OpsError;
use crate::ops::backup::{BackupOps, BackupRequest};

#[async_trait]
impl BackupOps for LocalOps {
    async fn back_up(&self, request: &BackupRequest) -> Result<BackupReport, OpsError> {
        let target = request.target()?;
        match &self.keeper {
            Some(keeper) => Ok(keeper.back_up(target).await?),
            None => Err(OpsError::Unavailable("no shop with a folder runs here".into())),
        }
    }
}
