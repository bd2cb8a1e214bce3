//! The process dies at every single point where something takes effect.

use std::sync::Arc;

use futures::future::{Either, select};

use crate::harness::halt::Halt;
use crate::harness::{Tester, settings, shop_with};

/// Orders that are fulfilled, declined, cancelled, and cancelled while their charge is under way.
const SETTINGS: [(&str, &str); 5] = [
    ("gateway.success", "0.6"),
    ("gateway.latency_ms_p50", "20"),
    ("gateway.latency_ms_p99", "50"),
    ("gateway.ambiguous", "0.2"),
    ("gateway.timeout_ms", "300"),
];

/// A day in the shop; the orders that were answered 202.
async fn day(t: Tester, answered: Arc<std::sync::Mutex<Vec<String>>>) {
    for n in 0..5 {
        let user = format!("u{n}");
        t.add(&user, "P", 1).await;
        let reply = t.try_checkout(&user).await;
        if reply.status == 202 {
            let order = reply.json()["order_id"].as_str().unwrap().to_owned();
            answered.lock().unwrap().push(order.clone());
            if n == 3 {
                t.call("POST", &format!("/orders/{order}/cancel"), None).await;
            }
        }
    }
    t.settle().await;
}

/// Dies at point `at`; how many points there were.
fn dies_at(at: u64) -> u64 {
    let halt = Halt::at(at);
    let (wrap, points) = (halt.clone(), halt.clone());
    shop_with(
        &settings(&SETTINGS),
        5,
        move |ports, _| wrap.wrap(ports),
        move |t| async move {
            let answered = Arc::default();
            let scene = async {
                t.product("P", "5.00", 3).await;
                day(t.clone(), Arc::clone(&answered)).await;
            };
            let ended = select(Box::pin(scene), Box::pin(halt.reached())).await;
            let died = matches!(ended, Either::Right(_));
            drop(ended);
            if !died {
                t.all_is_well().await;
                return;
            }
            let again = t.restarted(&SETTINGS).await;
            again.settle().await;
            let orders = std::mem::take(&mut *answered.lock().unwrap());
            for order in orders {
                let status = again.status(&order).await;
                assert!(
                    ["FULFILLED", "CANCELLED"].contains(&status.as_str()),
                    "died at {at}: {order} is {status}"
                );
            }
            again.all_is_well().await;
        },
    );
    points.points()
}

#[test]
fn a_process_may_die_at_any_point() {
    let all = dies_at(u64::MAX);
    assert!(all > 100, "{all} points");
    for at in 1..=all {
        dies_at(at);
    }
}
