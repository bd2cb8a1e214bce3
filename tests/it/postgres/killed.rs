//! The server ends the connection while a verb is under way: it is done on another one, or its error
//! says that nobody knows; it is never half done, and never done twice.

use std::sync::Arc;

use ecom::ports::store::{Batch, Read, Store, StoreError, values};
use futures::future::BoxFuture;

use super::{ADD, ADD_LATER, BALANCE, OPEN, PATIENCE, Place, SLOW, one, write};
use crate::contract::env;
use crate::harness::stack::Server;

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

fn write_a_batch(store: Arc<dyn Store>) -> BoxFuture<'static, Told> {
    let writes = vec![write(ADD, values!["ann", 1i64]), write(ADD_LATER, values!["bob", 1i64])];
    Box::pin(async move { store.write(Batch { writes }).await })
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
fn in_the_middle_of_any_verb_it_is_retried_or_reported_and_never_half_done() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    let verbs: [(&str, Verb, i64); 5] = [
        ("read", read, 0),
        ("read a snapshot", read_a_snapshot, 0),
        ("write a batch", write_a_batch, 1),
        ("write many rows", write_many_rows, 1),
        ("write one row", write_one_row, 0),
    ];
    for (name, verb, added) in verbs {
        env::live(move |env| async move {
            let place = Place::new(env.clone(), PATIENCE).await;
            let (mut blocker, mut killer) = (place.other().await, place.other().await);
            blocker.run("begin; lock table accounts in access exclusive mode").await;
            let store = Arc::clone(&place.store) as Arc<dyn Store>;
            let mut told = env.spawn(verb(store));
            let mut killed = vec![];
            for _ in 0..2 {
                let pid = place.waiting(&mut killer, 1, &killed).await[0];
                killer.kill(pid).await;
                killed.push(pid);
                // A single insert may have been committed, for all that anybody knows.
                if name == "write one row" {
                    break;
                }
            }
            if name == "write one row" {
                let told = env.patiently(&mut told).await.unwrap();
                assert!(matches!(told, Err(StoreError::Unavailable(_))), "{name}: {told:?}");
                blocker.run("rollback").await;
                place.store.write(one(OPEN, values!["cat", 1i64])).await.unwrap();
            } else {
                blocker.run("rollback").await;
                let told = env.patiently(told).await.unwrap();
                assert_eq!(told, Ok(()), "{name}: tried again on another connection");
            }
            let balances = [place.balance("ann").await, place.balance("bob").await];
            assert_eq!(balances, [added; 2], "{name}: once, and whole");
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
        let told = env.spawn(async move { store.write(Batch { writes }).await });
        let committing = place.waiting(&mut killer, 1, &[]).await[0];
        killer.kill(committing).await;
        let told = env.patiently(told).await.unwrap();
        let Err(StoreError::Unavailable(text)) = told else { panic!("{told:?}") };
        assert!(text.starts_with("PostgreSQL at "), "{text}");
        assert_eq!(place.balance("ann").await, 0, "this one was undone by the server");
        blocker.run("select pg_advisory_unlock_all()").await;
        let writes = vec![write(ADD, values!["ann", 1i64]), write(SLOW, values!["x"])];
        place.store.write(Batch { writes }).await.unwrap();
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
