//! The connections, and what each of them is told first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, Postgres};
use sqlx::{Connection as _, Error};

use super::PostgresOptions;
use crate::ports::Clock;

/// Prepared statements kept per connection; the shop has about two hundred, alone and together.
const STATEMENTS_CACHED: usize = 512;
/// How the server plans for the shop: along indexes, row by row of the parameters, whatever its statistics
/// say. Tables that grow and are rewritten as fast as the outbox are never as these say; a plan made for a
/// small table that reads all of it and sorts would be kept while the table grows.
const PLANNING: [(&str, &str); 8] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("cpu_tuple_cost", "1"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
];
/// A connection that was idle for longer is asked whether it lives before it is used.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// `parsed` with all that the shop wants of a connection.
pub(super) fn with_settings(
    parsed: PgConnectOptions,
    options: &PostgresOptions,
) -> PgConnectOptions {
    let ms = options.timeout.as_millis().to_string();
    parsed
        .application_name(&options.application)
        .statement_cache_capacity(STATEMENTS_CACHED)
        .options([
            ("synchronous_commit", "on"),
            ("timezone", "UTC"),
            ("statement_timeout", ms.as_str()),
            ("lock_timeout", ms.as_str()),
            // A process that was stopped in the middle holds its locks no longer than this.
            ("idle_in_transaction_session_timeout", ms.as_str()),
        ])
        .options(PLANNING)
}

/// Connections that are used again and again.
#[derive(Clone)]
pub(super) struct Pool {
    connections: PgPool,
    /// When one was lost last, in ms of the clock: then those that were there may all be lost.
    lost_at: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Pool {
    pub(super) fn new(
        parsed: PgConnectOptions,
        options: &PostgresOptions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let lost_at = Arc::<AtomicU64>::default();
        let (lost, time) = (Arc::clone(&lost_at), Arc::clone(&clock));
        let connections = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.timeout)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let lost = Duration::from_millis(lost.load(Ordering::Relaxed));
                // Idle since before the loss: nobody has seen it alive after it.
                let doubtful = meta.idle_for > IDLE_MAX || time.elapsed() < lost + meta.idle_for;
                Box::pin(async move {
                    if doubtful {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(parsed);
        Self { connections, lost_at, clock }
    }

    /// The connections as the library has them.
    pub(super) fn bare(&self) -> &PgPool {
        &self.connections
    }

    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.connections.acquire().await
    }

    /// Lets go of a connection that does not work any more.
    pub(super) fn lost(&self, connection: PoolConnection<Postgres>) {
        self.lost_at.store(self.clock.elapsed().as_millis() as u64, Ordering::Relaxed);
        drop(connection.detach());
    }
}
