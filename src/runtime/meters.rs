//! Counters and gauges of the running shop, named by Prometheus' conventions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::ports::spans::SpanCounts;

/// Labels of what a consumer does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConsumerLabels {
    /// The service.
    pub service: &'static str,
}

/// Labels of dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeadLetterLabels {
    /// The service that gave up.
    pub service: &'static str,
    /// Why.
    pub code: String,
}

/// Labels of HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The method.
    pub method: &'static str,
    /// The route, not the path: ids would make no end of series.
    pub route: String,
    /// The status code.
    pub status: u16,
}

/// Labels of a consumer's lag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LagLabels {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
}

/// All meters of a process.
pub struct Meters {
    /// Events that took effect.
    pub handled: Family<ConsumerLabels, Counter>,
    /// Events that had taken effect before.
    pub duplicates: Family<ConsumerLabels, Counter>,
    /// Deliveries that failed and were retried.
    pub retries: Family<ConsumerLabels, Counter>,
    /// Units of work decided again because of a conflict.
    pub conflicts: Family<ConsumerLabels, Counter>,
    /// Records given up.
    pub dead_letters: Family<DeadLetterLabels, Counter>,
    /// Events published from the outbox.
    pub published: Counter,
    /// Events in the outbox that wait.
    pub outbox_unpublished: Gauge,
    /// Bytes free where the data is.
    pub disk_free_bytes: Gauge,
    /// Records a group has not read.
    pub lag: Family<LagLabels, Gauge>,
    /// HTTP requests and how long they took.
    pub requests: Family<RequestLabels, Histogram>,
    /// Requests being answered.
    pub requests_in_flight: Gauge<i64, std::sync::atomic::AtomicI64>,
    /// When the process started, in seconds since the epoch.
    pub started: Gauge<f64, AtomicU64>,
    registry: Registry,
}

impl Default for Meters {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ecom");
        let histogram = || Histogram::new(exponential_buckets(0.000_5, 2.0, 15));
        let requests = Family::new_with_constructor(histogram as fn() -> Histogram);
        let meters = Self {
            handled: Family::default(),
            duplicates: Family::default(),
            retries: Family::default(),
            conflicts: Family::default(),
            dead_letters: Family::default(),
            published: Counter::default(),
            outbox_unpublished: Gauge::default(),
            disk_free_bytes: Gauge::default(),
            lag: Family::default(),
            requests,
            requests_in_flight: Gauge::default(),
            started: Gauge::default(),
            registry: Registry::default(),
        };
        let r = &mut registry;
        r.register("events_handled", "Events that took effect", meters.handled.clone());
        r.register(
            "events_duplicate",
            "Events that had taken effect before",
            meters.duplicates.clone(),
        );
        r.register(
            "event_retries",
            "Deliveries that failed and were retried",
            meters.retries.clone(),
        );
        r.register("event_conflicts", "Units of work decided again", meters.conflicts.clone());
        r.register("dead_letters", "Records given up", meters.dead_letters.clone());
        r.register(
            "events_published",
            "Events published from the outbox",
            meters.published.clone(),
        );
        r.register(
            "outbox_unpublished",
            "Events waiting in the outbox",
            meters.outbox_unpublished.clone(),
        );
        r.register_with_unit(
            "disk_free",
            "Free space where the data is",
            Unit::Bytes,
            meters.disk_free_bytes.clone(),
        );
        r.register("consumer_lag", "Records a group has not read", meters.lag.clone());
        r.register_with_unit(
            "http_request_duration",
            "Time to answer a request",
            Unit::Seconds,
            meters.requests.clone(),
        );
        r.register(
            "http_requests_in_flight",
            "Requests being answered",
            meters.requests_in_flight.clone(),
        );
        r.register_with_unit(
            "process_start_time",
            "When the process started",
            Unit::Seconds,
            meters.started.clone(),
        );
        Self { registry, ..meters }
    }
}

impl Meters {
    /// Meters that show what becomes of spans as well, where there are any.
    pub fn counting(spans: Option<Arc<SpanCounts>>) -> Self {
        let mut meters = Self::default();
        if let Some(spans) = spans {
            meters.registry.register_collector(Box::new(SpanMeter(spans)));
        }
        meters
    }

    /// All meters in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a string cannot fail");
        text
    }
}

#[derive(Debug)]
struct SpanMeter(Arc<SpanCounts>);

impl Collector for SpanMeter {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, count) in [
            ("spans_exported", "Spans that a collector took", &self.0.exported),
            ("spans_dropped", "Spans that were lost", &self.0.dropped),
        ] {
            let counter = ConstCounter::new(count.load(Ordering::Relaxed));
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        Ok(())
    }
}
