//! The store in PostgreSQL, beyond the contract of its port: connections that are killed in the middle
//! of something, locks, deadlocks, schemas that change, and relays that share an outbox.

mod expiry;
mod killed;
mod locks;
mod relays;
mod schemas;

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::postgres::{PostgresOptions, PostgresStore, Schema};
use ecom::ports::store::{Batch, Expect, Store, Value, Write, query, values};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::contract::env::Env;
use crate::harness::stack::{self, Server, unique};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accounts, and a commit that waits for whoever holds the lock 4711.
const ACCOUNTS: Schema = Schema {
    steps: &["create table accounts (name text not null primary key, balance bigint not null);
       create table slow (name text not null primary key);
       create function wait_for_4711() returns trigger language plpgsql as
         $$ begin perform pg_advisory_xact_lock(hashtext(current_schema()), 4711); return null; end $$;
       create constraint trigger slow_commit after insert on slow deferrable initially deferred
         for each row execute function wait_for_4711();"],
};

const OPEN: &str = "insert into accounts (name, balance) values (?1, ?2)";
const ADD: &str = "update accounts set balance = balance + ?2 where name = ?1";
/// The same to PostgreSQL, another statement to a batch.
const ADD_LATER: &str = "update accounts set balance = balance + ?2 where name = ?1 and true";
const ADD_LAST: &str = "update accounts set balance = balance + ?2 where name = ?1 and 1 = 1";
const SLOW: &str = "insert into slow (name) values (?1)";
const BALANCE: &str = "select balance from accounts where name = ?1";

/// A database of a case's own, with accounts `ann` and `bob` at 0.
struct Place {
    options: PostgresOptions,
    env: Env,
    store: Arc<PostgresStore>,
}

impl Place {
    async fn new(env: Env, timeout: Duration) -> Self {
        let place = Self::with(env, timeout, ACCOUNTS).await;
        for name in ["ann", "bob"] {
            place.store.write(one(OPEN, values![name, 0i64])).await.unwrap();
        }
        place
    }

    /// The same with other tables, and nothing in them.
    async fn with(env: Env, timeout: Duration, schema: Schema) -> Self {
        let url = stack::own_schema(&Server::Postgres.address().unwrap(), "own").await;
        let application = unique("case");
        let options = PostgresOptions { application, timeout, ..stack::options(&url) };
        let clock = Arc::clone(&env.clock);
        let store = PostgresStore::connect(options.clone(), schema, true, clock).await.unwrap();
        Self { options, env, store: Arc::new(store) }
    }

    async fn balance(&self, name: &str) -> i64 {
        query(self.store.as_ref(), BALANCE, values![name]).await.unwrap()[0].int(0).unwrap()
    }

    /// Somebody else's connection.
    async fn other(&self) -> Other {
        Other(PgConnection::connect(&self.options.url).await.unwrap())
    }

    /// Waits until so many of the store's connections wait for a lock; who they are to the server.
    async fn waiting(&self, other: &mut Other, count: usize, not: &[i32]) -> Vec<i32> {
        let sql = "select pid from pg_stat_activity
            where application_name = $1 and wait_event_type = 'Lock' and pid <> all($2) order by pid";
        let looking = async {
            loop {
                let ask =
                    sqlx::query(sql).bind(self.options.application.clone()).bind(not.to_vec());
                let rows = ask.fetch_all(&mut other.0).await.unwrap();
                if rows.len() >= count {
                    return rows.iter().map(|row| row.get(0)).collect();
                }
                self.env.pass(1).await;
            }
        };
        let found = ecom::ports::clock::timeout(self.env.clock.as_ref(), PATIENCE, looking).await;
        found.expect("somebody waits for a lock")
    }
}

/// A connection that is not the store's.
struct Other(PgConnection);

impl Other {
    async fn run(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.0.execute(sql).await.unwrap();
    }

    async fn kill(&mut self, pid: i32) {
        let killed = sqlx::query("select pg_terminate_backend($1)").bind(pid);
        assert!(killed.fetch_one(&mut self.0).await.unwrap().get::<bool, _>(0));
    }
}

fn write(sql: &'static str, row: Vec<Value>) -> Write {
    Write { sql, rows: vec![row], expect: Expect::One }
}

fn one(sql: &'static str, row: Vec<Value>) -> Batch {
    Batch { writes: vec![write(sql, row)], ..Batch::default() }
}
