//! A corner of shared servers that a measurement has to itself, and that is swept when it is over.

use std::sync::Arc;

use super::Settings;
use super::backends::{self, NotUsable};
use crate::adapters::postgres::OwnSchema;
use crate::ports::Clock;

/// What is to be removed at the end.
pub struct Corner {
    settings: Settings,
    schema: Option<OwnSchema>,
}

impl Corner {
    /// Makes `settings` mean a schema of its own, and topics, groups and keys with a prefix of their own,
    /// on each of the servers that they name.
    pub async fn claim(
        settings: &mut Settings,
        name: &str,
        clock: &dyn Clock,
    ) -> Result<Self, NotUsable> {
        settings.kafka.prefix = format!("{name}.");
        settings.redis.prefix = format!("{name}:");
        name.clone_into(&mut settings.serve.instance);
        let mut schema = None;
        if !settings.postgres.url.is_empty() {
            let (url, limit) = (&settings.postgres.url, settings.postgres.timeout.0);
            let own = OwnSchema::create(url, &name.replace('-', "_"), limit, clock).await?;
            settings.postgres.url = own.url().into();
            schema = Some(own);
        }
        Ok(Self { settings: settings.clone(), schema })
    }

    /// Removes topics, tables and keys.
    pub async fn sweep(mut self, clock: Arc<dyn Clock>) -> Result<(), NotUsable> {
        let dropped = match self.schema.take() {
            Some(schema) => schema.drop(clock.as_ref()).await,
            None => Ok(()),
        };
        // What one server does not let go of is no reason to leave anything on the others.
        let removed = self.remove_keys(Arc::clone(&clock)).await;
        if !self.settings.kafka.bootstrap.is_empty() {
            backends::kafka(&self.settings, clock).await?.sweep().await?;
        }
        dropped?;
        removed
    }

    async fn remove_keys(&self, clock: Arc<dyn Clock>) -> Result<(), NotUsable> {
        if self.settings.redis.url.is_empty() {
            return Ok(());
        }
        let link = backends::redis(&self.settings, clock).await?;
        link.remove_all().await.map_err(|e| NotUsable(e.to_string()))
    }
}
