//! Backups of a shop's folder: asked of the process that runs the shop, or made of a stopped shop's folder;
//! and putting one back. What is done is in [`crate::app::backup`].

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use crate::app::backup::{self, BackupError, BackupReport, RestoreReport};
use crate::app::{DataFolder, Settings, SystemClock};

/// Where a backup goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// A new file, or a folder for a new file that is named after the shop and the time; an absolute path, as
    /// the process that runs the shop sees it.
    pub target: String,
}

/// What can be done about backups while a shop runs.
#[async_trait]
pub trait BackupOps: Send + Sync {
    /// Writes the shop as it is at one moment to a file, and goes on selling; answers when it is on disk.
    async fn back_up(&self, request: &BackupRequest) -> Result<BackupReport, OpsError>;
}

impl BackupRequest {
    pub(super) fn target(&self) -> Result<&Path, OpsError> {
        let path = Path::new(&self.target);
        if path.is_absolute() {
            return Ok(path);
        }
        Err(OpsError::Invalid(format!("target must be an absolute path, not {:?}", self.target)))
    }
}

impl From<BackupError> for OpsError {
    fn from(e: BackupError) -> Self {
        match e {
            BackupError::NotFound(text) => Self::NotFound(text),
            BackupError::Refused(text) => Self::Refused(text),
            BackupError::Failed(text) => Self::Failed(text),
        }
    }
}

/// Backs up a stopped shop's folder.
pub fn of_stopped(
    folder: &DataFolder,
    settings: &Settings,
    request: &BackupRequest,
) -> Result<BackupReport, OpsError> {
    let clock = SystemClock::default();
    Ok(backup::of_stopped(folder, settings, request.target()?, &clock)?)
}

/// Puts a backup into a folder; a shop that is there is moved aside if that is wanted.
pub fn restore(archive: &Path, folder: &Path, aside: bool) -> Result<RestoreReport, OpsError> {
    Ok(backup::restore(archive, folder, aside, &SystemClock::default())?)
}
