//! Notices over `LISTEN` and `NOTIFY`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgListener;

use super::PostgresStore;
use crate::ports::notices::{Notice, Notices};
use crate::ports::{Signal, Spawn};

/// Pause before the next try to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// Notices through a database.
pub struct PostgresNotices {
    store: PostgresStore,
    signals: BTreeMap<&'static str, Signal>,
}

impl PostgresNotices {
    /// Listens on `store`'s database for as long as anybody holds what this returns.
    pub fn start(store: &PostgresStore, spawn: &dyn Spawn) -> Arc<Self> {
        let signals = Notice::ALL.iter().map(|of| (channel(*of), Signal::default())).collect();
        let notices = Arc::new(Self { store: store.clone(), signals });
        let (weak, clock) = (Arc::downgrade(&notices), Arc::clone(&store.clock));
        let pool = store.pool.clone();
        spawn.spawn(Box::pin(async move {
            loop {
                if weak.strong_count() == 0 {
                    return;
                }
                if let Ok(mut listener) = PgListener::connect_with(pool.bare()).await
                    && listener.listen_all(Notice::ALL.iter().map(|of| channel(*of))).await.is_ok()
                {
                    // What was told before we listened is not lost.
                    let Some(notices) = weak.upgrade() else { return };
                    notices.signals.values().for_each(Signal::give);
                    drop(notices);
                    while let Ok(Some(told)) = listener.try_recv().await {
                        let Some(notices) = weak.upgrade() else { return };
                        if let Some(signal) = notices.signals.get(told.channel()) {
                            signal.give();
                        }
                    }
                }
                clock.sleep(PAUSE).await;
            }
        }));
        notices
    }
}

const fn channel(of: Notice) -> &'static str {
    match of {
        Notice::Outbox => "ecom_outbox",
    }
}

#[async_trait]
impl Notices for PostgresNotices {
    async fn tell(&self, notice: Notice) {
        let notify = sqlx::query(AssertSqlSafe(format!("notify {}", channel(notice))));
        if let Err(error) = notify.execute(self.store.pool.bare()).await {
            tracing::debug!(%error, "nobody was told; they will look by themselves");
        }
    }

    fn heard(&self, notice: Notice) -> Signal {
        self.signals[channel(notice)].clone()
    }
}
