//! Whether somebody of the shop runs. A process that was killed looks alive for a moment, to the others and
//! to Kafka; that is waited out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::OpsError;
use crate::app::Settings;
use crate::app::embedded::Environment;
use crate::app::emptying::Grounds;
use crate::domain::Timestamp;
use crate::ports::bus::EventBus;
use crate::ports::store::{Store, query};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// After its session has ended, Kafka needs a moment to let a member go.
const LATE: Duration = Duration::from_secs(5);

/// Nobody of the shop runs, or an error that says who does.
pub(super) async fn nobody(
    grounds: &Grounds,
    settings: &Settings,
    env: &Environment,
) -> Result<(), OpsError> {
    if let Some(store) = &grounds.postgres {
        no_process(store, env).await?;
    }
    if let Some(bus) = &grounds.kafka {
        no_member(bus, settings.kafka.session_timeout.0 + LATE, env).await?;
    }
    Ok(())
}

/// A process that runs says so every second; one that is gone is believed alive until its time is up.
async fn no_process(store: &dyn Store, env: &Environment) -> Result<(), OpsError> {
    let mut first: Option<BTreeMap<String, Timestamp>> = None;
    loop {
        let now = alive(store, env.clock.now()).await?;
        if now.is_empty() {
            return Ok(());
        }
        let first = first.get_or_insert_with(|| now.clone());
        let running: Vec<&str> = now
            .iter()
            .filter(|(name, until)| first.get(*name).is_none_or(|then| then < *until))
            .map(|(name, _)| name.as_str())
            .collect();
        if !running.is_empty() {
            let text = format!("the shop runs: {}; stop it first", running.join(", "));
            return Err(OpsError::Refused(text));
        }
        env.clock.sleep(LOOK_EVERY).await;
    }
}

async fn alive(store: &dyn Store, now: Timestamp) -> Result<BTreeMap<String, Timestamp>, OpsError> {
    let sql = "select instance, alive_until from members where alive_until > ?1";
    let rows = query(store, sql, vec![now.into()]).await?;
    let named = |row: &crate::ports::store::Row| Ok((row.text(0)?.to_owned(), row.time(1)?));
    rows.iter().map(named).collect()
}

/// Members that left without a word are let go of after `patience`.
async fn no_member(
    bus: &dyn EventBus,
    patience: Duration,
    env: &Environment,
) -> Result<(), OpsError> {
    let give_up = env.clock.elapsed() + patience;
    loop {
        let active: BTreeSet<String> =
            bus.groups().await?.into_iter().filter(|g| g.active).map(|g| g.group).collect();
        if active.is_empty() {
            return Ok(());
        }
        if env.clock.elapsed() >= give_up {
            let names: Vec<String> = active.into_iter().collect();
            let text = format!("groups have members: {}; stop the shop first", names.join(", "));
            return Err(OpsError::Refused(text));
        }
        env.clock.sleep(LOOK_EVERY).await;
    }
}
