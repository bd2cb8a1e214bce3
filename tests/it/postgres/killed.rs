//! The server ends the connection while a verb is under way: it is done on another one, or its error
//! says that nobody knows; it is never half done, and never done twice.

use std::sync::Arc;

use ecom::ports::store::{Batch, Read, Store, StoreError, values};
use futures::future::BoxFuture;

use super::{ADD, ADD_LATER, BALANCE, OPEN, PATIENCE, Place, SLOW, one, write};
use crate::contract::env;
use crate::harness::stack::Server;

const CLOSE: &str = "delete from accounts where name = ?1";
/// Nobody else reads or writes.
const LOCK: &str = "begin; lock table accounts in access exclusive mode";

/// What a verb was told.
type Told = Result<(), StoreError>;
type Verb = fn(Arc<dyn Store>) -> BoxFuture<'static, Told>;

fn read(store: Arc<dyn Store>) -> BoxFuture<'static, Told> {
    Box::pin(async move {
        let found = store.read(&[Read::new(BALANCE, values!["ann"])]).await?;
        assert_eq!(found[0][0].int(0), Ok(0));
        Ok(())
    })
}

fn read_a_snapshot(store: Arc<dyn Store>) -> BoxFuture<'static, Told> {
    Box::pin(async move {
        let reads = ["ann", "bob"].map(|name| Read::new(BALANCE, values![name]));
        let found = store.read(&reads).await?.concat();
        assert_eq!([found[0].int(0), found[1].int(0)], [Ok(0), Ok(0)]);
        Ok(())
    })
}

/// A deletion makes a transaction of it.
fn write_a_transaction(store: Arc<dyn Store>) -> BoxFuture<'static, Told> {
    let mut batch = one(ADD, values!["ann", 1i64]);
    batch.any(CLOSE, values!["nobody"]);
    batch.one(ADD_LATER, values!["bob", 1i64]);
    Box::pin(async move { store.write(batch).await })
}

fn write_a_batch(store: Arc<dyn Store>) -> BoxFuture<'static, Told> {
    let writes = vec![write(ADD, values!["ann", 1i64]), write(OPEN, values!["bob again", 1i64])];
    Box::pin(async move { store.write(Batch { writes, ..Batch::default() }).await })
}

fn write_many_rows(store: Arc<dyn Store>) -> BoxFuture<'static, Told> {
    let mut batch = Batch::default();
    ["ann", "bob"].iter().for_each(|name| batch.one(ADD, values![*name, 1i64]));
    Box::pin(async move { store.write(batch).await })
}

fn write_one_row(store: Arc<dyn Store>) -> BoxFuture<'static, Told> {
    Box::pin(async move { store.write(one(OPEN, values!["cat", 1i64])).await })
}

#[test]
fn in_the_middle_of_what_is_not_yet_committing_it_is_done_on_another_one() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    let verbs: [(&str, Verb, i64); 3] = [
        ("read", read, 0),
        ("read a snapshot", read_a_snapshot, 0),
        ("write a transaction", write_a_transaction, 1),
    ];
    for (name, verb, added) in verbs {
        env::live(move |env| async move {
            let place = Place::new(env.clone(), PATIENCE).await;
            let (mut blocker, mut killer) = (place.other().await, place.other().await);
            blocker.run(LOCK).await;
            let told = env.spawn(verb(Arc::clone(&place.store) as Arc<dyn Store>));
            let mut killed = vec![];
            for _ in 0..2 {
                let pid = place.waiting(&mut killer, 1, &killed).await[0];
                killer.kill(pid).await;
                killed.push(pid);
            }
            blocker.run("rollback").await;
            assert_eq!(env.patiently(told).await.unwrap(), Ok(()), "{name}");
            let balances = [place.balance("ann").await, place.balance("bob").await];
            assert_eq!(balances, [added; 2], "{name}: once, and whole");
        });
    }
}

#[test]
fn in_the_middle_of_what_is_one_statement_nobody_knows() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    let verbs: [(&str, Verb); 3] = [
        ("write a batch", write_a_batch),
        ("write many rows", write_many_rows),
        ("write one row", write_one_row),
    ];
    for (name, verb) in verbs {
        env::live(move |env| async move {
            let place = Place::new(env.clone(), PATIENCE).await;
            let (mut blocker, mut killer) = (place.other().await, place.other().await);
            // What a statement looks like is asked beforehand, and asked again as often as it takes.
            place.store.write(one(ADD, values!["ann", 0i64])).await.unwrap();
            blocker.run(LOCK).await;
            let store = Arc::clone(&place.store) as Arc<dyn Store>;
            let told = env.spawn(verb(Arc::clone(&store)));
            let pid = place.waiting(&mut killer, 1, &[]).await[0];
            killer.kill(pid).await;
            let told = env.patiently(told).await.unwrap();
            assert!(matches!(told, Err(StoreError::Unavailable(_))), "{name}: {told:?}");
            blocker.run("rollback").await;
            let balances = [place.balance("ann").await, place.balance("bob").await];
            assert_eq!(balances, [0; 2], "{name}: the server undid it");
            assert_eq!(verb(store).await, Ok(()), "{name}: again");
        });
    }
}

#[test]
fn in_the_middle_of_the_commit_nobody_knows_and_nothing_is_repeated() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let place = Place::new(env.clone(), PATIENCE).await;
        let (mut blocker, mut killer) = (place.other().await, place.other().await);
        blocker.run("select pg_advisory_lock(hashtext(current_schema()), 4711)").await;
        let writes = vec![write(ADD, values!["ann", 1i64]), write(SLOW, values!["x"])];
        let store = Arc::clone(&place.store);
        let told =
            env.spawn(async move { store.write(Batch { writes, ..Batch::default() }).await });
        let committing = place.waiting(&mut killer, 1, &[]).await[0];
        killer.kill(committing).await;
        let told = env.patiently(told).await.unwrap();
        let Err(StoreError::Unavailable(text)) = told else { panic!("{told:?}") };
        assert!(text.starts_with("PostgreSQL at "), "{text}");
        assert_eq!(place.balance("ann").await, 0, "this one was undone by the server");
        blocker.run("select pg_advisory_unlock_all()").await;
        let writes = vec![write(ADD, values!["ann", 1i64]), write(SLOW, values!["x"])];
        place.store.write(Batch { writes, ..Batch::default() }).await.unwrap();
        assert_eq!(place.balance("ann").await, 1);
    });
}

#[test]
fn all_idle_connections_may_die_at_once() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let place = Place::new(env.clone(), PATIENCE).await;
        let mut killer = place.other().await;
        for round in 1..=3 {
            let add = |_| {
                let store = Arc::clone(&place.store);
                async move { store.write(one(ADD, values!["ann", 1i64])).await }
            };
            let done = env.at_once((0..8).map(add)).await;
            assert!(done.iter().all(Result::is_ok), "{done:?}");
            let all =
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = ";
            killer.run(&format!("{all}'{}'", place.options.application)).await;
            assert_eq!(place.balance("ann").await, round * 8);
        }
    });
}
