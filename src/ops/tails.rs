//! Tails that are kept for who goes on with them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::OpsError;
use super::tail::{Tail, TailPage, TailQuery};
use crate::ports::Clock;
use crate::ports::admin::BusAdmin;

/// How many are kept, and for how long: what is read ahead for one takes room.
const KEPT: (usize, Duration) = (4, Duration::from_secs(10));

/// Tails that somebody may go on with: a tail is asked for answer by answer, and what was read ahead for one is
/// there for the next.
#[derive(Default)]
pub(super) struct Tails(Mutex<Vec<Tail>>);

impl Tails {
    /// The next records of `query`.
    pub(super) async fn next(
        &self,
        admin: &dyn BusAdmin,
        clock: &dyn Clock,
        query: &TailQuery,
    ) -> Result<TailPage, OpsError> {
        let kept = self.kept(query);
        self.keep(|tail| clock.elapsed() < tail.asked + KEPT.1);
        let mut tail = match kept {
            Some(tail) => tail,
            None => Tail::begin(admin, query).await?,
        };
        let page = tail.next(clock).await?;
        tail.asked = clock.elapsed();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tail);
        self.keep(|_| true);
        Ok(page)
    }

    fn kept(&self, query: &TailQuery) -> Option<Tail> {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tails.iter().position(|tail| tail.query == *query);
        at.map(|at| tails.remove(at))
    }

    /// Keeps the newest of those that are `wanted`.
    fn keep(&self, wanted: impl Fn(&Tail) -> bool) {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stale: Vec<Tail> = tails.extract_if(.., |tail| !wanted(tail)).collect();
        let beyond = tails.len().saturating_sub(KEPT.0);
        stale.extend(tails.drain(..beyond));
        drop(tails);
        // To end one takes its time.
        drop(stale);
    }

    /// Forgets what was read ahead of a topic whose records were deleted.
    pub(super) fn forget(&self, topic: &str) {
        self.keep(|tail| tail.query.topic != topic);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use crate::ports::admin::{Look, Looked, TopicScan};
    use crate::ports::bus::BusError;

    /// What is read ahead, which is there as long as this is.
    struct Ahead(#[expect(dead_code, reason = "it is counted")] Arc<()>);

    #[async_trait]
    impl TopicScan for Ahead {
        async fn next(&mut self, _: u32, _: &Look) -> Result<Looked, BusError> {
            Ok(Looked { end: true, ..Looked::default() })
        }
    }

    fn tail(topic: &str, asked: u64, room: &Arc<()>) -> Tail {
        let query = TailQuery { topic: topic.to_owned(), ..TailQuery::default() };
        let mut tail = Tail::of(query, Box::new(Ahead(Arc::clone(room))), Arc::new(|_| true));
        tail.asked = Duration::from_secs(asked);
        tail
    }

    #[test]
    fn what_is_read_ahead_for_nobody_is_let_go() {
        let (tails, room) = (Tails::default(), Arc::new(()));
        tails.0.lock().unwrap().extend((0..9).map(|n| tail(&format!("t{n}"), n, &room)));
        let kept = || Arc::strong_count(&room) - 1;
        tails.forget("t8");
        assert_eq!(kept(), 4, "the newest of eight");
        tails.keep(|tail| tail.asked > Duration::from_secs(5));
        assert_eq!(kept(), 2);
        let gone = TailQuery { topic: "t5".to_owned(), ..TailQuery::default() };
        assert!(tails.kept(&gone).is_none());
        let there = TailQuery { topic: "t7".to_owned(), ..TailQuery::default() };
        assert!(tails.kept(&there).is_some_and(|tail| tail.query == there));
        assert_eq!(kept(), 1, "who goes on with it has it");
    }
}
