//! `kill -9` under load, again and again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::customer::{Customer, runtime, settled, until};
use crate::harness::program::{Printed, Served, run};

const KILLS: u64 = 22;
const SHOPPERS: usize = 12;

/// Buys until there is no answer any more.
async fn shop(customer: Customer, name: String, answered: Arc<Mutex<BTreeSet<String>>>) {
    for n in 0.. {
        let user = format!("{name}-{n}");
        let product = format!("PROD-{:03}", 1 + n % 19);
        let Some(_) = customer.add(&user, &product).await else { return };
        match customer.checkout(&user).await {
            Some(Ok(order)) => drop(answered.lock().unwrap().insert(order)),
            Some(Err(_)) => {}
            None => return,
        }
        if n % 5 == 0 {
            let delivery = serde_json::json!({ "quantity": 3 });
            customer.call("POST", &format!("/products/{product}/stock"), Some(&delivery)).await;
        }
    }
}

#[test]
fn every_answered_checkout_settles_after_any_number_of_kills() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let answered: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    for kill in 0..KILLS {
        let mut shop_process = Served::start(&data, &["--products", "19"]);
        let before = answered.lock().unwrap().len();
        runtime().block_on(async {
            let customer = Customer::of(&shop_process);
            let shoppers: Vec<_> = (0..SHOPPERS)
                .map(|n| {
                    tokio::spawn(shop(
                        customer.clone(),
                        format!("u{kill}-{n}"),
                        Arc::clone(&answered),
                    ))
                })
                .collect();
            // Another moment each time, from the first answers to a backlog.
            until("there are answers", async || answered.lock().unwrap().len() > before).await;
            tokio::time::sleep(Duration::from_millis(kill * 37 % 400)).await;
            shop_process.kill();
            futures::future::join_all(shoppers).await;
        });
    }
    let mut shop_process = Served::start(&data, &[]);
    runtime().block_on(async {
        let customer = Customer::of(&shop_process);
        let orders = std::mem::take(&mut *answered.lock().unwrap());
        for order in &orders {
            customer.ended(order).await;
        }
        settled(&data).await;
    });
    assert_eq!(shop_process.stop(), 0);
    let verdict = run(&["verify", "--data", data.to_str().unwrap()]);
    assert_eq!(verdict.code(), 0, "{}\n{}", verdict.out(), verdict.err());
    assert!(verdict.out().contains("PASS"), "{}", verdict.out());
}

#[test]
fn a_stopped_process_is_waited_for_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop_process = Served::start(folder.path(), &[]);
    let order = runtime().block_on(async {
        let customer = Customer::of(&shop_process);
        customer.add("ann", "PROD-001").await.unwrap();
        let order = customer.checkout("ann").await.unwrap().unwrap();
        shop_process.signal("STOP");
        tokio::time::sleep(Duration::from_millis(300)).await;
        shop_process.signal("CONT");
        customer.ended(&order).await;
        settled(folder.path()).await;
        order
    });
    assert!(order.starts_with("ORD-"));
    assert_eq!(shop_process.stop(), 0);
    assert_eq!(run(&["verify", "--data", folder.path().to_str().unwrap()]).code(), 0);
}
