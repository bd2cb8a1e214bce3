//! A disk without room.

use std::path::PathBuf;

use crate::harness::customer::{Customer, runtime, until};
use crate::harness::program::{Printed, Served, clean, run};

/// Carts that are full when the disk is.
const WAITING: usize = 200;

/// Starts a shop whose folder is a file system of a few MiB in a mount namespace of its own.
fn on_a_small_disk(folder: &std::path::Path, floor: &str) -> Served {
    let mut command = clean("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(r#"mount -t tmpfs -o size=24m none "$0" && exec "$@""#);
    command.arg(folder).arg(env!("CARGO_BIN_EXE_ecom"));
    command.env("ECOM_DATA_DISK_FLOOR", floor);
    Served::launch(command, folder, &[]).unwrap()
}

#[test]
fn a_full_disk_stops_sales_and_nothing_else_and_room_brings_them_back() {
    let folder = tempfile::tempdir().unwrap();
    // Without a floor, so that the disk itself says that it is full.
    let mut shop = on_a_small_disk(folder.path(), "0B");
    // The disk as the shop sees it.
    let inside = PathBuf::from(format!("/proc/{}/root{}", shop.pid(), folder.path().display()));
    let filler = inside.join("filler");
    runtime().block_on(async {
        let customer = Customer::of(&shop);
        customer.add("ann", "PROD-001").await.unwrap();
        let first = customer.checkout("ann").await.unwrap().unwrap();
        customer.ended(&first).await;
        let waiting: Vec<String> = (0..WAITING).map(|n| format!("bob-{n}")).collect();
        for (n, user) in waiting.iter().map(String::as_str).chain(["cid"]).enumerate() {
            let product = format!("PROD-{:03}", 1 + n % 19);
            assert_eq!(customer.add(user, &product).await, Some(201));
        }
        // Every last byte, in pieces that get smaller.
        let mut file = std::fs::File::create(&filler).unwrap();
        for piece in [1 << 20, 1 << 12, 1] {
            let bytes = vec![7; piece];
            while std::io::Write::write_all(&mut file, &bytes).is_ok() {}
        }
        // Some still find room in what the journal has taken before.
        let (mut refused, mut accepted) = (None, vec![]);
        for user in &waiting {
            let answer = customer.checkout(user).await.unwrap();
            match answer {
                Ok(order) => accepted.push(order),
                Err(status) => {
                    refused = Some(status);
                    break;
                }
            }
        }
        assert_eq!(refused, Some(503), "of {WAITING} checkouts");
        let page = customer.call("GET", "/products?limit=3", None).await.unwrap();
        assert_eq!(page.status, 200, "reading goes on");
        assert_eq!(customer.order(&first).await["order_id"], first.as_str());
        assert_eq!(customer.call("GET", "/healthz", None).await.unwrap().status, 200);
        std::fs::remove_file(&filler).unwrap();
        drop(file);
        let mut sold = None;
        until("a checkout is accepted again", async || {
            customer.add("cid", "PROD-002").await;
            sold = customer.checkout("cid").await.and_then(Result::ok);
            sold.is_some()
        })
        .await;
        let sold = sold.unwrap();
        for order in accepted.iter().chain([&sold]) {
            customer.told(order).await;
        }
        until("it is ready again", async || {
            customer.call("GET", "/readyz", None).await.is_some_and(|reply| reply.status == 200)
        })
        .await;
    });
    // The disk goes with the last who uses it.
    let disk = std::fs::File::open(&inside).unwrap();
    assert_eq!(shop.stop(), 0);
    let copy = tempfile::tempdir().unwrap();
    for file in ["shop.db", "outside.db"] {
        let left = format!("/proc/self/fd/{}/{file}", std::os::fd::AsRawFd::as_raw_fd(&disk));
        std::fs::copy(left, copy.path().join(file)).unwrap();
    }
    let verdict = run(&["verify", "--data", copy.path().to_str().unwrap()]);
    assert_eq!(verdict.code(), 0, "{}\n{}", verdict.out(), verdict.err());
}

#[test]
fn below_the_disk_floor_sales_stop_before_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = on_a_small_disk(folder.path(), "8MiB");
    let inside = PathBuf::from(format!("/proc/{}/root{}", shop.pid(), folder.path().display()));
    runtime().block_on(async {
        let customer = Customer::of(&shop);
        customer.add("ann", "PROD-001").await.unwrap();
        std::fs::write(inside.join("filler"), vec![7; 17 << 20]).unwrap();
        until("sales stop", async || customer.checkout("ann").await == Some(Err(503))).await;
        std::fs::remove_file(inside.join("filler")).unwrap();
        until("sales go on", async || matches!(customer.checkout("ann").await, Some(Ok(_)))).await;
    });
    assert_eq!(shop.stop(), 0);
}
