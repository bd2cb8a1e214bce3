//! Processes that publish one outbox together: every event, and each key's in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ecom::adapters::bus::EmbeddedLog;
use ecom::adapters::postgres::{PostgresStore, Schema};
use ecom::adapters::sqlite;
use ecom::ports::store::{Batch, Store, query, values};
use ecom::ports::{EventBus, Position, Signal};
use ecom::runtime::members::Members;
use ecom::runtime::outbox::Relay;
use ecom::runtime::{Health, Meters, Stop, Tracer};
use futures::channel::oneshot;

use super::PATIENCE;
use crate::contract::env::{self, Env};
use crate::contract::journal::Place;
use crate::harness::stack::{self, Server};

const TOPIC: &str = "order.created";
const KEYS: u64 = 40;
const ROUNDS: u64 = 30;
const INSERT: &str = "insert into outbox_events
 (id, service, event_type, record_key, order_id, event_data, created_at) values (?1, 'order', ?2, ?3, null, ?4, ?5)";

/// One of the processes.
struct Process {
    store: Arc<dyn Store>,
    env: Env,
    members: Members,
    stop: Stop,
    done: Vec<oneshot::Receiver<Result<(), String>>>,
}

impl Process {
    async fn start(env: &Env, url: &str, name: &str, bus: Arc<dyn EventBus>) -> Self {
        let (options, clock) = (stack::options(url), Arc::clone(&env.clock));
        let store = PostgresStore::connect(options, Schema::SHOP, true, clock).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let (members, stop) = (Members::among_others(name), Stop::default());
        members.beat(store.as_ref(), env.clock.as_ref()).await.unwrap();
        let relay = Relay {
            store: Arc::clone(&store),
            bus,
            clock: Arc::clone(&env.clock),
            bell: Signal::default(),
            members: members.clone(),
            notices: None,
            one_journal: false,
            meters: Arc::<Meters>::default(),
            health: Health::default(),
            tracer: Tracer::default(),
        };
        let (of_relay, of_members) = (stop.clone(), stop.clone());
        let (beating, of_store, of_env) = (members.clone(), Arc::clone(&store), env.clone());
        let done = vec![
            env.spawn(async move { relay.run(&of_relay).await }),
            env.spawn(async move {
                let (store, clock) = (of_store.as_ref(), of_env.clock.as_ref());
                beating.run(store, clock, &Health::default(), &of_members).await
            }),
        ];
        Self { store, env: env.clone(), members, stop, done }
    }

    async fn end(self) {
        self.stop.say();
        for done in self.done {
            assert_eq!(self.env.patiently(done).await, Ok(Ok(())));
        }
        self.members.leave(self.store.as_ref(), self.env.clock.as_ref()).await.unwrap();
    }
}

/// Writes one event of every key.
async fn write_round(env: &Env, store: &dyn Store, round: u64) {
    let mut batch = Batch::default();
    for key in 0..KEYS {
        let id = format!("00000000-0000-7000-8000-{:012x}", round * KEYS + key);
        let row = values![id, TOPIC, format!("k{key}"), round.to_string(), env.clock.now()];
        batch.one(INSERT, row);
    }
    store.write(batch).await.unwrap();
}

#[test]
fn keys_keep_their_order_while_relays_come_and_go() {
    let Some(url) = Server::Postgres.address_or_skip() else { return };
    env::live(|env| async move {
        let url = stack::own_schema(&url, "relays").await;
        let journal = Place::memory(sqlite::Schema::SHOP).open();
        let log = EmbeddedLog::open(journal, Arc::clone(&env.clock)).unwrap();
        log.create_topic(TOPIC, 3, None).await.unwrap();
        let bus: Arc<dyn EventBus> = Arc::new(log.clone());
        let first = Process::start(&env, &url, "first", Arc::clone(&bus)).await;
        let store = Arc::clone(&first.store);
        let mut second = None;
        for round in 0..ROUNDS {
            write_round(&env, store.as_ref(), round).await;
            if round == ROUNDS / 3 {
                second = Some(Process::start(&env, &url, "second", Arc::clone(&bus)).await);
            } else if round == ROUNDS * 2 / 3 {
                second.take().unwrap().end().await;
                second = Some(Process::start(&env, &url, "third", Arc::clone(&bus)).await);
            }
        }
        let drained = async {
            loop {
                let left = "select count(*) from outbox_events where published = 'N'";
                if query(store.as_ref(), left, vec![]).await.unwrap()[0].int(0) == Ok(0) {
                    return;
                }
                env.pass(5).await;
            }
        };
        ecom::ports::clock::timeout(env.clock.as_ref(), PATIENCE, drained).await.unwrap();
        second.unwrap().end().await;
        first.end().await;
        let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for partition in 0..3 {
            let from = Position { topic: TOPIC.into(), partition, offset: 0 };
            for record in log.read(&from, 100_000).await.unwrap() {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let round = text(record.value.as_deref().unwrap()).parse().unwrap();
                found.entry(text(record.key.as_deref().unwrap())).or_default().push(round);
            }
        }
        assert_eq!(found.len() as u64, KEYS);
        for (key, rounds) in found {
            let mut seen = BTreeSet::new();
            let firsts: Vec<u64> = rounds.iter().copied().filter(|r| seen.insert(*r)).collect();
            assert_eq!(firsts, (0..ROUNDS).collect::<Vec<_>>(), "{key}: {rounds:?}");
        }
    });
}
