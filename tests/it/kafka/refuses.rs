//! Records that the cluster does not take.

use ecom::ports::bus::{BusError, EventBus};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::{all, connect, keyed, options};
use crate::contract::env;
use crate::harness::stack::Server;

#[test]
fn a_record_that_is_too_large_for_its_topic_is_refused_for_good_and_its_neighbours_are_not() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let options = options(&bootstrap);
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
        let name = format!("{}narrow", options.prefix);
        let narrow = NewTopic::new(&name, 1, TopicReplication::Fixed(3));
        let narrow = narrow.set("max.message.bytes", "2000");
        let made = admin.create_topics([&narrow], &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        let bus = connect(&env, &options).await;
        let small = |n: u32| keyed("narrow", "k", n.to_string());
        let large = keyed("narrow", "k", vec![b'x'; 10_000]);
        env.patiently(bus.publish(vec![small(0)])).await.unwrap();
        let batch = vec![small(1), large.clone(), small(2)];
        let refused = env.patiently(bus.publish(batch)).await.unwrap_err();
        assert!(matches!(refused, BusError::Broken(_)) && !refused.is_transient(), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("a record of 10001 bytes: raise its max.message.bytes"), "{text}");
        // Each for itself, as the relay does then.
        let mut outcomes = vec![];
        for record in [small(1), large, small(2)] {
            outcomes.push(env.patiently(bus.publish(vec![record])).await.is_ok());
        }
        assert_eq!(outcomes, [true, false, true]);
        let found = all(&bus, "narrow").await;
        let mut values: Vec<_> = found
            .iter()
            .map(|r| String::from_utf8(r.value.clone().unwrap().into()).unwrap())
            .collect();
        assert!(values.iter().all(|value| value.len() == 1), "the large one never got there");
        values.dedup();
        assert_eq!(values.last().unwrap(), "2");
        let mut seen = std::collections::BTreeSet::new();
        values.retain(|value| seen.insert(value.clone()));
        assert_eq!(values, ["0", "1", "2"], "in order");
    });
}
