//! Clients that go away before they are answered.

use std::pin::pin;
use std::task::Poll;

use futures::future::poll_fn;

use super::raw::{Ask, Raw};
use crate::harness::{settings, shop_with};

/// Polls `work` at most `times` times and then drops it, as a server does when its client is gone;
/// whether it was done by then.
async fn drop_after(times: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match work.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn a_checkout_whose_client_is_gone_is_a_whole_order() {
    let mut left_early = 0;
    for times in 1.. {
        let outcome = std::sync::Arc::new(std::sync::Mutex::new((false, 0)));
        let told = std::sync::Arc::clone(&outcome);
        shop_with(
            &settings(&[]),
            times as u64,
            |ports, _| ports,
            move |t| async move {
                t.product("P", "5.00", 10).await;
                t.add("ann", "P", 2).await;
                let raw = Raw::gateway(&t);
                let checkout =
                    Ask::new("POST", "/cart/ann/checkout").header("idempotency-key", "k-1");
                let done = drop_after(times, raw.send(&checkout)).await;
                t.settle().await;
                let orders = t.count("select count(*) from orders").await;
                assert_eq!(
                    t.count("select count(*) from orders where status = 'FULFILLED'").await,
                    orders
                );
                assert_eq!(t.stock("P").await, 10 - 2 * orders, "after {times} polls");
                // Who asks again gets the same order, or the first.
                let again = raw.send(&checkout).await;
                assert_eq!(again.status, 202, "after {times} polls: {}", again.text());
                t.settle().await;
                assert_eq!(t.count("select count(*) from orders").await, 1);
                assert_eq!(t.stock("P").await, 8);
                t.all_is_well().await;
                *told.lock().unwrap() = (done, orders);
            },
        );
        let (done, orders) = *outcome.lock().unwrap();
        assert_eq!(orders, 1, "what was begun is done to its end");
        if done {
            break;
        }
        left_early += 1;
    }
    assert!(left_early > 0);
}
