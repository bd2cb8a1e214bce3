//! A way to call the shop: over sockets, or straight into its routers.

use async_trait::async_trait;
use bytes::Bytes;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// `Idempotency-Key`.
    pub key: Option<String>,
    /// JSON body.
    pub body: Option<String>,
}

impl Call {
    /// A request without a body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), key: None, body: None }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(body.to_string());
        self
    }

    /// The same with an idempotency key.
    #[must_use]
    pub fn key(mut self, key: Option<String>) -> Self {
        self.key = key;
        self
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The header `Link`.
    pub link: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Whether it was carried out.
    pub const fn is_ok(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Whether it was certainly not carried out.
    pub const fn is_refused(&self) -> bool {
        self.status >= 400 && self.status < 500
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// No answer: it may or may not have been carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer: {0}")]
pub struct NoAnswer(pub String);

/// Somebody who calls.
#[async_trait]
pub trait Client: Send + Sync {
    /// Calls, and waits for the answer.
    async fn call(&self, call: &Call) -> Result<Reply, NoAnswer>;

    /// Whether sellers can do their work through this client.
    fn serves_sellers(&self) -> bool;
}
