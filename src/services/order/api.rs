//! HTTP of the order service.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::model::{Order, Status};
use super::store::{self, Step};
use super::{Cancellation, LOOK_EVERY, Orders, changed};
use crate::domain::{Line, Money, OrderId, PaymentId, Timestamp, UserId};
use crate::http::{PathId, Problem, Query};
use crate::ports::StoreError;
use crate::ports::lookup::CheckoutEntry;

/// Longest `?wait=`.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Orders in one list.
const LIST_MAX: u32 = 100;

/// The routes of the order service.
pub fn routes(orders: Arc<Orders>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(get_order))
        .routes(routes!(orders_of_user))
        .routes(routes!(cancel))
        .with_state(orders)
}

/// An order as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OrderBody {
    order_id: OrderId,
    user_id: UserId,
    /// `PENDING`, `PAID`, `FULFILLED` or `CANCELLED`; the last two are final.
    status: String,
    items: Vec<Line>,
    total_amount: Money,
    /// The payment, once paid.
    payment_id: Option<PaymentId>,
    /// Why it was cancelled.
    cancel_reason: Option<String>,
    /// Why the payment was declined.
    decline_reason: Option<String>,
    created_at: Timestamp,
    /// The statuses it had, oldest first.
    history: Vec<StepBody>,
}

/// One status of an order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct StepBody {
    status: String,
    reason: Option<String>,
    at: Timestamp,
}

impl OrderBody {
    fn of(order: Order, history: Vec<Step>) -> Self {
        let step = |step: Step| StepBody {
            status: step.status.to_string(),
            reason: step.reason.map(|reason| reason.to_string()),
            at: step.at,
        };
        Self {
            order_id: order.order_id,
            user_id: order.user_id,
            status: order.status.to_string(),
            items: order.items,
            total_amount: order.total,
            payment_id: order.payment_id,
            cancel_reason: order.cancel_reason.map(|reason| reason.to_string()),
            decline_reason: order.decline_reason.map(|reason| reason.to_string()),
            created_at: order.created_at,
            history: history.into_iter().map(step).collect(),
        }
    }

    /// A checkout that the order service has not taken up yet is a pending order.
    fn of_checkout(entry: CheckoutEntry) -> Self {
        let status = Status::Pending.to_string();
        Self {
            order_id: entry.order_id,
            user_id: entry.user_id,
            status: status.clone(),
            items: entry.items,
            total_amount: entry.total,
            payment_id: None,
            cancel_reason: None,
            decline_reason: None,
            created_at: entry.created_at,
            history: vec![StepBody { status, reason: None, at: entry.created_at }],
        }
    }

    fn is_final(&self) -> bool {
        Status::parse(&self.status).is_some_and(Status::is_final)
    }
}

#[derive(Deserialize, IntoParams)]
struct WaitQuery {
    /// Answer when the order changes, or after this long (`5s`, `500ms`; at most 30 s).
    wait: Option<String>,
}

fn parse_wait(text: &str) -> Result<Duration, Problem> {
    let number = |suffix: &str| text.strip_suffix(suffix).and_then(|n| n.parse::<u32>().ok());
    let wait = number("ms")
        .map(|ms| Duration::from_millis(ms.into()))
        .or_else(|| number("s").map(|s| Duration::from_secs(s.into())));
    match wait {
        Some(wait) => Ok(wait.min(WAIT_MAX)),
        None => Err(Problem::field(
            StatusCode::BAD_REQUEST,
            "wait",
            "must be a time such as 5s or 500ms",
        )),
    }
}

/// An order with its items, status, history and payment.
#[utoipa::path(get, path = "/orders/{order_id}", tag = "order",
    params(("order_id" = OrderId, Path), WaitQuery),
    responses((status = 200, body = OrderBody), (status = 404, body = Problem)))]
async fn get_order(
    State(orders): State<Arc<Orders>>,
    PathId(id): PathId<OrderId>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<OrderBody>, Problem> {
    let wait = query.wait.as_deref().map(parse_wait).transpose()?;
    let mut changes = orders.desk.bells.orders.subscribe();
    let first = orders.look(&id).await?.ok_or_else(|| Problem::not_found(format!("order {id}")))?;
    let Some(wait) = wait.filter(|_| !first.is_final()) else { return Ok(Json(first)) };
    let clock = &orders.desk.clock;
    let until = clock.elapsed() + wait;
    loop {
        let rest = until.saturating_sub(clock.elapsed());
        if rest.is_zero() {
            return Ok(Json(first));
        }
        changed(&mut changes, &id, clock.sleep(rest.min(LOOK_EVERY))).await;
        if let Some(now) = orders.look(&id).await?.filter(|now| now.status != first.status) {
            return Ok(Json(now));
        }
    }
}

/// A shopper's newest orders, newest first.
#[utoipa::path(get, path = "/orders/user/{user_id}", tag = "order", params(("user_id" = UserId, Path)),
    responses((status = 200, body = Vec<OrderBody>)))]
async fn orders_of_user(
    State(orders): State<Arc<Orders>>,
    PathId(user): PathId<UserId>,
) -> Result<Json<Vec<OrderBody>>, Problem> {
    let known = store::of_user(&orders.desk, &user, LIST_MAX).await?;
    let mut bodies: Vec<OrderBody> =
        known.into_iter().map(|order| OrderBody::of(order, vec![])).collect();
    let latest = orders.checkouts.last_checkout_of(&user).await?;
    if let Some(entry) = latest.filter(|entry| bodies.iter().all(|b| b.order_id != entry.order_id))
    {
        bodies.insert(0, OrderBody::of_checkout(entry));
    }
    Ok(Json(bodies))
}

/// Cancels an order that is not fulfilled yet; what was paid is given back.
#[utoipa::path(post, path = "/orders/{order_id}/cancel", tag = "order", params(("order_id" = OrderId, Path)),
    responses((status = 200, body = OrderBody), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Already fulfilled")))]
async fn cancel(
    State(orders): State<Arc<Orders>>,
    PathId(id): PathId<OrderId>,
) -> Result<Json<OrderBody>, Problem> {
    match orders.cancel(&id).await? {
        Cancellation::Done(order, _) => {
            tracing::info!(order_id = %id, "order cancelled on request");
            let looked = orders.look(&id).await?;
            Ok(Json(looked.unwrap_or_else(|| OrderBody::of(order, vec![]))))
        }
        Cancellation::TooLate(order) => Err(Problem::conflict(
            "too-late",
            "Too late to cancel",
            format!("order {id} is {}", order.status),
        )),
        Cancellation::NotYet => Err(Problem::unavailable(format!("order {id} is being taken up"))),
        Cancellation::Unknown => Err(Problem::not_found(format!("order {id}"))),
    }
}

impl Orders {
    /// The order, or the checkout that will become it.
    async fn look(&self, id: &OrderId) -> Result<Option<OrderBody>, StoreError> {
        if let Some((order, history)) = store::find(&self.desk, id).await? {
            return Ok(Some(OrderBody::of(order, history)));
        }
        Ok(self.checkouts.checkout(id).await?.map(OrderBody::of_checkout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_times_with_a_unit_and_bounded() {
        assert_eq!(parse_wait("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(parse_wait("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_wait("9999s").unwrap(), WAIT_MAX);
        for bad in ["", "5", "s", "-1s", "1.5s", "5m", "99999999999s"] {
            assert!(parse_wait(bad).is_err(), "{bad}");
        }
    }
}
