//! The contract of the store.

use std::future::Future;
use std::sync::Arc;

use ecom::adapters::postgres;
use ecom::adapters::sqlite::Schema;
use ecom::adapters::store::SqliteStore;
use ecom::ports::store::{
    Batch, Expect, Read, Row, Store, StoreError, Value, Write, query, values,
};

use super::env::{self, Env, let_others_run};
use super::journal::Place;
use crate::harness::stack::{self, Server};

mod values;

use values::every_value_comes_back_as_it_was;

suite! {
    in_a_folder: super::in_a_folder,
    in_memory: super::in_memory,
    on_postgres: super::on_postgres;
    {
        a_write_is_seen_by_every_read_after_it,
        a_batch_is_applied_in_order,
        a_conflict_anywhere_undoes_the_whole_batch,
        each_run_must_change_exactly_one_row,
        any_number_of_rows_may_be_expected,
        a_row_that_exists_is_a_conflict,
        a_conflict_hurts_nobody_else,
        what_can_never_work_is_not_a_conflict,
        reads_of_one_call_share_a_snapshot,
        concurrent_increments_are_never_lost,
        every_value_comes_back_as_it_was,
        rows_of_parameters_are_run_one_after_the_other,
        a_big_batch_is_one_batch,
        a_relaxed_batch_is_seen_like_any_other,
        an_empty_batch_is_nothing,
        what_is_durable_is_there_after_a_restart,
        room_is_more_than_nothing,
    }
}

/// Tables for the cases alone; another dialect brings its own text.
const SQLITE: Schema = Schema {
    name: "contract",
    steps: &["create table accounts (
         name text not null primary key,
         balance integer not null check (balance >= 0)
       );
       create table samples (id integer primary key, number integer, words text, data blob, at text);"],
};

const POSTGRES: postgres::Schema = postgres::Schema {
    steps: &["create table accounts (
         name text not null primary key,
         balance bigint not null check (balance >= 0)
       );
       create table samples (id bigint primary key, number bigint, words text, data bytea, at timestamptz);"],
};

const OPEN: &str = "insert into accounts (name, balance) values (?1, ?2)";
const BALANCE: &str = "select balance from accounts where name = ?1";
const ALL: &str = "select name, balance from accounts order by name";
const SET_IF: &str = "update accounts set balance = ?3 where name = ?1 and balance = ?2";
const ADD: &str = "update accounts set balance = balance + ?2 where name = ?1";
const KEEP: &str = "insert into samples (id, number, words, data, at) values (?1, ?2, ?3, ?4, ?5)";
const KEPT: &str = "select number, words, data, at from samples where id = ?1";

fn in_a_folder<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::live(|env| case(Rig::sqlite(env, Place::folder(SQLITE))));
}

fn in_memory<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    env::simulated(|env| case(Rig::sqlite(env, Place::memory(SQLITE))));
}

fn on_postgres<F: Future<Output = ()> + Send + 'static>(case: fn(Rig) -> F) {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    env::live(|env| async move { case(Rig::postgres(env, &url).await).await });
}

/// A store with the tables above, and how to open it again.
struct Rig {
    store: Arc<dyn Store>,
    env: Env,
    open: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
}

impl Rig {
    fn sqlite(env: Env, place: Place) -> Self {
        let open = move || Arc::new(SqliteStore::new(place.open())) as Arc<dyn Store>;
        Self { store: open(), env, open: Box::new(open) }
    }

    /// In a schema of its own.
    async fn postgres(env: Env, url: &str) -> Self {
        let url = stack::own_schema(url, "store").await;
        let clock = Arc::clone(&env.clock);
        let spawn = Arc::clone(&env.spawn);
        let open = move || {
            let options = stack::options(&url);
            let connect =
                postgres::PostgresStore::connect(options, POSTGRES, true, Arc::clone(&clock));
            let connect = || tokio::runtime::Handle::current().block_on(connect);
            let store = tokio::task::block_in_place(connect).unwrap();
            Arc::new(store.with_grouping(&spawn)) as Arc<dyn Store>
        };
        Self { store: open(), env, open: Box::new(open) }
    }

    fn restarted(self) -> Self {
        let Self { store, env, open } = self;
        drop(store);
        Self { store: open(), env, open }
    }

    async fn open_account(&self, name: &str, balance: i64) {
        self.write(one(OPEN, values![name, balance])).await.unwrap();
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.env.patiently(self.store.write(batch)).await
    }

    async fn balance(&self, name: &str) -> i64 {
        balance(self.store.as_ref(), name).await
    }

    async fn accounts(&self) -> Vec<(String, i64)> {
        let rows = query(self.store.as_ref(), ALL, vec![]).await.unwrap();
        rows.iter().map(|row| (row.text(0).unwrap().to_owned(), row.int(1).unwrap())).collect()
    }
}

async fn balance(store: &dyn Store, name: &str) -> i64 {
    query(store, BALANCE, values![name]).await.unwrap()[0].int(0).unwrap()
}

fn one(sql: &'static str, row: Vec<Value>) -> Batch {
    Batch { writes: vec![Write { sql, rows: vec![row], expect: Expect::One }], ..Batch::default() }
}

fn any(sql: &'static str, row: Vec<Value>) -> Batch {
    Batch { writes: vec![Write { sql, rows: vec![row], expect: Expect::Any }], ..Batch::default() }
}

fn is_conflict(outcome: &Result<(), StoreError>) -> bool {
    matches!(outcome, Err(e @ StoreError::Conflict(_)) if e.is_transient())
}

async fn a_write_is_seen_by_every_read_after_it(rig: Rig) {
    rig.open_account("ann", 0).await;
    for n in 0..50 {
        rig.write(one(SET_IF, values!["ann", n, n + 1])).await.unwrap();
        assert_eq!(rig.balance("ann").await, n + 1);
    }
}

async fn a_batch_is_applied_in_order(rig: Rig) {
    let mut batch = Batch::default();
    batch.one(OPEN, values!["ann", 1i64]);
    batch.one(SET_IF, values!["ann", 1i64, 2i64]);
    batch.one(SET_IF, values!["ann", 2i64, 3i64]);
    rig.write(batch).await.unwrap();
    assert_eq!(rig.balance("ann").await, 3);
}

async fn a_conflict_anywhere_undoes_the_whole_batch(rig: Rig) {
    rig.open_account("ann", 5).await;
    let good = || one(OPEN, values!["bob", 1i64]).writes.remove(0);
    let bad = || one(SET_IF, values!["ann", 4i64, 0i64]).writes.remove(0);
    for writes in [vec![good(), bad()], vec![bad(), good()], vec![good(), bad(), good()]] {
        let outcome = rig.write(Batch { writes, ..Batch::default() }).await;
        assert!(is_conflict(&outcome), "{outcome:?}");
        assert_eq!(rig.accounts().await, [("ann".to_owned(), 5)]);
    }
    let rows = vec![values!["bob", 1i64], values!["cat", 1i64], values!["bob", 2i64]];
    let writes = vec![Write { sql: OPEN, rows, expect: Expect::One }];
    assert!(
        is_conflict(&rig.write(Batch { writes, ..Batch::default() }).await),
        "in one of many runs"
    );
    assert_eq!(rig.accounts().await, [("ann".to_owned(), 5)]);
}

async fn each_run_must_change_exactly_one_row(rig: Rig) {
    rig.open_account("ann", 1).await;
    rig.open_account("bob", 1).await;
    let both = "update accounts set balance = ?1 where balance = 1";
    let none = one(ADD, values!["nobody", 1i64]);
    for batch in [one(both, values![9i64]), none] {
        let outcome = rig.write(batch).await;
        assert!(is_conflict(&outcome), "{outcome:?}");
    }
    assert_eq!(rig.accounts().await, [("ann".to_owned(), 1), ("bob".to_owned(), 1)]);
}

async fn any_number_of_rows_may_be_expected(rig: Rig) {
    rig.open_account("ann", 1).await;
    rig.open_account("bob", 1).await;
    rig.write(any("update accounts set balance = ?1 where balance = 1", values![9i64]))
        .await
        .unwrap();
    rig.write(any(ADD, values!["nobody", 1i64])).await.unwrap();
    assert_eq!(rig.accounts().await, [("ann".to_owned(), 9), ("bob".to_owned(), 9)]);
}

async fn a_row_that_exists_is_a_conflict(rig: Rig) {
    rig.open_account("ann", 1).await;
    for batch in [one(OPEN, values!["ann", 2i64]), any(OPEN, values!["ann", 2i64])] {
        let outcome = rig.write(batch).await;
        assert!(is_conflict(&outcome), "{outcome:?}");
    }
    assert_eq!(rig.balance("ann").await, 1);
}

async fn a_conflict_hurts_nobody_else(rig: Rig) {
    rig.open_account("taken", 0).await;
    let open = |n: u32| {
        let store = Arc::clone(&rig.store);
        let name = if n.is_multiple_of(5) { "taken".to_owned() } else { format!("n{n:02}") };
        async move { store.write(one(OPEN, values![name, 1i64])).await }
    };
    let outcomes = rig.env.at_once((0..40).map(open)).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_ok(), !n.is_multiple_of(5), "{n}: {outcome:?}");
        assert_eq!(is_conflict(outcome), n.is_multiple_of(5));
    }
    assert_eq!(rig.accounts().await.len(), 33);
}

async fn what_can_never_work_is_not_a_conflict(rig: Rig) {
    rig.open_account("ann", 1).await;
    let hopeless = [
        one("update accounts set colour = ?2 where name = ?1", values!["ann", "red"]),
        one("insert into no_such_table (name) values (?1)", values!["ann"]),
        one("this is not sql ?1", values![1i64]),
        one(OPEN, values!["bob"]),
        one(OPEN, values!["bob", 1i64, 2i64]),
        one(OPEN, values!["bob", None::<i64>]),
        one(ADD, values!["ann", -2i64]),
    ];
    for batch in hopeless {
        let mut writes = one(OPEN, values!["bob", 1i64]).writes;
        writes.extend(batch.writes.clone());
        let error = rig.write(Batch { writes, ..Batch::default() }).await.unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{batch:?}: {error}");
        assert!(!error.is_transient());
        assert_eq!(rig.accounts().await, [("ann".to_owned(), 1)], "nothing was written");
    }
    for sql in ["select colour from accounts", "select 1 from no_such_table", "this is not sql"] {
        let error = query(rig.store.as_ref(), sql, vec![]).await.unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{sql}: {error}");
    }
}

/// Moved from one account to another, never made or lost.
const UNITS: i64 = 1_000;

async fn reads_of_one_call_share_a_snapshot(rig: Rig) {
    rig.open_account("from", UNITS).await;
    rig.open_account("to", 0).await;
    let store = Arc::clone(&rig.store);
    let mover = async move {
        for _ in 0..100 {
            let mut batch = Batch::default();
            batch.one(ADD, values!["from", -1i64]);
            batch.one(ADD, values!["to", 1i64]);
            store.write(batch).await.unwrap();
            let_others_run().await;
        }
        UNITS
    };
    let reader = |reads: Vec<Read>| {
        let store = Arc::clone(&rig.store);
        async move {
            let mut last = 0;
            for _ in 0..100 {
                let rows = store.read(&reads).await.unwrap().concat();
                let [from, to] = [rows[0].int(0).unwrap(), rows[1].int(0).unwrap()];
                assert_eq!(from + to, UNITS, "{from} and {to} were never true together");
                assert!(to >= last, "time does not go back");
                last = to;
                let_others_run().await;
            }
            UNITS
        }
    };
    let read = |name: &str| Read::new(BALANCE, values![name]);
    let both = Read::each(BALANCE, [values!["from"], values!["to"]]);
    let apart = reader(vec![read("from"), read("to")]);
    let work: [futures::future::BoxFuture<'static, i64>; 3] =
        [Box::pin(mover), Box::pin(apart), Box::pin(reader(vec![both]))];
    assert_eq!(rig.env.at_once(work).await, [UNITS; 3]);
    assert_eq!(rig.balance("to").await, 100);
}

async fn concurrent_increments_are_never_lost(rig: Rig) {
    rig.open_account("counter", 0).await;
    let increment = |_| {
        let store = Arc::clone(&rig.store);
        async move {
            let mut conflicts = 0;
            for _ in 0..25 {
                loop {
                    let seen = balance(store.as_ref(), "counter").await;
                    let_others_run().await;
                    let batch = one(SET_IF, values!["counter", seen, seen + 1]);
                    match store.write(batch).await {
                        Ok(()) => break,
                        Err(StoreError::Conflict(_)) => conflicts += 1,
                        Err(e) => panic!("{e}"),
                    }
                }
            }
            conflicts
        }
    };
    let conflicts: Vec<u32> = rig.env.at_once((0..4).map(increment)).await;
    assert_eq!(rig.balance("counter").await, 100, "with {conflicts:?} conflicts");
}

async fn rows_of_parameters_are_run_one_after_the_other(rig: Rig) {
    for (name, balance) in [("ann", 1), ("bob", 2), ("cat", 3)] {
        rig.open_account(name, balance).await;
    }
    let reads = [
        Read::each(BALANCE, [values!["cat"], values!["nobody"], values!["ann"], values!["cat"]]),
        Read::each(BALANCE, []),
        Read::new(BALANCE, values!["bob"]),
    ];
    let results = rig.store.read(&reads).await.unwrap();
    let found: Vec<Vec<i64>> =
        results.iter().map(|rows| rows.iter().map(|row| row.int(0).unwrap()).collect()).collect();
    assert_eq!(found, [vec![3, 1, 3], vec![], vec![2]]);
    assert_eq!(rig.store.read(&[]).await.unwrap(), Vec::<Vec<Row>>::new());
}

async fn a_big_batch_is_one_batch(rig: Rig) {
    let mut batch = Batch::default();
    (0..5_000).for_each(|n| batch.one(OPEN, values![format!("n{n:04}"), i64::from(n)]));
    let mut spoilt = batch.clone();
    spoilt.one(OPEN, values!["n0000", 0i64]);
    assert!(is_conflict(&rig.write(spoilt).await));
    assert_eq!(rig.accounts().await, []);
    rig.write(batch).await.unwrap();
    let accounts = rig.accounts().await;
    assert_eq!((accounts.len(), accounts[4_999].clone()), (5_000, ("n4999".to_owned(), 4_999)));
}

async fn a_relaxed_batch_is_seen_like_any_other(rig: Rig) {
    rig.open_account("ann", 1).await;
    let relaxed = |batch| Batch { relaxed: true, ..batch };
    rig.write(relaxed(one(ADD, values!["ann", 1i64]))).await.unwrap();
    assert_eq!(rig.balance("ann").await, 2);
    let mut half = one(ADD, values!["ann", 1i64]);
    half.one(SET_IF, values!["nobody", 1i64, 2i64]);
    assert!(is_conflict(&rig.write(relaxed(half)).await));
    assert_eq!(rig.balance("ann").await, 2);
}

async fn an_empty_batch_is_nothing(rig: Rig) {
    rig.write(Batch::default()).await.unwrap();
    let none = Write { sql: OPEN, rows: vec![], expect: Expect::One };
    rig.write(Batch { writes: vec![none], ..Batch::default() }).await.unwrap();
    assert_eq!(rig.accounts().await, []);
}

async fn what_is_durable_is_there_after_a_restart(rig: Rig) {
    rig.env.patiently(rig.store.durable()).await.unwrap();
    for n in 0..10 {
        rig.open_account(&format!("n{n}"), n).await;
        if n % 3 == 0 {
            rig.env.patiently(rig.store.durable()).await.unwrap();
        }
    }
    rig.env.patiently(rig.store.durable()).await.unwrap();
    let before = rig.accounts().await;
    assert_eq!(before.len(), 10);
    let rig = rig.restarted();
    assert_eq!(rig.accounts().await, before);
    assert!(is_conflict(&rig.write(one(OPEN, values!["n0", 1i64])).await));
}

async fn room_is_more_than_nothing(rig: Rig) {
    let room = rig.store.room().await.unwrap();
    assert!(room.is_none_or(|bytes| bytes > 0), "{room:?}");
}
