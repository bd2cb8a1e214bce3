//! HTTP of the payment service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::model::{Payment, Status};
use super::{Payments, store};
use crate::domain::{Money, OrderId, PaymentId, Timestamp, UserId};
use crate::http::{PathId, Problem};

/// The routes of the payment service.
pub fn routes(payments: Arc<Payments>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_payment)).with_state(payments)
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
