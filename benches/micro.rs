//! The small things that every order pays for many times: `cargo bench`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ecom::events::{Event, Topic};
use ecom::ports::bus::partition_of;
use ecom::ports::store::{Batch, Read, Store, values};
use ecom::ports::{Position, Record};
use ecom::runtime::Tracer;
use ecom::runtime::trace::Handled;
use ecom::services::{Incoming, ServiceName};
use ecom::sim::virtual_time::{Executor, VirtualClock};

const CREATED: &str = r#"{"event_id":"0199c0de-0000-7000-8000-000000000001","event_type":"order.created","timestamp":"2026-01-31T12:00:00.123Z","correlation_id":"ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE","causation_id":"00000000-0000-0000-0000-000000000002","schema_version":1,"order_id":"ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE","user_id":"user123","items":[{"product_id":"PROD-123","name":"Power Bank","quantity":2,"price":49.99,"item_total":99.98}],"total_amount":99.98,"hold_expires_at":"2026-01-31T12:03:00.000Z","deadline":"2026-01-31T12:05:00.000Z"}"#;

fn events(c: &mut Criterion) {
    let mut group = c.benchmark_group("event");
    group.throughput(Throughput::Bytes(CREATED.len() as u64));
    group.bench_function("decode", |b| {
        b.iter(|| Event::decode(Topic::OrderCreated, black_box(CREATED.as_bytes())));
    });
    let (header, event) = Event::decode(Topic::OrderCreated, CREATED.as_bytes()).expect("an event");
    group.bench_function("encode", |b| b.iter(|| black_box(&event).encode(&header)));
    group.finish();
    c.bench_function("partition_of", |b| {
        b.iter(|| partition_of(black_box(b"ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE"), 3));
    });
}

fn traces(c: &mut Criterion) {
    let (header, event) = Event::decode(Topic::OrderCreated, CREATED.as_bytes()).expect("an event");
    let at = Position { topic: "order.created".into(), partition: 0, offset: 0 };
    let (timestamp, value) = (header.timestamp, Some(CREATED.into()));
    let record = Record { at, timestamp, key: None, headers: vec![], value };
    let events = [Incoming { header, event, record: std::sync::Arc::new(record) }];
    let nobody = Tracer::default();
    c.bench_function("telling nobody of an event", |b| {
        b.iter(|| {
            let began = black_box(&nobody).begin();
            nobody.handled(began, ServiceName::Order, 1, Handled::Now, black_box(&events));
        });
    });
}

fn store(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    let (journal, _) =
        ecom::adapters::sqlite::Journal::open(&path, ecom::adapters::sqlite::Schema::SHOP)
            .expect("a journal");
    let store = ecom::adapters::store::SqliteStore::new(std::sync::Arc::new(journal));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut next = 0_i64;
    let mut batch = |rows: i64| {
        let mut batch = Batch::default();
        for _ in 0..rows {
            next += 1;
            batch.one(
                "insert into meta (key, value) values (?1, ?2)",
                values![format!("bench-{next}"), "x"],
            );
        }
        batch
    };
    let mut group = c.benchmark_group("store");
    for rows in [1, 64, 512] {
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("write {rows}"), |b| {
            b.iter_batched(
                || batch(rows),
                |batch| runtime.block_on(store.write(batch)),
                BatchSize::SmallInput,
            );
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("write 1, durable", |b| {
        b.iter_batched(
            || batch(1),
            |batch| {
                runtime.block_on(async {
                    store.write(batch).await?;
                    store.durable().await
                })
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("read 1", |b| {
        b.iter(|| {
            let read = Read::new("select value from meta where key = ?1", values!["bench-1"]);
            runtime.block_on(store.read(&[read]))
        });
    });
    group.finish();
}

fn virtual_time(c: &mut Criterion) {
    use ecom::ports::{Clock, Randomness};
    const TASKS: u64 = 1_000;
    let mut group = c.benchmark_group("virtual time");
    group.throughput(Throughput::Elements(TASKS));
    group.bench_function("1000 sleeping tasks", |b| {
        b.iter(|| {
            let clock = VirtualClock::default();
            let dice = Randomness::seeded(1).stream("executor");
            let mut executor =
                Executor::new(clock.clone(), dice, ecom::sim::virtual_time::Trace::default());
            let spawn = executor.spawner();
            let tasks = clock.clone();
            executor.run(async move {
                for n in 0..TASKS {
                    let clock = tasks.clone();
                    spawn.spawn(Box::pin(async move {
                        clock.sleep(std::time::Duration::from_millis(n)).await;
                    }));
                }
                tasks.sleep(std::time::Duration::from_secs(2)).await;
            })
        });
    });
    group.finish();
}

criterion_group!(benches, events, traces, store, virtual_time);
criterion_main!(benches);
