//! Answers that may be repeated for an idempotency key.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::services::idempotency::Answer;

/// An answer, fresh or repeated.
pub fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let kind = (header::CONTENT_TYPE, "application/json".to_owned());
    match answer.location {
        Some(location) => {
            (status, [kind, (header::LOCATION, location)], answer.body).into_response()
        }
        None => (status, [kind], answer.body).into_response(),
    }
}

/// The key was used for another body.
pub fn other_body() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "key-reused",
        "Idempotency key reused",
        "this Idempotency-Key was used with another body; use a new key for a new request",
    )
}
