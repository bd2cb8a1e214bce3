//! Whether the process lives, whether it is ready, and its meters.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::runtime::{Health, Meters};

/// A service that answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceHealth {
    /// `ok`.
    pub status: &'static str,
    /// The service's name.
    pub service: String,
    /// The build's version.
    pub version: &'static str,
}

/// Answers for `service`, as the original shop's services did.
pub fn service_health(service: String) -> ServiceHealth {
    ServiceHealth { status: "ok", service, version: env!("CARGO_PKG_VERSION") }
}

/// `/health` of one listener.
pub fn health_route(service: String) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(health)).with_state(service_health(service))
}

/// Whether this listener answers.
#[utoipa::path(get, path = "/health", tag = "probes", responses((status = 200, body = ServiceHealth)))]
async fn health(State(health): State<ServiceHealth>) -> Json<ServiceHealth> {
    Json(health)
}

#[derive(Clone)]
struct Probes {
    health: Health,
    meters: Arc<Meters>,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn routes(health: Health, meters: Arc<Meters>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .with_state(Probes { health, meters })
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "probes", responses((status = 200, body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether every part of the process does its work.
#[utoipa::path(get, path = "/readyz", tag = "probes",
    responses((status = 200, description = "All parts work"), (status = 503, description = "Some do not; the body says which")))]
async fn readyz(State(probes): State<Probes>) -> Response {
    let ready = probes.health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let parts = probes.health.parts();
    (status, Json(serde_json::json!({ "ready": ready, "parts": parts }))).into_response()
}

/// Meters in the OpenMetrics text format, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(probes): State<Probes>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], probes.meters.encode()).into_response()
}
