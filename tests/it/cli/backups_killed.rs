//! `ecom backup` and `ecom restore`, killed in the middle.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::backups::{back_up, entries, passes, restore, stopped_shop, text};
use super::fails;
use crate::harness::customer::{Customer, runtime};
use crate::harness::program::{Served, ecom};

/// What a killed restore may leave in a folder: nothing that looks like a shop, or all of it.
fn is_nothing_or_whole(data: &Path, manifest: &Json) -> bool {
    let marked = data.join("restore.json").exists();
    if marked {
        let args = ["serve", "--port-base", "0", "--data", text(data)];
        fails(&args, 7, "run the same `ecom restore` again");
        return false;
    }
    if !data.join("shop.db").exists() {
        return false;
    }
    for part in manifest["parts"].as_array().unwrap() {
        let bytes = std::fs::read(data.join(part["name"].as_str().unwrap())).unwrap();
        let sum = HEXLOWER.encode(&Sha256::digest(&bytes));
        assert_eq!(part["sha256"], sum.as_str());
    }
    true
}

#[test]
fn a_restore_that_is_killed_leaves_nothing_that_looks_whole_and_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    stopped_shop(&data, 2);
    let archive = folder.path().join("b.tar");
    let report = back_up(&data, &archive);
    let manifest = &report["manifest"];
    for kill in 0..15 {
        let target = folder.path().join(format!("target-{kill}"));
        let mut child = ecom()
            .args(["restore", text(&archive), "--data", text(&target)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(kill * 4));
        let _ = child.kill();
        child.wait().unwrap();
        if !is_nothing_or_whole(&target, manifest) {
            restore(&archive, &target, &[]);
        }
        assert!(is_nothing_or_whole(&target, manifest));
    }
    // Between any two steps of the end, over a former shop.
    let former = folder.path().join("former");
    let orders = stopped_shop(&former, 1);
    let files = ["outside.db", "shop.db", "console.db"];
    for moved in 0..=5 {
        let target = folder.path().join(format!("broken-off-{moved}"));
        std::fs::create_dir(&target).unwrap();
        for file in files {
            std::fs::copy(former.join(file), target.join(file)).unwrap();
        }
        let aside = target.join("before-then");
        std::fs::create_dir(&aside).unwrap();
        let marker = json!({ "archive": "b.tar", "aside": "before-then", "former": files });
        std::fs::write(target.join("restore.json"), marker.to_string()).unwrap();
        for file in files.iter().take(moved) {
            std::fs::rename(target.join(file), aside.join(file)).unwrap();
        }
        for (name, bytes) in entries(&archive).iter().skip(1).take(moved.saturating_sub(3)) {
            std::fs::write(target.join(name), bytes).unwrap();
        }
        assert!(!is_nothing_or_whole(&target, manifest));
        restore(&archive, &target, &[]);
        assert!(is_nothing_or_whole(&target, manifest), "{moved}");
        let mut shop = Served::start(&aside, &[]);
        runtime().block_on(async {
            assert_eq!(Customer::of(&shop).order(&orders[0]).await["status"], "FULFILLED");
        });
        assert_eq!(shop.stop(), 0);
    }
}

/// How many files of an unfinished backup are in `place`; none: it is not begun.
fn unfinished(place: &Path) -> Option<usize> {
    let mut found = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap());
    let corner = found.find(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
    corner.and_then(|corner| Some(std::fs::read_dir(corner.path()).ok()?.count()))
}

/// Kills a shop once its backup to `archive` has `files` files, and tells whether it was in time.
fn killed_at(files: usize, data: &Path, archive: &Path) -> bool {
    let mut shop = Served::start(data, &[]);
    let mut child = ecom()
        .args(["backup", text(archive), "--data", text(data)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let reached = || unfinished(archive.parent().unwrap()).is_some_and(|there| there >= files);
    while !reached() && child.try_wait().unwrap().is_none() {
        std::hint::spin_loop();
    }
    shop.kill();
    child.wait().unwrap();
    !archive.exists()
}

#[test]
fn a_shop_that_is_killed_while_it_is_backed_up_leaves_no_file_or_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    stopped_shop(&data, 2);
    // The outside world's copy, the shop's, and the archive of both.
    for files in 0..=3 {
        // It takes some milliseconds; who looks may come too late.
        let in_time = (0..50).any(|turn| {
            let place = folder.path().join(format!("{files}-{turn}"));
            std::fs::create_dir(&place).unwrap();
            let archive = place.join("b.tar");
            let in_time = killed_at(files, &data, &archive);
            if !in_time {
                restore(&archive, &place.join("restored"), &[]);
            }
            in_time
        });
        assert!(in_time, "never killed with {files} files there");
        let mut shop = Served::start(&data, &[]);
        back_up(&data, &folder.path().join(format!("again{files}.tar")));
        assert_eq!(shop.stop(), 0);
    }
    passes(&data);
}
