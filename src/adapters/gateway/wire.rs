//! The provider's HTTP API as both sides write it, and one exchange over it. What goes wrong is told
//! apart by one question: can the other side have got the request?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{DeclineReason, Invalid, Secret};
use crate::ports::Clock;
use crate::ports::causes::with_causes;
use crate::ports::clock::timeout;
use crate::ports::gateway::Decision;
use crate::ports::spans::{SpanContext, TRACEPARENT};

/// Names what is asked for; asked for again under the same name, it is done once.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// When the caller stops waiting, in ms since 1970: what comes later is not begun, so that a caller
/// who then finds nothing can rely on it.
pub const DEADLINE: &str = "ecom-deadline";
/// The kind of problem of a charge that the provider never saw; a wrong path is of another kind.
pub const NO_SUCH_CHARGE: &str = "no-such-charge";
/// The outcome of a charge that took the money.
const CAPTURED: &str = "captured";
/// The outcome of a charge that took none.
const DECLINED: &str = "declined";
/// There is no charge and never will be.
const CANCELLED: &str = "cancelled";

/// The largest answer: a full page of the ledger has less than half of it.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Connections kept open between two calls.
const IDLE_MAX: usize = 64;

/// Asks for money.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChargeBody {
    /// For which order.
    pub order_id: crate::domain::OrderId,
    /// From whom.
    pub user_id: crate::domain::UserId,
    /// How much, in minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
}

/// What became of a charge.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChargeAnswer {
    /// Its key.
    pub charge_key: String,
    /// `captured`, `declined` or `cancelled`.
    pub outcome: String,
    /// Why it was declined.
    pub reason: Option<String>,
}

/// Asks to give money back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// The charge that it undoes.
    pub charge_key: String,
    /// How much, in minor units.
    pub amount: i64,
}

/// A refund that is done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RefundAnswer {
    /// Its key.
    pub refund_key: String,
    /// The charge that it undoes.
    pub charge_key: String,
}

impl ChargeAnswer {
    /// What was decided about the charge with `key`.
    pub fn new(key: &str, decision: Decision) -> Self {
        let (outcome, reason) = match decision {
            Decision::Captured => (CAPTURED, None),
            Decision::Declined(reason) => (DECLINED, Some(reason.to_string())),
        };
        Self { charge_key: key.to_owned(), outcome: outcome.to_owned(), reason }
    }

    /// There is no charge with `key`, and never will be.
    pub fn cancelled(key: &str) -> Self {
        Self { charge_key: key.to_owned(), outcome: CANCELLED.to_owned(), reason: None }
    }

    /// Whether it says so of the charge with `key`.
    pub fn is_cancelled(&self, key: &str) -> bool {
        self.charge_key == key && self.outcome == CANCELLED
    }

    /// The decision, if this is one about the charge with `key`.
    pub fn decision(&self, key: &str) -> Option<Decision> {
        match (self.outcome.as_str(), &self.reason) {
            _ if self.charge_key != key => None,
            (CAPTURED, None) => Some(Decision::Captured),
            (DECLINED, Some(reason)) => DeclineReason::parse(reason).map(Decision::Declined),
            _ => None,
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status code.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There was no connection: the other side knows nothing of the request.
    #[error("not reached: {0}")]
    NotSent(String),
    /// The other side may have got the request, or even carried it out.
    #[error("no answer: {0}")]
    Lost(String),
}

/// One server, and how it is spoken to.
pub struct Wire {
    base: String,
    authorization: Option<HeaderValue>,
    patience: Duration,
    clock: Arc<dyn Clock>,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// The method.
    pub method: &'static str,
    /// The path below the server's URL, with its query.
    pub path: &'a str,
    /// Headers beside those of all requests.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Option<Vec<u8>>,
}

impl Wire {
    /// Speaks to the server at `url` and waits at most `patience` for an answer.
    pub fn new(
        url: &str,
        secret: Option<&Secret>,
        patience: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // Half of it, so that a connection that does not come about is told from a lost answer.
        connector.set_connect_timeout(Some(patience / 2));
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        let bearer = |secret: &Secret| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose()))
                .expect("a secret is printable ASCII");
            value.set_sensitive(true);
            value
        };
        Ok(Self { base: base(url)?, authorization: secret.map(bearer), patience, clock, http })
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// How long an answer is waited for.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Time.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Asks once; nothing that may have been sent is sent again.
    pub async fn exchange(&self, ask: &Ask<'_>) -> Result<Reply, Trouble> {
        let not_sent = |e: &dyn std::fmt::Display| Trouble::NotSent(e.to_string());
        let mut request =
            Request::builder().method(ask.method).uri(format!("{}{}", self.base, ask.path));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if ask.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(context) = SpanContext::current() {
            request = request.header(TRACEPARENT, context.to_string());
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let body = Full::from(ask.body.clone().unwrap_or_default());
        let request = request.body(body).map_err(|e| not_sent(&e))?;
        let answer = async {
            let response = self.http.request(request).await.map_err(|e| {
                let text = with_causes(&e);
                if e.is_connect() { Trouble::NotSent(text) } else { Trouble::Lost(text) }
            })?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|e| Trouble::Lost(with_causes(e.as_ref())))?;
            Ok(Reply { status, body: body.to_bytes() })
        };
        let late = || Trouble::Lost(format!("nothing within {} ms", self.patience.as_millis()));
        timeout(self.clock.as_ref(), self.patience, answer).await.unwrap_or_else(|| Err(late()))
    }
}

/// Checks that `url` is one of a plain HTTP server, perhaps with a path in front of all others; its
/// form without a slash at the end.
pub fn base(url: &str) -> Result<String, Invalid> {
    let wrong = || Invalid::new("must be a URL such as http://127.0.0.1:8090");
    let url = url.trim_end_matches('/');
    let uri: hyper::Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let plain = uri.scheme_str() == Some("http") && uri.query().is_none() && !url.contains('#');
    if plain && host.is_some_and(|authority| !authority.host().is_empty()) {
        return Ok(url.to_owned());
    }
    Err(wrong())
}

/// `text` as a segment of a path.
pub fn segment(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("text can be written to");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_servers_are_spoken_to() {
        for good in ["http://127.0.0.1:8090", "http://pay", "http://[::1]:1/", "http://p/api/"] {
            assert_eq!(base(good).as_deref(), Ok(good.trim_end_matches('/')));
        }
        for bad in ["", "pay:8090", "https://pay", "http://", "http://a@b", "http://a?b", "/x"] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_one_segment_of_a_path() {
        assert_eq!(segment("ORD-1:refund"), "ORD-1%3Arefund");
        assert_eq!(segment("../a b?"), "..%2Fa%20b%3F");
    }

    #[test]
    fn a_decision_is_read_only_if_it_is_about_this_charge() {
        let declined = Decision::Declined(DeclineReason::ExpiredCard);
        for decision in [Decision::Captured, declined] {
            let answer = ChargeAnswer::new("ORD-1", decision);
            assert_eq!(answer.decision("ORD-1"), Some(decision));
            assert_eq!(answer.decision("ORD-2"), None);
        }
        for json in [
            r#"{"charge_key":"ORD-1","outcome":"captured","reason":"expired_card"}"#,
            r#"{"charge_key":"ORD-1","outcome":"declined"}"#,
            r#"{"charge_key":"ORD-1","outcome":"declined","reason":"no idea"}"#,
            r#"{"charge_key":"ORD-1","outcome":"pending"}"#,
        ] {
            let answer: ChargeAnswer = serde_json::from_str(json).unwrap();
            assert_eq!(answer.decision("ORD-1"), None, "{json}");
        }
    }
}
