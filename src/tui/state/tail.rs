//! Following a topic: the newest records, as many as fit into a bound, and an honest count of the others.

use std::collections::VecDeque;

use super::rows;
use super::table::{Row, Table};
use crate::ops::blob::Blob;
use crate::ops::topics::RecordView;
use crate::tui::msg::{Follow, Tailed};

/// Records that are kept at most.
const KEPT: usize = 1_000;
/// Bytes of them at most.
const KEPT_BYTES: usize = 16 << 20;

/// A topic that is followed.
#[derive(Debug, Clone)]
pub struct Tail {
    /// Which; none yet.
    pub topic: Option<String>,
    /// Where it goes on.
    pub next: Option<Follow>,
    records: VecDeque<(RecordView, Row)>,
    bytes: usize,
    /// As a list.
    pub table: Table,
    /// Records that were shown.
    pub shown: u64,
    /// Records that were left out because too many came.
    pub skipped: u64,
}

impl Tail {
    /// Of this topic.
    pub fn new(topic: Option<String>) -> Self {
        Self {
            next: topic.clone().map(Follow::Begin),
            topic,
            records: VecDeque::new(),
            bytes: 0,
            table: Table::new(rows::RECORDS),
            shown: 0,
            skipped: 0,
        }
    }

    /// Takes in records; unless `frozen`, shows them.
    pub fn take(&mut self, tailed: Tailed, frozen: bool) {
        let of = match &tailed.next {
            Follow::Begin(topic) => topic,
            Follow::On(query) | Follow::Skip(query) => &query.topic,
        };
        if self.topic.as_ref() != Some(of) {
            return;
        }
        self.next = Some(tailed.next);
        self.shown += tailed.records.len() as u64;
        self.skipped += tailed.skipped;
        let any = !tailed.records.is_empty();
        for record in tailed.records {
            self.bytes += size(&record);
            let row = rows::record(&record);
            self.records.push_back((record, row));
        }
        while self.records.len() > KEPT || (self.bytes > KEPT_BYTES && self.records.len() > 1) {
            if let Some((gone, _)) = self.records.pop_front() {
                self.bytes -= size(&gone);
            }
        }
        if any && !frozen {
            self.show();
        }
    }

    /// Shows what has come.
    pub fn show(&mut self) {
        let follow = self.table.is_at_end();
        self.table.set(self.records.iter().map(|(_, row)| row.clone()).collect());
        if follow {
            self.table.go(usize::MAX);
        }
    }

    /// The record under the cursor, if it is still kept.
    pub fn current(&self) -> Option<&RecordView> {
        let key = &self.table.current()?.key;
        self.records.iter().find(|(_, row)| row.key == *key).map(|(record, _)| record)
    }
}

fn size(record: &RecordView) -> usize {
    let len = |blob: &Option<Blob>| match blob {
        Some(Blob::Text(text) | Blob::Base64(text)) => text.len(),
        None => 0,
    };
    let headers = record.headers.iter();
    let headers: usize =
        headers.map(|header| header.name.len() + len(&Some(header.value.clone()))).sum();
    128 + headers + len(&record.key) + len(&record.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::ops::tail::TailQuery;

    fn record(offset: u64, bytes: usize) -> RecordView {
        RecordView {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: Timestamp::from_millis(offset as i64),
            key: None,
            headers: vec![],
            value: Some(Blob::Text("x".repeat(bytes))),
        }
    }

    fn tailed(records: Vec<RecordView>, skipped: u64) -> Tailed {
        let next = Follow::On(TailQuery { topic: "t".into(), ..TailQuery::default() });
        Tailed { records, skipped, next }
    }

    #[test]
    fn the_newest_are_kept_within_both_bounds() {
        let mut tail = Tail::new(Some("t".into()));
        tail.take(tailed((0..3_000).map(|n| record(n, 10)).collect(), 7), false);
        assert_eq!((tail.table.len(), tail.shown, tail.skipped), (KEPT, 3_000, 7));
        assert_eq!(tail.current().unwrap().offset, 2_999, "the cursor follows");
        tail.take(tailed((3_000..3_020).map(|n| record(n, 1 << 20)).collect(), 0), false);
        assert!(tail.bytes <= KEPT_BYTES && tail.table.len() < 20, "{}", tail.table.len());
    }

    #[test]
    fn who_looks_at_a_record_is_left_there_and_who_freezes_sees_nothing_new() {
        let mut tail = Tail::new(Some("t".into()));
        tail.take(tailed((0..10).map(|n| record(n, 1)).collect(), 0), false);
        tail.table.go(3);
        tail.take(tailed(vec![record(10, 1)], 0), false);
        assert_eq!(tail.current().unwrap().offset, 3);
        tail.take(tailed(vec![record(11, 1)], 0), true);
        assert_eq!((tail.table.len(), tail.shown), (11, 12));
        tail.show();
        assert_eq!(tail.table.len(), 12);
    }

    #[test]
    fn what_comes_of_another_topic_is_dropped() {
        let mut tail = Tail::new(Some("other".into()));
        tail.take(tailed(vec![record(1, 1)], 0), false);
        assert!(tail.table.is_empty());
    }
}
