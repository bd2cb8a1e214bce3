//! What the provider tells its customer, and what the shop makes of it.

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::gateway::{HttpGateway, HttpLedger};
use ecom::adapters::sqlite::Schema;
use ecom::app::embedded::Environment;
use ecom::app::provider::Customer;
use ecom::app::shop::Listener;
use ecom::app::{DataFolder, Embedded, Ports, Shop};
use ecom::domain::Secret;
use ecom::http::listen;
use ecom::ports::gateway::Gateway;
use ecom::ports::{GatewayDials, SharedDials, webhook};
use ecom::sim::lab::client::{Call, Client};
use ecom::sim::lab::wire::{Target, WireClient};
use serde_json::{Value as Json, json};
use utoipa_axum::router::OpenApiRouter;

use super::stub::{Stub, Turn, http};
use crate::contract::env::{self, Env};
use crate::contract::journal::Place;
use crate::harness::provider::{Server, charge, refund};
use crate::harness::settings;

const PATIENCE: Duration = Duration::from_mins(1);

fn secret() -> Secret {
    "w3bhook".parse().unwrap()
}

/// A provider that tells `url`.
fn telling(env: &Env, dials: GatewayDials, url: &str) -> (Server, SharedDials) {
    let (journal, dials) = (Place::memory(Schema::OUTSIDE).open(), SharedDials::new(dials));
    let customer = Customer::new(url, secret()).unwrap();
    (Server::start(env, journal, dials.clone(), None, Some(&customer)), dials)
}

async fn until(env: &Env, what: &str, reached: impl Fn() -> bool) {
    let begun = env.clock.elapsed();
    while !reached() {
        assert!(env.clock.elapsed() < begun + PATIENCE, "{what}");
        env.pass(1).await;
    }
}

#[test]
fn every_decision_is_told_signed_and_again_until_it_is_taken() {
    env::live(|env| async move {
        let (busy, taken) = (Turn::Say(http(500, "")), Turn::Say(http(204, "")));
        let customer = Stub::start(vec![Turn::HangUp, busy.clone(), busy, taken]);
        let (server, dials) = telling(&env, GatewayDials::instant(), &customer.url);
        let clock = Arc::clone(&env.clock);
        let gateway = HttpGateway::new(&server.url, None, PATIENCE, clock).unwrap();
        gateway.charge(&charge("ORD-1", 999)).await.unwrap();
        until(&env, "three times and once more", || customer.asked().len() == 3).await;
        gateway.charge(&charge("ORD-1", 999)).await.unwrap();
        gateway.refund(&refund("ORD-1", 999)).await.unwrap();
        dials.set(GatewayDials { success: 0.0, ..GatewayDials::instant() }).unwrap();
        gateway.charge(&charge("ORD-2", 5)).await.unwrap();
        until(&env, "and all others once", || customer.asked().len() == 5).await;
        env.pass(30).await;
        let told: Vec<Json> = customer.asked().iter().map(|asked| believed(&env, asked)).collect();
        assert_eq!(told.len(), 5, "what was taken is not told again");
        assert!(told[..3].iter().all(|message| *message == told[0]), "{told:?}");
        assert_eq!(told[0]["id"], "charge:ORD-1");
        assert_eq!(
            (&told[0]["type"], &told[0]["amount"]),
            (&"charge.captured".into(), &999.into())
        );
        let mut rest: Vec<&Json> = told[3..].iter().map(|message| &message["type"]).collect();
        rest.sort_by_key(ToString::to_string);
        assert_eq!(json!(rest), json!(["charge.declined", "refund.done"]));
    });
}

/// The message in a request, if its signature is good.
fn believed(env: &Env, asked: &str) -> Json {
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let signature = head.lines().find_map(|line| line.strip_prefix("ecom-signature: "));
    webhook::verify(&secret(), env.clock.now(), signature, body.as_bytes()).unwrap();
    serde_json::from_str(body).unwrap()
}

/// A shop on sockets, with the provider at `provider`.
async fn open_shop(env: &Env, folder: &DataFolder, bound: listen::Bound, provider: &str) -> Shop {
    let settings = settings(&[("gateway.webhook_secret", "w3bhook"), ("serve.products", "2")]);
    let embedded = Embedded::open(folder, &settings, Environment::system()).unwrap();
    let clock = Arc::clone(&env.clock);
    let gateway = HttpGateway::new(provider, None, PATIENCE, clock).unwrap();
    let ports = Ports { gateway: Arc::new(gateway), ..embedded.ports.clone() };
    let shop = Shop::build(&settings, ports, |ports| ports);
    shop.create_topics().await.unwrap();
    shop.start().await.unwrap();
    let seeded = shop.seed_catalogue().await.unwrap();
    shop.on_sale(seeded).await.unwrap();
    shop.listen(Listener::Gateway, bound, OpenApiRouter::new());
    shop
}

#[test]
fn a_charge_without_an_answer_is_found_out_about_at_once() {
    env::live(|env| async move {
        let folder = tempfile::tempdir().unwrap();
        let bound = listen::bind([127, 0, 0, 1].into(), 0).await.unwrap();
        let address = format!("http://{}", bound.address);
        // Longer than the test may take: nobody waits for it.
        let lost = GatewayDials {
            ambiguous: 1.0,
            ambiguous_captured: 1.0,
            timeout_ms: 10 * PATIENCE.as_millis() as u64,
            ..GatewayDials::instant()
        };
        let url = format!("{address}/payments/webhooks/gateway");
        let (provider, _) = telling(&env, lost, &url);
        let data = DataFolder::open(folder.path()).unwrap();
        let shop = open_shop(&env, &data, bound, &provider.url).await;
        let client = WireClient::new(Target::gateway(&address));
        let item = json!({ "product_id": "PROD-001", "quantity": 1 });
        let added = client.call(&Call::new("POST", "/cart/ann/items").json(&item)).await.unwrap();
        assert_eq!(added.status, 201);
        let order = client.call(&Call::new("POST", "/cart/ann/checkout")).await.unwrap();
        let order = order.json()["order_id"].as_str().unwrap().to_owned();
        let begun = env.clock.elapsed();
        let path = format!("/orders/{order}");
        while client.call(&Call::get(&path)).await.unwrap().json()["status"] != "FULFILLED" {
            assert!(env.clock.elapsed() < begun + PATIENCE / 2, "long before the caller gives up");
            env.pass(1).await;
        }
        let charges = HttpLedger::new(&provider.url, None).unwrap().charges().await.unwrap();
        assert_eq!(charges.len(), 1);
        assert!(charges[0].lost_reply);
        shop.crash();
    });
}
