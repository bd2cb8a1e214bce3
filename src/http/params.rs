//! Ids in paths, query parameters and headers.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Problem;
use super::problem::FieldError;
use crate::domain::Invalid;

/// A parsed id out of the path.
pub struct PathId<T>(pub T);

/// Two parsed ids out of the path.
pub struct PathIds<A, B>(pub A, pub B);

/// A parsed query string.
pub struct Query<T>(pub T);

/// The value of the header `Idempotency-Key`, if there is one.
pub struct IdempotencyKey(pub Option<String>);

fn invalid<T: FromStr<Err = Invalid>>(raw: &str) -> Result<T, Problem> {
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    raw.parse().map_err(|e: Invalid| {
        let field = match name {
            "UserId" => "user_id",
            "ProductId" => "product_id",
            "OrderId" => "order_id",
            "PaymentId" => "payment_id",
            _ => "id",
        };
        Problem::field(StatusCode::BAD_REQUEST, field, e.to_string())
    })
}

fn unreadable(e: &impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-path", "Invalid path", e.to_string())
}

impl<S: Send + Sync, T: FromStr<Err = Invalid>> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(raw) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|e| unreadable(&e))?;
        Ok(Self(invalid(&raw)?))
    }
}

impl<S, A, B> FromRequestParts<S> for PathIds<A, B>
where
    S: Send + Sync,
    A: FromStr<Err = Invalid>,
    B: FromStr<Err = Invalid>,
{
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((a, b)) = path.map_err(|e| unreadable(&e))?;
        Ok(Self(invalid(&a)?, invalid(&b)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|e| {
            let text = e.body_text();
            let text = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, text)| text);
            let (name, text) = text.split_once(": ").unwrap_or(("", text));
            Problem::invalid(StatusCode::BAD_REQUEST, FieldError::parsed(name, text))
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let good = |key: &&str| (1..=255).contains(&key.len());
        match value.to_str().ok().filter(good) {
            Some(key) => Ok(Self(Some(key.to_owned()))),
            None => Err(Problem::field(
                StatusCode::BAD_REQUEST,
                "Idempotency-Key",
                "must be 1 to 255 printable ASCII characters",
            )),
        }
    }
}
