//! How batches are posted: over plain HTTP, on the process's own runtime, since the exporter's thread
//! has none.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::channel::oneshot;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};

use crate::ports::causes::with_causes;
use crate::ports::clock::timeout;
use crate::ports::{Clock, Spawn};

/// The largest answer that is read: collectors say little.
const ANSWER_BYTES_MAX: usize = 1 << 20;

type Pool = legacy::Client<HttpConnector, Full<Bytes>>;

/// Posts batches.
pub(super) struct Client {
    http: Pool,
    patience: Duration,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    trouble: Mutex<Option<String>>,
}

impl Client {
    /// A client that waits at most `patience` for an answer.
    pub(super) fn new(patience: Duration, clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { http, patience, clock, spawn, trouble: Mutex::default() }
    }

    /// What went wrong last.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (answer, answered) = oneshot::channel();
        let (http, clock, patience) = (self.http.clone(), Arc::clone(&self.clock), self.patience);
        self.spawn.spawn(Box::pin(async move {
            let done = timeout(clock.as_ref(), patience, exchange(&http, request)).await;
            let late = || Err(format!("no answer within {} ms", patience.as_millis()));
            let _ = answer.send(done.unwrap_or_else(late));
        }));
        let done = answered.await.unwrap_or_else(|_| Err("the process ends".to_owned()));
        match &done {
            Err(trouble) => self.note(Some(trouble.clone())),
            Ok(response) if response.status().is_success() => self.note(None),
            Ok(response) => self.note(Some(format!("answered {}", response.status()))),
        }
        done.map_err(HttpError::from)
    }
}

async fn exchange(http: &Pool, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let response = http.request(request.map(Full::new)).await.map_err(|e| with_causes(&e))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    Ok(Response::from_parts(parts, body.map_err(|e| with_causes(e.as_ref()))?.to_bytes()))
}
