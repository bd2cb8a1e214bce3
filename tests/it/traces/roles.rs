//! One trace per order, however many processes have a part in it.

use std::collections::BTreeSet;
use std::path::Path;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::collected::{SERVICES, one_trace, services, telling};
use crate::harness::collector::{Collector, Seen};
use crate::harness::customer::{Customer, runtime, until};
use crate::harness::program::Served;
use crate::harness::stack::{Server, own_schema, unique};

fn processes(spans: &[Seen]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.process["service.name"].as_str()).collect()
}

/// The charge as the shop asked for it and as the provider answered.
#[track_caller]
fn charged_at_the_provider(spans: &[Seen]) {
    let asked = spans.iter().find(|span| span.name == "charge").unwrap();
    let answered = spans.iter().find(|span| span.name == "POST /v1/charges").unwrap();
    assert_eq!((asked.kind, answered.kind), (SpanKind::Client, SpanKind::Server));
    assert_eq!(answered.parent.as_ref(), Some(&asked.id));
    assert_eq!(answered.process["service.name"], "ecom-payment-provider");
}

fn provider(collector: &Collector, folder: &Path) -> Served {
    Served::provider(telling(&collector.url), &folder.join("provider"), &[]).unwrap()
}

#[test]
fn the_payment_provider_tells_its_part() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start());
    let mut provider = provider(&collector, folder.path());
    let more = ["--gateway", &provider.addresses[0].clone()];
    let data = folder.path().join("shop");
    let mut shop = Served::launch(telling(&collector.url), &data, &more).unwrap();
    let order = runtime().block_on(async {
        let ann = Customer::of(&shop);
        ann.add("ann", "PROD-001").await;
        let order = ann.checkout("ann").await.unwrap().unwrap();
        assert_eq!(ann.ended(&order).await, "FULFILLED");
        order
    });
    assert_eq!((shop.stop(), provider.stop()), (0, 0));
    let spans = one_trace(&collector.seen(), &order);
    assert_eq!(processes(&spans), ["ecom", "ecom-payment-provider"].into_iter().collect());
    charged_at_the_provider(&spans);
}

#[test]
fn roles_in_processes_of_their_own_tell_one_trace() {
    let (Some(kafka), Some(postgres), Some(redis)) = (
        Server::Kafka.address_or_skip(),
        Server::Postgres.address_or_skip(),
        Server::Redis.address_or_skip(),
    ) else {
        return;
    };
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start());
    let (schema, prefix) = (runtime().block_on(own_schema(&postgres, "traces")), unique("traces"));
    let mut provider = provider(&collector, folder.path());
    let start = |roles: &str, listeners| {
        let mut command = telling(&collector.url);
        command.env("ECOM_KAFKA_PREFIX", format!("{prefix}.")).env("ECOM_REDIS_PREFIX", &prefix);
        let servers = ["--kafka", &kafka, "--postgres", &schema, "--redis", &redis];
        let more = [&servers[..], &["--gateway", &provider.addresses[0]]].concat();
        let data = folder.path().join(roles.replace(',', "-"));
        Served::roles(command, &data, (roles, listeners), &more).unwrap()
    };
    let mut shops = vec![
        start("gateway,cart,catalog", 2),
        start("order", 1),
        start("payment", 1),
        start("inventory", 1),
        start("notification", 1),
    ];
    let order = runtime().block_on(async {
        let ann = Customer::of(&shops[0]);
        until("the first products are on sale", async || {
            let product = ann.call("GET", "/products/PROD-001", None).await.unwrap().json();
            product["stock"].as_i64().is_some_and(|stock| stock > 0)
        })
        .await;
        ann.add("ann", "PROD-001").await;
        let order = ann.checkout("ann").await.unwrap().unwrap();
        assert_eq!(ann.ended(&order).await, "FULFILLED");
        until("the mail is told of", async || {
            collector.seen().iter().any(|span| span.name == "send e-mail")
        })
        .await;
        order
    });
    for shop in &mut shops {
        assert_eq!(shop.stop(), 0);
    }
    assert_eq!(provider.stop(), 0);
    let spans = one_trace(&collector.seen(), &order);
    assert_eq!(services(&spans), SERVICES.into_iter().collect());
    let expected = [
        "ecom-gateway-cart-catalog",
        "ecom-inventory",
        "ecom-notification",
        "ecom-order",
        "ecom-payment",
        "ecom-payment-provider",
    ];
    assert_eq!(processes(&spans), expected.into_iter().collect());
    charged_at_the_provider(&spans);
    for span in spans.iter().filter(|span| span.kind == SpanKind::Consumer) {
        let process = &span.process["service.name"];
        assert!(process.split('-').any(|role| role == span.get("ecom.service")), "{span:#?}");
        assert_eq!(span.get("messaging.system"), "kafka");
    }
}
