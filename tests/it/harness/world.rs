//! A shop in virtual time. Tests speak to it through a [`Tester`], over its HTTP API and in its own
//! tables.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::cache::MemoryCache;
use ecom::adapters::holds::MemoryHolds;
use ecom::app::config::{Layers, Sources};
use ecom::app::shop::Listener;
use ecom::app::{Embedded, Ports, Settings, Shop};
use ecom::ports::store::{Row, query};
use ecom::ports::{Clock, Randomness, Value};
use ecom::sim::check::{self, Evidence, Invariant, Outcome, Status, Verdict};
use ecom::sim::lab::client::{Call, Client, Reply};
use ecom::sim::virtual_time::sched::Scheduler;
use ecom::sim::virtual_time::{RouterClient, Trace, VirtualClock, World};
use serde_json::{Value as Json, json};
use utoipa_axum::router::OpenApiRouter;

/// Settings with these changes, each `(key, value)`.
pub(crate) fn settings(changes: &[(&'static str, &str)]) -> Settings {
    let quick = [
        ("gateway.success", "1"),
        ("gateway.latency_ms_p50", "0"),
        ("gateway.latency_ms_p99", "0"),
    ];
    let flags = quick.iter().chain(changes).map(|(key, value)| ("test", *key, (*value).to_owned()));
    let sources = Sources { flags: flags.collect(), ..Sources::default() };
    Settings::from_layers(&Layers::read(&sources).unwrap()).unwrap()
}

/// Runs `test` against a shop with these settings.
pub(crate) fn shop<F: Future<Output = ()> + Send + 'static>(
    changes: &[(&'static str, &str)],
    test: impl FnOnce(Tester) -> F + Send + 'static,
) {
    shop_with(&settings(changes), 1, |ports, _| ports, test);
}

/// The same with more to choose: a seed, and decorators around the ports.
pub(crate) fn shop_with<F: Future<Output = ()> + Send + 'static>(
    settings: &Settings,
    seed: u64,
    wrap: impl FnOnce(Ports, &VirtualClock) -> Ports,
    test: impl FnOnce(Tester) -> F + Send + 'static,
) {
    let mut world = World::new(settings, seed, Trace::default()).unwrap();
    let clock = world.clock.clone();
    let shop = world.shop(|ports| wrap(ports, &clock));
    let client = world.client(&shop);
    let embedded = Arc::clone(&world.embedded);
    let tester = Tester { client, shop, embedded, clock };
    world
        .run(async move {
            tester.open().await;
            test(tester).await;
        })
        .unwrap();
}

/// Speaks to a shop.
#[derive(Clone)]
pub(crate) struct Tester {
    pub(crate) client: Arc<RouterClient>,
    pub(crate) shop: Arc<Shop>,
    pub(crate) embedded: Arc<Embedded>,
    pub(crate) clock: VirtualClock,
}

impl Tester {
    async fn open(&self) {
        self.embedded.ports.note_start().await.unwrap();
        self.shop.create_topics().await.unwrap();
        self.shop.start().await.unwrap();
        self.clock_ms(1).await; // time passes when all parts have got to where they wait
    }

    pub(crate) async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Json>,
    ) -> Reply {
        let call = Call::new(method, path);
        let call = body.map_or_else(|| call.clone(), |body| call.clone().json(body));
        self.client.call(&call).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Json {
        let reply = self.call("GET", path, None).await;
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.json());
        reply.json()
    }

    /// A product with that many units, ready to be bought.
    pub(crate) async fn product(&self, id: &str, price: &str, stock: u32) {
        let price: Box<serde_json::value::RawValue> = serde_json::from_str(price).unwrap();
        let body =
            format!(r#"{{"product_id":"{id}","name":"{id}","price":{price},"stock":{stock}}}"#);
        let mut call = Call::new("POST", "/products");
        call.body = Some(body);
        let reply = self.client.call(&call).await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.json());
        self.settle().await;
    }

    pub(crate) async fn add(&self, user: &str, product: &str, quantity: u32) {
        let body = json!({ "product_id": product, "quantity": quantity });
        let reply = self.call("POST", &format!("/cart/{user}/items"), Some(&body)).await;
        assert_eq!(reply.status, 201, "{}", reply.json());
    }

    pub(crate) async fn try_checkout(&self, user: &str) -> Reply {
        self.call("POST", &format!("/cart/{user}/checkout"), None).await
    }

    /// Checks out; the order's id.
    pub(crate) async fn checkout(&self, user: &str) -> String {
        let reply = self.try_checkout(user).await;
        assert_eq!(reply.status, 202, "{}", reply.json());
        reply.json()["order_id"].as_str().unwrap().to_owned()
    }

    /// Buys one unit; the order's id.
    pub(crate) async fn buy(&self, user: &str, product: &str) -> String {
        self.add(user, product, 1).await;
        self.checkout(user).await
    }

    pub(crate) async fn order(&self, id: &str) -> Json {
        self.get(&format!("/orders/{id}")).await
    }

    pub(crate) async fn status(&self, id: &str) -> String {
        self.order(id).await["status"].as_str().unwrap().to_owned()
    }

    /// The reason why an order was cancelled.
    pub(crate) async fn reason(&self, id: &str) -> String {
        self.order(id).await["cancel_reason"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn payment_status(&self, order: &str) -> String {
        let id = order.replace("ORD-", "PAY-");
        self.get(&format!("/payments/{id}")).await["status"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn stock(&self, product: &str) -> i64 {
        self.get(&format!("/products/{product}")).await["stock"].as_i64().unwrap()
    }

    /// Subjects of the messages about an order.
    pub(crate) async fn mails(&self, order: &str) -> Vec<String> {
        let mails = self.get(&format!("/mailbox?order={order}")).await;
        let subject = |mail: &Json| mail["subject"].as_str().unwrap().to_owned();
        mails.as_array().unwrap().iter().map(subject).collect()
    }

    /// The shop as it is after its process died and another was started with these settings: what was
    /// in memory is gone.
    pub(crate) async fn restarted(&self, changes: &[(&'static str, &str)]) -> Self {
        self.shop.crash();
        let clock = &self.clock;
        let ports = Ports {
            cache: Arc::new(MemoryCache::new(Arc::new(clock.clone()))),
            holds: Arc::new(MemoryHolds::default()),
            randomness: Randomness::seeded(clock.elapsed().as_millis() as u64 + 77),
            ..self.embedded.ports.clone()
        };
        let scheduler = Scheduler::new(ports.randomness.stream("scheduler"));
        let shop = Arc::new(Shop::build(&settings(changes), ports, |ports| ports));
        let router = shop.router(Listener::Gateway, OpenApiRouter::new());
        let client = Arc::new(RouterClient::new(router, scheduler, Trace::default()));
        let tester =
            Self { client, shop, embedded: Arc::clone(&self.embedded), clock: clock.clone() };
        tester.open().await;
        tester
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn settle(&self) {
        World::settle(Arc::clone(&self.embedded)).await.unwrap();
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn clock_ms(&self, ms: u64) {
        self.clock.sleep(Duration::from_millis(ms)).await;
    }

    pub(crate) async fn rows(&self, sql: &'static str, row: Vec<Value>) -> Vec<Row> {
        query(self.embedded.ports.store.as_ref(), sql, row).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.rows(sql, vec![]).await[0].int(0).unwrap()
    }

    /// Records on a topic.
    pub(crate) async fn records(&self, topic: &str) -> Vec<Arc<ecom::ports::Record>> {
        let bus = &self.embedded.ports.bus;
        let mut all = vec![];
        for partition in 0..3 {
            let from = ecom::ports::Position { topic: topic.into(), partition, offset: 0 };
            all.extend(bus.read(&from, 100_000).await.unwrap());
        }
        all
    }

    /// Puts raw bytes on a topic.
    pub(crate) async fn produce(&self, topic: &str, key: &str, value: &[u8]) {
        let record = ecom::ports::NewRecord {
            topic: topic.to_owned(),
            partition: None,
            key: Some(key.to_owned().into()),
            headers: vec![],
            value: Some(bytes(value)),
        };
        self.embedded.ports.bus.publish(vec![record]).await.unwrap();
    }

    /// What the checker says of all that has happened.
    pub(crate) async fn verdict(&self) -> Verdict {
        self.settle().await;
        let evidence: Evidence = World::evidence(Arc::clone(&self.embedded), None).await.unwrap();
        check::judge(&evidence, &[])
    }

    /// Everything must have ended well.
    pub(crate) async fn all_is_well(&self) {
        self.verdict().await.expect_pass();
    }
}

fn bytes(value: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(value)
}

/// What tests ask of a verdict.
pub(crate) trait Verdicts {
    fn expect_pass(&self);
    fn expect_failed(&self, id: Invariant);
}

impl Verdicts for Verdict {
    #[track_caller]
    fn expect_pass(&self) {
        let failed: Vec<_> = self.failed().map(|check| (check.id, &check.examples)).collect();
        assert_eq!(self.result, Outcome::Pass, "{failed:#?}, missing {:?}", self.missing);
    }

    #[track_caller]
    fn expect_failed(&self, id: Invariant) {
        let failed: Vec<_> = self.failed().map(|check| (check.id, &check.examples)).collect();
        let status = self.check(id).map(|check| check.status);
        assert_eq!(status, Some(Status::Fail), "{id} should have failed; failed: {failed:#?}");
    }
}
