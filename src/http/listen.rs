//! Binding addresses and serving routers on them until told to stop.

use std::net::{IpAddr, SocketAddr};

use crate::runtime::Stop;

/// A bound address that nobody serves yet.
pub struct Bound {
    pub(super) listener: tokio::net::TcpListener,
    /// The address, with the real port.
    pub address: SocketAddr,
}

/// Binds `port` on `ip`; port 0 is any free one.
pub async fn bind(ip: IpAddr, port: u16) -> std::io::Result<Bound> {
    let listener = tokio::net::TcpListener::bind((ip, port)).await?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

/// The same outside of `async`, on the current tokio runtime.
pub fn bind_now(ip: IpAddr, port: u16) -> std::io::Result<Bound> {
    let listener = std::net::TcpListener::bind((ip, port))?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

/// Serves `router`; on stop, finishes the requests that are being answered.
pub async fn serve(bound: Bound, router: axum::Router, stop: Stop) -> Result<(), String> {
    let heard = async move { stop.heard().await };
    axum::serve(bound.listener, router)
        .with_graceful_shutdown(heard)
        .await
        .map_err(|e| format!("listener on {} ended: {e}", bound.address))
}
