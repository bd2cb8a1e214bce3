//! Events that wait: one lane per key. The first of a lane has failed and waits for its next try;
//! the others wait behind it, so that a failing event delays its own key and nobody else's. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::ports::bus::Record;

/// Pauses before the first, second and third retry.
pub(super) const RETRY_AFTER: [Duration; 3] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2)];

/// What orders events: the record's key; its place, if it has none.
pub(super) type LaneKey = Vec<u8>;

/// The lane of a record.
pub(super) fn lane_of(record: &Record) -> LaneKey {
    match &record.key {
        Some(key) => key.to_vec(),
        None => record.at.to_string().into_bytes(),
    }
}

#[derive(Debug)]
struct Lane {
    queue: VecDeque<Arc<Record>>,
    /// Tries of the first that failed.
    failures: usize,
    /// When the first of those did.
    tried: Duration,
    due: Duration,
}

/// All lanes of a consumer. Times are of [`crate::ports::Clock::elapsed`].
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<LaneKey, Lane>,
    parked: usize,
}

/// The tries that a record had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tries {
    /// Those after the first.
    pub(super) retries: u32,
    /// When the first had failed.
    pub(super) first: Duration,
}

/// What follows a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another try, when its time comes.
    Retry,
    /// No more tries.
    GiveUp(Tries),
}

impl Lanes {
    /// Records in all lanes.
    pub(super) fn parked(&self) -> usize {
        self.parked
    }

    /// Puts a record at the end of its lane, if it has one; whether it had.
    pub(super) fn queue_behind(&mut self, record: &Arc<Record>) -> bool {
        let Some(lane) = self.lanes.get_mut(&lane_of(record)) else { return false };
        lane.queue.push_back(Arc::clone(record));
        self.parked += 1;
        true
    }

    /// A record's first delivery failed: it opens a lane.
    pub(super) fn open(&mut self, record: &Arc<Record>, now: Duration) {
        let queue = [Arc::clone(record)].into();
        let lane = Lane { queue, failures: 1, tried: now, due: now + RETRY_AFTER[0] };
        self.lanes.insert(lane_of(record), lane);
        self.parked += 1;
    }

    /// How often the first of the lane has failed.
    pub(super) fn tries(&self, key: &LaneKey) -> u64 {
        self.lanes.get(key).map_or(0, |lane| lane.failures as u64)
    }

    /// The first of the lane that is due longest.
    pub(super) fn due(&self, now: Duration) -> Option<(LaneKey, Arc<Record>)> {
        let (key, lane) = self.lanes.iter().min_by_key(|(_, lane)| lane.due)?;
        (lane.due <= now).then(|| lane.queue.front().map(|r| (key.clone(), Arc::clone(r))))?
    }

    /// When the next lane is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.lanes.values().map(|lane| lane.due).min()
    }

    /// The first of the lane failed again.
    pub(super) fn failed(&mut self, key: &LaneKey, now: Duration) -> Next {
        let Some(lane) = self.lanes.get_mut(key) else { return Next::Retry };
        if lane.failures == 0 {
            lane.tried = now;
        }
        lane.failures += 1;
        match RETRY_AFTER.get(lane.failures - 1) {
            Some(pause) => {
                lane.due = now + *pause;
                Next::Retry
            }
            None => Next::GiveUp(Tries { retries: RETRY_AFTER.len() as u32, first: lane.tried }),
        }
    }

    /// The first of the lane failed, but not through its own fault: the try does not count.
    pub(super) fn postpone(&mut self, key: &LaneKey, due: Duration) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.due = due;
        }
    }

    /// The first of the lane is done; the next one's turn comes at once.
    pub(super) fn finished(&mut self, key: &LaneKey, now: Duration) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        self.parked -= usize::from(lane.queue.pop_front().is_some());
        if lane.queue.is_empty() {
            self.lanes.remove(key);
        } else {
            lane.failures = 0;
            lane.due = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::ports::bus::Position;

    fn record(key: &str, offset: u64) -> Arc<Record> {
        Arc::new(Record {
            at: Position { topic: "t".into(), partition: 0, offset },
            timestamp: Timestamp::default(),
            key: Some(key.to_owned().into()),
            headers: vec![],
            value: None,
        })
    }

    #[test]
    fn an_event_is_delivered_once_and_retried_at_once_then_after_one_and_two_seconds() {
        let mut lanes = Lanes::default();
        let first = record("a", 1);
        let mut now = Duration::from_secs(10);
        lanes.open(&first, now);
        let mut tried_at = vec![];
        loop {
            now = lanes.next_due().unwrap();
            let (key, due) = lanes.due(now).unwrap();
            assert_eq!(due, first);
            tried_at.push(now.saturating_sub(Duration::from_secs(10)).as_secs());
            if let Next::GiveUp(tries) = lanes.failed(&key, now) {
                assert_eq!(tries, Tries { retries: 3, first: Duration::from_secs(10) });
                break;
            }
        }
        assert_eq!(tried_at, [0, 1, 3]);
    }

    #[test]
    fn later_events_of_the_key_wait_in_order_and_others_do_not() {
        let mut lanes = Lanes::default();
        let now = Duration::ZERO;
        lanes.open(&record("a", 1), now);
        assert!(lanes.queue_behind(&record("a", 2)));
        assert!(!lanes.queue_behind(&record("b", 3)));
        assert_eq!(lanes.parked(), 2);
        let (key, _) = lanes.due(now).unwrap();
        lanes.finished(&key, now);
        assert_eq!(lanes.due(now).unwrap().1, record("a", 2));
        lanes.finished(&key, now);
        assert_eq!((lanes.parked(), lanes.next_due()), (0, None));
        assert!(!lanes.queue_behind(&record("a", 4)), "the lane is gone");
    }

    #[test]
    fn a_queued_event_gets_its_full_number_of_tries() {
        let mut lanes = Lanes::default();
        lanes.open(&record("a", 1), Duration::ZERO);
        lanes.queue_behind(&record("a", 2));
        let key = lane_of(&record("a", 1));
        let turn = Duration::from_secs(5);
        lanes.finished(&key, turn);
        for _ in 0..RETRY_AFTER.len() {
            assert_eq!(lanes.failed(&key, turn), Next::Retry);
        }
        assert_eq!(lanes.failed(&key, turn * 2), Next::GiveUp(Tries { retries: 3, first: turn }));
    }
}
