//! The same rows in SQLite and in PostgreSQL give the same answers.

use std::sync::Arc;

use ecom::adapters::postgres::{PostgresStore, Schema};
use ecom::ops::queries::QueryView;
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::day::{Day, ask_all};
use super::sql;
use crate::contract::env;
use crate::harness::stack::{self, Server};

/// The shop's tables in a schema of their own, with these rows.
pub(super) async fn filled(env: &env::Env, url: &str, day: &Day) -> (PostgresStore, String) {
    let url = stack::own_schema(url, "asked").await;
    let clock = Arc::clone(&env.clock);
    let store = PostgresStore::connect(stack::options(&url), Schema::SHOP, true, clock).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for (table, rows) in &day.tables {
        let columns: Vec<String> = rows.columns.iter().map(|name| format!("\"{name}\"")).collect();
        let columns = columns.join(", ");
        let named = |row: &Vec<Json>| -> Json {
            rows.columns
                .iter()
                .cloned()
                .zip(row.iter().cloned())
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let json = Json::from(rows.rows.iter().map(named).collect::<Vec<_>>()).to_string();
        let insert = format!(
            "insert into {table} ({columns}) overriding system value
             select {columns} from jsonb_populate_recordset(null::{table}, $1::jsonb)"
        );
        let insert = sqlx::query(AssertSqlSafe(insert)).bind(json);
        let done = connection.execute(insert).await.unwrap_or_else(|e| panic!("{table}: {e}"));
        assert_eq!(done.rows_affected(), rows.rows.len() as u64, "{table}");
    }
    (store.unwrap(), url)
}

/// The same up to what rounding in binary makes of the last digit.
fn alike(a: &Json, b: &Json) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.011,
        _ => a == b,
    }
}

fn sorted(rows: &QueryView) -> Vec<Vec<Json>> {
    let mut sorted = rows.rows.clone();
    sorted.sort_by_key(|row| Json::from(row.clone()).to_string());
    sorted
}

#[test]
fn both_stores_give_the_same_answers_in_the_same_order() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    let day = Day::live();
    env::live(|env| async move {
        let (store, _) = filled(&env, &url, &day).await;
        let there = ask_all(&store, day.now, &day.orders).await;
        for (name, here) in &day.answers {
            let there = &there[name];
            assert_eq!(here.columns, there.columns, "{name}");
            let same = |a: &[Vec<Json>], b: &[Vec<Json>]| {
                a.len() == b.len()
                    && a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| alike(a, b))
            };
            // Texts are ordered by the database's collation, which knows words.
            let ordered = same(&here.rows, &there.rows);
            assert!(
                ordered || same(&sorted(here), &sorted(there)),
                "{name}:\n{:#?}\n{:#?}",
                here.rows,
                there.rows
            );
        }
    });
}

#[test]
fn values_are_of_the_same_kind_in_both_stores() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    let day = Day::live();
    env::live(|env| async move {
        let (store, _) = filled(&env, &url, &day).await;
        for (table, here) in &day.tables {
            if here.rows.is_empty() {
                continue;
            }
            let columns = here.columns.join(", ");
            let there = sql(&store, &format!("select {columns} from {table}")).await.unwrap();
            assert_eq!(sorted(here), sorted(&there), "{table}");
        }
        let kinds = "select 1.5 as real, null as nothing, true as yes, 'a' as text, 'x' as text,
            decode('ff00', 'hex') as bytes, interval '1 s' as span, array[1, 2] as list";
        let found = sql(&store, kinds).await.unwrap();
        let names = ["real", "nothing", "yes", "text", "text_2", "bytes", "span", "list"];
        assert_eq!(found.columns, names);
        let row = serde_json::json!([1.5, null, true, "a", "x", "/wA=", "00:00:01", "{1,2}"]);
        assert_eq!(Json::from(found.rows[0].clone()), row);
        let none = sql(&store, "select order_id, status from orders where false").await.unwrap();
        assert_eq!(none.columns, ["order_id", "status"]);
        assert_eq!(none.rows.len(), 0);
    });
}
