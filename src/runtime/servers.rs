//! Whether the servers that a process leans on answer: asked again and again, so that readiness tells of one
//! that is gone before somebody needs it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

use super::{Health, Stop};
use crate::ports::Clock;
use crate::ports::clock::timeout;

/// A server that has not answered after this long is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a process can do its work without a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Not at all: it is not ready.
    Must,
    /// More slowly, or later.
    Helps,
}

/// A server, and how to find out whether it answers.
#[derive(Clone)]
pub struct Server {
    /// What it is called.
    pub name: &'static str,
    /// What becomes of a process without it.
    pub need: Need,
    /// How often it is asked.
    pub every: Duration,
    /// Asks it.
    pub ask: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// Asks until told to stop.
pub async fn watch(
    servers: &[Server],
    clock: &dyn Clock,
    health: &Health,
    stop: &Stop,
) -> Result<(), String> {
    for server in servers {
        health.needs(server.name, server.need);
    }
    join_all(servers.iter().map(|server| watch_one(server, clock, health, stop))).await;
    Ok(())
}

async fn watch_one(server: &Server, clock: &dyn Clock, health: &Health, stop: &Stop) {
    loop {
        let answer = timeout(clock, PATIENCE, (server.ask)());
        match stop.unless_said(answer).await {
            None => return,
            Some(Some(Ok(()))) => health.up(server.name),
            Some(Some(Err(why))) => health.down(server.name, why),
            Some(None) => health.down(server.name, format!("no answer in {PATIENCE:?}")),
        }
        if stop.unless_said(clock.sleep(server.every)).await.is_none() {
            return;
        }
    }
}
