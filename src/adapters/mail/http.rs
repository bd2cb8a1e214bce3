//! A server that is spoken to over plain HTTP, with kept connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::address::{BadAddress, parts};
use crate::ports::causes::with_causes;
use crate::ports::clock::{Clock, timeout};
use crate::ports::mail::MailError;

/// Longest answer that is read: a test mailbox with a hundred thousand messages.
const ANSWER_MAX: usize = 256 << 20;

/// One server and a path on it.
pub(super) struct Site {
    base: String,
    http: Client<HttpConnector, Full<Bytes>>,
    clock: Arc<dyn Clock>,
    pub(super) patience: Duration,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Site {
    /// The server at `url`; nobody is asked yet.
    pub(super) fn new(
        url: &str,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, BadAddress> {
        let found = parts(url)?;
        match found.scheme {
            "http" => {}
            "https" => {
                let why = "https is not spoken here; write http:// and put a proxy that speaks TLS beside the shop";
                return Err(BadAddress::new(why));
            }
            _ => return Err(BadAddress::new("the URL must begin with http://")),
        }
        if found.who.is_some() {
            return Err(BadAddress::new("a user's name in the URL is not supported"));
        }
        url.parse::<hyper::Uri>().map_err(|e| BadAddress::new(e.to_string()))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).build(connector);
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { base, http, clock, patience })
    }

    /// Asks for what is at `path` below the server's own.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, MailError> {
        let request = Request::get(format!("{}{path}", self.base));
        self.exchange(request.body(Full::default())).await
    }

    /// Hands over a JSON document, with one more header.
    pub(super) async fn post(
        &self,
        json: String,
        header: (HeaderName, HeaderValue),
    ) -> Result<Answer, MailError> {
        let request = Request::post(&self.base).header(CONTENT_TYPE, "application/json");
        self.exchange(request.header(header.0, header.1).body(Full::from(json))).await
    }

    async fn exchange(
        &self,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<Answer, MailError> {
        let request = request.map_err(|e| MailError::Refused(e.to_string()))?;
        let later = |e: &dyn std::error::Error| {
            MailError::Later(format!("{}: {}", self.base, with_causes(e)))
        };
        let work = async {
            let response = self.http.request(request).await.map_err(|e| later(&e))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
            let body = body.map_err(|e| later(e.as_ref()))?.to_bytes();
            Ok(Answer { status, body })
        };
        let done = timeout(self.clock.as_ref(), self.patience, work).await;
        let late =
            || MailError::Later(format!("{}: nothing within {:?}", self.base, self.patience));
        done.unwrap_or_else(|| Err(late()))
    }
}
