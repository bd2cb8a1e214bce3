//! What happens around every request: an id, a span, a meter; an answer only when what it says is on
//! disk; a problem instead of a panic.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use super::Problem;
use super::body::BODY_BYTES_MAX;
use super::trace::{Belongs, trace};
use crate::ports::{Clock, Spawn, Store};
use crate::runtime::meters::RequestLabels;
use crate::runtime::{Meters, Tracer};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the layers need.
#[derive(Clone)]
pub struct LayerDeps {
    /// Counters.
    pub meters: Arc<Meters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
    tracing: Option<(Tracer, Belongs)>,
    counter: Arc<AtomicU64>,
}

impl LayerDeps {
    /// Layers with these counters, this time, and tasks started so.
    pub fn new(meters: Arc<Meters>, clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Self {
        Self { meters, clock, spawn, tracing: None, counter: Arc::default() }
    }

    /// The same, telling `tracer` of requests.
    #[must_use]
    pub fn traced(self, tracer: Tracer, belongs: Belongs) -> Self {
        Self { tracing: tracer.is_on().then_some((tracer, belongs)), ..self }
    }
}

/// Puts the layers of all APIs around `router`.
pub fn wrap(router: axum::Router, deps: &LayerDeps) -> axum::Router {
    let router = router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_route)
        .layer(from_fn(no_panic));
    let router = match &deps.tracing {
        Some(tracing) => router.layer(from_fn_with_state(tracing.clone(), trace)),
        None => router,
    };
    router
        .layer(from_fn_with_state(deps.clone(), to_the_end))
        .layer(from_fn_with_state(deps.clone(), observe))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Holds answers back until what they say is on disk.
pub fn durable<S: Clone + Send + Sync + 'static>(
    router: utoipa_axum::router::OpenApiRouter<S>,
    store: Arc<dyn Store>,
) -> utoipa_axum::router::OpenApiRouter<S> {
    router.route_layer(from_fn_with_state(store, barrier))
}

async fn barrier(State(store): State<Arc<dyn Store>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    match store.durable().await {
        Ok(()) => response,
        Err(e) => Problem::from(e).into_response(),
    }
}

/// What was begun to change the shop is done to its end, also when the client does not wait for the
/// answer: a commit is followed by its wake-ups and copies.
async fn to_the_end(State(deps): State<LayerDeps>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (answer, answered) = futures::channel::oneshot::channel();
    let work = async move { drop(answer.send(next.run(request).await)) };
    deps.spawn.spawn(Box::pin(work.in_current_span()));
    answered.await.unwrap_or_else(|_| Problem::internal(&"the request was dropped").into_response())
}

async fn observe(State(deps): State<LayerDeps>, mut request: Request, next: Next) -> Response {
    let started = deps.clock.elapsed();
    let id = request_id(&request, &deps);
    let method = method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", request_id = %id, method, route);
    if let Ok(value) = HeaderValue::from_str(&id) {
        request.headers_mut().insert(REQUEST_ID, value);
    }
    deps.meters.requests_in_flight.inc();
    let mut response = next.run(request).instrument(span.clone()).await;
    deps.meters.requests_in_flight.dec();
    let took = deps.clock.elapsed().saturating_sub(started);
    let status = response.status();
    span.in_scope(|| {
        let ms = took.as_secs_f64() * 1_000.0;
        if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(status = status.as_u16(), ms, "answered");
        } else {
            tracing::debug!(status = status.as_u16(), ms, "answered");
        }
    });
    let labels = RequestLabels { method, route, status: status.as_u16() };
    deps.meters.requests.get_or_create(&labels).observe(took.as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The method, or one word for all that HTTP does not know: callers may make up any number of them.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The caller's id for this request, or one of ours.
fn request_id(request: &Request, deps: &LayerDeps) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    match given.filter(|id| (1..=128).contains(&id.len())) {
        Some(id) => id.to_owned(),
        None => format!("req-{:x}", deps.counter.fetch_add(1, Ordering::Relaxed)),
    }
}

async fn no_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = crate::runtime::supervisor::panic_text(panic.as_ref());
            Problem::internal(&format!("panicked: {text}")).into_response()
        }
    }
}

async fn no_route(request: Request) -> Problem {
    Problem::not_found(format!("path {}; see /docs on the gateway", request.uri().path()))
}

async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!("{} does not take {}", request.uri().path(), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
}
