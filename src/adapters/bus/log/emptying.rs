//! Emptying the log of a journal that no log is open on.

/// Removes all records. The next ones get offsets as if the others were still there, so that what groups
/// have committed stays true. A partition's records are those from `tp << 40` on: see `partition.rs`.
pub const EMPTY: [&str; 2] = [
    "update log_partitions set start_offset = max(start_offset, coalesce(
       (select max(position) - (tp << 40) + 1 from log_records
        where position >= (tp << 40) and position < ((tp + 1) << 40)), 0))",
    "delete from log_records",
];

/// Removes all records, and begins anew at offset 0: for who also forgets all that is known by offsets.
pub const BEGIN_ANEW: [&str; 2] =
    ["update log_partitions set start_offset = 0", "delete from log_records"];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::EmbeddedLog;
    use super::{BEGIN_ANEW, EMPTY};
    use crate::adapters::clock::SystemClock;
    use crate::adapters::sqlite::{Journal, Schema};
    use crate::adapters::store::SqliteStore;
    use crate::ports::store::{Batch, Store};
    use crate::ports::{EventBus, NewRecord};

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    #[test]
    fn an_emptied_log_goes_on_at_the_offsets_it_had() {
        block_on(async {
            let journal = Arc::new(Journal::in_memory(Schema::SHOP).unwrap());
            let open = || {
                EmbeddedLog::open(Arc::clone(&journal), Arc::new(SystemClock::default())).unwrap()
            };
            let record = |partition| NewRecord {
                topic: "t".into(),
                partition: Some(partition),
                key: None,
                headers: vec![],
                value: None,
            };
            let log = open();
            log.create_topic("a", 2, None).await.unwrap();
            log.create_topic("t", 3, None).await.unwrap();
            log.publish(vec![record(0), record(0), record(2)]).await.unwrap();
            for _ in 0..2 {
                let mut batch = Batch::default();
                EMPTY.iter().for_each(|sql| batch.any(sql, vec![]));
                SqliteStore::new(Arc::clone(&journal)).write(batch).await.unwrap();
                let topics = open().topics().await.unwrap();
                let edges: Vec<_> =
                    topics.iter().flat_map(|t| &t.partitions).map(|p| (p.start, p.end)).collect();
                assert_eq!(edges, [(0, 0), (0, 0), (2, 2), (0, 0), (1, 1)]);
            }
            let at = open().publish(vec![record(0)]).await.unwrap();
            assert_eq!(at[0].offset, 2);
            let mut batch = Batch::default();
            BEGIN_ANEW.iter().for_each(|sql| batch.any(sql, vec![]));
            SqliteStore::new(Arc::clone(&journal)).write(batch).await.unwrap();
            let at = open().publish(vec![record(0)]).await.unwrap();
            assert_eq!(at[0].offset, 0);
        });
    }
}
