//! The client without sockets: calls go straight into the gateway's router.

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::sched::Scheduler;
use super::trace::Trace;
use crate::sim::lab::client::{Call, Client, NoAnswer, Reply};

/// Calls into a router.
pub struct RouterClient {
    router: axum::Router,
    scheduler: Scheduler,
    trace: Trace,
}

impl RouterClient {
    /// A client of `router`.
    pub fn new(router: axum::Router, scheduler: Scheduler, trace: Trace) -> Self {
        Self { router, scheduler, trace }
    }
}

#[async_trait]
impl Client for RouterClient {
    async fn call(&self, call: &Call) -> Result<Reply, NoAnswer> {
        self.scheduler.point().await;
        let mut request = Request::builder().method(call.method).uri(&call.path);
        if call.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = &call.key {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .body(Body::from(call.body.clone().unwrap_or_default()))
            .map_err(|e| NoAnswer(e.to_string()))?;
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let link = response.headers().get("link").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = response.into_body().collect().await.map_err(|e| NoAnswer(e.to_string()))?;
        let body = body.to_bytes();
        self.trace.note("http", || {
            let body = String::from_utf8_lossy(&body);
            format!("{} {} {:?} {status} {body}", call.method, call.path, call.body)
        });
        self.scheduler.point().await;
        Ok(Reply { status, link, body })
    }

    fn serves_sellers(&self) -> bool {
        true
    }
}
