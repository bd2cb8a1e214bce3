//! Looking after topics and groups in the admin API.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use crate::http::{Body, Problem};
use crate::ops::admin::groups::{GroupDetail, GroupRemoval, GroupRemovalRequest};
use crate::ops::admin::topics::{
    NewTopicRequest, TopicDetail, TopicRemoval, TopicRemovalRequest, TruncateRequest,
};

/// A topic by its name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicBody {
    /// Its name.
    pub topic: String,
}

/// A group by its name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupBody {
    /// Its name.
    pub group: String,
}

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(topic_describe))
        .routes(routes!(topic_create))
        .routes(routes!(topic_truncate))
        .routes(routes!(topic_delete))
        .routes(routes!(group_describe))
        .routes(routes!(group_delete))
}

/// A topic in full: partitions, settings and where they come from.
#[utoipa::path(post, path = "/admin/v1/topics/describe", tag = "admin", request_body = TopicBody,
    responses((status = 200, body = TopicDetail), (status = 404, body = Problem)))]
async fn topic_describe(
    State(ops): State<Shared>,
    Body(body, _): Body<TopicBody>,
) -> Result<Json<TopicDetail>, Problem> {
    Ok(Json(ops.describe_topic(&body.topic).await?))
}

/// Makes a topic; as it then is.
#[utoipa::path(post, path = "/admin/v1/topics/create", tag = "admin", request_body = NewTopicRequest,
    responses((status = 200, body = TopicDetail), (status = 422, body = Problem)))]
async fn topic_create(
    State(ops): State<Shared>,
    Body(request, _): Body<NewTopicRequest>,
) -> Result<Json<TopicDetail>, Problem> {
    Ok(Json(ops.create_topic(&request).await?))
}

/// Deletes records from a topic's beginning, or says which.
#[utoipa::path(post, path = "/admin/v1/topics/truncate", tag = "admin", request_body = TruncateRequest,
    responses((status = 200, body = TopicRemoval), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn topic_truncate(
    State(ops): State<Shared>,
    Body(request, _): Body<TruncateRequest>,
) -> Result<Json<TopicRemoval>, Problem> {
    Ok(Json(ops.truncate_topic(&request).await?))
}

/// Deletes a topic, or says what would go with it; one that the shop needs only by force.
#[utoipa::path(post, path = "/admin/v1/topics/delete", tag = "admin", request_body = TopicRemovalRequest,
    responses((status = 200, body = TopicRemoval), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn topic_delete(
    State(ops): State<Shared>,
    Body(request, _): Body<TopicRemovalRequest>,
) -> Result<Json<TopicRemoval>, Problem> {
    Ok(Json(ops.delete_topic(&request).await?))
}

/// A group in full: members, and how far it has read.
#[utoipa::path(post, path = "/admin/v1/groups/describe", tag = "admin", request_body = GroupBody,
    responses((status = 200, body = GroupDetail), (status = 404, body = Problem)))]
async fn group_describe(
    State(ops): State<Shared>,
    Body(body, _): Body<GroupBody>,
) -> Result<Json<GroupDetail>, Problem> {
    Ok(Json(ops.describe_group(&body.group).await?))
}

/// Forgets a group without members, or says what would be forgotten.
#[utoipa::path(post, path = "/admin/v1/groups/delete", tag = "admin", request_body = GroupRemovalRequest,
    responses((status = 200, body = GroupRemoval), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn group_delete(
    State(ops): State<Shared>,
    Body(request, _): Body<GroupRemovalRequest>,
) -> Result<Json<GroupRemoval>, Problem> {
    Ok(Json(ops.delete_group(&request).await?))
}
