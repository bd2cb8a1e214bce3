//! `ecom backup` and `ecom restore`: of a shop that sells, of one that is stopped, and with files that are not
//! as they were.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{fails, on};
use crate::harness::customer::{Customer, runtime, settled, until};
use crate::harness::program::{Printed, Served, ecom, paying, run};
use crate::report::expect_valid;

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(super) fn back_up(data: &Path, target: &Path) -> Json {
    expect_valid("backup", &on(data, &["backup", text(target), "-o", "json"]))
}

pub(super) fn restore(archive: &Path, data: &Path, more: &[&str]) -> Json {
    let args = [&["restore", text(archive), "-o", "json"], more].concat();
    expect_valid("restore", &on(data, &args))
}

pub(super) fn passes(data: &Path) {
    let verdict = run(&["verify", "--data", text(data)]);
    assert_eq!(verdict.code(), 0, "{}\n{}", verdict.out(), verdict.err());
}

pub(super) fn entries(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(std::fs::File::open(archive).unwrap());
    let entry = |entry: std::io::Result<tar::Entry<'_, std::fs::File>>| {
        let mut entry = entry.unwrap();
        let mut bytes = vec![];
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    tar.entries().unwrap().map(entry).collect()
}

/// An archive with these entries.
fn write_entries(archive: &Path, entries: &[(String, Vec<u8>)]) {
    let mut tar = tar::Builder::new(std::fs::File::create(archive).unwrap());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, name, &**bytes).unwrap();
    }
    tar.into_inner().unwrap();
}

/// A stopped shop with `orders` orders, all of them fulfilled.
pub(super) fn stopped_shop(data: &Path, orders: usize) -> Vec<String> {
    let mut shop = Served::launch(paying(), data, &["--products", "3"]).unwrap();
    let ids = runtime().block_on(async {
        let customer = Customer::of(&shop);
        let mut ids = vec![];
        for n in 0..orders {
            let user = format!("user-{n}");
            customer.add(&user, "PROD-001").await.unwrap();
            let id = customer.checkout(&user).await.unwrap().unwrap();
            assert_eq!(customer.told(&id).await, "FULFILLED");
            ids.push(id);
        }
        settled(data).await;
        ids
    });
    assert_eq!(shop.stop(), 0);
    ids
}

#[test]
fn a_shop_that_sells_is_backed_up_and_its_backup_goes_on_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let mut shop = Served::start(&data, &["--products", "19"]);
    let answered: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let enough = Arc::new(AtomicBool::new(false));
    let mut backups: Vec<(PathBuf, BTreeSet<String>, Json)> = vec![];
    runtime().block_on(async {
        let customer = Customer::of(&shop);
        let shoppers: Vec<_> = (0..8)
            .map(|n| {
                let (customer, enough) = (customer.clone(), Arc::clone(&enough));
                let answered = Arc::clone(&answered);
                tokio::spawn(async move {
                    for turn in 0.. {
                        if enough.load(Ordering::SeqCst) {
                            return;
                        }
                        let user = format!("u{n}-{turn}");
                        let product = format!("PROD-{:03}", 1 + turn % 19);
                        customer.add(&user, &product).await.unwrap();
                        if let Ok(order) = customer.checkout(&user).await.unwrap() {
                            answered.lock().unwrap().insert(order);
                        }
                    }
                })
            })
            .collect();
        for n in 0..3 {
            let before = answered.lock().unwrap().len();
            until("more orders", async || answered.lock().unwrap().len() > before + 10).await;
            let known = answered.lock().unwrap().clone();
            let archive = folder.path().join(format!("backup-{n}.tar"));
            let (data, target) = (data.clone(), archive.clone());
            let report = tokio::task::spawn_blocking(move || back_up(&data, &target)).await;
            backups.push((archive, known, report.unwrap()));
        }
        enough.store(true, Ordering::SeqCst);
        futures::future::join_all(shoppers).await;
    });
    let note: Json =
        serde_json::from_slice(&std::fs::read(data.join("server.json")).unwrap()).unwrap();
    runtime().block_on(settled(&data));
    assert_eq!(shop.stop(), 0);
    for (n, (archive, known, report)) in backups.into_iter().enumerate() {
        assert_eq!(archive.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let names: Vec<String> = entries(&archive).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["manifest.json", "outside.db", "shop.db"]);
        let token = note["token"].as_str().unwrap().as_bytes();
        let bytes = std::fs::read(&archive).unwrap();
        assert!(!bytes.windows(token.len()).any(|part| part == token), "the token is in it");
        let counts = &report["manifest"]["counts"];
        assert!(counts["orders"].as_u64() > Some(0) && counts["records"].as_u64() > Some(0));
        let elsewhere = folder.path().join(format!("elsewhere-{n}"));
        restore(&archive, &elsewhere, &[]);
        let mut restored = Served::start(&elsewhere, &[]);
        runtime().block_on(async {
            let customer = Customer::of(&restored);
            for order in &known {
                customer.ended(order).await;
            }
            customer.add("late", "PROD-001").await.unwrap();
            let order = customer.checkout("late").await.unwrap().unwrap();
            customer.told(&order).await;
        });
        runtime().block_on(settled(&elsewhere));
        assert_eq!(restored.stop(), 0);
        passes(&elsewhere);
    }
}

#[test]
fn a_stopped_shop_is_backed_up_as_it_is_and_its_folder_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let orders = stopped_shop(&data, 3);
    let before = std::fs::read(data.join("shop.db")).unwrap();
    let place = folder.path().join("backups");
    std::fs::create_dir(&place).unwrap();
    let report = back_up(&data, &place);
    assert_eq!((&report["kind"], &report["schema_version"]), (&"backup".into(), &1.into()));
    let archive = PathBuf::from(report["file"].as_str().unwrap());
    let name = archive.file_name().unwrap().to_str().unwrap();
    assert!(archive.starts_with(&place) && name.starts_with("ecom-shop-2"), "{name}");
    assert_eq!(report["manifest"]["counts"]["orders"], orders.len());
    assert_eq!(report["manifest"]["counts"]["orders_open"], 0);
    assert_eq!(report["bytes"], archive.metadata().unwrap().len());
    assert_eq!(std::fs::read(data.join("shop.db")).unwrap(), before);
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1, "nothing else is left there");
    let elsewhere = folder.path().join("a").join("new").join("one");
    let restored = restore(&archive, &elsewhere, &[]);
    assert_eq!((&restored["kind"], &restored["aside"]), (&"restore".into(), &Json::Null));
    for file in ["shop.db", "outside.db"] {
        let mode = elsewhere.join(file).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    passes(&elsewhere);
    let shop = Served::start(&elsewhere, &[]);
    runtime().block_on(async {
        for order in &orders {
            assert_eq!(Customer::of(&shop).order(order).await["status"], "FULFILLED");
        }
    });
}

#[test]
fn what_is_in_the_way_of_a_backup_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let shop = Served::start(&data, &["--products", "2"]);
    let there = folder.path().join("there.tar");
    std::fs::write(&there, "somebody's").unwrap();
    for stopped in [false, true] {
        if stopped {
            let mut shop = Served::start(&folder.path().join("other"), &["--products", "2"]);
            assert_eq!(shop.stop(), 0);
        }
        let data = if stopped { folder.path().join("other") } else { data.clone() };
        let on = |target: &Path| {
            vec!["backup", text(target), "--data", text(&data)]
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let fails = |target: &Path, code: i32, says: &str| {
            let args = on(target);
            fails(&args.iter().map(String::as_str).collect::<Vec<_>>(), code, says);
        };
        fails(&there, 7, "is there already; name another file");
        fails(&folder.path().join("no/such/b.tar"), 4, "there is no folder");
    }
    assert_eq!(std::fs::read(&there).unwrap(), b"somebody's");
    fails(&["backup", "x.tar", "--data", text(&folder.path().join("none"))], 4, "holds no shop");
    fails(&["backup", "x.tar", "--kafka", "h:1"], 2, "--kafka");
    let servers = ecom()
        .args(["backup", "x.tar"])
        .env("ECOM_POSTGRES_URL", "postgres://h:1/d")
        .output()
        .unwrap();
    assert_eq!(servers.code(), 7);
    assert!(servers.err().contains("pg_dump"), "{}", servers.err());
    let body = json!({ "target": text(&folder.path().join("stolen.tar")) });
    let path = "/admin/v1/backup";
    let reply = runtime().block_on(Customer::of(&shop).call("POST", path, Some(&body))).unwrap();
    assert_eq!(reply.status, 401, "the token is asked for");
    let names: BTreeSet<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["other", "shop", "there.tar"]);
}

#[test]
fn a_file_that_is_not_as_it_was_made_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    stopped_shop(&data, 1);
    let good = folder.path().join("good.tar");
    back_up(&data, &good);
    let bytes = std::fs::read(&good).unwrap();
    let bad = folder.path().join("bad.tar");
    let target = folder.path().join("new");
    let args = ["restore", text(&bad), "--data", text(&target), "--force"];
    fails(&args, 4, "there is no file");
    let refused = |bytes: &[u8], says: &str| {
        std::fs::write(&bad, bytes).unwrap();
        fails(&args, 1, says);
        assert!(!target.exists(), "{says}");
    };
    refused(b"", "is no backup of a shop");
    refused(&[b'x'; 5000], "is no backup of a shop");
    for cut in [bytes.len() - 1, bytes.len() - 1024, bytes.len() / 2, 8_000] {
        refused(&bytes[..cut], "is cut off");
    }
    refused(&[&bytes[..], &[0; 512]].concat(), "something follows its end");
    let parts = entries(&good);
    for at in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 2_048] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        refused(&flipped, "is damaged");
    }
    let doctored = |change: &dyn Fn(&mut Json)| {
        let mut parts = parts.clone();
        let mut manifest: Json = serde_json::from_slice(&parts[0].1).unwrap();
        change(&mut manifest);
        parts[0].1 = serde_json::to_vec_pretty(&manifest).unwrap();
        write_entries(&bad, &parts);
        std::fs::read(&bad).unwrap()
    };
    refused(&doctored(&|m| m["format"] = 2.into()), "was made by a newer ecom");
    refused(&doctored(&|m| m["parts"][1]["schema"] = 999.into()), "was made by a newer ecom");
    refused(&doctored(&|m| m["kind"] = "photo".into()), "is no backup of a shop");
    refused(&doctored(&|m| m["parts"][1]["name"] = "../shop.db".into()), "is damaged");
    refused(&doctored(&|m| m["parts"][0]["sha256"] = "00".into()), "outside.db is not what was");
    let foreign = [("readme.txt".to_owned(), b"hello".to_vec())];
    write_entries(&bad, &foreign);
    refused(&std::fs::read(&bad).unwrap(), "is no backup of a shop");
    // A whole archive of a database that is not whole.
    let mut parts = parts.clone();
    let middle = parts[2].1.len() / 2 / 4096 * 4096;
    parts[2].1[middle..middle + 4096].fill(0x5a);
    let sum = data_encoding::HEXLOWER.encode(&Sha256::digest(&parts[2].1));
    let mut manifest: Json = serde_json::from_slice(&parts[0].1).unwrap();
    manifest["parts"][1]["sha256"] = sum.into();
    parts[0].1 = serde_json::to_vec_pretty(&manifest).unwrap();
    write_entries(&bad, &parts);
    refused(&std::fs::read(&bad).unwrap(), "shop.db is damaged");
    // A shop that is there is not touched either.
    std::fs::write(&bad, &bytes[..bytes.len() - 1]).unwrap();
    fails(&["restore", text(&bad), "--data", text(&data), "--force"], 1, "is cut off");
    passes(&data);
    assert!(!data.join("shop.db.new").exists());
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone_and_a_former_shop_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("shop"), folder.path().join("other"));
    let first = stopped_shop(&data, 1);
    let second = stopped_shop(&other, 2);
    let archive = folder.path().join("b.tar");
    back_up(&data, &archive);
    let into = |target: &Path| {
        ["restore", text(&archive), "--data"]
            .map(str::to_owned)
            .into_iter()
            .chain([text(target).to_owned()])
            .collect::<Vec<_>>()
    };
    let refused = |target: &Path, says: &str| {
        let args = into(target);
        fails(&args.iter().map(String::as_str).collect::<Vec<_>>(), 7, says);
    };
    refused(&other, "holds a shop; name an empty folder, or let --force move that shop aside");
    let full = folder.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("thesis.txt"), "all of it").unwrap();
    refused(&full, "is not empty, there is \"thesis.txt\" in it");
    let running = Served::start(&other, &[]);
    let args = ["restore", text(&archive), "--data", text(&other), "--force"];
    fails(&args, 7, "stop it first");
    drop(running);
    let report = restore(&archive, &other, &["--force"]);
    let aside = PathBuf::from(report["aside"].as_str().unwrap());
    assert!(aside.starts_with(&other));
    passes(&other);
    passes(&aside);
    for (data, orders) in [(&other, &first), (&aside, &second)] {
        let mut shop = Served::start(data, &[]);
        runtime().block_on(async {
            for order in orders {
                assert_eq!(Customer::of(&shop).order(order).await["status"], "FULFILLED");
            }
        });
        assert_eq!(shop.stop(), 0);
    }
}
