//! A cluster that others use, too.

use std::collections::BTreeSet;

use ecom::adapters::bus::kafka::KafkaOptions;
use ecom::ports::EventBus;

use super::{connect, counted, options};
use crate::contract::env;
use crate::harness::stack::Server;

#[test]
fn a_shop_without_a_prefix_sees_only_what_is_its_own() {
    let Some(bootstrap) = Server::Kafka.address_or_skip() else { return };
    env::live(|env| async move {
        let all = options(&bootstrap);
        let ours: BTreeSet<String> = ["ours", "our-group"].map(str::to_owned).into();
        let (cluster, shop) =
            (connect(&env, &all).await, connect(&env, &KafkaOptions { ours, ..all }).await);
        for topic in ["ours", "theirs"] {
            cluster.create_topic(topic, 1, None).await.unwrap();
        }
        for (group, topic) in [("our-group", "ours"), ("their-group", "theirs")] {
            cluster.publish(vec![counted(topic, 1)]).await.unwrap();
            let mut member = cluster.subscribe(group, &[topic]).await.unwrap();
            let read = env.patiently(Box::pin(member.poll(1))).await.unwrap();
            let next = ecom::ports::Position { offset: 1, ..read[0].at.clone() };
            member.commit(&[next]).await.unwrap();
        }
        let topics = |all: Vec<ecom::ports::bus::TopicInfo>| -> Vec<String> {
            all.into_iter().map(|topic| topic.name).collect()
        };
        let groups = |all: Vec<ecom::ports::bus::GroupOffset>| -> BTreeSet<String> {
            all.into_iter().map(|row| row.group).collect()
        };
        assert_eq!(topics(cluster.topics().await.unwrap()), ["ours", "theirs"]);
        assert_eq!(topics(shop.topics().await.unwrap()), ["ours"]);
        assert_eq!(groups(cluster.groups().await.unwrap()).len(), 2);
        assert_eq!(groups(shop.groups().await.unwrap()), ["our-group".to_owned()].into());
        assert!(shop.publish(vec![counted("theirs", 2)]).await.is_err(), "it is not the shop's");
        cluster.sweep().await.unwrap();
    });
}
