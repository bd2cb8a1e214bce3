//! The shop's topics, and those for dead letters beside the topics that they are of.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;

use super::{Area, Finding};
use crate::app::checkup::journals::{self, LogTopic};
use crate::app::{Settings, backends, folder};
use crate::events::Topic;
use crate::ports::Clock;
use crate::ports::admin::{BusAdmin, RETENTION_MS, TopicDescription};
use crate::ports::bus::{BusError, EventBus};

const AREA: Area = Area::Topics;
/// What others add to a topic's name for its dead letters.
const OF_DEAD_LETTERS: [&str; 6] = ["-dlt", ".DLT", "-dlq", ".dlq", ".DLQ", "_dlq"];
/// Copies of which one may be lost without anybody noticing.
const COPIES_GOOD: u32 = 3;

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TopicFacts {
    name: String,
    partitions: u32,
    /// How long records are kept, in ms; none: for ever.
    retention_ms: Option<u64>,
    /// None where there are no copies.
    copies: Option<CopyFacts>,
}

/// The copies of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CopyFacts {
    /// Copies of each record, of the partition that has the fewest.
    replicas: u32,
    /// Copies that must be complete for a record to be taken.
    needed: u32,
    /// Partitions some of whose copies are behind.
    behind: u32,
    /// Partitions that nobody leads.
    leaderless: u32,
}

pub(super) async fn look(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    if settings.kafka.bootstrap.is_empty() {
        return look_at_folder(settings).await;
    }
    let Ok(bus) = backends::whole_kafka(settings, Arc::clone(clock)).await else {
        return vec![Finding::skipped(AREA, "topics", "no broker answers")];
    };
    match of_cluster(&bus, &bus).await {
        Ok(all) => judge(&all, settings.delivery.partitions),
        Err(e) => vec![Finding::told(AREA, "topics", &e.to_string())],
    }
}

async fn look_at_folder(settings: &Settings) -> Vec<Finding> {
    let path = settings.data_dir().ok().filter(|path| folder::holds_data(path));
    let Some(path) = path else {
        return vec![Finding::skipped(AREA, "topics", "there is no shop yet")];
    };
    match journals::log_topics(&path).await {
        Ok(all) => {
            let facts = |LogTopic { name, partitions, retention_ms }| TopicFacts {
                name,
                partitions,
                retention_ms,
                copies: None,
            };
            let all: Vec<TopicFacts> = all.into_iter().map(facts).collect();
            judge(&all, settings.delivery.partitions)
        }
        Err(e) => vec![Finding::skipped(AREA, "topics", format!("cannot be read: {e}"))],
    }
}

/// The shop's topics, and pairs of topics of anybody's where one is for dead letters of the other.
async fn of_cluster(bus: &dyn EventBus, admin: &dyn BusAdmin) -> Result<Vec<TopicFacts>, BusError> {
    let there: Vec<String> = bus.topics().await?.into_iter().map(|topic| topic.name).collect();
    let of_shop = |name: &&String| Topic::ALL.iter().any(|topic| topic.as_str() == *name);
    let mut names: Vec<&String> = there.iter().filter(of_shop).collect();
    for letters in &there {
        let source = source_of(letters).and_then(|source| there.iter().find(|t| *t == source));
        names.extend(source.into_iter().flat_map(|source| [source, letters]));
    }
    names.sort();
    names.dedup();
    let described =
        names.into_iter().map(async |name| Ok(facts(name, &admin.describe_topic(name).await?)));
    try_join_all(described).await
}

fn source_of(letters: &str) -> Option<&str> {
    OF_DEAD_LETTERS.iter().find_map(|end| letters.strip_suffix(end))
}

fn facts(name: &str, topic: &TopicDescription) -> TopicFacts {
    let setting = |wanted: &str| {
        let entry = topic.config.iter().find(|entry| entry.name == wanted)?;
        entry.value.as_deref()?.parse::<i64>().ok()
    };
    let all: Option<Vec<_>> = topic.partitions.iter().map(|p| p.copies.as_ref()).collect();
    let copies = all.filter(|all| !all.is_empty()).map(|all| {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let behind = all.iter().filter(|c| c.in_sync.len() < c.replicas.len()).count();
        CopyFacts {
            replicas: all.iter().map(|c| count(c.replicas.len())).min().unwrap_or_default(),
            needed: setting("min.insync.replicas").map_or(1, |n| n.unsigned_abs() as u32),
            behind: count(behind),
            leaderless: count(all.iter().filter(|c| c.leader.is_none()).count()),
        }
    });
    TopicFacts {
        name: name.to_owned(),
        partitions: topic.partitions.len() as u32,
        retention_ms: setting(RETENTION_MS).and_then(|ms| u64::try_from(ms).ok()),
        copies,
    }
}

/// `expected`: partitions that the settings give the shop's topics.
fn judge(all: &[TopicFacts], expected: u32) -> Vec<Finding> {
    let by_name: BTreeMap<&str, &TopicFacts> =
        all.iter().map(|topic| (topic.name.as_str(), topic)).collect();
    let of_shop: Vec<&TopicFacts> =
        Topic::ALL.iter().filter_map(|topic| by_name.get(topic.as_str()).copied()).collect();
    let mut findings = vec![];
    if of_shop.is_empty() {
        let found = "none of a shop's is there; `ecom serve` makes them";
        findings.push(Finding::ok(AREA, "topics", found));
    } else {
        findings.push(judge_presence(&by_name));
        findings.push(judge_partitions(&of_shop, expected));
    }
    let mut pairs: Vec<(&TopicFacts, &TopicFacts)> = vec![];
    if let Some(letters) = by_name.get(Topic::DlqEvents.as_str()) {
        let sources = of_shop.iter().filter(|topic| topic.name != letters.name);
        pairs.extend(sources.map(|source| (*source, *letters)));
    }
    for letters in by_name.values() {
        let source = source_of(&letters.name).and_then(|source| by_name.get(source));
        pairs.extend(source.map(|source| (*source, *letters)));
    }
    if !pairs.is_empty() {
        findings.extend(judge_dead_letters(&pairs));
    }
    findings.extend(judge_copies(all));
    findings
}

fn judge_presence(by_name: &BTreeMap<&str, &TopicFacts>) -> Finding {
    let missing = Topic::ALL.iter().filter(|topic| !by_name.contains_key(topic.as_str()));
    let missing: Vec<&str> = missing.map(|topic| topic.as_str()).collect();
    if missing.is_empty() {
        return Finding::ok(AREA, "topics", format!("all {} are there", Topic::ALL.len()));
    }
    let advice = "start a process of the shop again: it makes what is missing";
    Finding::fail(AREA, "topics", format!("missing: {}", missing.join(", ")), advice)
}

fn judge_partitions(of_shop: &[&TopicFacts], expected: u32) -> Finding {
    let others: Vec<String> = of_shop
        .iter()
        .filter(|topic| topic.partitions != expected)
        .map(|topic| format!("{} has {}", topic.name, topic.partitions))
        .collect();
    if others.is_empty() {
        return Finding::ok(AREA, "partitions", format!("{expected} of each"));
    }
    let found = format!("{}, and delivery.partitions = {expected}", others.join(", "));
    Finding::fail(AREA, "partitions", found, "set delivery.partitions to what is there")
}

/// Topics, and those for their dead letters.
fn judge_dead_letters(pairs: &[(&TopicFacts, &TopicFacts)]) -> Vec<Finding> {
    let fewer: Vec<String> = pairs
        .iter()
        .filter(|(source, letters)| letters.partitions < source.partitions)
        .map(|(source, letters)| {
            let (s, l) = (source.partitions, letters.partitions);
            format!("{} has {l}, {} {s}", letters.name, source.name)
        })
        .collect();
    let shorter: Vec<String> = pairs
        .iter()
        .filter(|(source, letters)| is_shorter(letters.retention_ms, source.retention_ms))
        .map(|(source, letters)| format!("{} is shorter than {}", letters.name, source.name))
        .collect();
    vec![
        if fewer.is_empty() {
            let found = "as many partitions as their topics, or more";
            Finding::ok(AREA, "dead letters", found)
        } else {
            let advice = "give it as many: some tools write a letter to the partition it came from";
            Finding::warn(AREA, "dead letters", fewer.join("; "), advice)
        },
        if shorter.is_empty() {
            Finding::ok(AREA, "retention", "dead letters stay as long as their topics' records")
        } else {
            let advice =
                "raise its retention.ms (data.dlq_retention): letters go before they are seen";
            Finding::warn(AREA, "retention", shorter.join("; "), advice)
        },
    ]
}

/// Whether `a` is shorter than `b`; none is for ever.
fn is_shorter(a: Option<u64>, b: Option<u64>) -> bool {
    a.is_some_and(|a| b.is_none_or(|b| a < b))
}

fn judge_copies(all: &[TopicFacts]) -> Option<Finding> {
    let copies: Vec<(&str, CopyFacts)> =
        all.iter().filter_map(|topic| Some((topic.name.as_str(), topic.copies?))).collect();
    let first = copies.first()?;
    let those = |is_so: &dyn Fn(&CopyFacts) -> bool| {
        let names: Vec<&str> =
            copies.iter().filter(|(_, c)| is_so(c)).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let check = "copies";
    if let Some(names) = those(&|c| c.leaderless > 0) {
        let found = format!("nobody leads partitions of {names}");
        return Some(Finding::fail(AREA, check, found, "start the brokers that are missing"));
    }
    if let Some(names) = those(&|c| c.needed > c.replicas) {
        let found = format!("{names} cannot be written: min.insync.replicas exceeds the copies");
        return Some(Finding::fail(AREA, check, found, "lower min.insync.replicas, or add copies"));
    }
    if let Some(names) = those(&|c| c.behind > 0) {
        let found = format!("copies of {names} are behind");
        let advice = "start the brokers that are missing, or wait for them";
        return Some(Finding::warn(AREA, check, found, advice));
    }
    if let Some(names) = those(&|c| c.replicas >= COPIES_GOOD && c.needed < 2) {
        let found = format!("{names}: a record is taken that only one broker has");
        return Some(Finding::warn(AREA, check, found, "set min.insync.replicas = 2"));
    }
    let least = copies.iter().map(|(_, c)| c.replicas).min().unwrap_or(first.1.replicas);
    if least < 2 {
        let found = "one of each record: a broker that is lost takes them with it";
        let advice = "three brokers and kafka.replication = 3 lose nothing; one is fine for trying";
        return Some(Finding::warn(AREA, check, found, advice));
    }
    Some(Finding::ok(AREA, check, format!("at least {least} of each record, all complete")))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn shop(partitions: u32, copies: Option<CopyFacts>) -> Vec<TopicFacts> {
        let fact = |topic: &Topic| TopicFacts {
            name: topic.as_str().to_owned(),
            partitions,
            retention_ms: if *topic == Topic::DlqEvents { None } else { Some(1_000) },
            copies,
        };
        Topic::ALL.iter().map(fact).collect()
    }

    fn change(
        mut all: Vec<TopicFacts>,
        of: Topic,
        how: impl Fn(&mut TopicFacts),
    ) -> Vec<TopicFacts> {
        all.iter_mut().filter(|topic| topic.name == of.as_str()).for_each(how);
        all
    }

    #[track_caller]
    fn check(all: &[TopicFacts], expected: Option<(&str, Status)>) {
        let findings = judge(all, 3);
        let bad: Vec<_> = findings
            .iter()
            .filter(|f| f.status != Status::Ok)
            .map(|f| (f.check.as_str(), f.status))
            .collect();
        assert_eq!(bad, expected.into_iter().collect::<Vec<_>>(), "{findings:#?}");
    }

    #[test]
    fn topics_are_judged_by_presence_partitions_and_retention() {
        check(&[], None);
        check(&shop(3, None), None);
        check(&shop(6, None), Some(("partitions", Status::Fail)));
        let mut one_gone = shop(3, None);
        one_gone.pop();
        check(&one_gone, Some(("topics", Status::Fail)));
        let dlq = Topic::DlqEvents;
        let short = |topic: &mut TopicFacts| topic.retention_ms = Some(999);
        check(&change(shop(3, None), dlq, short), Some(("retention", Status::Warn)));
        let same = |topic: &mut TopicFacts| topic.retention_ms = Some(1_000);
        check(&change(shop(3, None), dlq, same), None);
        let for_ever = |topic: &mut TopicFacts| topic.retention_ms = None;
        check(&change(shop(3, None), Topic::OrderCreated, for_ever), None);
        let both = change(change(shop(3, None), Topic::OrderCreated, for_ever), dlq, same);
        check(&both, Some(("retention", Status::Warn)));
    }

    #[test]
    fn other_peoples_dead_letters_need_as_many_partitions_and_as_much_time() {
        let topic = |name: &str, partitions, retention_ms| TopicFacts {
            name: name.to_owned(),
            partitions,
            retention_ms,
            copies: None,
        };
        let pair = |letters| vec![topic("billing", 6, Some(5)), letters];
        check(&pair(topic("billing-dlt", 6, Some(5))), None);
        check(&pair(topic("billing-dlt", 1, None)), Some(("dead letters", Status::Warn)));
        check(&pair(topic("billing.DLQ", 7, Some(4))), Some(("retention", Status::Warn)));
        check(&pair(topic("other-dlt", 1, Some(1))), None);
    }

    #[test]
    fn copies_are_judged_by_what_would_be_lost() {
        let good = CopyFacts { replicas: 3, needed: 2, behind: 0, leaderless: 0 };
        check(&shop(3, Some(good)), None);
        for (copies, status) in [
            (CopyFacts { leaderless: 1, ..good }, Status::Fail),
            (CopyFacts { needed: 4, ..good }, Status::Fail),
            (CopyFacts { behind: 1, ..good }, Status::Warn),
            (CopyFacts { needed: 1, ..good }, Status::Warn),
            (CopyFacts { replicas: 1, needed: 1, ..good }, Status::Warn),
        ] {
            check(&shop(3, Some(copies)), Some(("copies", status)));
        }
    }
}
