//! The admin API: operations over HTTP, for this machine's own commands. It asks for the token that
//! lies in the data folder, and answers only to a loopback `Host`, so that no web page can use it.

pub mod admin;
mod backup;
pub mod dlq;
mod groups;
mod live;
mod orders;
mod queries;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::tail::{TailFrom, TailPage, TailQuery};
use super::topics::{NewRecordView, TopicView};
use super::{Ops, OpsError};
use crate::http::{Body, Problem};
use crate::ports::GatewayDials;

/// The largest body: a largest record in base64, and room for headers.
const BODY_BYTES_MAX: usize = 4 << 20;

pub use live::Pace;

type Shared = Arc<dyn Ops>;

/// Where a record stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PositionBody {
    /// `TOPIC/PARTITION/OFFSET`.
    pub at: String,
}

/// The routes, under `/admin/v1`; streams go at this pace.
pub fn routes(ops: Arc<dyn Ops>, token: String, pace: Pace) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(topics))
        .routes(routes!(tail_start))
        .routes(routes!(tail_next))
        .routes(routes!(produce))
        .routes(routes!(gateway, set_gateway))
        .merge(admin::routes())
        .merge(backup::routes())
        .merge(groups::routes())
        .merge(dlq::routes())
        .merge(orders::routes())
        .merge(queries::routes())
        .with_state(Arc::clone(&ops))
        .merge(live::routes(ops, pace))
        .route_layer(from_fn_with_state(Arc::<str>::from(token), guard))
        .route_layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn guard(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    match admitted(&request, &token) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let mut response = problem.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                let scheme = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

fn admitted(request: &Request, token: &str) -> Result<(), Problem> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if !is_this_machine(host) {
        let detail = "the admin API answers only to this machine";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail));
    }
    let given = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    if !given.is_some_and(|given| same(given.as_bytes(), token.as_bytes())) {
        let detail = "send the token from server.json in the data folder as a bearer token";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized", detail));
    }
    Ok(())
}

/// Whether a `Host` names a loopback address; a page that was led here by a name of its own cannot.
fn is_this_machine(host: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let with_port = host.rsplit_once(':').filter(|(_, port)| is_port(port));
    let name = with_port.map_or(host, |(name, _)| name);
    let ip = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Compares in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// All topics.
#[utoipa::path(get, path = "/admin/v1/topics", tag = "admin", responses((status = 200, body = Vec<TopicView>)))]
async fn topics(State(ops): State<Shared>) -> Result<Json<Vec<TopicView>>, Problem> {
    Ok(Json(ops.topics().await?))
}

/// Where a tail begins, or ends, by partition.
#[utoipa::path(post, path = "/admin/v1/tail/start", tag = "admin", request_body = TailFrom,
    responses((status = 200, body = TailQuery), (status = 404, body = Problem)))]
async fn tail_start(
    State(ops): State<Shared>,
    Body(from, _): Body<TailFrom>,
) -> Result<Json<TailQuery>, Problem> {
    Ok(Json(ops.tail_start(&from).await?))
}

/// The next records of a tail that are wanted; the answer comes when enough was looked at.
#[utoipa::path(post, path = "/admin/v1/tail/next", tag = "admin", request_body = TailQuery,
    responses((status = 200, body = TailPage), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn tail_next(
    State(ops): State<Shared>,
    Body(query, _): Body<TailQuery>,
) -> Result<Json<TailPage>, Problem> {
    Ok(Json(ops.tail(&query).await?))
}

/// Appends a record, byte for byte.
#[utoipa::path(post, path = "/admin/v1/records", tag = "admin", request_body = NewRecordView,
    responses((status = 200, body = PositionBody), (status = 404, body = Problem)))]
async fn produce(
    State(ops): State<Shared>,
    Body(record, _): Body<NewRecordView>,
) -> Result<Json<PositionBody>, Problem> {
    Ok(Json(PositionBody { at: ops.produce(record).await? }))
}

/// How the simulated payment provider behaves.
#[utoipa::path(get, path = "/admin/v1/gateway", tag = "admin", responses((status = 200, body = GatewayDials)))]
async fn gateway(State(ops): State<Shared>) -> Result<Json<GatewayDials>, Problem> {
    Ok(Json(ops.gateway(None).await?))
}

/// Makes the simulated payment provider behave differently from now on.
#[utoipa::path(put, path = "/admin/v1/gateway", tag = "admin", request_body = GatewayDials,
    responses((status = 200, body = GatewayDials), (status = 422, body = Problem)))]
async fn set_gateway(
    State(ops): State<Shared>,
    Body(dials, _): Body<GatewayDials>,
) -> Result<Json<GatewayDials>, Problem> {
    Ok(Json(ops.gateway(Some(dials)).await?))
}

impl From<OpsError> for Problem {
    fn from(e: OpsError) -> Self {
        match e {
            OpsError::NotFound(text) => {
                Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", text)
            }
            OpsError::Invalid(text) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Invalid request", text)
            }
            OpsError::Unavailable(text) => Self::unavailable(text),
            OpsError::Refused(text) => {
                Self::new(StatusCode::CONFLICT, "conflict", "Conflict", text)
            }
            OpsError::Failed(text) => Self::internal(&text),
        }
    }
}
