//! Consumer groups in the admin API.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use crate::http::{Body, Problem};
use crate::ops::groups::{GroupView, LagQuery, LagView, ResetRequest, ResetView};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(groups))
        .routes(routes!(group_lag))
        .routes(routes!(group_reset))
}

/// All consumer groups, by name.
#[utoipa::path(get, path = "/admin/v1/groups", tag = "admin", responses((status = 200, body = Vec<GroupView>)))]
async fn groups(State(ops): State<Shared>) -> Result<Json<Vec<GroupView>>, Problem> {
    Ok(Json(ops.groups().await?))
}

/// How far groups are behind, and whether they keep up; answers after the time that is looked at.
#[utoipa::path(post, path = "/admin/v1/groups/lag", tag = "admin", request_body = LagQuery,
    responses((status = 200, body = Vec<LagView>), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn group_lag(
    State(ops): State<Shared>,
    Body(query, _): Body<LagQuery>,
) -> Result<Json<Vec<LagView>>, Problem> {
    Ok(Json(ops.lag(&query).await?))
}

/// Sets where a group without members reads next, or says what would be set.
#[utoipa::path(post, path = "/admin/v1/groups/reset-offsets", tag = "admin", request_body = ResetRequest,
    responses((status = 200, body = Vec<ResetView>), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn group_reset(
    State(ops): State<Shared>,
    Body(request, _): Body<ResetRequest>,
) -> Result<Json<Vec<ResetView>>, Problem> {
    Ok(Json(ops.reset_offsets(&request).await?))
}
