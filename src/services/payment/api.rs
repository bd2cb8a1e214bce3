//! HTTP of the payment service.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::model::{Payment, Status};
use super::{Payments, store};
use crate::domain::{Money, OrderId, PaymentId, Timestamp, UserId};
use crate::http::{PathId, Problem, body};
use crate::ports::webhook::{self, SIGNATURE, Webhook};
use crate::services::Failure;

/// The routes of the payment service.
pub fn routes(payments: Arc<Payments>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_payment))
        .routes(routes!(gateway_webhook))
        .with_state(payments)
}

#[derive(Serialize, ToSchema)]
struct PaymentBody {
    payment_id: PaymentId,
    order_id: OrderId,
    user_id: UserId,
    amount: Money,
    currency: &'static str,
    method: &'static str,
    /// `PENDING`, `SUCCESS`, `FAILED`, `CANCELLED`, `REFUND_DUE`, `REFUNDED` or `REFUND_FAILED`.
    status: String,
    /// Why no money was taken, or cannot be given back.
    reason: Option<String>,
    created_at: Timestamp,
}

impl From<Payment> for PaymentBody {
    fn from(payment: Payment) -> Self {
        let status = match payment.status {
            // The original shop's word on the wire.
            Status::Succeeded => "SUCCESS".to_owned(),
            other => other.to_string(),
        };
        Self {
            payment_id: payment.payment_id(),
            order_id: payment.order_id,
            user_id: payment.user_id,
            amount: payment.amount,
            currency: Money::CURRENCY,
            method: "card",
            status,
            reason: payment.reason,
            created_at: payment.created_at,
        }
    }
}

/// A payment.
#[utoipa::path(get, path = "/payments/{payment_id}", tag = "payment", params(("payment_id" = PaymentId, Path)),
    responses((status = 200, body = PaymentBody), (status = 404, body = Problem)))]
async fn get_payment(
    State(payments): State<Arc<Payments>>,
    PathId(id): PathId<PaymentId>,
) -> Result<Json<PaymentBody>, Problem> {
    let unknown = || Problem::not_found(format!("payment {id}"));
    let order: OrderId =
        format!("ORD-{}", &id.as_str()["PAY-".len()..]).parse().map_err(|_| unknown())?;
    let found = store::load(&payments.desk, [&order]).await?.pop();
    Ok(Json(found.ok_or_else(unknown)?.into()))
}

/// A message of the payment provider; off without `gateway.webhook_secret`. What it says is not
/// believed but asked about, so that a charge without an answer is found out about at once.
#[utoipa::path(post, path = "/payments/webhooks/gateway", tag = "payment",
    params(("Ecom-Signature" = String, Header, description = "t=SECONDS,v1=HEX of HMAC-SHA256 over SECONDS.BODY; not older than 5 minutes")),
    request_body = Webhook,
    responses((status = 200, description = "Taken, also if it is about nothing of ours"),
        (status = 401, body = Problem, description = "Not signed with the shared secret, or too long ago"),
        (status = 404, body = Problem, description = "No messages are taken"),
        (status = 503, body = Problem, description = "To be sent again")))]
async fn gateway_webhook(
    State(payments): State<Arc<Payments>>,
    headers: HeaderMap,
    raw: Bytes,
) -> Result<StatusCode, Problem> {
    let Some(secret) = &payments.desk.settings.webhook_secret else {
        return Err(Problem::not_found("path /payments/webhooks/gateway; no secret is configured"));
    };
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    webhook::verify(secret, payments.desk.clock.now(), signature, &raw).map_err(|e| {
        tracing::warn!(error = %e, "webhook refused");
        let status = StatusCode::UNAUTHORIZED;
        Problem::new(status, "bad-signature", "Bad signature", e.to_string())
    })?;
    let message: Webhook = body::parse(&raw)?;
    match payments.told(&message).await {
        Ok(()) => Ok(StatusCode::OK),
        Err(Failure::Poison { text, .. }) => Err(Problem::internal(&text)),
        Err(e) => {
            tracing::warn!(id = message.id, error = %e, "webhook to be sent again");
            Err(Problem::unavailable("what came of it cannot be told now; send it again"))
        }
    }
}
