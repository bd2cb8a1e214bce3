//! The client over sockets: one gateway, or the original shop's five services on their ports.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::client::{Call, Client, NoAnswer, Reply};
use crate::app::SystemClock;
use crate::ports::causes::with_causes;
use crate::ports::clock::timeout;

/// No request takes longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where each part of the API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The gateway, if there is one.
    gateway: Option<String>,
    cart: String,
    order: String,
    payment: String,
    inventory: String,
    notification: String,
}

impl Target {
    /// Everything behind one address.
    pub fn gateway(base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let all = || base.clone();
        Self {
            gateway: Some(all()),
            cart: all(),
            order: all(),
            payment: all(),
            inventory: all(),
            notification: all(),
        }
    }

    /// The original shop's five services on `host`, ports 8001 to 8005.
    pub fn five_ports(host: &str) -> Self {
        let at = |port: u16| format!("http://{host}:{port}");
        Self {
            gateway: None,
            cart: at(8001),
            order: at(8002),
            payment: at(8003),
            inventory: at(8004),
            notification: at(8005),
        }
    }

    /// Reads `http://host:port` (a gateway) or `seed:host` (five ports on that host).
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = |host: &str| {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b))
        };
        if let Some(host) = text.strip_prefix("seed:") {
            return if plain(host) { Ok(Self::five_ports(host)) } else { Err(Self::usage(text)) };
        }
        match text.trim_end_matches('/').strip_prefix("http://") {
            Some(host) if plain(host) => Ok(Self::gateway(text)),
            _ => Err(Self::usage(text)),
        }
    }

    fn usage(text: &str) -> String {
        format!(
            "{text:?} is no target; write http://HOST:PORT for a gateway, or seed:HOST for the five services on ports 8001 to 8005"
        )
    }

    fn base(&self, call: &Call) -> Option<&str> {
        let path = call.path.as_str();
        let seller = path.starts_with("/products") && call.method != "GET";
        if seller || path == "/readyz" || path == "/metrics" {
            return self.gateway.as_deref();
        }
        let service = match path.split(['/', '?']).nth(1).unwrap_or_default() {
            "cart" => &self.cart,
            "orders" => &self.order,
            "payments" => &self.payment,
            "products" => &self.inventory,
            "mailbox" => &self.notification,
            _ => return self.gateway.as_deref(),
        };
        Some(service)
    }
}

/// Calls over HTTP/1.1 with kept connections.
pub struct WireClient {
    target: Target,
    http: HyperClient<HttpConnector, Full<Bytes>>,
    clock: SystemClock,
}

impl WireClient {
    /// A client of `target`.
    pub fn new(target: Target) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = HyperClient::builder(TokioExecutor::new()).build(connector);
        Self { target, http, clock: SystemClock::default() }
    }

    async fn exchange(&self, call: &Call) -> Result<Reply, String> {
        let base = self.target.base(call).ok_or("this target has no gateway")?;
        let mut request =
            Request::builder().method(call.method).uri(format!("{base}{}", call.path));
        if call.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = &call.key {
            request = request.header("idempotency-key", key);
        }
        let body = call.body.clone().unwrap_or_default();
        let request = request.body(Full::from(body)).map_err(|e| e.to_string())?;
        let failed = |e: &dyn std::error::Error| format!("{base}: {}", with_causes(e));
        let response = self.http.request(request).await.map_err(|e| failed(&e))?;
        let status = response.status().as_u16();
        let link = response.headers().get("link").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = response.into_body().collect().await.map_err(|e| failed(&e))?.to_bytes();
        Ok(Reply { status, link, body })
    }
}

#[async_trait]
impl Client for WireClient {
    async fn call(&self, call: &Call) -> Result<Reply, NoAnswer> {
        match timeout(&self.clock, PATIENCE, self.exchange(call)).await {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(text)) => Err(NoAnswer(text)),
            None => Err(NoAnswer(format!("nothing within {} s", PATIENCE.as_secs()))),
        }
    }

    fn serves_sellers(&self) -> bool {
        self.target.gateway.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_find_their_service() {
        let seed = Target::parse("seed:shop.local").unwrap();
        let base = |call: Call| seed.base(&call).map(str::to_owned);
        assert_eq!(base(Call::get("/cart/u")), Some("http://shop.local:8001".into()));
        assert_eq!(base(Call::get("/orders/ORD-1?wait=1s")), Some("http://shop.local:8002".into()));
        assert_eq!(base(Call::get("/products?limit=1")), Some("http://shop.local:8004".into()));
        assert_eq!(base(Call::new("PATCH", "/products/P")), None, "sellers need a gateway");
        let gateway = Target::parse("http://127.0.0.1:8000/").unwrap();
        assert_eq!(gateway.base(&Call::new("PATCH", "/products/P")), Some("http://127.0.0.1:8000"));
        for bad in ["", "localhost:8000", "https://x", "http://", "seed:", "http://a/b"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
