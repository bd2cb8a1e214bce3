//! Statements that would change something, reach something else, or never end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecom::adapters::sqlite::{Journal, Schema};
use ecom::adapters::store::SqliteStore;
use ecom::domain::Timestamp;
use ecom::ops::OpsError;
use ecom::ops::queries::{self, Asked, QueryRequest};
use ecom::ports::Store;
use ecom::ports::store::{Batch, values};
use serde_json::{Value as Json, json};

use super::both::filled;
use super::day::Day;
use super::sql;
use crate::contract::env;
use crate::harness::stack::Server;

/// Refused by both stores.
const EVERYWHERE: [&str; 16] = [
    "insert into process_gaps (gone_since, back_at) values (:now, :now)",
    "update process_gaps set back_at = :now",
    "delete from process_gaps",
    "delete from process_gaps returning *",
    "with gone as (delete from process_gaps returning *) select * from gone",
    "select 1; drop table process_gaps",
    "select 1; delete from process_gaps",
    "drop table process_gaps",
    "create table mine (x integer)",
    "create temp table mine as select 1 as x",
    "alter table process_gaps add column x integer",
    "begin; delete from process_gaps; commit",
    "begin",
    "commit; delete from process_gaps",
    "vacuum",
    "reindex",
];

const SQLITE: [&str; 16] = [
    "attach database '/tmp/ecom-hostile.db' as other",
    "attach ':memory:' as other",
    "detach database main",
    "pragma writable_schema = 1",
    "pragma query_only = 0",
    "pragma journal_mode = delete",
    "pragma user_version = 99",
    "pragma wal_checkpoint(truncate)",
    "vacuum into '/tmp/ecom-hostile.db'",
    "select load_extension('/tmp/x.so')",
    "savepoint s",
    "create virtual table t using fts5(x)",
    "create trigger t after insert on orders begin select 1; end",
    "replace into process_gaps (gone_since, back_at) values ('', '')",
    "select * from process_gaps;; delete from process_gaps",
    "",
];

const POSTGRES: [&str; 42] = [
    "copy process_gaps to program 'touch /tmp/ecom-hostile'",
    "copy (select 1) to '/tmp/ecom-hostile'",
    "copy process_gaps from program 'echo'",
    "set statement_timeout = 0",
    "set session characteristics as transaction read write",
    "set transaction read write",
    "reset all",
    "select set_config('transaction_read_only', 'off', false)",
    "select set_config('statement_timeout', '0', false), pg_sleep(60)",
    "select nextval(pg_get_serial_sequence('outbox_events', 'seq'))",
    "select setval(pg_get_serial_sequence('outbox_events', 'seq'), 1)",
    "select pg_terminate_backend(pid) from pg_stat_activity",
    "select \"pg_terminate_backend\"(1)",
    "select pg_catalog.pg_terminate_backend/**/(1)",
    "select U&\"\\0070g_terminate_backend\"(1)",
    "select PG_CANCEL_BACKEND(1)",
    "select lo_import('/etc/passwd')",
    "select lo_create(0)",
    "select lo_export(1, '/tmp/ecom-hostile')",
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('/')",
    "select pg_reload_conf()",
    "select pg_rotate_logfile()",
    "select pg_switch_wal()",
    "select pg_advisory_lock(1)",
    "select pg_notify('x', 'y')",
    "select pg_logical_emit_message(false, 'x', 'y')",
    "select pg_create_physical_replication_slot('hostile')",
    "select pg_stat_reset()",
    "select query_to_xml('delete from process_gaps', true, true, '')",
    "select * from process_gaps for update",
    "select 1 into mine",
    "do $$ begin delete from process_gaps; end $$",
    "prepare x as delete from process_gaps",
    "execute x",
    "listen x",
    "notify x",
    "lock table process_gaps",
    "truncate process_gaps",
    "grant all on process_gaps to public",
    "declare c cursor for select 1",
    "",
];

fn timed(text: &str, timeout_ms: u64) -> QueryRequest {
    let ask = Asked::Sql(text.to_owned());
    QueryRequest { ask, set: std::collections::BTreeMap::new(), limit: 10, timeout_ms }
}

/// Runs each; every one of them must be refused, and the rows be as they were.
async fn refuses(store: &dyn Store, hostile: &[&str]) {
    let gaps = "select gone_since, back_at from process_gaps";
    let before = sql(store, gaps).await.unwrap();
    assert_eq!(before.rows.len(), 1);
    for text in hostile {
        let refused = sql(store, text).await;
        let Err(OpsError::Invalid(said)) = &refused else { panic!("{text}: {refused:?}") };
        assert!(!said.is_empty() && !said.contains('\n'), "{text}: {said}");
        assert_eq!(sql(store, gaps).await.as_ref(), Ok(&before), "after {text}");
    }
    assert!(!std::path::Path::new("/tmp/ecom-hostile").exists());
    assert!(!std::path::Path::new("/tmp/ecom-hostile.db").exists());
}

/// What has no end is ended in time.
async fn ends(store: &dyn Store, endless: &[&str]) {
    for text in endless {
        let began = Instant::now();
        let ended = queries::ask(store, Timestamp::from_millis(0), &timed(text, 300)).await;
        let Err(OpsError::Unavailable(said)) = &ended else { panic!("{text}: {ended:?}") };
        assert!(said.contains("ended after 0.3 s"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(20), "{text}: {:?}", began.elapsed());
    }
}

const ENDLESS: &str =
    "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n";
const MANY: &str =
    "with recursive n(x) as (select 1 union all select x + 1 from n) select x from n";

async fn says_where(store: &dyn Store, cases: &[(&str, &str)]) {
    for (text, where_) in cases {
        let wrong = sql(store, text).await;
        let Err(OpsError::Invalid(said)) = &wrong else { panic!("{text}: {wrong:?}") };
        assert!(said.starts_with(where_), "{text}: {said}");
    }
}

async fn cuts_off(store: &dyn Store) {
    let found = queries::ask(store, Timestamp::from_millis(0), &timed(MANY, 20_000)).await.unwrap();
    assert_eq!((found.rows.len(), found.more), (10, true));
    let exact = "select 1 as x union all select 2";
    let exact =
        queries::ask(store, Timestamp::from_millis(0), &timed(exact, 20_000)).await.unwrap();
    assert_eq!((exact.rows.len(), exact.more), (2, false));
}

fn on_sqlite<F: Future<Output = ()> + Send + 'static>(case: fn(SqliteStore, Arc<Journal>) -> F) {
    env::live(|_| async move {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(&folder.path().join("shop.db"), Schema::SHOP).unwrap();
        let journal = Arc::new(journal);
        let store = SqliteStore::new(Arc::clone(&journal));
        let mut batch = Batch::default();
        let gap = "insert into process_gaps (gone_since, back_at) values (?1, ?1)";
        batch.one(gap, values![Timestamp::from_millis(0)]);
        store.write(batch).await.unwrap();
        case(store, journal).await;
    });
}

#[test]
fn nothing_can_be_changed_in_sqlite() {
    on_sqlite(|store, _| async move {
        refuses(&store, &EVERYWHERE).await;
        refuses(&store, &SQLITE).await;
        ends(&store, &[ENDLESS]).await;
        cuts_off(&store).await;
        let large =
            sql(&store, "select length(zeroblob(900000000)) as n, zeroblob(900000000) as x").await;
        assert!(matches!(large, Err(OpsError::Invalid(_))), "{large:?}");
    });
}

#[test]
fn a_database_in_memory_is_as_safe_and_goes_on_working() {
    env::simulated(|_| async move {
        let store = SqliteStore::new(Arc::new(Journal::in_memory(Schema::SHOP).unwrap()));
        let gap = || {
            let mut batch = Batch::default();
            let row = values![Timestamp::from_millis(0)];
            batch.one("insert into process_gaps (gone_since, back_at) values (?1, ?1)", row);
            batch
        };
        store.write(gap()).await.unwrap();
        refuses(&store, &EVERYWHERE).await;
        refuses(&store, &SQLITE).await;
        ends(&store, &[ENDLESS]).await;
        store.write(gap()).await.unwrap();
        let count = sql(&store, "select count(*) as n from process_gaps").await.unwrap();
        assert_eq!(count.rows, [[json!(2)]]);
    });
}

#[test]
fn sqlite_says_where_a_statement_is_wrong_and_what_tables_there_are() {
    on_sqlite(|store, _| async move {
        let cases = [
            (
                "select ordr_id\nfrom orders",
                "line 1, column 8, at \"ordr_id\": no such column: ordr_id",
            ),
            ("select *\nfrom ordres", "line 2, column 6, at \"ordres\": no such table: ordres"),
            ("selct 1", "line 1, column 1, at \"selct 1\": near \"selct\": syntax error"),
            ("select :who", "the parameter :who has no value"),
            ("select {{week(x)}}", "{{week(x)}} is none of minute, hour, day, seconds, each"),
        ];
        says_where(&store, &cases).await;
        let columns = sql(&store, "pragma table_info(process_gaps)").await.unwrap();
        assert_eq!(columns.rows.len(), 2);
        let plan = sql(&store, "explain query plan select * from orders").await.unwrap();
        assert!(!plan.rows.is_empty());
    });
}

#[test]
fn writers_go_on_while_a_question_takes_its_time() {
    on_sqlite(|store, journal| async move {
        let asked = Arc::new(store);
        let (asking, endless) = (Arc::clone(&asked), timed(ENDLESS, 2_000));
        let asking =
            async move { queries::ask(asking.as_ref(), Timestamp::from_millis(0), &endless).await };
        let writing = async {
            for _ in 0..20 {
                let mut batch = Batch::default();
                let gap = "insert into process_gaps (gone_since, back_at) values (?1, ?1)";
                batch.one(gap, values![Timestamp::from_millis(0)]);
                asked.write(batch).await.unwrap();
                journal.durable().await.unwrap();
            }
            Instant::now()
        };
        let began = Instant::now();
        let (asked, wrote) = futures::future::join(asking, writing).await;
        assert!(asked.is_err());
        assert!(wrote - began < Duration::from_secs(2), "{:?}", wrote - began);
    });
}

#[test]
fn nothing_can_be_changed_in_postgresql() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    let day = Day::live();
    env::live(|env| async move {
        let (store, _) = filled(&env, &url, &day).await;
        refuses(&store, &EVERYWHERE).await;
        refuses(&store, &POSTGRES).await;
        ends(&store, &[ENDLESS, "select pg_sleep(60)"]).await;
        cuts_off(&store).await;
        let cases = [
            (
                "select ordr_id\nfrom orders",
                "line 1, column 8, at \"ordr_id\": column \"ordr_id\" does not exist",
            ),
            (
                "select *\nfrom ordres",
                "line 2, column 6, at \"ordres\": relation \"ordres\" does not exist",
            ),
            ("selct 1", "line 1, column 1, at \"selct 1\": syntax error at or near \"selct\""),
            ("select 1 / 0", "division by zero"),
        ];
        says_where(&store, &cases).await;
        let harmless =
            "select random() < 1 as r, clock_timestamp() > timestamptz '2020-01-01' as c,
            pg_total_relation_size('orders') > 0 as size";
        let found = sql(&store, harmless).await.unwrap();
        assert_eq!(found.rows[0], [Json::Bool(true), Json::Bool(true), Json::Bool(true)]);
    });
}
