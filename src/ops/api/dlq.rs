//! Dead letters in the admin API.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use crate::http::{Body, Problem};
use crate::ops::dlq::editing::{EditReport, EditRequest};
use crate::ops::dlq::replay::{JobView, ReplayReport, ReplayRequest};
use crate::ops::dlq::{DeadLetter, DeadLetterDetail, DlqFilter, Group, GroupBy};

/// A dead letter's id.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdBody {
    /// `TOPIC/PARTITION/OFFSET`, or an event id that is unique.
    pub id: String,
}

/// What is summed up, and how.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryBody {
    /// Which letters.
    #[serde(default)]
    pub filter: DlqFilter,
    /// By what: `error`, `topic`, `type`, `service` or `dlq`.
    #[schema(value_type = String)]
    pub by: GroupBy,
}

/// Letters that are given up, or taken back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkBody {
    /// Which.
    pub ids: Vec<String>,
    /// Who asks.
    pub actor: String,
    /// Why.
    #[serde(default)]
    pub why: String,
}

/// How many letters were changed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CountBody {
    /// How many.
    pub count: u64,
}

/// A job's name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobBody {
    /// As the report of its beginning tells it.
    pub job: String,
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(dlq_list))
        .routes(routes!(dlq_export))
        .routes(routes!(dlq_show))
        .routes(routes!(dlq_summary))
        .routes(routes!(dlq_discard))
        .routes(routes!(dlq_restore))
        .routes(routes!(dlq_edit))
        .routes(routes!(dlq_replay))
        .routes(routes!(dlq_jobs))
        .routes(routes!(dlq_job))
        .routes(routes!(dlq_cancel))
        .routes(routes!(dlq_resume))
}

/// Dead letters that match, oldest first: a page of them; the next begins after its last one.
#[utoipa::path(post, path = "/admin/v1/dlq/list", tag = "admin", request_body = DlqFilter,
    responses((status = 200, body = Vec<DeadLetter>)))]
async fn dlq_list(
    State(ops): State<Shared>,
    Body(filter, _): Body<DlqFilter>,
) -> Result<Json<Vec<DeadLetter>>, Problem> {
    Ok(Json(ops.dead_letters(&filter).await?))
}

/// Dead letters that match in full, oldest first: a page of them; the next begins after its last one.
#[utoipa::path(post, path = "/admin/v1/dlq/export", tag = "admin", request_body = DlqFilter,
    responses((status = 200, body = Vec<DeadLetterDetail>)))]
async fn dlq_export(
    State(ops): State<Shared>,
    Body(filter, _): Body<DlqFilter>,
) -> Result<Json<Vec<DeadLetterDetail>>, Problem> {
    Ok(Json(ops.dead_letters_in_full(&filter).await?))
}

/// One dead letter in full.
#[utoipa::path(post, path = "/admin/v1/dlq/show", tag = "admin", request_body = IdBody,
    responses((status = 200, body = DeadLetterDetail), (status = 404, body = Problem)))]
async fn dlq_show(
    State(ops): State<Shared>,
    Body(body, _): Body<IdBody>,
) -> Result<Json<DeadLetterDetail>, Problem> {
    Ok(Json(ops.dead_letter(&body.id).await?))
}

/// Dead letters by what they have in common, the largest group first.
#[utoipa::path(post, path = "/admin/v1/dlq/summary", tag = "admin", request_body = SummaryBody,
    responses((status = 200, body = Vec<Group>)))]
async fn dlq_summary(
    State(ops): State<Shared>,
    Body(body, _): Body<SummaryBody>,
) -> Result<Json<Vec<Group>>, Problem> {
    Ok(Json(ops.dlq_summary(&body.filter, body.by).await?))
}

/// Gives dead letters up for good.
#[utoipa::path(post, path = "/admin/v1/dlq/discard", tag = "admin", request_body = MarkBody,
    responses((status = 200, body = CountBody), (status = 404, body = Problem)))]
async fn dlq_discard(
    State(ops): State<Shared>,
    Body(body, _): Body<MarkBody>,
) -> Result<Json<CountBody>, Problem> {
    Ok(Json(CountBody { count: ops.discard(&body.ids, &body.actor, &body.why).await? }))
}

/// Takes back that dead letters were given up or parked.
#[utoipa::path(post, path = "/admin/v1/dlq/restore", tag = "admin", request_body = MarkBody,
    responses((status = 200, body = CountBody), (status = 404, body = Problem)))]
async fn dlq_restore(
    State(ops): State<Shared>,
    Body(body, _): Body<MarkBody>,
) -> Result<Json<CountBody>, Problem> {
    Ok(Json(CountBody { count: ops.restore(&body.ids, &body.actor).await? }))
}

/// Sends a repaired copy of a dead letter to the group that gave it up.
#[utoipa::path(post, path = "/admin/v1/dlq/edit", tag = "admin", request_body = EditRequest,
    responses((status = 200, body = EditReport), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn dlq_edit(
    State(ops): State<Shared>,
    Body(request, _): Body<EditRequest>,
) -> Result<Json<EditReport>, Problem> {
    Ok(Json(ops.edit(&request).await?))
}

/// Begins to send dead letters back to where they came from; what it is about to do.
#[utoipa::path(post, path = "/admin/v1/dlq/replay", tag = "admin", request_body = ReplayRequest,
    responses((status = 200, body = ReplayReport), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn dlq_replay(
    State(ops): State<Shared>,
    Body(request, _): Body<ReplayRequest>,
) -> Result<Json<ReplayReport>, Problem> {
    Ok(Json(ops.replay(&request).await?))
}

/// Replays, the newest first.
#[utoipa::path(get, path = "/admin/v1/dlq/jobs", tag = "admin", responses((status = 200, body = Vec<JobView>)))]
async fn dlq_jobs(State(ops): State<Shared>) -> Result<Json<Vec<JobView>>, Problem> {
    Ok(Json(ops.jobs().await?))
}

/// One replay.
#[utoipa::path(post, path = "/admin/v1/dlq/jobs/show", tag = "admin", request_body = JobBody,
    responses((status = 200, body = JobView), (status = 404, body = Problem)))]
async fn dlq_job(
    State(ops): State<Shared>,
    Body(body, _): Body<JobBody>,
) -> Result<Json<JobView>, Problem> {
    Ok(Json(ops.job(&body.job).await?))
}

/// Ends a replay after its current step.
#[utoipa::path(post, path = "/admin/v1/dlq/jobs/cancel", tag = "admin", request_body = JobBody,
    responses((status = 200, body = JobView), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn dlq_cancel(
    State(ops): State<Shared>,
    Body(body, _): Body<JobBody>,
) -> Result<Json<JobView>, Problem> {
    Ok(Json(ops.cancel(&body.job).await?))
}

/// Goes on with a replay that ended before its end.
#[utoipa::path(post, path = "/admin/v1/dlq/jobs/resume", tag = "admin", request_body = JobBody,
    responses((status = 200, body = JobView), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn dlq_resume(
    State(ops): State<Shared>,
    Body(body, _): Body<JobBody>,
) -> Result<Json<JobView>, Problem> {
    Ok(Json(ops.resume(&body.job).await?))
}
