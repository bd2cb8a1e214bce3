//! Processes that are killed, files that end in the middle, disks that are full.

mod disk;
mod kill;
mod tail;

use std::sync::Arc;

use ecom::sim::lab::client::{Call, Client, Reply};
use ecom::sim::lab::wire::{Target, WireClient};
use serde_json::{Value as Json, json};

use crate::harness::program::Served;

/// Somebody who speaks to a served shop over its sockets. None where there was no answer.
#[derive(Clone)]
struct Customer(Arc<WireClient>);

impl Customer {
    fn of(shop: &Served) -> Self {
        Self(Arc::new(WireClient::new(Target::parse(shop.gateway()).unwrap())))
    }

    async fn call(&self, method: &'static str, path: &str, body: Option<&Json>) -> Option<Reply> {
        let mut call = Call::new(method, path);
        if let Some(body) = body {
            call = call.json(body);
        }
        self.0.call(&call).await.ok()
    }

    async fn add(&self, user: &str, product: &str) -> Option<u16> {
        let body = json!({ "product_id": product, "quantity": 1 });
        let reply = self.call("POST", &format!("/cart/{user}/items"), Some(&body)).await?;
        Some(reply.status)
    }

    /// The order, if it was answered 202.
    async fn checkout(&self, user: &str) -> Option<Result<String, u16>> {
        let reply = self.call("POST", &format!("/cart/{user}/checkout"), None).await?;
        let order = || reply.json()["order_id"].as_str().unwrap().to_owned();
        Some(if reply.status == 202 { Ok(order()) } else { Err(reply.status) })
    }

    async fn order(&self, id: &str) -> Json {
        let reply = self.call("GET", &format!("/orders/{id}?wait=30s"), None).await.unwrap();
        assert_eq!(reply.status, 200, "{id}: {}", reply.json());
        reply.json()
    }

    /// Waits until the order has ended; how.
    async fn ended(&self, id: &str) -> String {
        for _ in 0..20 {
            let status = self.order(id).await["status"].as_str().unwrap().to_owned();
            if ["FULFILLED", "CANCELLED"].contains(&status.as_str()) {
                return status;
            }
        }
        panic!("{id} has not ended after 20 changes");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
