//! Operations through the admin API of a running shop.

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::{IdBody, PositionBody, TailBody, TailStartBody};
use super::dlq::{DeadLetter, DeadLetterDetail, DlqFilter};
use super::replay::{ReplayReport, ReplayRequest};
use super::topics::{NewRecordView, RecordView, TailQuery, TailStart, TopicView};
use super::{Ops, OpsError};
use crate::app::folder::ServerNote;
use crate::ports::GatewayDials;

/// The admin API of one shop.
pub struct RemoteOps {
    address: String,
    token: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl RemoteOps {
    /// The shop that left this note.
    pub fn new(note: &ServerNote) -> Self {
        Self {
            address: note.address.clone(),
            token: note.token.clone(),
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Whether a shop answers there.
    pub async fn answers(&self) -> bool {
        self.topics().await.is_ok()
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, OpsError> {
        let unavailable = |e: &dyn std::fmt::Display| {
            OpsError::Unavailable(format!("the shop at {} does not answer: {e}", self.address))
        };
        let json = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|e| OpsError::Failed(e.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/admin/v1/{path}", self.address))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::from(json.unwrap_or_default()))
            .map_err(|e| OpsError::Invalid(e.to_string()))?;
        let response = self.http.request(request).await.map_err(|e| unavailable(&e))?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|e| unavailable(&e))?.to_bytes();
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body).map_err(|e| {
                OpsError::Failed(format!(
                    "the shop at {} answered something else: {e}",
                    self.address
                ))
            });
        }
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
        Err(match status {
            404 => OpsError::NotFound(detail),
            400..=499 => OpsError::Invalid(detail),
            503 => OpsError::Unavailable(detail),
            _ => OpsError::Failed(detail),
        })
    }
}

const NOTHING: Option<&()> = None;

#[async_trait]
impl Ops for RemoteOps {
    async fn topics(&self) -> Result<Vec<TopicView>, OpsError> {
        self.call("GET", "topics", NOTHING).await
    }

    async fn tail_start(&self, topic: &str, start: &TailStart) -> Result<TailQuery, OpsError> {
        let body = TailStartBody { topic: topic.to_owned(), start: start.clone() };
        self.call("POST", "tail/start", Some(&body)).await
    }

    async fn tail(&self, query: &TailQuery) -> Result<(Vec<RecordView>, TailQuery), OpsError> {
        let body: TailBody = self.call("POST", "tail/next", Some(query)).await?;
        Ok((body.records, body.next))
    }

    async fn produce(&self, record: NewRecordView) -> Result<String, OpsError> {
        let body: PositionBody = self.call("POST", "records", Some(&record)).await?;
        Ok(body.at)
    }

    async fn dead_letters(&self, filter: &DlqFilter) -> Result<Vec<DeadLetter>, OpsError> {
        self.call("POST", "dlq/list", Some(filter)).await
    }

    async fn dead_letter(&self, id: &str) -> Result<DeadLetterDetail, OpsError> {
        let body = IdBody { id: id.to_owned() };
        self.call("POST", "dlq/show", Some(&body)).await
    }

    async fn replay(&self, request: &ReplayRequest) -> Result<ReplayReport, OpsError> {
        self.call("POST", "dlq/replay", Some(request)).await
    }

    async fn gateway(&self, set: Option<GatewayDials>) -> Result<GatewayDials, OpsError> {
        match set {
            Some(dials) => self.call("PUT", "gateway", Some(&dials)).await,
            None => self.call("GET", "gateway", NOTHING).await,
        }
    }
}
