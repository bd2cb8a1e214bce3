//! What goes on right now, once or as it comes: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, Sse};
use futures::stream::{Stream, unfold};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use crate::app::Shop;
use crate::http::Problem;
use crate::ops::live::{LogLine, Pulse};
use crate::ops::tail::{TailFrom, TailQuery};
use crate::ops::topics::{RecordView, TailStart};
use crate::ops::{Ops, OpsError};
use crate::ports::Clock;
use crate::runtime::Stop;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Pause at the end of a topic.
const TAIL_EVERY: Duration = Duration::from_millis(200);

/// How long streams pause, and when they end.
#[derive(Clone)]
pub struct Pace {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Said when the shop ends: streams end as well.
    pub stop: Stop,
}

impl Pace {
    /// The shop's own.
    pub fn of(shop: &Shop) -> Self {
        Self { clock: Arc::clone(&shop.ports().clock), stop: shop.stop.clone() }
    }
}

#[derive(Clone)]
struct Flowing {
    ops: Shared,
    pace: Pace,
}

/// From where on.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
struct After {
    /// Lines with a higher number.
    after: u64,
}

/// From where on.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
struct From {
    /// `beginning`, `end`, `-5m`, an offset, or an RFC 3339 time; `end`, where nothing is said.
    from: Option<String>,
}

/// Routes that answer once, and those that go on.
pub(super) fn routes(ops: Shared, pace: Pace) -> OpenApiRouter {
    let flowing = OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(topic_live))
        .with_state(Flowing { ops: Arc::clone(&ops), pace });
    OpenApiRouter::new().routes(routes!(pulse)).routes(routes!(logs)).with_state(ops).merge(flowing)
}

/// How everything is right now.
#[utoipa::path(get, path = "/admin/v1/pulse", tag = "admin",
    responses((status = 200, body = Pulse), (status = 503, body = Problem)))]
async fn pulse(State(ops): State<Shared>) -> Result<Json<Pulse>, Problem> {
    Ok(Json(ops.pulse().await?))
}

/// The newest lines of the log, the oldest first; 2,000 at most are kept.
#[utoipa::path(get, path = "/admin/v1/logs", tag = "admin", params(After),
    responses((status = 200, body = Vec<LogLine>)))]
async fn logs(
    State(ops): State<Shared>,
    Query(query): Query<After>,
) -> Result<Json<Vec<LogLine>>, Problem> {
    Ok(Json(ops.logs(query.after).await?))
}

type Events = Sse<std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>;

/// How everything is, once a second (`pulse`), with each new line of the log (`log`), as server-sent events.
#[utoipa::path(get, path = "/admin/v1/live", tag = "admin",
    responses((status = 200, description = "events `pulse` and `log`, or `error`", content_type = "text/event-stream")))]
async fn live(State(Flowing { ops, pace }): State<Flowing>) -> Events {
    let newest = ops.logs(0).await.ok().and_then(|lines| lines.last().map(|line| line.n));
    let begun = (ops, pace, newest.unwrap_or(0), true);
    let looks = unfold(begun, |(ops, pace, mut seen, first)| async move {
        if !first {
            pace.stop.unless_said(pace.clock.sleep(EVERY)).await?;
        }
        if pace.stop.is_said() {
            return None;
        }
        let mut events = vec![told("pulse", ops.pulse().await)];
        for line in ops.logs(seen).await.unwrap_or_default() {
            seen = line.n;
            events.push(told("log", Ok(line)));
        }
        Some((events, (ops, pace, seen, false)))
    });
    Sse::new(Box::pin(one_by_one(looks)))
}

/// Records as they are appended, as server-sent events called `record`; the id of each is its place.
#[utoipa::path(get, path = "/admin/v1/topics/{topic}/live", tag = "admin",
    params(("topic" = String, Path, description = "The topic."), From),
    responses((status = 200, description = "events `record`, or `error`", content_type = "text/event-stream"),
        (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn topic_live(
    State(Flowing { ops, pace }): State<Flowing>,
    Path(topic): Path<String>,
    Query(query): Query<From>,
) -> Result<Events, Problem> {
    let start =
        TailStart::parse(query.from.as_deref().unwrap_or("end")).map_err(OpsError::Invalid)?;
    let next = ops.tail_start(&TailFrom { topic, partition: None, start }).await?;
    let pages = unfold((ops, pace, next), |(ops, pace, next)| async move {
        let (events, next) = page(ops.as_ref(), &pace, next).await?;
        Some((events, (ops, pace, next)))
    });
    Ok(Sse::new(Box::pin(one_by_one(pages))))
}

/// The next records, as soon as there are any; none once it is time to end.
async fn page(ops: &dyn Ops, pace: &Pace, mut next: TailQuery) -> Option<(Vec<Event>, TailQuery)> {
    loop {
        if pace.stop.is_said() {
            return None;
        }
        match ops.tail(&next).await {
            Ok(page) if page.records.is_empty() => next = page.next,
            Ok(page) => {
                let place = |r: &RecordView| format!("{}/{}/{}", r.topic, r.partition, r.offset);
                let event = |record| told("record", Ok(&record)).id(place(&record));
                return Some((page.records.into_iter().map(event).collect(), page.next));
            }
            Err(e) => {
                pace.stop.unless_said(pace.clock.sleep(EVERY)).await?;
                return Some((vec![told::<()>("record", Err(e))], next));
            }
        }
        pace.stop.unless_said(pace.clock.sleep(TAIL_EVERY)).await?;
    }
}

fn one_by_one(
    pages: impl Stream<Item = Vec<Event>> + Send,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    use futures::StreamExt;
    pages.flat_map(|page| futures::stream::iter(page.into_iter().map(Ok)))
}

/// An event called `name`, or one called `error` with the reason.
fn told<T: Serialize>(name: &str, what: Result<T, OpsError>) -> Event {
    let what = what.map_err(|e| e.to_string());
    match what.and_then(|what| serde_json::to_string(&what).map_err(|e| e.to_string())) {
        Ok(json) => Event::default().event(name).data(json),
        // One line, whatever it says.
        Err(e) => Event::default().event("error").data(serde_json::Value::String(e).to_string()),
    }
}
