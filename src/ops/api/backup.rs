//! Backups in the admin API.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use crate::app::backup::BackupReport;
use crate::http::{Body, Problem};
use crate::ops::backup::BackupRequest;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(back_up))
}

/// Writes the shop as it is at one moment to a file on the shop's machine, readable by the shop's user only;
/// answers when it is complete and on disk. The shop goes on meanwhile. One backup is made at a time.
#[utoipa::path(post, path = "/admin/v1/backup", tag = "admin", request_body = BackupRequest,
    responses((status = 200, body = BackupReport), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn back_up(
    State(ops): State<Shared>,
    Body(request, _): Body<BackupRequest>,
) -> Result<Json<BackupReport>, Problem> {
    Ok(Json(ops.back_up(&request).await?))
}
