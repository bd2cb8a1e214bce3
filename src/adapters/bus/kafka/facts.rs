//! What a cluster says of itself.

use std::sync::Arc;

use rdkafka::admin::ResourceSpecifier;
use rdkafka::consumer::Consumer;

use super::errors::bus_error;
use super::{KafkaBus, blocking, topics};
use crate::ports::bus::BusError;

/// Settings of a broker that tell its version, the newest first.
const VERSIONS: [&str; 2] = ["inter.broker.protocol.version", "log.message.format.version"];

/// What a cluster is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// What it calls itself; none if it is not told.
    pub id: Option<String>,
    /// Its brokers, `HOST:PORT`.
    pub brokers: Vec<String>,
    /// The version that its brokers speak; none if it is not told.
    pub version: Option<String>,
}

impl KafkaBus {
    /// Asks the cluster what it is.
    pub async fn facts(&self) -> Result<ClusterFacts, BusError> {
        let shared = Arc::clone(&self.shared);
        let (id, brokers) = blocking(move || {
            let limit = shared.options.timeout;
            // Only its brokers are of interest, not thousands of topics.
            let one = Some(super::client::ALWAYS_THERE);
            let found = shared.inspector.fetch_metadata(one, limit);
            let found = found.map_err(|e| bus_error(&e, "brokers"))?;
            let all = found.brokers().iter();
            let brokers: Vec<(i32, String)> =
                all.map(|b| (b.id(), format!("{}:{}", b.host(), b.port()))).collect();
            Ok((shared.inspector.client().fetch_cluster_id(limit), brokers))
        })
        .await?;
        let version = match brokers.first() {
            Some((broker, _)) => self.version(*broker).await,
            None => None,
        };
        let brokers = brokers.into_iter().map(|(_, place)| place).collect();
        Ok(ClusterFacts { id, brokers, version })
    }

    /// What a broker says of its version; who may not ask, or a broker that does not say, tells nothing.
    async fn version(&self, broker: i32) -> Option<String> {
        let asked = [ResourceSpecifier::Broker(broker)];
        let admin = &self.shared.admin.0;
        let told = admin.describe_configs(&asked, &topics::options(&self.shared)).await.ok()?;
        let config = told.into_iter().next()?.ok()?;
        let of = |name| config.get(name).and_then(|entry| entry.value.clone());
        VERSIONS.into_iter().find_map(of).filter(|version| !version.is_empty())
    }
}
