//! Requests as spans: those that change something for an order, in the order's trace; at somebody
//! who is a part of the shop's work, all, in the caller's.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::domain::OrderId;
use crate::ports::spans::{Span, SpanContext};
use crate::runtime::Tracer;
use crate::runtime::trace::{ORDER, TRACEPARENT};

/// Marks an answer: this very request placed the order that it names.
#[derive(Debug, Clone, Copy)]
pub struct Placed;

/// Whose trace a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// That of the order that it is about; the caller's is linked.
    ToOrder,
    /// The caller's.
    ToCaller,
}

/// Tells of a request.
pub(super) async fn trace(
    State((tracer, belongs)): State<(Tracer, Belongs)>,
    request: Request,
    next: Next,
) -> Response {
    let caller = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let caller = caller.and_then(SpanContext::parse);
    let may_matter = match belongs {
        Belongs::ToOrder => !request.method().is_safe(),
        Belongs::ToCaller => caller.is_some(),
    };
    let Some(began) = tracer.begin().filter(|_| may_matter) else {
        return next.run(request).await;
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let location = response.headers().get("location").and_then(|value| value.to_str().ok());
    let order = order_in(&path).or_else(|| location.and_then(order_in));
    let place = match (belongs, &order, caller) {
        (Belongs::ToOrder, Some(order), _) => {
            tracer.of_order(order, response.extensions().get::<Placed>().is_some())
        }
        (Belongs::ToCaller, _, Some(caller)) => tracer.of_caller(caller),
        _ => None,
    };
    let Some(place) = place else { return response };
    let name = format!("{method} {}", route.as_deref().unwrap_or(""));
    let status = response.status();
    tracer.answered(began, place, name.trim_end().to_owned(), |span: &mut Span| {
        span.attributes = vec![
            ("http.request.method", method.to_string().into()),
            ("url.scheme", "http".into()),
            ("url.path", path.into()),
            ("http.response.status_code", u64::from(status.as_u16()).into()),
        ];
        span.attributes.extend(route.map(|route| ("http.route", route.into())));
        span.attributes.extend(order.map(|order| (ORDER, order.to_string().into())));
        if belongs == Belongs::ToOrder {
            span.link = caller;
        }
        if status.is_server_error() {
            span.error = Some(status.to_string());
            span.attributes.push(("error.type", status.as_u16().to_string().into()));
        }
    });
    response
}

/// The order that a path names.
fn order_in(path: &str) -> Option<OrderId> {
    path.split('/').find(|part| part.starts_with("ORD-"))?.parse().ok()
}
