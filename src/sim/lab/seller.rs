//! One seller: reprices, restocks, offers something new, takes something off sale.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::chance;
use super::client::{Call, NoAnswer, Reply};
use super::crowd::Crowd;
use super::history::{Ending, Entry, Operation};
use super::shelf::Shelf;
use super::shopper::minor;
use crate::ports::Dice;

/// Units in one delivery at most.
const DELIVERY_MAX: u64 = 60;

/// A seller.
pub(super) struct Seller {
    crowd: Arc<Crowd>,
    shelf: Arc<Shelf>,
    name: String,
    dice: Dice,
    offered: u64,
}

impl Seller {
    pub(super) fn new(crowd: Arc<Crowd>, shelf: Arc<Shelf>, n: usize) -> Self {
        let name = format!("seller-{n:04}");
        let dice = crowd.randomness.stream(&name);
        Self { crowd, shelf, name, dice, offered: 0 }
    }

    /// Acts now and then until `done`.
    pub(super) async fn work(&mut self, done: &AtomicBool) {
        let habits = self.crowd.workload.seller.clone();
        let weights = [habits.reprice, habits.restock, habits.create, habits.delist];
        loop {
            let think = self.crowd.think(&mut self.dice, habits.think_ms);
            self.crowd.clock.sleep(think).await;
            if done.load(Ordering::SeqCst) || self.crowd.is_closed() {
                return;
            }
            let Some(product) = self.shelf.any(&mut self.dice) else { return };
            let action = chance::weighted(&mut self.dice, &weights);
            match action {
                Some(0) => self.reprice(&product).await,
                Some(1) => self.restock(&product).await,
                Some(2) => self.create().await,
                Some(_) => self.delist(&product).await,
                None => return,
            }
            self.crowd.stats.load(|load| load.seller_actions += 1);
        }
    }

    async fn reprice(&mut self, product: &str) {
        let Ok(reply) = self.call(&Call::get(format!("/products/{product}"))).await else { return };
        let Some(price) = minor(&reply.json()["price"]) else { return };
        let percent = 85 + self.dice.below(31) as i64;
        let price = (price * percent / 100).max(1);
        let mut call = Call::new("PATCH", format!("/products/{product}"));
        call.body = Some(format!(r#"{{"price":{}.{:02}}}"#, price / 100, price % 100));
        let _ = self.call(&call).await;
    }

    async fn restock(&mut self, product: &str) {
        let quantity = 1 + self.dice.below(DELIVERY_MAX);
        let key = Some(format!("delivery-{:016x}", self.dice.below(u64::MAX)));
        let path = format!("/products/{product}/stock");
        let call = Call::new("POST", path).json(&json!({ "quantity": quantity })).key(key);
        let sent = self.crowd.clock.now().millis();
        let reply = self.call(&call).await;
        let (ending, status) = match &reply {
            Ok(reply) if reply.is_ok() => (Ending::Ok, reply.status),
            Ok(reply) if reply.is_refused() => (Ending::Fail, reply.status),
            Ok(reply) => (Ending::Info, reply.status),
            Err(_) => (Ending::Info, 0),
        };
        let operation = Operation::Restock { product: product.to_owned(), quantity };
        let (who, ended) = (self.name.clone(), self.crowd.clock.now().millis());
        self.crowd.history.add(Entry { who, sent, ended, ending, status, operation });
    }

    async fn create(&mut self) {
        self.offered += 1;
        let product = format!("{}-{:05}", self.name.to_uppercase(), self.offered);
        let cents = 99 + self.dice.below(20_000);
        let stock = 1 + self.dice.below(DELIVERY_MAX);
        let mut call = Call::new("POST", "/products").key(Some(format!("offer-{product}")));
        call.body = Some(format!(
            r#"{{"product_id":"{product}","name":"Novelty {}","price":{}.{:02},"stock":{stock},"seller_id":"{}"}}"#,
            self.offered,
            cents / 100,
            cents % 100,
            self.name
        ));
        if let Ok(reply) = self.call(&call).await
            && reply.is_ok()
        {
            self.shelf.add(product, &mut self.dice);
        }
    }

    async fn delist(&mut self, product: &str) {
        let _ = self.call(&Call::new("DELETE", format!("/products/{product}"))).await;
    }

    async fn call(&self, call: &Call) -> Result<Reply, NoAnswer> {
        let reply = self.crowd.client.call(call).await;
        self.crowd.stats.load(|load| load.count(&reply));
        reply
    }
}
