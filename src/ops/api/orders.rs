//! Orders and traces in the admin API.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::dlq::IdBody;
use crate::http::{Body, Problem};
use crate::ops::orders::{
    OrderDetail, OrderQuery, OrderReport, OrderRequest, OrderSummary, StuckOrder, StuckQuery,
};
use crate::ops::trace::{Trace, TraceQuery};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(order_list))
        .routes(routes!(order_show))
        .routes(routes!(order_stuck))
        .routes(routes!(order_cancel))
        .routes(routes!(order_refund))
        .routes(routes!(order_resume))
        .routes(routes!(trace))
}

/// The newest orders that match, newest first.
#[utoipa::path(post, path = "/admin/v1/orders/list", tag = "admin", request_body = OrderQuery,
    responses((status = 200, body = Vec<OrderSummary>), (status = 422, body = Problem)))]
async fn order_list(
    State(ops): State<Shared>,
    Body(query, _): Body<OrderQuery>,
) -> Result<Json<Vec<OrderSummary>>, Problem> {
    Ok(Json(ops.orders(&query).await?))
}

/// One order in full, and what it waits for.
#[utoipa::path(post, path = "/admin/v1/orders/show", tag = "admin", request_body = IdBody,
    responses((status = 200, body = OrderDetail), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn order_show(
    State(ops): State<Shared>,
    Body(body, _): Body<IdBody>,
) -> Result<Json<OrderDetail>, Problem> {
    Ok(Json(ops.order(&body.id).await?))
}

/// Orders that have not gone on for a while, each with why.
#[utoipa::path(post, path = "/admin/v1/orders/stuck", tag = "admin", request_body = StuckQuery,
    responses((status = 200, body = Vec<StuckOrder>), (status = 422, body = Problem)))]
async fn order_stuck(
    State(ops): State<Shared>,
    Body(query, _): Body<StuckQuery>,
) -> Result<Json<Vec<StuckOrder>>, Problem> {
    Ok(Json(ops.stuck_orders(&query).await?))
}

/// Cancels an order that is not fulfilled; what was paid is given back.
#[utoipa::path(post, path = "/admin/v1/orders/cancel", tag = "admin", request_body = OrderRequest,
    responses((status = 200, body = OrderReport), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Already fulfilled"), (status = 422, body = Problem)))]
async fn order_cancel(
    State(ops): State<Shared>,
    Body(request, _): Body<OrderRequest>,
) -> Result<Json<OrderReport>, Problem> {
    Ok(Json(ops.cancel_order(&request).await?))
}

/// Has the money of an order given back, as far as it is owed.
#[utoipa::path(post, path = "/admin/v1/orders/refund", tag = "admin", request_body = OrderRequest,
    responses((status = 200, body = OrderReport), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Nothing is owed"), (status = 422, body = Problem)))]
async fn order_refund(
    State(ops): State<Shared>,
    Body(request, _): Body<OrderRequest>,
) -> Result<Json<OrderReport>, Problem> {
    Ok(Json(ops.refund_order(&request).await?))
}

/// Makes an order go on, by whatever it is that it waits for.
#[utoipa::path(post, path = "/admin/v1/orders/resume", tag = "admin", request_body = OrderRequest,
    responses((status = 200, body = OrderReport), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Another replay is under way"), (status = 422, body = Problem)))]
async fn order_resume(
    State(ops): State<Shared>,
    Body(request, _): Body<OrderRequest>,
) -> Result<Json<OrderReport>, Problem> {
    Ok(Json(ops.resume_order(&request).await?))
}

/// Everything that happened to one order, each step with what led to it.
#[utoipa::path(post, path = "/admin/v1/trace", tag = "admin", request_body = TraceQuery,
    responses((status = 200, body = Trace), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn trace(
    State(ops): State<Shared>,
    Body(query, _): Body<TraceQuery>,
) -> Result<Json<Trace>, Problem> {
    Ok(Json(ops.trace(&query).await?))
}
