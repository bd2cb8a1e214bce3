//! Others are in the way: for a while, for too long, or each of the other.

use std::sync::Arc;
use std::time::Duration;

use ecom::ports::store::{Batch, Store, StoreError, values};

use super::{ADD, ADD_LAST, ADD_LATER, OPEN, PATIENCE, Place, one, write};
use crate::contract::env;
use crate::harness::stack::Server;

#[test]
fn a_deadlock_of_two_writers_ends_with_both_done() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let place = Place::new(env.clone(), PATIENCE).await;
        for gate in ["gate 1", "gate 2"] {
            place.store.write(one(OPEN, values![gate, 0i64])).await.unwrap();
        }
        let (mut blocker, mut looker) = (place.other().await, place.other().await);
        blocker.run("begin; select * from accounts where name like 'gate%' for update").await;
        // Each takes a row, waits at a gate, and then wants the other's row.
        let writer = |first: &str, gate: &str, last: &str| {
            let store = Arc::clone(&place.store);
            let writes = vec![
                write(ADD, values![first, 1i64]),
                write(ADD_LATER, values![gate, 1i64]),
                write(ADD_LAST, values![last, 1i64]),
            ];
            env.spawn(async move { store.write(Batch { writes, ..Batch::default() }).await })
        };
        let one = writer("ann", "gate 1", "bob");
        let other = writer("bob", "gate 2", "ann");
        place.waiting(&mut looker, 2, &[]).await;
        blocker.run("rollback").await;
        assert_eq!(env.patiently(one).await.unwrap(), Ok(()));
        assert_eq!(env.patiently(other).await.unwrap(), Ok(()));
        for name in ["ann", "bob", "gate 1", "gate 2"] {
            let wanted = if name.starts_with("gate") { 1 } else { 2 };
            assert_eq!(place.balance(name).await, wanted, "{name}");
        }
    });
}

#[test]
fn a_lock_that_is_not_given_in_time_is_told_of_and_comes_later() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let place = Place::new(env.clone(), Duration::from_secs(1)).await;
        let mut blocker = place.other().await;
        blocker.run("begin; lock table accounts in access exclusive mode").await;
        let batch = || Batch {
            writes: vec![write(ADD, values!["ann", 1i64]), write(ADD_LATER, values!["bob", 1i64])],
            ..Batch::default()
        };
        let (begun, waits) = (env.clock.elapsed(), [batch(), one(ADD, values!["ann", 5i64])]);
        for batch in waits {
            let error = place.store.write(batch).await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        assert!(env.clock.elapsed() < begun + PATIENCE, "and in time");
        blocker.run("rollback").await;
        place.store.write(batch()).await.unwrap();
        assert_eq!([place.balance("ann").await, place.balance("bob").await], [1, 1]);
    });
}
