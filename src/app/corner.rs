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
    pub async fn sweep(self, clock: Arc<dyn Clock>) -> Result<(), NotUsable> {
        if let Some(schema) = self.schema {
            schema.drop(clock.as_ref()).await?;
        }
        if !self.settings.redis.url.is_empty() {
            let link = backends::redis(&self.settings, Arc::clone(&clock)).await?;
            link.remove_all().await.map_err(|e| NotUsable(e.to_string()))?;
        }
        if !self.settings.kafka.bootstrap.is_empty() {
            backends::kafka(&self.settings, clock).await?.delete_topics().await?;
        }
        Ok(())
    }
}
