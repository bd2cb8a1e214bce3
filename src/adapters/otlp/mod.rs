//! Spans to a collector that speaks OTLP over HTTP: in batches, from a thread of their own, behind a
//! bounded queue. What does not fit, or is not taken, is dropped and counted.

mod client;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, SpanData, SpanLinks,
    SpanProcessor,
};

use crate::ports::spans::{Said, Span, SpanCounts, Spans};
use crate::ports::{Clock, Spawn, spans};
use client::Client;

/// Where spans go, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpOptions {
    /// The whole URL that they are posted to.
    pub url: String,
    /// How long the collector may take for a batch.
    pub timeout: Duration,
    /// Spans that wait at most.
    pub queue_max: usize,
    /// Spans sent together at most.
    pub batch_max: usize,
    /// How long a span waits for others at most.
    pub every: Duration,
    /// The share of traces that is wanted, from 0 to 1.
    pub share: f64,
    /// Who tells.
    pub service: String,
    /// Whether that was said on purpose; otherwise `OTEL_RESOURCE_ATTRIBUTES` know better.
    pub named: bool,
    /// Which of them.
    pub instance: String,
}

/// Spans on their way to a collector.
pub struct OtlpSpans {
    processor: Arc<BatchSpanProcessor>,
    clock: Arc<dyn Clock>,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
    share: f64,
    queue: Arc<Waiting>,
}

/// How many spans wait, and what became of the others.
struct Waiting {
    max: usize,
    now: AtomicUsize,
    counts: Arc<SpanCounts>,
    told_of_overflow: AtomicBool,
}

impl OtlpSpans {
    /// Begins to collect; the collector is not asked yet.
    pub fn start(
        options: &OtlpOptions,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
    ) -> Result<Self, String> {
        let client = Arc::new(Client::new(options.timeout, Arc::clone(&clock), spawn));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_shared_http_client(Arc::clone(&client) as _)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(options.url.as_str())
            .with_timeout(options.timeout)
            .build()
            .map_err(|e| e.to_string())?;
        let queue = Arc::new(Waiting {
            max: options.queue_max,
            now: AtomicUsize::new(0),
            counts: Arc::default(),
            told_of_overflow: AtomicBool::new(false),
        });
        let exporter = Watched {
            exporter,
            client,
            url: options.url.clone(),
            queue: Arc::clone(&queue),
            is_down: AtomicBool::new(false),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(options.queue_max)
            .with_max_export_batch_size(options.batch_max)
            .with_scheduled_delay(options.every)
            .build();
        let mut processor = BatchSpanProcessor::new(exporter, config);
        processor.set_resource(&resource(options));
        Ok(Self {
            processor: Arc::new(processor),
            clock,
            ids: RandomIdGenerator::default(),
            scope: InstrumentationScope::builder("ecom")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            share: options.share,
            queue,
        })
    }

    /// Sends what waits, for at most `limit`, and ends.
    pub async fn close(&self, limit: Duration) {
        let (processor, (done, ended)) =
            (Arc::clone(&self.processor), futures::channel::oneshot::channel());
        let started = std::thread::Builder::new().name("spans-flush".into()).spawn(move || {
            // Whether it was in time: what was not sent is counted below.
            let _ = processor.shutdown_with_timeout(limit);
            let _ = done.send(());
        });
        if started.is_ok() {
            let _ = ended.await;
        }
        let lost = self.queue.now.load(Ordering::Relaxed) as u64
            + self.queue.counts.dropped.load(Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "spans were lost");
        }
    }
}

/// Who tells: what the standard variables say, before what is known here.
fn resource(options: &OtlpOptions) -> Resource {
    let name = KeyValue::new("service.name", options.service.clone());
    let resource = Resource::builder_empty()
        .with_attributes([
            name.clone(),
            KeyValue::new("service.instance.id", options.instance.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_detector(Box::new(EnvResourceDetector::new()));
    if options.named { resource.with_attribute(name) } else { resource }.build()
}

impl Spans for OtlpSpans {
    fn wants(&self, trace: spans::TraceId) -> bool {
        // Traces are UUIDv7: of the lower half, all but the first two bits are random.
        let random = (trace.0 as u64) << 2 >> 11;
        (random as f64) < self.share * (1_u64 << 53) as f64
    }

    fn new_id(&self) -> spans::SpanId {
        spans::SpanId(u64::from_be_bytes(self.ids.new_span_id().to_bytes()))
    }

    fn add(&self, span: Span) {
        if self.queue.enter() {
            self.processor.on_end(self.data(span));
        }
    }

    fn counts(&self) -> Arc<SpanCounts> {
        Arc::clone(&self.queue.counts)
    }
}

impl OtlpSpans {
    #[expect(clippy::disallowed_methods, reason = "collectors want the time of the day, exactly")]
    fn data(&self, span: Span) -> SpanData {
        let (now, elapsed) = (SystemTime::now(), self.clock.elapsed());
        let at = |time: Duration| now - elapsed.saturating_sub(time);
        let mut links = SpanLinks::default();
        links.links.extend(span.link.map(|link| Link::with_context(context(link))));
        SpanData {
            span_context: context(span.context),
            parent_span_id: span.parent.map_or(SpanId::INVALID, span_id),
            parent_span_is_remote: span.parent.is_some(),
            span_kind: kind(span.kind),
            name: span.name,
            start_time: at(span.began),
            end_time: at(span.ended),
            attributes: span.attributes.into_iter().map(attribute).collect(),
            dropped_attributes_count: 0,
            events: opentelemetry_sdk::trace::SpanEvents::default(),
            links,
            status: span.error.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn context(of: spans::SpanContext) -> SpanContext {
    let trace = TraceId::from_bytes(of.trace.0.to_be_bytes());
    SpanContext::new(trace, span_id(of.span), TraceFlags::SAMPLED, true, TraceState::NONE)
}

fn span_id(id: spans::SpanId) -> SpanId {
    SpanId::from_bytes(id.0.to_be_bytes())
}

const fn kind(kind: spans::SpanKind) -> SpanKind {
    match kind {
        spans::SpanKind::Server => SpanKind::Server,
        spans::SpanKind::Client => SpanKind::Client,
        spans::SpanKind::Producer => SpanKind::Producer,
        spans::SpanKind::Consumer => SpanKind::Consumer,
    }
}

fn attribute((name, said): (&'static str, Said)) -> KeyValue {
    match said {
        Said::Text(Cow::Borrowed(text)) => KeyValue::new(name, text),
        Said::Text(Cow::Owned(text)) => KeyValue::new(name, text),
        Said::Number(number) => KeyValue::new(name, Value::I64(number)),
    }
}

impl Waiting {
    /// Whether there is room for one more, which is taken; otherwise it is counted as dropped.
    fn enter(&self) -> bool {
        if self.now.fetch_add(1, Ordering::Relaxed) < self.max {
            return true;
        }
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        if !self.told_of_overflow.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                queue = self.max,
                "more spans than the collector takes: some are dropped, see ecom_spans_dropped_total"
            );
        }
        false
    }
}

/// The exporter, and one line in the log whenever it stops or begins to work.
struct Watched {
    exporter: SpanExporter,
    client: Arc<Client>,
    url: String,
    queue: Arc<Waiting>,
    is_down: AtomicBool,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("url", &self.url).finish_non_exhaustive()
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Watched {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let count = batch.len();
        self.queue.now.fetch_sub(count, Ordering::Relaxed);
        async move {
            let exported = self.exporter.export(batch).await;
            let counts = &self.queue.counts;
            let of = if exported.is_ok() { &counts.exported } else { &counts.dropped };
            of.fetch_add(count as u64, Ordering::Relaxed);
            let was_down = self.is_down.swap(exported.is_err(), Ordering::Relaxed);
            let (url, dropped) = (&self.url, counts.dropped.load(Ordering::Relaxed));
            match &exported {
                Err(e) if !was_down => {
                    let why = self.client.trouble().unwrap_or_else(|| e.to_string());
                    tracing::warn!(url, why, "spans are not taken, and dropped until they are");
                }
                Ok(()) if was_down => tracing::info!(url, dropped, "spans are taken again"),
                _ => {}
            }
            exported
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
