//! Serving a router that may also not answer: for who plays a server whose answers get lost.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::future::{Either, select};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::listen::Bound;
use crate::ports::Clock;
use crate::runtime::Stop;

/// Pause when no connection can be taken: too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Marks a response that is never sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct HangUp;

/// No answer, not a byte of one. A server that knows nothing of this says that it is not available.
pub fn hang_up() -> Response {
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.extensions_mut().insert(HangUp);
    response
}

/// Serves `router`; on stop, finishes the requests that are being answered.
pub async fn serve(bound: Bound, router: axum::Router, stop: Stop, clock: &dyn Clock) {
    let mut connections = JoinSet::new();
    while let Some(accepted) = stop.unless_said(bound.listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, router.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection taken");
                clock.sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(bound);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: axum::Router, stop: Stop) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let response = match router.oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            match response.extensions().get::<HangUp>() {
                Some(_) => Err(std::io::Error::other("hung up on purpose")),
                None => Ok(response),
            }
        }
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    if let Either::Right(_) = select(connection.as_mut(), pin!(stop.heard())).await {
        connection.as_mut().graceful_shutdown();
        // How a connection ends is its client's business.
        let _ = connection.await;
    }
}
