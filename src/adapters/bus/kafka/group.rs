//! A member of a consumer group. Partitions come and go only while it polls: what a poll returns is the
//! member's own until the next one, unless the cluster has not heard from it for too long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, poll_fn};
use futures::{FutureExt, Stream, StreamExt};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use super::errors::{bus_error, of_code};
use super::read::record;
use super::stall::Watch;
use super::{Offsets, Shared, client};
use crate::ports::bus::{BusError, Position, Record, Subscription};

/// Records fetched ahead of need, of each partition.
const AHEAD: &str = "10000";
/// What a member that dies has done in this time is delivered again. A commit is a write of the cluster's
/// own, so that one for each batch would cost more than the batch.
const COMMIT_EVERY_MS: &str = "200";
/// What is no record is passed over one by one: that a commit was made comes before the records that wait.
const EVENTS_MAX: usize = 16;
/// How long leaving may take.
const LEAVE_MAX: Duration = Duration::from_secs(5);
/// Pause before it is seen again whether nobody looks at a consumer that leaves.
const LOOK_ENDS: Duration = Duration::from_millis(10);

/// A topic by the cluster's name, and a partition.
type Place = (String, i32);

/// Knows which partitions are the member's, and what it has committed of them.
#[derive(Default)]
pub(super) struct Membership(Mutex<Places>);

#[derive(Default)]
struct Places {
    owned: BTreeSet<Place>,
    /// Those that went since the last poll looked.
    gone: BTreeSet<Place>,
    /// Next offsets that were given to librdkafka to be committed, by our topic.
    stored: Offsets,
}

impl Membership {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next offset of each partition that it has committed.
    pub(super) fn stored(&self) -> Offsets {
        self.places().stored.clone()
    }
}

#[derive(Clone, Default)]
pub(super) struct MemberContext(Arc<Membership>);

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        client::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for MemberContext {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut places = self.0.places();
        let named = |list: &TopicPartitionList| -> BTreeSet<Place> {
            list.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect()
        };
        let gone = match rebalance {
            Rebalance::Assign(more) => {
                places.owned.extend(named(more));
                return;
            }
            Rebalance::Revoke(less) => named(less),
            Rebalance::Error(_) => places.owned.clone(),
        };
        places.owned.retain(|place| !gone.contains(place));
        places.gone.extend(gone);
    }
}

/// A member of a group.
pub(super) struct Member {
    shared: Arc<Shared>,
    consumer: Option<Arc<StreamConsumer<MemberContext>>>,
    membership: Arc<Membership>,
    /// Our names by the cluster's.
    topics: BTreeMap<String, Arc<str>>,
    /// Ends when it is to begin anew. Nobody waits for the lock: it is asked only by who polls.
    stalled: Mutex<BoxFuture<'static, BusError>>,
}

impl Member {
    pub(super) fn join(
        shared: &Arc<Shared>,
        group: &str,
        topics: Vec<Arc<str>>,
    ) -> Result<Self, BusError> {
        let options = &shared.options;
        let mut config = options.config();
        let session = options.session_timeout.as_millis();
        config
            .set("group.id", shared.outer(group))
            // What is stored is committed every so often, before a partition goes, and on leaving.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", COMMIT_EVERY_MS)
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 12).max(100).to_string())
            .set("queued.min.messages", AHEAD)
            // A partition of which that many wait is looked at again after this, not after a second.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.message.max.bytes", "1048576");
        if let Some(instance) = &options.instance {
            config.set("group.instance.id", format!("{instance}.{group}"));
        }
        let context = MemberContext::default();
        let membership = Arc::clone(&context.0);
        let consumer: StreamConsumer<MemberContext> = client::create(&config, context)?;
        let topics: BTreeMap<String, Arc<str>> =
            topics.into_iter().map(|topic| (shared.outer(&topic), topic)).collect();
        let names: Vec<&str> = topics.keys().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|e| bus_error(&e, group))?;
        let consumer = Arc::new(consumer);
        let watch = Watch {
            shared: Arc::clone(shared),
            group: group.to_owned(),
            consumer: Arc::downgrade(&consumer),
            membership: Arc::clone(&membership),
        };
        let stalled = Mutex::new(watch.stalled().fuse().boxed());
        let shared = Arc::clone(shared);
        Ok(Self { shared, consumer: Some(consumer), membership, topics, stalled })
    }

    /// Drops records of partitions that went while they were taken: they are the next owner's to read.
    fn let_go(&self, taken: &mut Vec<Arc<Record>>) {
        let mut places = self.membership.places();
        for (topic, partition) in std::mem::take(&mut places.gone) {
            let Some(topic) = self.topics.get(&topic) else { continue };
            places.stored.remove(&(topic.to_string(), partition.unsigned_abs()));
            taken.retain(|record| {
                record.at.topic != *topic || record.at.partition as i32 != partition
            });
        }
    }

    fn consumer(&self) -> Result<&Arc<StreamConsumer<MemberContext>>, BusError> {
        self.consumer.as_ref().ok_or_else(|| BusError::Unavailable("this member has left".into()))
    }
}

/// What a poll's error means; none: it will pass.
fn polled(e: &KafkaError) -> Option<BusError> {
    match e {
        KafkaError::MessageConsumptionFatal(code) => Some(match of_code(*code, "consumer group") {
            fenced @ BusError::Fenced(_) => fenced,
            other => BusError::Broken(other.to_string()),
        }),
        KafkaError::MessageConsumption(code) => match code {
            Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::InvalidSessionTimeout
            | Code::InconsistentGroupProtocol => Some(of_code(*code, "consumer group")),
            _ => None,
        },
        _ => None,
    }
}

/// What comes next; that the member is stalled only if nothing waits to be taken.
fn next_unless<S: Stream + Unpin>(
    stalled: &mut BoxFuture<'static, BusError>,
    stream: &mut S,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<S::Item>, BusError>> {
    for _ in 0..EVENTS_MAX {
        if let Poll::Ready(next) = stream.poll_next_unpin(cx) {
            return Poll::Ready(Ok(next));
        }
    }
    stalled.poll_unpin(cx).map(Err)
}

#[async_trait]
impl Subscription for Member {
    async fn poll(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        let consumer = Arc::clone(self.consumer()?);
        let mut stream = consumer.stream();
        let mut taken = vec![];
        loop {
            // Once there is something nothing is waited for, so that nothing is lost on the way.
            let next = if taken.is_empty() {
                let stalled = self.stalled.get_mut().unwrap_or_else(PoisonError::into_inner);
                Some(poll_fn(|cx| next_unless(stalled, &mut stream, cx)).await?)
            } else {
                stream.next().now_or_never()
            };
            self.let_go(&mut taken);
            match next {
                None if taken.is_empty() => {}
                None => return Ok(taken),
                Some(Some(Ok(message))) => {
                    taken.extend(record(&message, &self.topics));
                    if taken.len() >= max.max(1) {
                        return Ok(taken);
                    }
                }
                Some(Some(Err(e))) => {
                    if let Some(e) = polled(&e) {
                        return Err(e);
                    }
                    tracing::debug!(error = %e, "polling goes on");
                }
                Some(None) => return Err(BusError::Unavailable("the consumer has ended".into())),
            }
        }
    }

    async fn commit(&mut self, next: &[Position]) -> Result<(), BusError> {
        if next.is_empty() {
            return Ok(());
        }
        let consumer = self.consumer()?;
        let mut offsets = TopicPartitionList::with_capacity(next.len());
        let mut places = self.membership.places();
        let lost = consumer.assignment_lost();
        for at in next {
            let place = (self.shared.outer(&at.topic), at.partition as i32);
            if lost || !places.owned.contains(&place) {
                return Err(BusError::Fenced(format!("{}/{}", at.topic, at.partition)));
            }
            offsets
                .add_partition_offset(&place.0, place.1, Offset::Offset(at.offset as i64))
                .map_err(|e| bus_error(&e, &at.topic))?;
        }
        consumer.store_offsets(&offsets).map_err(|e| bus_error(&e, "commit"))?;
        let stored = next.iter().map(|at| ((at.topic.to_string(), at.partition), at.offset));
        places.stored.extend(stored);
        Ok(())
    }
}

impl Drop for Member {
    /// Leaves the group, so that others need not wait for a time-out.
    fn drop(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        let (left, done) = std::sync::mpsc::channel();
        #[expect(clippy::disallowed_methods, reason = "leaving blocks its thread")]
        std::thread::spawn(move || {
            consumer.unsubscribe();
            // A look at it may be under way.
            while Arc::strong_count(&consumer) > 1 {
                std::thread::sleep(LOOK_ENDS);
            }
            drop(consumer);
            let _ = left.send(());
        });
        let wait = || {
            let _ = done.recv_timeout(LEAVE_MAX);
        };
        // A cluster that is away takes its time; this thread's other tasks go on elsewhere meanwhile.
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(wait),
            _ => wait(),
        }
    }
}
