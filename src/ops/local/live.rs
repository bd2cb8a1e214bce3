//! How everything is right now.

use async_trait::async_trait;

use super::LocalOps;
use crate::app::logging;
use crate::ops::dlq::{DlqFilter, GroupBy};
use crate::ops::live::{LogLine, Pulse};
use crate::ops::{DlqOps, GroupOps, LiveOps, OpsError, TopicOps};
use crate::ports::store::query;

const OPEN_ORDERS: &str = "select count(*) from orders where deadline is not null";

#[async_trait]
impl LiveOps for LocalOps {
    async fn pulse(&self) -> Result<Pulse, OpsError> {
        let ground = &self.shared.ground;
        let topics = self.topics().await?;
        let groups = self.groups().await?;
        let letters = self.dlq_summary(&DlqFilter::default(), GroupBy::Error).await?;
        let open_orders = if ground.inbox {
            let rows = query(ground.store.as_ref(), OPEN_ORDERS, vec![]).await?;
            rows.first().map(|row| row.int(0)).transpose()?.map(|open| open as u64)
        } else {
            None
        };
        Ok(Pulse::of(ground.clock.now(), topics, groups, letters, open_orders))
    }

    async fn logs(&self, after: u64) -> Result<Vec<LogLine>, OpsError> {
        let line = |line: logging::LogLine| LogLine {
            n: line.n,
            at: line.at,
            level: line.level.to_string(),
            text: line.text,
        };
        Ok(logging::after(after).into_iter().map(line).collect())
    }
}
