//! Request bodies: JSON, bounded, and told precisely what is wrong with them.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Problem;
use super::problem::FieldError;

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The deepest nesting of a body.
const DEPTH_MAX: usize = 32;

/// A JSON body that must be there.
pub struct Body<T>(pub T, pub Bytes);

/// A JSON body that may be absent; then the default.
pub struct OptionalBody<T>(pub T, pub Bytes);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        check_content_type(&headers)?;
        Ok(Self(parse(&bytes)?, bytes))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default(), bytes));
        }
        check_content_type(&headers)?;
        Ok(Self(parse(&bytes)?, bytes))
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = format!("the body must be at most {BODY_BYTES_MAX} bytes long");
            return Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "Body too large",
                detail,
            );
        }
        Problem::new(
            StatusCode::BAD_REQUEST,
            "unreadable",
            "Unreadable body",
            rejection.body_text(),
        )
    })
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence =
        kind.and_then(|kind| kind.split(';').next()).map(|kind| kind.trim().to_lowercase());
    if essence.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type",
        "Unsupported content type",
        "send JSON with the header Content-Type: application/json",
    ))
}

/// Reads a JSON object; an error names the field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if depth(bytes) > DEPTH_MAX {
        let detail = format!("nested more than {DEPTH_MAX} levels deep");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "broken-json", "Broken JSON", detail));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| broken(&e))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|e| broken(&e))?;
    if !text.trim_ascii_start().starts_with('{') {
        let (status, text) = (StatusCode::UNPROCESSABLE_ENTITY, "must be a JSON object");
        return Err(Problem::field(status, "body", text));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|e| wrong(&e))
}

/// How deep lists and objects nest: the parser skips unknown fields without looking at this.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn broken(e: &dyn std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "broken-json", "Broken JSON", e.to_string())
}

fn wrong(e: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = e.inner();
    let text = inner.to_string();
    // The parser takes a number like 1e400 for broken JSON; it is a wrong value.
    if !inner.is_data() && !text.starts_with("number out of range") {
        return broken(inner);
    }
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let error = FieldError::parsed(&e.path().to_string(), text);
    Problem::invalid(StatusCode::UNPROCESSABLE_ENTITY, error)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::domain::{Money, ProductId, Quantity};

    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "only parsed")]
        product_id: ProductId,
        #[expect(dead_code, reason = "only parsed")]
        quantity: Quantity,
        price: Option<Money>,
    }

    #[track_caller]
    fn check(body: &str, status: u16, field: Option<&str>) {
        let problem = parse::<Item>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.status, status, "{body}: {problem:?}");
        assert_eq!(problem.errors.first().map(|e| e.field.as_str()), field, "{body}: {problem:?}");
    }

    #[test]
    fn every_wrong_field_is_named() {
        check(r#"{"product_id":"P","quantity":0}"#, 422, Some("quantity"));
        check(r#"{"product_id":"P","quantity":-1}"#, 422, Some("quantity"));
        check(r#"{"product_id":"P","quantity":1.5}"#, 422, Some("quantity"));
        check(r#"{"product_id":"P","quantity":1e30}"#, 422, Some("quantity"));
        check(r#"{"product_id":"P","quantity":1e400}"#, 422, Some("quantity"));
        check(r#"{"product_id":"P","quantity":99999999999999999999999}"#, 422, Some("quantity"));
        check(r#"{"product_id":"P","quantity":1,"price":-1}"#, 422, Some("price"));
        check(r#"{"product_id":"P","quantity":1,"price":1.001}"#, 422, Some("price"));
        check(r#"{"product_id":"P","quantity":1,"price":"1"}"#, 422, Some("price"));
        check(r#"{"product_id":"../etc","quantity":1}"#, 422, Some("product_id"));
        check(r#"{"product_id":"a\u0000b","quantity":1}"#, 422, Some("product_id"));
        check(r#"{"quantity":1}"#, 422, Some("product_id"));
        check(r#"{"product_id":"P","quantity":1,"quantity":2}"#, 422, Some("quantity"));
        check(r#"["P",1]"#, 422, Some("body"));
        check(r#""text""#, 422, Some("body"));
    }

    #[test]
    fn what_is_no_json_is_refused_as_such() {
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(1_000), "]".repeat(1_000));
        for bad in [
            "",
            "{",
            "{\"product_id\":\"P\",\"quantity\":NaN}",
            "{\"product_id\":\"P\",\"quantity\":1} {}",
            &deep,
        ] {
            check(bad, 400, None);
        }
    }

    #[test]
    fn prices_are_read_digit_by_digit() {
        let item: Item =
            parse(br#"{"product_id":"P","quantity":1,"price":49.99,"more":1}"#).unwrap();
        assert_eq!(item.price, Some(Money::from_minor(4999)));
    }
}
