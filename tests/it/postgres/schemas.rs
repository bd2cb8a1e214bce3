//! Schemas that are brought up to date: once, by one, and only forwards.

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::postgres::{PostgresOptions, PostgresStore, Schema};
use ecom::ports::store::{Store, StoreError, query, values};

use sqlx::{Connection, PgConnection};

use super::Other;
use crate::contract::env::{self, Env};
use crate::harness::stack::{self, Server};

const OLD: Schema = Schema {
    steps: &["create table things (name text not null primary key, number bigint not null)"],
};
const NEW: Schema = Schema {
    steps: &[
        OLD.steps[0],
        "alter table things add column colour text not null default 'grey'",
        "create index things_by_colour on things (colour)",
    ],
};

const BAD: Schema =
    Schema { steps: &[OLD.steps[0], "create table half (a bigint); create tabel x"] };

async fn own(timeout: Duration) -> PostgresOptions {
    let url = stack::own_schema(&Server::Postgres.address().unwrap(), "schemas").await;
    PostgresOptions { timeout, ..stack::options(&url) }
}

async fn connect(
    env: &Env,
    options: &PostgresOptions,
    schema: Schema,
    migrate: bool,
) -> Result<PostgresStore, StoreError> {
    PostgresStore::connect(options.clone(), schema, migrate, Arc::clone(&env.clock)).await
}

#[test]
fn of_many_who_start_together_one_makes_the_schema() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        for _ in 0..5 {
            let options = own(super::PATIENCE).await;
            let starts = (0..4).map(|_| {
                let (env, options) = (env.clone(), options.clone());
                async move { connect(&env, &options, NEW, true).await.map(drop) }
            });
            assert_eq!(env.at_once(starts).await, [Ok(()), Ok(()), Ok(()), Ok(())]);
            let store = connect(&env, &options, NEW, false).await.unwrap();
            let steps = query(&store, "select step from schema_steps order by step", vec![]).await;
            let steps: Vec<i64> = steps.unwrap().iter().map(|row| row.int(0).unwrap()).collect();
            assert_eq!(steps, [1, 2, 3]);
        }
    });
}

#[test]
fn an_older_schema_is_brought_up_to_date_and_a_newer_one_refused() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let options = own(super::PATIENCE).await;
        let empty = connect(&env, &options, OLD, false).await.err().unwrap().to_string();
        assert!(empty.contains("holds no shop; start one on it"), "{empty}");
        let store = connect(&env, &options, OLD, true).await.unwrap();
        let keep = "insert into things (name, number) values (?1, ?2)";
        store.write(super::one(keep, values!["old", 7i64])).await.unwrap();
        let older = connect(&env, &options, NEW, false).await.err().unwrap().to_string();
        assert!(older.contains("has schema version 1, older than 3; start the shop"), "{older}");
        let store = connect(&env, &options, NEW, true).await.unwrap();
        let kept = query(&store, "select name, number, colour from things", vec![]).await.unwrap();
        assert_eq!((kept[0].text(0), kept[0].int(1)), (Ok("old"), Ok(7)));
        assert_eq!(kept[0].text(2), Ok("grey"));
        for migrate in [true, false] {
            let newer = connect(&env, &options, OLD, migrate).await.err().unwrap();
            assert!(!newer.is_transient(), "{newer}");
            let text = newer.to_string();
            assert!(text.contains("has schema version 3, newer than 1"), "{text}");
        }
    });
}

#[test]
fn a_step_that_fails_leaves_nothing_of_itself() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let options = own(super::PATIENCE).await;
        let error = connect(&env, &options, BAD, true).await.err().unwrap();
        assert!(error.to_string().contains("schema step 2 failed"), "{error}");
        let store = connect(&env, &options, OLD, true).await.unwrap();
        let half = query(&store, "select 1 from half", vec![]).await;
        assert!(matches!(half, Err(StoreError::Broken(_))), "{half:?}");
    });
}

#[test]
fn who_waits_for_anothers_changes_waits_no_longer_than_the_time_out() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let options = own(Duration::from_secs(1)).await;
        let mut other = Other(PgConnection::connect(&options.url).await.unwrap());
        other.run("select pg_advisory_lock(x'65636f6d'::bigint)").await;
        let error = connect(&env, &options, OLD, true).await.err().unwrap();
        assert!(error.is_transient(), "{error}");
        let text = error.to_string();
        assert!(text.contains("PostgreSQL at ") && text.contains("another process"), "{text}");
        other.run("select pg_advisory_unlock_all()").await;
        let options = PostgresOptions { timeout: super::PATIENCE, ..options };
        connect(&env, &options, OLD, true).await.unwrap();
    });
}
