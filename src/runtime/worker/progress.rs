//! How far a partition is done without a gap: what may be committed. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ports::bus::Position;

/// Progress on all partitions of a consumer.
#[derive(Debug, Default)]
pub(super) struct Progress {
    partitions: BTreeMap<(Arc<str>, u32), Partition>,
}

#[derive(Debug, Default)]
struct Partition {
    /// Taken up but not done.
    open: BTreeSet<u64>,
    /// The offset after the last that was taken up.
    end: u64,
    /// What was committed last.
    committed: Option<u64>,
}

impl Partition {
    /// Everything before this is done.
    fn prefix(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.end)
    }
}

impl Progress {
    /// A record was taken up.
    pub(super) fn begin(&mut self, at: &Position) {
        let partition = self.partitions.entry((Arc::clone(&at.topic), at.partition)).or_default();
        partition.open.insert(at.offset);
        partition.end = partition.end.max(at.offset + 1);
    }

    /// A record took effect, or was dead-lettered, or was none of our business.
    pub(super) fn finish(&mut self, at: &Position) {
        if let Some(partition) = self.partitions.get_mut(&(Arc::clone(&at.topic), at.partition)) {
            partition.open.remove(&at.offset);
        }
    }

    /// The offsets to commit: of each partition whose done prefix has grown.
    pub(super) fn to_commit(&self) -> Vec<Position> {
        let grown = self.partitions.iter().filter(|(_, p)| p.committed.unwrap_or(0) < p.prefix());
        grown
            .map(|((topic, partition), p)| Position {
                topic: Arc::clone(topic),
                partition: *partition,
                offset: p.prefix(),
            })
            .collect()
    }

    /// These offsets were committed.
    pub(super) fn committed(&mut self, positions: &[Position]) {
        for at in positions {
            if let Some(partition) = self.partitions.get_mut(&(Arc::clone(&at.topic), at.partition))
            {
                partition.committed = Some(at.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position { topic: "t".into(), partition: 0, offset }
    }

    #[test]
    fn only_the_prefix_without_a_gap_is_committed() {
        let mut progress = Progress::default();
        (5..10).for_each(|offset| progress.begin(&at(offset)));
        assert_eq!(progress.to_commit(), [at(5)]);
        progress.committed(&[at(5)]);
        [6, 7, 9].iter().for_each(|offset| progress.finish(&at(*offset)));
        assert_eq!(progress.to_commit(), [], "5 is not done");
        progress.finish(&at(5));
        assert_eq!(progress.to_commit(), [at(8)], "8 is not done");
        progress.committed(&[at(8)]);
        progress.finish(&at(8));
        assert_eq!(progress.to_commit(), [at(10)]);
        progress.committed(&[at(10)]);
        assert_eq!(progress.to_commit(), []);
    }
}
