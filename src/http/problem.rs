//! Errors as RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ports::StoreError;

/// The content type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, for people and programs (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; the same kind has the same type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is the matter with this very request, and what to do.
    pub detail: String,
    /// The fields that are wrong, if fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds after which to try again, where that may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// A field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's name; dotted where nested.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldError {
    /// What a parser says of the value at `path`. What is missing, doubled or unknown is named in
    /// the text, not in the path.
    pub fn parsed(path: &str, text: &str) -> Self {
        let starts = ["missing field `", "duplicate field `", "unknown field `"];
        let rest = starts.iter().find_map(|start| text.strip_prefix(start));
        let named = rest.and_then(|rest| rest.split('`').next());
        let path = path.trim_start_matches('.');
        let field = match named {
            Some(named) if path.is_empty() => named.to_owned(),
            Some(named) if !path.ends_with(named) => format!("{path}.{named}"),
            _ => path.to_owned(),
        };
        let field = if field.is_empty() { "body".to_owned() } else { field };
        Self { field, detail: text.to_owned() }
    }
}

impl Problem {
    /// A problem of this kind; `slug` ends its type.
    pub fn new(status: StatusCode, slug: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:ecom:problem:{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: vec![],
            retry_after: None,
        }
    }

    /// A field is wrong.
    pub fn field(status: StatusCode, field: &str, detail: impl Into<String>) -> Self {
        Self::invalid(status, FieldError { field: field.to_owned(), detail: detail.into() })
    }

    /// The same.
    pub fn invalid(status: StatusCode, error: FieldError) -> Self {
        let detail = format!("{}: {}", error.field, error.detail);
        Self::new(status, "invalid-field", "Invalid field", detail).naming(vec![error])
    }

    /// The same, also naming these fields.
    #[must_use]
    pub fn naming(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// There is no such thing.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", format!("there is no {what}"))
    }

    /// It cannot be done as things stand.
    pub fn conflict(slug: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, slug, title, detail)
    }

    /// Not for now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut problem = Self::new(status, "unavailable", "Try again later", detail);
        problem.retry_after = Some(1);
        problem
    }

    /// A bug or damaged data: logged, not told.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        let detail = "an unexpected error; the log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Broken(_) => Self::internal(&e),
            StoreError::Full(_) => {
                Self::unavailable("the shop's disk is full; reading still works")
            }
            StoreError::Conflict(_) | StoreError::Unavailable(_) => {
                tracing::warn!(error = %e, "request refused");
                Self::unavailable("the shop's store is busy")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let json = serde_json::to_vec(&self).expect("a problem is plain data");
        let kind = [(header::CONTENT_TYPE, PROBLEM_JSON)];
        let mut response = (status, kind, json).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
