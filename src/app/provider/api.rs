//! HTTP of the payment provider. What it decides is on disk before it is told; a charge that was asked
//! for is decided also when nobody waits for the answer any more.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::adapters::gateway::wire::{
    ChargeAnswer, ChargeBody, DEADLINE, NO_SUCH_CHARGE, RefundAnswer, RefundBody,
};
use crate::adapters::gateway::{Ledger, LedgerCharge, LedgerRefund, PAGE_MAX, SimulatedGateway};
use crate::domain::{Money, Secret, Timestamp};
use crate::http::hang_up::hang_up;
use crate::http::layers::{self, LayerDeps};
use crate::http::trace::Belongs;
use crate::http::{Body, IdempotencyKey, Problem, Query, openapi, probes};
use crate::ports::gateway::{Charge, Gateway, GatewayError, Refund};
use crate::ports::{Clock, GatewayDials, SharedDials, Spawn};
use crate::runtime::Tracer;

/// The largest amount: what no basket of this shop comes to, in minor units.
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
/// After which a caller may try again, in s.
const RETRY_AFTER: u32 = 1;

/// What the handlers need.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) gateway: Arc<SimulatedGateway>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) dials: SharedDials,
    pub(super) clock: Arc<dyn Clock>,
}

/// The provider's routes; all but `/health` and the documents ask for the secret, if there is one.
pub(super) fn router(
    api: Api,
    secret: Option<Secret>,
    spawn: Arc<dyn Spawn>,
    tracer: Tracer,
) -> axum::Router {
    let deps = LayerDeps::new(Arc::default(), Arc::clone(&api.clock), spawn)
        .traced(tracer, Belongs::ToCaller);
    let own = OpenApiRouter::new()
        .routes(routes!(charge))
        .routes(routes!(charge_status))
        .routes(routes!(cancel))
        .routes(routes!(refund))
        .routes(routes!(ledger_charges))
        .routes(routes!(ledger_refunds))
        .routes(routes!(dials, set_dials))
        .with_state(api)
        .route_layer(from_fn_with_state(secret, guard));
    let all = OpenApiRouter::with_openapi(openapi::document())
        .merge(own)
        .merge(probes::health_route("payment-provider".to_owned()));
    layers::wrap(openapi::publish(all), &deps)
}

async fn guard(State(secret): State<Option<Secret>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if secret.is_none_or(|secret| secret.is(given)) {
        return next.run(request).await;
    }
    let (status, detail) =
        (StatusCode::UNAUTHORIZED, "send the provider's secret as a bearer token");
    let mut response = Problem::new(status, "unauthorized", "Unauthorized", detail).into_response();
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    response
}

/// Takes money, once per key; a key that is known gets the answer that it got.
#[utoipa::path(post, path = "/v1/charges", tag = "provider",
    params(("Idempotency-Key" = String, Header, description = "Names the charge for ever"),
        ("Ecom-Deadline" = Option<i64>, Header, description = "When the caller stops waiting, in ms since 1970; not begun later")),
    request_body = ChargeBody,
    responses((status = 200, body = ChargeAnswer),
        (status = 408, body = Problem, description = "Past the caller's deadline; nothing was done"),
        (status = 429, body = Problem, description = "Not now; nothing was done")))]
async fn charge(
    State(api): State<Api>,
    IdempotencyKey(key): IdempotencyKey,
    headers: HeaderMap,
    Body(body, _): Body<ChargeBody>,
) -> Result<Response, Problem> {
    let key = key.ok_or_else(no_key)?;
    in_time(&headers, api.clock.now())?;
    if body.currency != Money::CURRENCY {
        return Err(wrong("currency", "must be USD"));
    }
    let charge = Charge {
        key,
        order_id: body.order_id,
        user_id: body.user_id,
        amount: amount(body.amount)?,
    };
    match api.gateway.charge(&charge).await {
        Ok(decision) => Ok(Json(ChargeAnswer::new(&charge.key, decision)).into_response()),
        Err(e) => Ok(not_done(e)),
    }
}

/// What became of a charge.
#[utoipa::path(get, path = "/v1/charges/{key}", tag = "provider", params(("key" = String, Path)),
    responses((status = 200, body = ChargeAnswer),
        (status = 404, body = Problem, description = "It was never asked for"),
        (status = 429, body = Problem, description = "Not now: it may be being decided")))]
async fn charge_status(State(api): State<Api>, Path(key): Path<String>) -> Response {
    match api.gateway.status(&key).await {
        Ok(Some(decision)) => Json(ChargeAnswer::new(&key, decision)).into_response(),
        Ok(None) => {
            let detail = format!("no charge was ever asked for under the key {key}");
            Problem::new(StatusCode::NOT_FOUND, NO_SUCH_CHARGE, "No such charge", detail)
                .into_response()
        }
        Err(e) => not_done(e),
    }
}

/// Makes sure that there is no charge: what became of it, or that there never will be one.
#[utoipa::path(post, path = "/v1/charges/{key}/cancel", tag = "provider", params(("key" = String, Path)),
    responses((status = 200, body = ChargeAnswer, description = "Decided before, or cancelled for ever"),
        (status = 429, body = Problem, description = "Not now; nothing was done")))]
async fn cancel(State(api): State<Api>, Path(key): Path<String>) -> Response {
    match api.gateway.cancel(&key).await {
        Ok(Some(decision)) => Json(ChargeAnswer::new(&key, decision)).into_response(),
        Ok(None) => Json(ChargeAnswer::cancelled(&key)).into_response(),
        Err(e) => not_done(e),
    }
}

/// Gives money back, once per key.
#[utoipa::path(post, path = "/v1/refunds", tag = "provider",
    params(("Idempotency-Key" = String, Header, description = "Names the refund for ever")),
    request_body = RefundBody,
    responses((status = 200, body = RefundAnswer),
        (status = 409, body = Problem, description = "Never: nothing was captured, or another amount"),
        (status = 429, body = Problem, description = "Not now; nothing was done")))]
async fn refund(
    State(api): State<Api>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body, _): Body<RefundBody>,
) -> Result<Response, Problem> {
    let key = key.ok_or_else(no_key)?;
    let refund = Refund { key, charge_key: body.charge_key, amount: amount(body.amount)? };
    match api.gateway.refund(&refund).await {
        Ok(()) => {
            let Refund { key: refund_key, charge_key, .. } = refund;
            Ok(Json(RefundAnswer { refund_key, charge_key }).into_response())
        }
        Err(e) => Ok(not_done(e)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    #[serde(default)]
    after: String,
    limit: Option<u32>,
}

impl PageQuery {
    fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(PAGE_MAX);
        if (1..=PAGE_MAX).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("must be between 1 and {PAGE_MAX}");
        Err(Problem::field(StatusCode::BAD_REQUEST, "limit", detail))
    }
}

/// Charges as they are in the books, by key.
#[utoipa::path(get, path = "/v1/ledger/charges", tag = "provider",
    params(("after" = Option<String>, Query, description = "The last key of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1000")),
    responses((status = 200, body = Vec<LedgerCharge>)))]
async fn ledger_charges(
    State(api): State<Api>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Vec<LedgerCharge>>, Problem> {
    Ok(Json(api.ledger.charges(&page.after, page.limit()?).await?))
}

/// Refunds as they are in the books, by key.
#[utoipa::path(get, path = "/v1/ledger/refunds", tag = "provider",
    params(("after" = Option<String>, Query, description = "The last key of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1000")),
    responses((status = 200, body = Vec<LedgerRefund>)))]
async fn ledger_refunds(
    State(api): State<Api>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Vec<LedgerRefund>>, Problem> {
    Ok(Json(api.ledger.refunds(&page.after, page.limit()?).await?))
}

/// How the provider behaves.
#[utoipa::path(get, path = "/v1/dials", tag = "provider", responses((status = 200, body = GatewayDials)))]
async fn dials(State(api): State<Api>) -> Json<GatewayDials> {
    Json(api.dials.get())
}

/// Makes it behave differently from now on, until it ends.
#[utoipa::path(put, path = "/v1/dials", tag = "provider", request_body = GatewayDials,
    responses((status = 200, body = GatewayDials)))]
async fn set_dials(
    State(api): State<Api>,
    Body(dials, _): Body<GatewayDials>,
) -> Result<Json<GatewayDials>, Problem> {
    api.dials.set(dials).map_err(|e| wrong("dials", e.to_string()))?;
    Ok(Json(api.dials.get()))
}

fn wrong(field: &str, detail: impl Into<String>) -> Problem {
    Problem::field(StatusCode::UNPROCESSABLE_ENTITY, field, detail)
}

fn no_key() -> Problem {
    wrong("Idempotency-Key", "must be there: it names what is done once")
}

fn amount(minor: i64) -> Result<Money, Problem> {
    if (0..=AMOUNT_MAX).contains(&minor) {
        return Ok(Money::from_minor(minor));
    }
    Err(wrong("amount", "must be a number of minor units, not negative"))
}

/// Refuses what its caller does not wait for any more: they may have been told already that there is
/// no such charge.
fn in_time(headers: &HeaderMap, now: Timestamp) -> Result<(), Problem> {
    let Some(value) = headers.get(DEADLINE) else { return Ok(()) };
    let ms = value.to_str().ok().and_then(|text| text.parse().ok());
    let ms = ms.ok_or_else(|| wrong("Ecom-Deadline", "must be a number of ms since 1970"))?;
    if now <= Timestamp::from_millis(ms) {
        return Ok(());
    }
    let late = now.since(Timestamp::from_millis(ms)).min(Duration::from_secs(1 << 32));
    let detail = format!("{} ms past the caller's deadline; nothing was done", late.as_millis());
    Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-late", "Too late", detail))
}

/// Why it was not done, or nothing at all where nobody shall know.
fn not_done(e: GatewayError) -> Response {
    match e {
        GatewayError::Unknown => hang_up(),
        GatewayError::Unavailable(text) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut problem = Problem::new(status, "not-now", "Not now", text);
            problem.retry_after = Some(RETRY_AFTER);
            problem.into_response()
        }
        GatewayError::Refused(text) => {
            Problem::conflict("refused", "Refused", text).into_response()
        }
    }
}
