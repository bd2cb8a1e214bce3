//! What groups have committed. A cluster is asked by a client of the group, which is dear, so only groups
//! that may have committed something since are asked again: each commit is a record in a topic of
//! Kafka's own, and of a partition of it that ends where it ended nothing has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, ALWAYS_THERE, Fleeting, Watched};
use super::errors::bus_error;
use super::patience::passes;
use super::{Offsets, Place, Shared, aside, blocking};
use crate::ports::bus::BusError;

/// Groups for which a client is kept: each has a thread for every broker.
const CLIENTS_MAX: usize = 16;
/// Groups that are asked side by side.
const TOGETHER: usize = 8;
/// A coordinator tells of a commit a moment after the end of the partition has moved.
const SETTLES_AFTER: Duration = Duration::from_secs(2);
/// After this long a group is asked again whatever is seen, and after twice as long when nothing had changed,
/// and so on, this many times: not every cluster that speaks Kafka keeps commits where Kafka does.
const DOUBTED_AFTER: (Duration, u32) = (Duration::from_secs(15), 5);
/// As often nothing is concluded from what is not seen. It may happen by chance, between looking and asking.
const MISSED_MAX: u32 = 3;
/// How long it may take to find out whether anything changed; after that every group is asked.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Clients of groups, and what they were told.
#[derive(Default)]
pub(super) struct Commits {
    /// Partitions of the topic with the commits; 0: who asks may not know.
    partitions: AtomicU32,
    clients: Mutex<BTreeMap<String, Arc<Fleeting>>>,
    watcher: Mutex<Option<Arc<BaseConsumer<Watched>>>>,
    known: Mutex<Known>,
}

/// What was told last.
#[derive(Default)]
struct Known {
    /// All that the groups were asked about.
    places: Arc<Vec<Place>>,
    groups: BTreeMap<String, Told>,
    /// How often something was committed and not seen.
    missed: u32,
}

struct Told {
    /// Where the partition with the group's commits ended, and when it was first seen to.
    end: u64,
    since: Duration,
    /// When the group was asked, and how often since then it was asked in doubt.
    at: Duration,
    doubts: u32,
    committed: Offsets,
}

impl Told {
    fn is_settled(&self) -> bool {
        self.at >= self.since + SETTLES_AFTER
    }
}

impl Known {
    /// What `group` has committed, if its commits still end at `end` and it was asked long enough after that.
    fn still(&self, group: &str, end: Option<u64>, now: Duration) -> Option<&Offsets> {
        let told = self.groups.get(group).filter(|told| Some(told.end) == end)?;
        let doubted = told.at + DOUBTED_AFTER.0 * 2_u32.pow(told.doubts);
        (told.is_settled() && now < doubted && self.missed < MISSED_MAX).then_some(&told.committed)
    }

    fn keep(&mut self, group: &str, end: u64, at: Duration, committed: Offsets) {
        let before = self.groups.get(group).filter(|told| told.end == end);
        let since = before.map_or(at, |told| told.since);
        let settled = before.filter(|told| told.is_settled());
        self.missed += u32::from(settled.is_some_and(|told| told.committed != committed));
        let doubts = settled.map_or(0, |told| (told.doubts + 1).min(DOUBTED_AFTER.1));
        self.groups.insert(group.to_owned(), Told { end, since, at, doubts, committed });
    }
}

impl Commits {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Fleeting>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many partitions the topic with the commits has.
    pub(super) fn are_spread_over(&self, partitions: u32) {
        self.partitions.store(partitions, Ordering::Relaxed);
    }

    /// The group is gone.
    pub(super) fn forget(&self, group: &str) {
        let_go(self.clients().remove(group));
        self.known().groups.remove(group);
    }

    /// Lets the clients go that nobody needs: of groups that are gone, and if there is no room, of those that
    /// are not asked now.
    fn make_room(&self, there: &BTreeSet<&str>, asked: &BTreeSet<&str>) {
        let mut clients = self.clients();
        let full = clients.len() >= CLIENTS_MAX;
        let idle = |group: &str| !there.contains(group) || full && !asked.contains(group);
        let left: Vec<_> = clients.extract_if(.., |group, _| idle(group)).collect();
        drop(clients);
        let_go(left);
    }
}

/// Ends clients where it holds nobody up: it takes as long as their connections do.
pub(super) fn let_go<T: Send + 'static>(clients: T) {
    // Nobody waits for it.
    drop(aside(move || {
        drop(clients);
        Ok(())
    }));
}

impl Shared {
    /// What each of `groups` has committed of `places`.
    pub(super) async fn committed(
        self: &Arc<Self>,
        groups: &BTreeSet<&str>,
        places: Vec<Place>,
    ) -> Result<BTreeMap<String, Offsets>, BusError> {
        let commits = &self.commits;
        let ends = self.commits_end(groups).await;
        let now = self.clock.elapsed();
        let mut found = BTreeMap::new();
        let places = {
            let mut known = commits.known();
            if *known.places != places {
                let missed = known.missed;
                *known = Known { places: Arc::new(places), missed, ..Known::default() };
            }
            known.groups.retain(|group, _| groups.contains(group.as_str()));
            for group in groups {
                let still = known.still(group, ends.get(*group).copied(), now);
                found.extend(still.map(|committed| ((*group).to_owned(), committed.clone())));
            }
            Arc::clone(&known.places)
        };
        let asked: BTreeSet<&str> =
            groups.iter().copied().filter(|group| !found.contains_key(*group)).collect();
        commits.make_room(groups, &asked);
        let ask = |group: String| {
            let (shared, places) = (Arc::clone(self), Arc::clone(&places));
            blocking(move || Ok((ask(&shared, &group, &places)?, group)))
        };
        let asked: Vec<String> = asked.into_iter().map(str::to_owned).collect();
        let told: Vec<(Answer, String)> =
            stream::iter(asked).map(ask).buffer_unordered(TOGETHER).try_collect().await?;
        let mut known = commits.known();
        for (Answer { committed, whole }, group) in told {
            // Of other places something else was asked meanwhile.
            let same = Arc::ptr_eq(&known.places, &places);
            if let Some(end) = ends.get(&*group).filter(|_| whole && same) {
                known.keep(&group, *end, now, committed.clone());
            }
            found.insert(group, committed);
        }
        Ok(found)
    }

    /// Where the commits of each group end, as far as the cluster tells.
    async fn commits_end<'g>(
        self: &Arc<Self>,
        groups: &BTreeSet<&'g str>,
    ) -> BTreeMap<&'g str, u64> {
        let spread = self.commits.partitions.load(Ordering::Relaxed);
        if spread == 0 || groups.is_empty() {
            return BTreeMap::new();
        }
        let at: Vec<(&str, i32)> =
            groups.iter().map(|group| (*group, partition_of(&self.outer(group), spread))).collect();
        let wanted: BTreeSet<i32> = at.iter().map(|(_, partition)| *partition).collect();
        let shared = Arc::clone(self);
        let ends = blocking(move || ends(&shared, &wanted)).await.unwrap_or_else(|e| {
            tracing::debug!(error = %e, "every group is asked");
            BTreeMap::new()
        });
        at.into_iter().filter_map(|(group, at)| Some((group, *ends.get(&at)?))).collect()
    }

    /// A client that speaks for a group without joining it.
    pub(super) fn group_client(&self, group: &str) -> Result<Arc<Fleeting>, BusError> {
        if let Some(known) = self.commits.clients().get(group) {
            return Ok(Arc::clone(known));
        }
        let mut config = self.options.config();
        config.set("group.id", self.outer(group)).set("enable.auto.commit", "false");
        let client = Arc::new(client::fleeting(&config)?);
        let mut clients = self.commits.clients();
        // Who asks again and again finds them there; a cluster may have thousands of groups, though.
        if clients.len() < CLIENTS_MAX {
            clients.insert(group.to_owned(), Arc::clone(&client));
        }
        Ok(client)
    }
}

/// What a group was told to have committed.
struct Answer {
    committed: Offsets,
    /// Whether it was told of all that it was asked about.
    whole: bool,
}

/// Asks for what a group has committed. Blocks.
fn ask(shared: &Shared, group: &str, places: &[Place]) -> Result<Answer, BusError> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        list.add_partition(&shared.outer(topic), *partition as i32);
    }
    let client = shared.group_client(group)?;
    let ask = || {
        let found = client.committed_offsets(list.clone(), shared.options.timeout)?;
        let failed = found.elements().iter().filter_map(|e| e.error().err()).find(passes);
        failed.map_or(Ok(found), Err)
    };
    let found = shared.ask(ask).map_err(|e| bus_error(&e, group));
    client::listen(&client);
    let found = found?;
    let (mut committed, mut whole) = (Offsets::new(), true);
    for e in found.elements() {
        whole &= e.error().is_ok();
        if let (Some(topic), Offset::Offset(offset)) = (shared.inner(e.topic()), e.offset()) {
            let place = (topic.to_owned(), e.partition().unsigned_abs());
            committed.insert(place, offset.unsigned_abs());
        }
    }
    Ok(Answer { committed, whole })
}

/// Where these partitions of the topic with the commits end; those that say so. Blocks.
fn ends(shared: &Shared, partitions: &BTreeSet<i32>) -> Result<BTreeMap<i32, u64>, BusError> {
    let watcher = {
        let mut watcher = shared.commits.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        match &*watcher {
            Some(watcher) => Arc::clone(watcher),
            None => Arc::clone(watcher.insert(Arc::new(client::create(
                // What is behind an open transaction was committed all the same.
                shared.options.config().set("isolation.level", "read_uncommitted"),
                Watched::default(),
            )?))),
        }
    };
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    let failed = |e| bus_error(&e, ALWAYS_THERE);
    for partition in partitions {
        list.add_partition_offset(ALWAYS_THERE, *partition, Offset::End).map_err(failed)?;
    }
    let found = watcher.offsets_for_times(list, shared.options.timeout.min(LOOK_MAX));
    client::listen(&watcher);
    let end = |e: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match e.offset() {
        Offset::Offset(offset) if e.error().is_ok() => Some((e.partition(), offset.unsigned_abs())),
        _ => None,
    };
    Ok(found.map_err(failed)?.elements().iter().filter_map(end).collect())
}

/// The partition with a group's commits: `partitionFor` of Kafka's `GroupCoordinator`, with Java's hash of a
/// text.
fn partition_of(group: &str, partitions: u32) -> i32 {
    let hash = group
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    // The smallest number has no absolute value; Kafka takes 0.
    let positive = if hash == i32::MIN { 0 } else { hash.unsigned_abs() };
    (positive % partitions) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn committed(offset: u64) -> Offsets {
        Offsets::from([(("t".to_owned(), 0), offset)])
    }

    #[test]
    fn a_group_is_asked_again_only_if_it_may_have_committed_something() {
        let mut known = Known::default();
        assert_eq!(known.still("g", Some(5), s(9)), None, "it was never asked");
        known.keep("g", 5, s(10), committed(1));
        assert_eq!(known.still("g", Some(5), s(10)), None, "its last commit may not be told yet");
        known.keep("g", 5, s(11), committed(1));
        assert_eq!(known.still("g", Some(5), s(11)), None);
        known.keep("g", 5, s(12), committed(2));
        assert_eq!(known.still("g", Some(5), s(12)), Some(&committed(2)));
        assert_eq!(known.still("g", Some(6), s(12)), None, "something was committed");
        assert_eq!(known.still("g", None, s(12)), None, "nobody knows whether something was");
        assert_eq!(known.still("h", Some(5), s(12)), None);
        known.keep("g", 6, s(13), committed(3));
        assert_eq!(known.still("g", Some(6), s(13)), None, "and it settles anew");
        known.keep("g", 6, s(15), committed(3));
        assert_eq!(known.still("g", Some(6), s(16)), Some(&committed(3)));
        assert_eq!(known.missed, 0);
    }

    #[test]
    fn what_is_seen_is_doubted_now_and_then() {
        let mut known = Known::default();
        known.keep("g", 5, s(0), committed(1));
        known.keep("g", 5, s(2), committed(1));
        let mut asked = s(2);
        for pause in [15, 30, 60, 120, 240, 480, 480] {
            let next = asked + s(pause);
            assert_eq!(
                known.still("g", Some(5), next.saturating_sub(s(1))),
                Some(&committed(1)),
                "{pause}"
            );
            assert_eq!(known.still("g", Some(5), next), None, "{pause}");
            known.keep("g", 5, next, committed(1));
            asked = next;
        }
        // Twice may be chance; after that it commits something where nobody looks.
        for (offset, still) in [(2, true), (3, true), (4, false)] {
            known.keep("g", 5, asked, committed(offset));
            assert_eq!(known.still("g", Some(5), asked).is_some(), still, "{offset}");
        }
    }

    /// By `jshell`: `Math.abs("größe".hashCode()) % 50`.
    #[test]
    fn commits_are_where_kafka_keeps_them() {
        for (group, partition) in [("", 0), ("a", 47), ("abc", 4), ("größe", 7)] {
            assert_eq!(partition_of(group, 50), partition, "{group}");
        }
        assert_eq!(partition_of("polygenelubricants", 50), 0, "its hash is the smallest number");
    }
}
