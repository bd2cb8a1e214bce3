//! The product list, page by page.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::raw::{Ask, Raw};
use crate::harness::{Tester, shop};

async fn offer(t: &Tester, ids: impl Iterator<Item = String>) {
    let raw = Raw::gateway(t);
    for id in ids {
        let body = format!(r#"{{"product_id":"{id}","name":"{id}","price":1}}"#);
        assert_eq!(raw.send(&Ask::new("POST", "/products").json(body)).await.status, 201);
    }
    t.settle().await;
}

/// The ids on the page at `path`, and where the next one is.
async fn page(raw: &Raw, path: &str) -> (Vec<String>, Option<String>) {
    let answer = raw.send(&Ask::get(path)).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let id = |product: &Json| product["product_id"].as_str().unwrap().to_owned();
    let ids = answer.json().as_array().unwrap().iter().map(id).collect();
    let next = answer.header("link").strip_prefix('<').and_then(|link| link.split_once('>'));
    let next = next.map(|(next, relation)| {
        assert_eq!(relation, "; rel=\"next\"");
        next.to_owned()
    });
    (ids, next)
}

/// How often each id is seen from `first` to the last page.
async fn walk(raw: &Raw, first: &str) -> BTreeMap<String, u32> {
    let (mut seen, mut at) = (BTreeMap::new(), Some(first.to_owned()));
    while let Some(path) = at {
        let (ids, next) = page(raw, &path).await;
        ids.into_iter().for_each(|id| *seen.entry(id).or_default() += 1);
        at = next;
    }
    seen
}

fn once(ids: impl Iterator<Item = String>) -> BTreeMap<String, u32> {
    ids.map(|id| (id, 1)).collect()
}

#[test]
fn every_product_is_on_exactly_one_page() {
    shop(&[], |t| async move {
        let ids = || (0..23).map(|n| format!("P-{n:03}"));
        let raw = Raw::gateway(&t);
        offer(&t, ids()).await;
        for limit in [1, 2, 7, 22, 23, 24, 500] {
            let seen = walk(&raw, &format!("/products?limit={limit}")).await;
            assert_eq!(seen, once(ids()), "limit {limit}");
        }
        assert_eq!(walk(&raw, "/products").await, once(ids()));
    });
}

#[test]
fn products_that_come_and_go_meanwhile_disturb_no_others() {
    shop(&[], |t| async move {
        let ids = || (0..20).map(|n| format!("P-{n:03}"));
        offer(&t, ids()).await;
        let raw = Raw::gateway(&t);
        let (mut seen, mut at) = (BTreeMap::new(), Some("/products?limit=3".to_owned()));
        for n in 0.. {
            let Some(path) = at else { break };
            let (ids, next) = page(&raw, &path).await;
            ids.into_iter().for_each(|id| *seen.entry(id).or_default() += 1);
            at = next;
            // One before all, one after all, one in between; and one that was seen goes away.
            let new = [format!("A-{n}"), format!("Z-{n}"), format!("P-{:03}-x", n * 5)];
            let new = new.into_iter().filter(|id| n < 5 || id.starts_with('A'));
            offer(&t, new).await;
            let gone = Ask::new("DELETE", format!("/products/P-{n:03}"));
            assert_eq!(raw.send(&gone).await.status, 200);
            t.settle().await;
        }
        for id in ids() {
            assert_eq!(seen.get(&id), Some(&1), "{id}");
        }
        assert!(seen.values().all(|times| *times == 1), "{seen:?}");
        let now = walk(&raw, "/products?limit=3").await;
        assert!(now.contains_key("A-0") && now.contains_key("Z-0") && !now.contains_key("P-000"));
    });
}

#[test]
fn an_empty_shop_has_one_empty_page() {
    shop(&[], |t| async move {
        let answer = Raw::gateway(&t).send(&Ask::get("/products?limit=1")).await;
        assert_eq!((answer.status, answer.text().as_str(), answer.header("link")), (200, "[]", ""));
    });
}
