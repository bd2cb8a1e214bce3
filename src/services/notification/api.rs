//! HTTP of the notification service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::store::{self, Standing};
use super::{Notifications, model};
use crate::domain::{OrderId, Timestamp};
use crate::http::{Problem, Query};
use crate::ports::mail::{MailFilter, Received};

/// Messages in one answer at most.
const LIMIT_MAX: u32 = 1_000;

/// The routes of the notification service.
pub fn routes(notifications: Arc<Notifications>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(mailbox))
        .routes(routes!(messages))
        .with_state(notifications)
}

#[derive(Deserialize, IntoParams)]
struct MailboxQuery {
    /// Only messages about this order.
    order: Option<String>,
    /// Only messages to this address.
    recipient: Option<String>,
    /// Only messages after this arrival number.
    after: Option<i64>,
    /// At most this many, 1 to 1000; 100 without.
    limit: Option<u32>,
}

/// A message as it arrived.
#[derive(Serialize, ToSchema)]
struct MessageBody {
    /// Arrival number.
    seq: i64,
    /// `email` or `sms`.
    channel: String,
    /// The sender's stable id.
    message_id: String,
    order_id: Option<String>,
    recipient: String,
    subject: String,
    body: String,
    received_at: Timestamp,
}

impl From<Received> for MessageBody {
    fn from(m: Received) -> Self {
        let Received { seq, channel, message_id, order_id, recipient, subject, body, received_at } =
            m;
        Self { seq, channel, message_id, order_id, recipient, subject, body, received_at }
    }
}

/// The messages that arrived, oldest first.
#[utoipa::path(get, path = "/mailbox", tag = "notification", params(MailboxQuery),
    responses((status = 200, body = Vec<MessageBody>), (status = 404, body = Problem, description = "Mail goes to a real server")))]
async fn mailbox(
    State(notifications): State<Arc<Notifications>>,
    Query(query): Query<MailboxQuery>,
) -> Result<Json<Vec<MessageBody>>, Problem> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let detail = format!("must be between 1 and {LIMIT_MAX}");
        return Err(Problem::field(StatusCode::BAD_REQUEST, "limit", detail));
    }
    let Some(mailbox) = &notifications.mailbox else {
        return Err(Problem::not_found("mailbox here: mail goes to a real server"));
    };
    let filter = MailFilter {
        order_id: query.order,
        recipient: query.recipient,
        after: query.after.unwrap_or(0),
        limit,
    };
    let messages =
        mailbox.messages(&filter).await.map_err(|e| Problem::unavailable(e.to_string()))?;
    Ok(Json(messages.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize, IntoParams)]
struct NotificationsQuery {
    /// The order whose messages are shown.
    #[param(value_type = String)]
    order: OrderId,
}

/// A message as the shop knows it.
#[derive(Serialize, ToSchema)]
struct NotificationBody {
    /// Names it, also in the mailbox.
    message_id: String,
    /// `email` or `sms`.
    channel: String,
    recipient: String,
    subject: String,
    /// `PENDING`, `SENT` or `FAILED`; the last two are final.
    status: String,
    /// Why it was not taken, at the last attempt.
    reason: Option<String>,
    /// Attempts so far.
    attempts: i64,
    /// When it is tried again.
    next_attempt_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Standing> for NotificationBody {
    fn from(message: Standing) -> Self {
        let Standing { message_id, channel, recipient, subject, status, .. } = message;
        let Standing { reason, attempts, next_attempt_at, created_at, updated_at, .. } = message;
        Self {
            message_id,
            channel,
            recipient,
            subject,
            status,
            reason,
            attempts,
            next_attempt_at,
            created_at,
            updated_at,
        }
    }
}

/// What became of the messages about an order.
#[utoipa::path(get, path = "/notifications", tag = "notification", params(NotificationsQuery),
    responses((status = 200, body = Vec<NotificationBody>), (status = 400, body = Problem)))]
async fn messages(
    State(notifications): State<Arc<Notifications>>,
    Query(query): Query<NotificationsQuery>,
) -> Result<Json<Vec<NotificationBody>>, Problem> {
    let names = model::names_about(&query.order);
    let standing = store::standing(&notifications.desk, &names).await?;
    Ok(Json(standing.into_iter().map(Into::into).collect()))
}
