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

use super::admin::AdminOps;
use super::admin::groups::{GroupDetail, GroupRemoval, GroupRemovalRequest};
use super::admin::topics::{
    NewTopicRequest, TopicDetail, TopicRemoval, TopicRemovalRequest, TruncateRequest,
};
use super::api::PositionBody;
use super::api::admin::{GroupBody, TopicBody};
use super::api::dlq::{CountBody, IdBody, JobBody, MarkBody, SummaryBody};
use super::backup::{BackupOps, BackupRequest};
use super::dlq::editing::{EditReport, EditRequest};
use super::dlq::replay::{JobView, ReplayReport, ReplayRequest};
use super::dlq::{DeadLetter, DeadLetterDetail, DlqFilter, Group, GroupBy};
use super::groups::{GroupView, LagQuery, LagView, ResetRequest, ResetView};
use super::live::{LogLine, Pulse};
use super::orders::{
    OrderDetail, OrderQuery, OrderReport, OrderRequest, OrderSummary, StuckOrder, StuckQuery,
};
use super::queries::{QueryRequest, QueryView};
use super::tail::{TailFrom, TailPage, TailQuery};
use super::topics::{NewRecordView, TopicView};
use super::trace::{Trace, TraceQuery};
use super::{DlqOps, GroupOps, LiveOps, Ops, OpsError, OrderOps, QueryOps, TopicOps, TraceOps};
use crate::app::backup::BackupReport;
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
            409 => OpsError::Refused(detail),
            400..=499 => OpsError::Invalid(detail),
            503 => OpsError::Unavailable(detail),
            _ => OpsError::Failed(detail),
        })
    }
}

const NOTHING: Option<&()> = None;

#[async_trait]
impl TopicOps for RemoteOps {
    async fn topics(&self) -> Result<Vec<TopicView>, OpsError> {
        self.call("GET", "topics", NOTHING).await
    }

    async fn tail_start(&self, from: &TailFrom) -> Result<TailQuery, OpsError> {
        self.call("POST", "tail/start", Some(from)).await
    }

    async fn tail(&self, query: &TailQuery) -> Result<TailPage, OpsError> {
        self.call("POST", "tail/next", Some(query)).await
    }

    async fn produce(&self, record: NewRecordView) -> Result<String, OpsError> {
        let body: PositionBody = self.call("POST", "records", Some(&record)).await?;
        Ok(body.at)
    }
}

#[async_trait]
impl GroupOps for RemoteOps {
    async fn groups(&self) -> Result<Vec<GroupView>, OpsError> {
        self.call("GET", "groups", NOTHING).await
    }

    async fn lag(&self, query: &LagQuery) -> Result<Vec<LagView>, OpsError> {
        self.call("POST", "groups/lag", Some(query)).await
    }

    async fn reset_offsets(&self, request: &ResetRequest) -> Result<Vec<ResetView>, OpsError> {
        self.call("POST", "groups/reset-offsets", Some(request)).await
    }
}

#[async_trait]
impl DlqOps for RemoteOps {
    async fn dead_letters(&self, filter: &DlqFilter) -> Result<Vec<DeadLetter>, OpsError> {
        self.call("POST", "dlq/list", Some(filter)).await
    }

    async fn dead_letters_in_full(
        &self,
        filter: &DlqFilter,
    ) -> Result<Vec<DeadLetterDetail>, OpsError> {
        self.call("POST", "dlq/export", Some(filter)).await
    }

    async fn dead_letter(&self, id: &str) -> Result<DeadLetterDetail, OpsError> {
        let body = IdBody { id: id.to_owned() };
        self.call("POST", "dlq/show", Some(&body)).await
    }

    async fn dlq_summary(&self, filter: &DlqFilter, by: GroupBy) -> Result<Vec<Group>, OpsError> {
        self.call("POST", "dlq/summary", Some(&SummaryBody { filter: filter.clone(), by })).await
    }

    async fn discard(&self, ids: &[String], actor: &str, why: &str) -> Result<u64, OpsError> {
        let body = MarkBody { ids: ids.into(), actor: actor.into(), why: why.into() };
        let done: CountBody = self.call("POST", "dlq/discard", Some(&body)).await?;
        Ok(done.count)
    }

    async fn restore(&self, ids: &[String], actor: &str) -> Result<u64, OpsError> {
        let body = MarkBody { ids: ids.into(), actor: actor.into(), why: String::new() };
        let done: CountBody = self.call("POST", "dlq/restore", Some(&body)).await?;
        Ok(done.count)
    }

    async fn edit(&self, request: &EditRequest) -> Result<EditReport, OpsError> {
        self.call("POST", "dlq/edit", Some(request)).await
    }

    async fn replay(&self, request: &ReplayRequest) -> Result<ReplayReport, OpsError> {
        self.call("POST", "dlq/replay", Some(request)).await
    }

    async fn jobs(&self) -> Result<Vec<JobView>, OpsError> {
        self.call("GET", "dlq/jobs", NOTHING).await
    }

    async fn job(&self, id: &str) -> Result<JobView, OpsError> {
        self.call("POST", "dlq/jobs/show", Some(&JobBody { job: id.into() })).await
    }

    async fn cancel(&self, job: &str) -> Result<JobView, OpsError> {
        self.call("POST", "dlq/jobs/cancel", Some(&JobBody { job: job.into() })).await
    }

    async fn resume(&self, job: &str) -> Result<JobView, OpsError> {
        self.call("POST", "dlq/jobs/resume", Some(&JobBody { job: job.into() })).await
    }
}

#[async_trait]
impl LiveOps for RemoteOps {
    async fn pulse(&self) -> Result<Pulse, OpsError> {
        self.call("GET", "pulse", NOTHING).await
    }

    async fn logs(&self, after: u64) -> Result<Vec<LogLine>, OpsError> {
        self.call("GET", &format!("logs?after={after}"), NOTHING).await
    }
}

#[async_trait]
impl OrderOps for RemoteOps {
    async fn orders(&self, query: &OrderQuery) -> Result<Vec<OrderSummary>, OpsError> {
        self.call("POST", "orders/list", Some(query)).await
    }

    async fn order(&self, id: &str) -> Result<OrderDetail, OpsError> {
        self.call("POST", "orders/show", Some(&IdBody { id: id.to_owned() })).await
    }

    async fn stuck_orders(&self, query: &StuckQuery) -> Result<Vec<StuckOrder>, OpsError> {
        self.call("POST", "orders/stuck", Some(query)).await
    }

    async fn cancel_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError> {
        self.call("POST", "orders/cancel", Some(request)).await
    }

    async fn refund_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError> {
        self.call("POST", "orders/refund", Some(request)).await
    }

    async fn resume_order(&self, request: &OrderRequest) -> Result<OrderReport, OpsError> {
        self.call("POST", "orders/resume", Some(request)).await
    }
}

#[async_trait]
impl TraceOps for RemoteOps {
    async fn trace(&self, query: &TraceQuery) -> Result<Trace, OpsError> {
        self.call("POST", "trace", Some(query)).await
    }
}

#[async_trait]
impl QueryOps for RemoteOps {
    async fn query(&self, request: &QueryRequest) -> Result<QueryView, OpsError> {
        self.call("POST", "query", Some(request)).await
    }
}

#[async_trait]
impl BackupOps for RemoteOps {
    async fn back_up(&self, request: &BackupRequest) -> Result<BackupReport, OpsError> {
        self.call("POST", "backup", Some(request)).await
    }
}

#[async_trait]
impl AdminOps for RemoteOps {
    async fn describe_topic(&self, topic: &str) -> Result<TopicDetail, OpsError> {
        let body = TopicBody { topic: topic.into() };
        self.call("POST", "topics/describe", Some(&body)).await
    }

    async fn create_topic(&self, request: &NewTopicRequest) -> Result<TopicDetail, OpsError> {
        self.call("POST", "topics/create", Some(request)).await
    }

    async fn truncate_topic(&self, request: &TruncateRequest) -> Result<TopicRemoval, OpsError> {
        self.call("POST", "topics/truncate", Some(request)).await
    }

    async fn delete_topic(&self, request: &TopicRemovalRequest) -> Result<TopicRemoval, OpsError> {
        self.call("POST", "topics/delete", Some(request)).await
    }

    async fn describe_group(&self, group: &str) -> Result<GroupDetail, OpsError> {
        let body = GroupBody { group: group.into() };
        self.call("POST", "groups/describe", Some(&body)).await
    }

    async fn delete_group(&self, request: &GroupRemovalRequest) -> Result<GroupRemoval, OpsError> {
        self.call("POST", "groups/delete", Some(request)).await
    }
}

#[async_trait]
impl Ops for RemoteOps {
    async fn gateway(&self, set: Option<GatewayDials>) -> Result<GatewayDials, OpsError> {
        match set {
            Some(dials) => self.call("PUT", "gateway", Some(&dials)).await,
            None => self.call("GET", "gateway", NOTHING).await,
        }
    }
}
