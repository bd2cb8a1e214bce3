//! `ecom serve`, from its ready line to its last word.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{fails, json_on, on};
use crate::harness::program::{Printed, Served, run};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn reachable(address: &str) -> bool {
    TcpStream::connect(address.strip_prefix("http://").unwrap()).is_ok()
}

#[test]
fn a_ready_shop_names_six_addresses_that_answer() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Served::start(&folder.path().join("shop"), &["--products", "2"]);
    let different: BTreeSet<&String> = shop.addresses.iter().collect();
    assert_eq!(different.len(), 6);
    assert!(shop.addresses.iter().all(|address| reachable(address)));
    assert!(shop.addresses.iter().all(|address| address.starts_with("http://127.0.0.1:")));
}

#[test]
fn services_listen_on_the_five_ports_after_the_gateways() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    // An address of this machine that nobody else listens on.
    let shop = Served::start(
        &data,
        &["--listen", "127.77.5.3", "--port-base", "18000", "--products", "2"],
    );
    let expected: Vec<String> =
        (18_000..18_006).map(|port| format!("http://127.77.5.3:{port}")).collect();
    assert_eq!(shop.addresses, expected);
    assert!(json_on(&data, &["topics", "list"])["topics"].is_array(), "its commands find it there");
}

#[test]
fn its_folder_and_its_token_are_its_users_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "2"]);
    let note = data.join("server.json");
    assert_eq!((mode(&data), mode(&note)), (0o700, 0o600));
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    assert_eq!(told["pid"], shop.pid());
    assert_eq!(told["address"], shop.gateway());
    let token = told["token"].as_str().unwrap();
    assert!(token.len() >= 32, "{token}");
    assert!(!run(&["config", "show"]).out().contains(token));
    assert_eq!(shop.stop(), 0);
    assert!(!note.exists(), "a stopped shop leaves no token behind");
    let shop = Served::start(&data, &[]);
    let next: serde_json::Value = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    assert_ne!(next["token"], token, "every start has a token of its own");
    drop(shop);
}

#[test]
fn a_folder_belongs_to_one_shop_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "2"]);
    let path = data.to_str().unwrap();
    let owner = format!(
        "{path} is in use by another ecom process (pid {}, {})",
        shop.pid(),
        shop.gateway()
    );
    fails(&["serve", "--port-base", "0", "--data", path], 7, &owner);
    fails(&["simulate", "-q", "--users", "1", "--data", path], 7, &owner);
    assert!(reachable(shop.gateway()), "and it goes on");
    shop.kill();
    let mut next = Served::start(&data, &[]);
    assert_eq!(next.stop(), 0, "a dead owner is no owner");
}

#[test]
fn asked_to_stop_it_drains_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    for signal in ["TERM", "INT"] {
        let mut shop = Served::start(&data, &["--products", "2"]);
        let address = shop.gateway().to_owned();
        shop.signal(signal);
        assert_eq!(shop.ended(), 0, "SIG{signal}");
        assert!(!reachable(&address));
    }
    let left: BTreeSet<String> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        left.into_iter().collect::<Vec<_>>(),
        ["console.db", "ecom.lock", "outside.db", "shop.db"]
    );
    assert!(on(&data, &["topics", "list"]).contains("order.created"), "its folder can be read");
}

#[test]
fn a_port_in_use_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let data = data.to_str().unwrap();
    let taken = TcpListener::bind("127.77.5.4:18102").unwrap();
    let args = ["serve", "--listen", "127.77.5.4", "--port-base", "18100", "--data", data];
    fails(
        &args,
        1,
        "cannot listen on 127.77.5.4:18102 (order-service); choose other ports with --port-base",
    );
    drop(taken);
    let mut shop = Served::start(Path::new(data), &args[1..5]);
    assert_eq!(shop.stop(), 0);
}

#[test]
fn without_its_admin_api_a_running_shop_is_out_of_reach() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("shop"), folder.path().join("closed.toml"));
    std::fs::write(&config, "[serve]\nadmin = false\n").unwrap();
    let shop = Served::start(&data, &["--products", "2", "--config", config.to_str().unwrap()]);
    for command in [&["topics", "list"][..], &["dlq", "list"], &["gateway", "show"]] {
        let args = [command, &["--data", data.to_str().unwrap()]].concat();
        fails(&args, 5, "is serve.admin off?");
    }
    assert!(reachable(shop.gateway()));
}
