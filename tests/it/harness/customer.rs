//! Somebody at the sockets of a served shop.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ecom::sim::lab::client::{Call, Client, Reply};
use ecom::sim::lab::wire::{Target, WireClient};
use serde_json::{Value as Json, json};

use super::program::{Printed, Served, run};

/// Somebody who speaks to a served shop over its sockets. None where there was no answer.
#[derive(Clone)]
pub(crate) struct Customer(Arc<WireClient>);

impl Customer {
    pub(crate) fn of(shop: &Served) -> Self {
        Self(Arc::new(WireClient::new(Target::parse(shop.gateway()).unwrap())))
    }

    pub(crate) async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Json>,
    ) -> Option<Reply> {
        let mut call = Call::new(method, path);
        if let Some(body) = body {
            call = call.json(body);
        }
        self.0.call(&call).await.ok()
    }

    pub(crate) async fn add(&self, user: &str, product: &str) -> Option<u16> {
        let body = json!({ "product_id": product, "quantity": 1 });
        let reply = self.call("POST", &format!("/cart/{user}/items"), Some(&body)).await?;
        Some(reply.status)
    }

    /// The order, if it was answered 202.
    pub(crate) async fn checkout(&self, user: &str) -> Option<Result<String, u16>> {
        let reply = self.call("POST", &format!("/cart/{user}/checkout"), None).await?;
        let order = || reply.json()["order_id"].as_str().unwrap().to_owned();
        Some(if reply.status == 202 { Ok(order()) } else { Err(reply.status) })
    }

    pub(crate) async fn order(&self, id: &str) -> Json {
        let reply = self.call("GET", &format!("/orders/{id}?wait=30s"), None).await.unwrap();
        assert_eq!(reply.status, 200, "{id}: {}", reply.json());
        reply.json()
    }

    /// The order as it is now; null if there is none.
    pub(crate) async fn order_now(&self, id: &str) -> Json {
        self.call("GET", &format!("/orders/{id}"), None).await.unwrap().json()
    }

    /// Waits until the order has ended; how.
    pub(crate) async fn ended(&self, id: &str) -> String {
        for _ in 0..20 {
            let status = self.order(id).await["status"].as_str().unwrap().to_owned();
            if ["FULFILLED", "CANCELLED"].contains(&status.as_str()) {
                return status;
            }
        }
        panic!("{id} has not ended after 20 changes");
    }

    /// Waits until the order has ended and its message has arrived; how it ended.
    pub(crate) async fn told(&self, id: &str) -> String {
        let status = self.ended(id).await;
        until("the order's message arrives", async || {
            let mails = self.call("GET", &format!("/mailbox?order={id}"), None).await.unwrap();
            mails.json().as_array().is_some_and(|mails| mails.len() == 1)
        })
        .await;
        status
    }
}

/// Waits for something that must come about; a minute is for ever.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing is wrong or under way in the shop of this folder.
pub(crate) async fn settled(data: &Path) {
    let data = data.to_str().unwrap();
    until("nothing is wrong or under way", async || run(&["verify", "--data", data]).code() == 0)
        .await;
}

/// Something to run futures on.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
