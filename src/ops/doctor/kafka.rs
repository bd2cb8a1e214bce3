//! Brokers: whether they answer, what they are, and whether a record comes back from them.

use std::time::Duration;

use bytes::Bytes;

use super::clock::judge_skew;
use super::{Area, Finding};
use crate::app::Settings;
use crate::app::checkup::servers::{self, ClusterFacts};
use crate::app::embedded::Environment;
use crate::domain::Timestamp;
use crate::ports::admin::{BusAdmin, NewTopic, RETENTION_MS};
use crate::ports::bus::{BusError, EventBus, NewRecord, Position};
use crate::ports::clock::timeout;

const AREA: Area = Area::Kafka;
/// Records taken in one look; the topic has one.
const RECORDS: usize = 10;
/// How often it is tried to forget a group whose member has just left.
const FORGETS_MAX: usize = 10;
/// Pause between two tries.
const FORGET_EVERY: Duration = Duration::from_millis(300);
/// A round trip takes this long where nothing is wrong and everything is new to everybody.
const SLOW: Duration = Duration::from_secs(5);

pub(super) async fn look(settings: &Settings, limit: Duration, env: &Environment) -> Vec<Finding> {
    if settings.kafka.bootstrap.is_empty() {
        return vec![Finding::skipped(AREA, "brokers", "events are in the data folder")];
    }
    let (bus, facts) = match servers::kafka(settings, &env.clock).await {
        Ok(reached) => reached,
        Err(e) => return vec![Finding::told(AREA, "brokers", &e.to_string())],
    };
    let mut findings = vec![judge_brokers(&facts)];
    // So much that what was made can be removed in what is left.
    findings.extend(round_trip(&bus, &bus, limit / 2, env).await);
    findings
}

fn judge_brokers(facts: &ClusterFacts) -> Finding {
    let version = facts.version.as_deref().unwrap_or("not told");
    let id = facts.id.as_deref().unwrap_or("not told");
    let found = format!("{} (version {version}, cluster {id})", facts.brokers.join(", "));
    match facts.brokers.len() {
        0 => Finding::fail(AREA, "brokers", "none is known", "check kafka.bootstrap"),
        2 => {
            let advice = "with three, one may be gone";
            Finding::warn(AREA, "brokers", found, advice)
        }
        _ => Finding::ok(AREA, "brokers", found),
    }
}

/// What became of a record on its way to a broker and back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trip {
    took: Duration,
    /// How far the broker's clock is ahead of ours, in ms.
    ahead_ms: i64,
}

/// Makes a topic, sends a record through it, and removes it.
async fn round_trip(
    bus: &dyn EventBus,
    admin: &dyn BusAdmin,
    limit: Duration,
    env: &Environment,
) -> Vec<Finding> {
    let clock = env.clock.as_ref();
    let name = format!("ecom-doctor-{:016x}", env.randomness.stream("doctor").below(u64::MAX));
    let topic = NewTopic {
        name: name.clone(),
        partitions: 1,
        replication: None,
        config: [(RETENTION_MS, "60000"), ("message.timestamp.type", "LogAppendTime")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    };
    if let Err(e) = admin.make_topic(&topic).await {
        return vec![judge_no_topic(&e)];
    }
    let trip = timeout(clock, limit, travel(bus, &name, clock)).await;
    // A group that has committed nothing is not there.
    let forgotten = forget(admin, &name, clock).await;
    let gone = admin.delete_topic(&name).await;
    let left = gone.err().or(forgotten.err().filter(|e| !matches!(e, BusError::Unknown(_))));
    judge_trip(trip, limit, left.map(|e| format!("{name} is left: {e}")))
}

/// Its member has left, and the brokers may not know yet.
async fn forget(
    admin: &dyn BusAdmin,
    group: &str,
    clock: &dyn crate::ports::Clock,
) -> Result<(), BusError> {
    for _ in 0..FORGETS_MAX {
        match admin.delete_group(group).await {
            Err(BusError::GroupActive(_)) => clock.sleep(FORGET_EVERY).await,
            done => return done,
        }
    }
    admin.delete_group(group).await
}

/// Who may not make a topic need not: a shop's are made by somebody else then.
fn judge_no_topic(e: &BusError) -> Finding {
    let (check, text) = ("round trip", e.to_string());
    if text.contains("needs that right") || text.contains("Policy") {
        let found = format!("not made, since this user may make no topic for it: {text}");
        return Finding::skipped(AREA, check, found);
    }
    let advice = "see the brokers' logs: the shop cannot make topics either";
    Finding::fail(AREA, check, format!("no topic can be made for it: {text}"), advice)
}

async fn travel(
    bus: &dyn EventBus,
    topic: &str,
    clock: &dyn crate::ports::Clock,
) -> Result<Trip, BusError> {
    let begun = clock.elapsed();
    let before = clock.now();
    let value = Bytes::from(format!("sent at {before}"));
    let record = NewRecord {
        topic: topic.to_owned(),
        partition: Some(0),
        key: None,
        headers: vec![],
        value: Some(value.clone()),
    };
    bus.publish(vec![record]).await?;
    let middle = Timestamp::from_millis(i64::midpoint(before.millis(), clock.now().millis()));
    let mut reader = bus.subscribe(topic, &[topic]).await?;
    loop {
        let records = reader.poll(RECORDS).await?;
        let Some(found) = records.iter().find(|record| record.value.as_ref() == Some(&value))
        else {
            continue;
        };
        let next = Position { offset: found.at.offset + 1, ..found.at.clone() };
        reader.commit(&[next]).await?;
        let ahead_ms = found.timestamp.millis() - middle.millis();
        return Ok(Trip { took: clock.elapsed().saturating_sub(begun), ahead_ms });
    }
}

fn judge_trip(
    trip: Option<Result<Trip, BusError>>,
    limit: Duration,
    left: Option<String>,
) -> Vec<Finding> {
    let check = "round trip";
    let advice = "see the brokers' logs, and whether this user may write, read and commit";
    let mut findings = match trip {
        None => {
            let found = format!("no record came back within {limit:?}");
            vec![Finding::fail(AREA, check, found, advice)]
        }
        Some(Err(e)) => vec![Finding::fail(AREA, check, e.to_string(), advice)],
        Some(Ok(Trip { took, ahead_ms })) => {
            let found = format!("produced, consumed and committed in {} ms", took.as_millis());
            let trip = if took > SLOW {
                Finding::warn(AREA, check, found, "see how busy brokers and network are")
            } else {
                Finding::ok(AREA, check, found)
            };
            vec![trip, judge_skew("Kafka", ahead_ms)]
        }
    };
    let advice = "delete it by hand";
    findings.extend(left.map(|left| Finding::warn(AREA, "topic of its own", left, advice)));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn brokers_are_judged_by_how_many_may_be_gone() {
        for (brokers, status) in
            [(0, Status::Fail), (1, Status::Ok), (2, Status::Warn), (3, Status::Ok)]
        {
            let brokers = vec!["b:9092".to_owned(); brokers];
            let facts = ClusterFacts { brokers, ..ClusterFacts::default() };
            assert_eq!(judge_brokers(&facts).status, status, "{facts:?}");
        }
    }

    #[test]
    fn who_may_make_no_topic_is_not_ill() {
        let no_right = "x: TopicAuthorizationFailed; the Kafka user needs that right";
        for (text, status) in [
            (no_right, Status::Skipped),
            ("x: PolicyViolation", Status::Skipped),
            ("x: OperationTimedOut", Status::Fail),
        ] {
            assert_eq!(judge_no_topic(&BusError::Broken(text.into())).status, status, "{text}");
        }
    }

    #[test]
    fn a_round_trip_is_judged_by_its_end_its_time_and_what_it_leaves() {
        let limit = Duration::from_secs(1);
        let check = |trip, left: Option<&str>, expected: &[Status]| {
            let found = judge_trip(trip, limit, left.map(str::to_owned));
            assert_eq!(found.iter().map(|f| f.status).collect::<Vec<_>>(), expected);
        };
        let trip = |ms, ahead_ms| Some(Ok(Trip { took: Duration::from_millis(ms), ahead_ms }));
        check(trip(50, 3), None, &[Status::Ok, Status::Ok]);
        check(trip(6_000, 3), None, &[Status::Warn, Status::Ok]);
        check(trip(50, 60_000), None, &[Status::Ok, Status::Fail]);
        check(None, None, &[Status::Fail]);
        check(Some(Err(BusError::Unavailable("x".into()))), None, &[Status::Fail]);
        check(trip(50, 3), Some("topic"), &[Status::Ok, Status::Ok, Status::Warn]);
    }
}
