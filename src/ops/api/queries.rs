//! Questions to the shop's tables in the admin API.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use crate::http::{Body, Problem};
use crate::ops::queries::{QueryRequest, QueryView};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(query))
}

/// What the shop's tables say to a question in SQL, or to one of the library; nothing can be changed by it.
#[utoipa::path(post, path = "/admin/v1/query", tag = "admin", request_body = QueryRequest,
    responses((status = 200, body = QueryView), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
async fn query(
    State(ops): State<Shared>,
    Body(request, _): Body<QueryRequest>,
) -> Result<Json<QueryView>, Problem> {
    Ok(Json(ops.query(&request).await?))
}
