//! A client that a cluster serves no more, although it serves others: it is replaced.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ecom::adapters::bus::KafkaBus;
use ecom::adapters::bus::kafka::KafkaOptions;
use ecom::ports::bus::{BusError, EventBus, NewRecord, Position};
use futures::future::{Either, select};

use super::{connect, counted, number, options, publish, until};
use crate::contract::bus::after;
use crate::contract::env::{self, Env};
use crate::harness::deaf::{Asked, Deaf};
use crate::harness::own_stack::OwnStack;
use crate::harness::stack::Server;

/// How long a question may take; a member looks every five seconds whether it lacks something.
const TIMEOUT: Duration = Duration::from_secs(3);

struct Case {
    env: Env,
    bus: Arc<KafkaBus>,
    deaf: Deaf,
}

/// With a topic of one partition that has one record.
fn case<F: Future<Output = ()> + Send + 'static>(body: impl FnOnce(Case) -> F + Send + 'static) {
    let deaf = OnceLock::new();
    let before = |port| deaf.get_or_init(|| Deaf::before(port)).settings();
    let Some(broker) = OwnStack::kafka(1, before) else { return };
    let deaf = deaf.into_inner().unwrap();
    env::live(|env| async move {
        let options = KafkaOptions { timeout: TIMEOUT, ..options(&deaf.bootstrap()) };
        let bus = connect(&env, &options).await;
        bus.create_topic("quiet", 1, None).await.unwrap();
        publish(&env, &bus, vec![counted("quiet", 0)]).await;
        body(Case { env, bus, deaf }).await;
        drop(broker);
    });
}

#[test]
fn a_member_waits_in_peace_unless_it_is_not_given_what_is_there_and_the_next_one_gets_it() {
    case(|Case { env, bus, deaf }| async move {
        let mut member = bus.subscribe("stalled", &["quiet"]).await.unwrap();
        let first = env.patiently(member.poll(9)).await.unwrap();
        member.commit(&[after(&first[0])]).await.unwrap();
        let looks = env.clock.sleep(Duration::from_secs(12));
        let waited = select(member.poll(9), looks).await;
        assert!(matches!(waited, Either::Right(_)), "there is nothing for it");
        drop(waited);
        deaf.keep_back_of_first(Asked::Fetch);
        // It asks again while nobody polls.
        until(&env, || deaf.kept() > 0).await;
        publish(&env, &bus, vec![counted("quiet", 1)]).await;
        let stalled = env.patiently(member.poll(9)).await.unwrap_err();
        assert!(matches!(stalled, BusError::Unavailable(_)), "{stalled}");
        assert!(stalled.to_string().contains("quiet/0/1 is there and does not come"), "{stalled}");
        drop(member);
        let mut next = bus.subscribe("stalled", &["quiet"]).await.unwrap();
        let got = env.patiently(next.poll(9)).await.unwrap();
        assert_eq!(got.iter().map(|record| number(record)).collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn a_member_whose_commits_do_not_arrive_says_so() {
    case(|Case { env, bus, deaf }| async move {
        let mut member = bus.subscribe("unheard", &["quiet"]).await.unwrap();
        let first = env.patiently(member.poll(9)).await.unwrap();
        deaf.keep_back(Asked::OffsetCommit);
        member.commit(&[after(&first[0])]).await.unwrap();
        let stalled = env.patiently(member.poll(9)).await.unwrap_err();
        assert!(stalled.to_string().contains("a commit of quiet/0 was lost"), "{stalled}");
        assert!(deaf.kept() > 0);
    });
}

#[test]
fn a_member_that_does_not_get_on_with_its_backlog_is_not_stalled() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let options = KafkaOptions { timeout: TIMEOUT, ..options(&bootstrap) };
        let bus = connect(&env, &options).await;
        bus.create_topic("backlog", 2, None).await.unwrap();
        let number = |n| NewRecord { partition: Some(n as u32 % 2), ..counted("backlog", n) };
        publish(&env, &bus, (0..2_000).map(number).collect()).await;
        // What one partition has waits behind what the other one has, for more than two looks.
        let mut member = bus.subscribe("slow", &["backlog"]).await.unwrap();
        let (end, mut taken) = (env.clock.elapsed() + Duration::from_secs(14), 0);
        while env.clock.elapsed() < end {
            let polled = env.patiently(member.poll(15)).await.unwrap();
            let next = polled.iter().map(|record| (record.at.partition, after(record)));
            let next: BTreeMap<u32, Position> = next.collect();
            member.commit(&next.into_values().collect::<Vec<_>>()).await.unwrap();
            taken += polled.len();
            env.pass(10).await;
        }
        assert!(taken < 1_900, "there was a backlog all the time");
    });
}

#[test]
fn a_producer_whom_nothing_is_confirmed_is_replaced() {
    case(|Case { env, bus, deaf }| async move {
        deaf.keep_back(Asked::Produce);
        let mut said = vec![];
        let replaced = "nothing is confirmed; publishing begins anew";
        while !said.last().is_some_and(|text: &String| text.contains(replaced)) {
            assert!(said.len() < 10, "{said:?}");
            said.push(bus.publish(vec![counted("quiet", 1)]).await.unwrap_err().to_string());
        }
        let unconfirmed = |text: &String| text.contains("has not confirmed within 3s");
        assert!(said.len() >= 3 && unconfirmed(&said[0]) && unconfirmed(&said[1]), "{said:?}");
        deaf.hear_all();
        publish(&env, &bus, vec![counted("quiet", 1)]).await;
    });
}
