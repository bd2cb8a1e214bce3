//! A client that a cluster serves no more, although it serves others: it is replaced.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ecom::adapters::bus::KafkaBus;
use ecom::adapters::bus::kafka::KafkaOptions;
use ecom::ports::bus::{BusError, EventBus, Position, Record};

use futures::future::{Either, select};

use super::{connect, counted, number, options, publish, until};
use crate::contract::env::{self, Env};
use crate::harness::deaf::{Asked, Deaf};
use crate::harness::own_stack::OwnStack;

/// How long a question may take; a member looks that often whether it lacks something.
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

fn after(record: &Record) -> Position {
    Position { offset: record.at.offset + 1, ..record.at.clone() }
}

#[test]
fn a_member_waits_in_peace_unless_it_is_not_given_what_is_there_and_the_next_one_gets_it() {
    case(|Case { env, bus, deaf }| async move {
        let mut member = bus.subscribe("stalled", &["quiet"]).await.unwrap();
        let first = env.patiently(member.poll(9)).await.unwrap();
        member.commit(&[after(&first[0])]).await.unwrap();
        let looks = env.clock.sleep(3 * TIMEOUT);
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
fn a_producer_whom_nothing_is_confirmed_is_replaced() {
    case(|Case { env, bus, deaf }| async move {
        deaf.keep_back(Asked::Produce);
        let mut said = vec![];
        for _ in 0..3 {
            said.push(bus.publish(vec![counted("quiet", 1)]).await.unwrap_err().to_string());
        }
        let unconfirmed = |text: &String| text.contains("has not confirmed within 3s");
        assert!(said[..2].iter().all(unconfirmed), "{said:?}");
        assert!(said[2].contains("nothing is confirmed; publishing begins anew"), "{said:?}");
        deaf.hear_all();
        publish(&env, &bus, vec![counted("quiet", 1)]).await;
    });
}
