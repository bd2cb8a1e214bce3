//! Calls a service's housekeeping by the clock.

use std::sync::Arc;
use std::time::Duration;

use super::Stop;
use crate::ports::StoreError;
use crate::services::{Failure, Service};

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(5);
/// Rounds without a pause at most.
const ROUNDS_MAX: usize = 100;

/// Sweeps until told to stop.
pub async fn run(service: Arc<dyn Service>, stop: Stop) -> Result<(), String> {
    let clock = Arc::clone(&service.desk().clock);
    while stop.unless_said(clock.sleep(EVERY)).await.is_some() {
        for _ in 0..ROUNDS_MAX {
            match sweep(service.as_ref()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(service = %service.desk().name, %error, "sweep failed, next round");
                    break;
                }
            }
        }
    }
    Ok(())
}

async fn sweep(service: &dyn Service) -> Result<bool, Failure> {
    let mut unit = service.desk().unit();
    let more = service.sweep(&mut unit).await?;
    if unit.is_empty() {
        return Ok(more);
    }
    match service.desk().commit(unit).await {
        Ok(()) => Ok(more),
        // What was to be swept changed meanwhile: the next round looks again.
        Err(StoreError::Conflict(_)) => Ok(true),
        Err(e) => Err(e.into()),
    }
}
