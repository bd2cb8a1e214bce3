//! A power cut in the middle of a write: the journal ends anywhere.

use std::path::Path;
use std::sync::Arc;

use ecom::adapters::sqlite::{Journal, Opened, Schema};
use ecom::adapters::store::SqliteStore;
use ecom::ports::store::{Batch, Store, query, values};

use crate::harness::customer::{Customer, runtime, settled};
use crate::harness::program::{Printed, Served, run};

const INSERT: &str = "insert into meta (key, value) values (?1, ?2)";

fn open(folder: &Path) -> (SqliteStore, Arc<Journal>, Opened) {
    let (journal, opened) = Journal::open(&folder.join("shop.db"), Schema::SHOP).unwrap();
    let journal = Arc::new(journal);
    (SqliteStore::new(Arc::clone(&journal)), journal, opened)
}

fn log_bytes(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("shop.db-wal")).unwrap()
}

/// A folder as a power cut leaves it: the database, and so much of its log.
fn cut(from: &Path, log: &[u8], to: &Path) {
    std::fs::copy(from.join("shop.db"), to.join("shop.db")).unwrap();
    std::fs::write(to.join("shop.db-wal"), log).unwrap();
    let _ = std::fs::remove_file(to.join("shop.db-shm"));
}

/// In memory where that can be had: thousands of databases are opened, and no power is really cut.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).unwrap()
}

#[test]
fn a_journal_cut_at_any_byte_keeps_all_that_was_acknowledged_and_says_once_what_it_dropped() {
    runtime().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).1.close();
        // Opened again, the log is empty and grows with every write.
        let (store, _journal, opened) = open(dir.path());
        assert_eq!(opened.torn_bytes, 0);
        // Where the log ended when the n-th write was acknowledged.
        let mut acked = vec![];
        for n in 0..6_i64 {
            let mut batch = Batch::default();
            batch.one(INSERT, values![format!("test-{n}"), "x"]);
            store.write(batch).await.unwrap();
            store.durable().await.unwrap();
            acked.push(log_bytes(dir.path()).len());
        }
        let log = log_bytes(dir.path());
        let mut torn_seen = 0;
        for end in acked[4]..=acked[5] {
            let copy = scratch();
            cut(dir.path(), &log[..end], copy.path());
            let (store, journal, opened) = open(copy.path());
            let found = query(&store, "select count(*) from meta where key like 'test-%'", vec![])
                .await
                .unwrap()[0]
                .int(0)
                .unwrap();
            let promised = acked.iter().filter(|acked| **acked <= end).count() as i64;
            assert_eq!(found, promised, "cut at {end}, acknowledged at {acked:?}");
            let is_torn = !acked.contains(&end);
            assert_eq!(
                opened.torn_bytes > 0,
                is_torn,
                "cut at {end}: {} bytes torn",
                opened.torn_bytes
            );
            torn_seen += u64::from(is_torn);
            if end % 256 == 1 {
                journal.close();
                drop((store, journal));
                assert_eq!(open(copy.path()).2.torn_bytes, 0, "said once");
            }
        }
        assert!(torn_seen > 4_000, "{torn_seen} torn tails were tried");
    });
}

#[test]
fn a_folder_cut_in_the_middle_of_its_last_records_is_served_again() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("shop"), dir.path().join("copy"));
    let mut shop = Served::start(&data, &[]);
    let order = runtime().block_on(async {
        let customer = Customer::of(&shop);
        customer.add("ann", "PROD-001").await.unwrap();
        let order = customer.checkout("ann").await.unwrap().unwrap();
        customer.ended(&order).await;
        order
    });
    shop.kill();
    std::fs::create_dir(&copy).unwrap();
    let log = log_bytes(&data);
    // Some way into whatever was written last: after the order, since that was answered.
    let mut torn = log[..log.len() - 100].to_vec();
    torn.extend_from_slice(&[0; 40]);
    cut(&data, &torn, &copy);
    std::fs::copy(data.join("outside.db"), copy.join("outside.db")).unwrap();
    std::fs::copy(data.join("outside.db-wal"), copy.join("outside.db-wal")).unwrap();
    let mut again = Served::start(&copy, &[]);
    runtime().block_on(async {
        Customer::of(&again).ended(&order).await;
        settled(&copy).await;
    });
    assert_eq!(again.stop(), 0);
    let verdict = run(&["verify", "--data", copy.to_str().unwrap()]);
    assert_eq!(verdict.code(), 0, "{}", verdict.out());
}
