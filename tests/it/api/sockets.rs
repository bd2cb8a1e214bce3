//! What only a real socket can do: broken HTTP, bodies that never end, clients that hang up.

use std::io::Write;

use crate::harness::program::{Printed, Served, run};
use crate::harness::sockets::{connect, exchange, get, post, status};

#[test]
fn broken_http_is_refused_and_the_shop_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Served::start(&folder.path().join("shop"), &["--products", "3"]);
    let at = shop.gateway().to_owned();
    let before = get(&at, "/cart/ann");
    let items = "/cart/ann/items";
    let good = r#"{"product_id":"PROD-001","quantity":1}"#;
    let huge = "x".repeat(1 << 20);
    let broken: Vec<Vec<u8>> = vec![
        b"nonsense\r\n\r\n".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"GET /cart/a\0b HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /cart/a b HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /cart/ann HTTP/9.9\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /cart/ann HTTP/1.1\r\nho st: x\r\n\r\n".to_vec(),
        b"GET /cart/ann HTTP/1.1\r\nhost: x\0y\r\n\r\n".to_vec(),
        format!("GET /cart/ann HTTP/1.1\r\nhost: x\r\nbig: {huge}\r\n\r\n").into_bytes(),
        format!("GET /{huge} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes(),
        post(items, "content-length: abc", good),
        post(items, "content-length: -1", good),
        post(items, "content-length: 38\r\ncontent-length: 5", good),
        post(items, "content-length: 99999999999999999999999", good),
        post(items, "transfer-encoding: chunked", "zz\r\nnot a chunk\r\n0\r\n\r\n"),
    ];
    for bytes in broken {
        let answer = exchange(&at, &bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        assert!((400..500).contains(&status(&answer)), "{shown:?}: {answer:.200}");
    }
    let length = format!("content-length: {}", 64 * 1024 + 1);
    let chunk = format!("{:x}\r\n{}\r\n", 40_000, " ".repeat(40_000));
    let large = [
        post(items, &length, &" ".repeat(64 * 1024 + 1)),
        post(items, "transfer-encoding: chunked", &format!("{chunk}{chunk}0\r\n\r\n")),
        post("/cart/ann/checkout", &length, &" ".repeat(64 * 1024 + 1)),
    ];
    for bytes in large {
        let answer = exchange(&at, &bytes);
        assert_eq!(status(&answer), 413, "{answer:.300}");
        assert!(answer.contains("application/problem+json"), "{answer:.300}");
    }
    assert_eq!(
        get(&at, "/cart/ann").lines().last(),
        before.lines().last(),
        "the cart is as it was"
    );
    assert_eq!(status(&get(&at, "/readyz")), 200);
    assert_eq!(shop.stop(), 0);
}

#[test]
fn clients_that_hang_up_leave_whole_orders_behind() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("quick.toml");
    std::fs::write(&config, "[gateway]\nsuccess = 1.0\nlatency_ms_p50 = 0\nlatency_ms_p99 = 0\n")
        .unwrap();
    let data = folder.path().join("shop");
    let config = ["--products", "3", "--config", config.to_str().unwrap()];
    let mut shop = Served::start(&data, &config);
    let at = shop.gateway().to_owned();
    let body = r#"{"product_id":"PROD-001","quantity":1}"#;
    let length = format!("content-length: {}", body.len());
    for n in 0..24 {
        let added = exchange(&at, &post(&format!("/cart/user-{n}/items"), &length, body));
        assert_eq!(status(&added), 201, "{added}");
        let mut stream = connect(&at);
        let checkout = post(&format!("/cart/user-{n}/checkout"), "content-length: 0", "");
        // Some hang up in the middle of the request, the others at once after it.
        let sent = if n % 4 == 0 { checkout.len() - 3 } else { checkout.len() };
        stream.write_all(&checkout[..sent]).unwrap();
    }
    assert_eq!(shop.stop(), 0, "what was under way is finished or forgotten");
    let mut shop = Served::start(&data, &config);
    for n in 0..24 {
        let cart = get(shop.gateway(), &format!("/cart/user-{n}"));
        let orders = get(shop.gateway(), &format!("/orders/user/user-{n}"));
        let (kept, ordered) = (cart.contains("PROD-001"), orders.contains("ORD-"));
        assert!(kept != ordered, "user-{n}: {cart}\n{orders}");
        assert!(n % 4 != 0 || kept, "user-{n} never finished asking");
    }
    // Somebody who stays: an order that can be followed to its end.
    let added = exchange(shop.gateway(), &post("/cart/last/items", &length, body));
    assert_eq!(status(&added), 201, "{added}");
    let last = exchange(shop.gateway(), &post("/cart/last/checkout", "content-length: 0", ""));
    assert_eq!(status(&last), 202, "{last}");
    settled(&shop);
    assert_eq!(shop.stop(), 0);
    let verdict = run(&["verify", "--data", data.to_str().unwrap()]);
    assert_eq!(verdict.code(), 0, "{}{}", verdict.out(), verdict.err());
}

/// Waits for every order to end.
fn settled(shop: &Served) {
    let users = (0..24).map(|n| format!("user-{n}")).chain(["last".to_owned()]);
    for user in users {
        let orders = get(shop.gateway(), &format!("/orders/user/{user}"));
        for id in orders.split("\"order_id\":\"").skip(1).filter_map(|rest| rest.split('"').next())
        {
            let ended = (0..5).any(|_| {
                let order = get(shop.gateway(), &format!("/orders/{id}?wait=10s"));
                order.contains("\"status\":\"FULFILLED\"")
                    && !order.contains("\"cancel_reason\":\"")
            });
            assert!(ended, "{id} of {user} did not end");
        }
    }
}
