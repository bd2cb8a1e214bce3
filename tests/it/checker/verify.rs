//! `ecom verify` on folders that were tampered with.

use std::path::Path;
use std::sync::Arc;

use ecom::adapters::sqlite::{Journal, Schema};
use ecom::adapters::store::SqliteStore;
use ecom::ports::store::{Batch, Store};

use crate::harness::customer::{Customer, runtime, settled};
use crate::harness::program::{Printed, Served, paying, run};

/// A folder with one order, fulfilled and told of.
fn a_sale(folder: &Path) -> String {
    let mut shop = Served::launch(paying(), folder, &["--products", "3"]).unwrap();
    let order = runtime().block_on(async {
        let customer = Customer::of(&shop);
        customer.add("ann", "PROD-001").await.unwrap();
        let order = customer.checkout("ann").await.unwrap().unwrap();
        assert_eq!(customer.told(&order).await, "FULFILLED");
        settled(folder).await;
        order
    });
    assert_eq!(shop.stop(), 0);
    order
}

fn tamper(folder: &Path, sql: &'static str) {
    let (journal, _) = Journal::open(&folder.join("shop.db"), Schema::SHOP).unwrap();
    let store = SqliteStore::new(Arc::new(journal));
    let mut batch = Batch::default();
    batch.any(sql, vec![]);
    runtime().block_on(store.write(batch)).unwrap();
}

#[test]
fn a_violation_is_told_with_the_order_that_was_and_its_own_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let order = a_sale(dir.path());
    let data = dir.path().to_str().unwrap();
    assert_eq!(run(&["verify", "--data", data]).code(), 0);

    tamper(dir.path(), "update outbox_events set published = 'N'");
    let late = run(&["verify", "--data", data]);
    assert_eq!(late.code(), 21, "something is late: {}", late.out());

    tamper(dir.path(), "update outbox_events set published = 'Y'");
    tamper(dir.path(), "delete from stock_reservations");
    let wrong = run(&["verify", "--data", data]);
    assert_eq!(wrong.code(), 20, "something is wrong: {}", wrong.out());
    let told = wrong.out();
    assert!(
        told.contains("verdict: FAIL") && told.contains("fulfilled with nothing reserved"),
        "{told}"
    );
    let story = told.split(&format!("\n{order}\n")).nth(1).expect("the story of the order");
    for moment in ["cart.checkout_initiated", "captured", "inventory.reserved", "mailbox"] {
        assert!(story.contains(moment), "{moment} is missing in {story}");
    }
}

#[test]
fn an_empty_folder_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    Served::start(dir.path(), &["--products", "0"]).stop();
    let verdict = run(&["verify", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(verdict.code(), 30, "{}", verdict.out());
    assert!(verdict.out().contains("INCONCLUSIVE"), "{}", verdict.out());
}

#[test]
fn a_folder_of_an_older_build_is_verified_after_the_shop_was_started_on_it() {
    let dir = tempfile::tempdir().unwrap();
    a_sale(dir.path());
    let data = dir.path().to_str().unwrap();
    let outside = rusqlite::Connection::open(dir.path().join("outside.db")).unwrap();
    let older = "drop table gateway_cancelled; drop table gateway_webhooks; alter table gateway_charges drop column asked_at; pragma user_version = 1";
    outside.execute_batch(older).unwrap();
    drop(outside);
    let refused = run(&["verify", "--data", data]);
    assert_ne!(refused.code(), 0);
    assert!(refused.err().contains("start the shop on it once"), "{}", refused.err());
    Served::start(dir.path(), &["--products", "3"]).stop();
    let verified = run(&["verify", "--data", data]);
    assert_eq!(verified.code(), 0, "{}{}", verified.out(), verified.err());
}
