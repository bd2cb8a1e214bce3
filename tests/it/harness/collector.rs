//! A collector of spans, as OTLP over HTTP has it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use ecom::http::listen;
use ecom::runtime::Stop;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;

use super::customer::runtime;

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// What the process that sent it says of itself.
    pub(crate) process: BTreeMap<String, String>,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) kind: SpanKind,
    pub(crate) name: String,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) links: Vec<(String, String)>,
    pub(crate) failed: bool,
}

impl Seen {
    pub(crate) fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

/// What was posted so far.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Collector {
    /// A collector on a free port, until the tests end.
    pub(crate) fn start() -> Self {
        let (started, address) = std::sync::mpsc::channel();
        let (seen, headers) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (into, heads) = (Arc::clone(&seen), Arc::clone(&headers));
        let collect = move |headers: HeaderMap, body: Bytes| async move {
            assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
            heads.lock().unwrap().push(headers);
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            into.lock().unwrap().extend(spans(request));
            (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec())
        };
        let serve = move || {
            runtime().block_on(async {
                let bound = listen::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).await.unwrap();
                started.send(format!("http://{}", bound.address)).unwrap();
                let router = axum::Router::new().route("/v1/traces", post(collect));
                listen::serve(bound, router, Stop::default()).await.unwrap();
            });
        };
        std::thread::Builder::new().spawn(serve).unwrap();
        Self { url: address.recv().unwrap(), seen, headers }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The headers of every batch.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.headers.lock().unwrap().clone()
    }
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Seen> {
    let mut all = vec![];
    for resource in request.resource_spans {
        let process = attributes(&resource.resource.unwrap().attributes);
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            all.push(seen(process.clone(), &span));
        }
    }
    all
}

fn seen(process: BTreeMap<String, String>, span: &Span) -> Seen {
    let hex = |id: &[u8]| data_encoding::HEXLOWER.encode(id);
    Seen {
        process,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: Some(hex(&span.parent_span_id)).filter(|id| !id.is_empty()),
        kind: span.kind(),
        name: span.name.clone(),
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        attributes: attributes(&span.attributes),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        failed: span.status.as_ref().is_some_and(|status| status.code == 2),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        other => panic!("{}: {other:?}", pair.key),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}
