//! Whether the servers that a process leans on answer: asked every other second, so that readiness tells
//! of one that is gone before somebody needs it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

use super::{Health, Stop};
use crate::ports::Clock;
use crate::ports::clock::timeout;

/// How often.
const ASK_EVERY: Duration = Duration::from_secs(2);
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
    loop {
        let asked = join_all(servers.iter().map(|server| async {
            let answer = timeout(clock, PATIENCE, (server.ask)()).await;
            (server.name, answer.unwrap_or_else(|| Err(format!("no answer in {PATIENCE:?}"))))
        }));
        let Some(answers) = stop.unless_said(asked).await else { return Ok(()) };
        for (name, answer) in answers {
            match answer {
                Ok(()) => health.up(name),
                Err(why) => health.down(name, why),
            }
        }
        if stop.unless_said(clock.sleep(ASK_EVERY)).await.is_none() {
            return Ok(());
        }
    }
}
