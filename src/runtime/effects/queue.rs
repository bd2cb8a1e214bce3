//! The effects that a runner has in hand: those that wait for their time, and those under way, of
//! which each is performed by one task at a time. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Timestamp;

/// Effects that wait at most. What comes on top is dropped: its row is found when there is room.
const WAITING_MAX: usize = 50_000;

/// Effects in hand, by name.
pub(super) struct Queue<E> {
    held: BTreeMap<String, Held<E>>,
    /// Names of those that wait, by when they are due.
    waiting: BTreeSet<(Timestamp, String)>,
}

/// An effect, and the step of its row that it belongs to: a later step replaces an earlier one, and
/// another copy of the same step is nothing new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand<E> {
    pub(super) step: i64,
    pub(super) due: Timestamp,
    pub(super) effect: E,
}

enum Held<E> {
    Waiting(Demand<E>),
    /// Being performed or recorded, and what was asked for meanwhile.
    Underway {
        step: i64,
        next: Option<Demand<E>>,
    },
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), waiting: BTreeSet::new() }
    }
}

impl<E: Clone> Queue<E> {
    /// Every name in hand.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.held.keys().cloned().collect()
    }

    /// Whether one is due at `now`.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next_due().is_some_and(|due| due <= now)
    }

    /// How many are being performed or recorded.
    pub(super) fn underway(&self) -> usize {
        self.held.len() - self.waiting.len()
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Takes a demand in hand, unless it is known already; whether there was room for it.
    pub(super) fn offer(&mut self, name: String, demand: Demand<E>) -> bool {
        match self.held.get_mut(&name) {
            None if self.waiting.len() >= WAITING_MAX => return false,
            None => {}
            Some(Held::Waiting(known)) if known.step >= demand.step => return true,
            Some(Held::Waiting(known)) => drop(self.waiting.remove(&(known.due, name.clone()))),
            Some(Held::Underway { step, next }) => {
                if demand.step > next.as_ref().map_or(*step, |next| next.step) {
                    *next = Some(demand);
                }
                return true;
            }
        }
        self.waiting.insert((demand.due, name.clone()));
        self.held.insert(name, Held::Waiting(demand));
        true
    }

    /// Lets go of all that wait.
    pub(super) fn forget_waiting(&mut self) {
        for (_, name) in std::mem::take(&mut self.waiting) {
            self.held.remove(&name);
        }
    }

    /// The effect that is due longest at `now`, if one is; it is under way from now on.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<E> {
        let (due, _) = self.waiting.first()?;
        if *due > now {
            return None;
        }
        let (_, name) = self.waiting.pop_first()?;
        let held = self.held.get_mut(&name)?;
        let Held::Waiting(demand) = held else { return None };
        let (step, effect) = (demand.step, demand.effect.clone());
        *held = Held::Underway { step, next: None };
        Some(effect)
    }

    /// What was under way is recorded, or given up: what was asked for meanwhile waits now.
    pub(super) fn finish(&mut self, name: &str) {
        if let Some(Held::Underway { next: Some(next), .. }) = self.held.remove(name) {
            self.offer(name.to_owned(), next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn demand(step: i64, due_ms: i64, effect: &'static str) -> Demand<&'static str> {
        Demand { step, due: Timestamp::from_millis(due_ms), effect }
    }

    #[test]
    fn a_name_is_performed_once_at_a_time_and_its_latest_step_after_it() {
        let mut queue = Queue::default();
        queue.offer("a".into(), demand(1, 500, "first"));
        assert_eq!(queue.begin(NOW), Some("first"));
        queue.offer("a".into(), demand(1, 500, "the same, read from its row"));
        queue.offer("a".into(), demand(3, 700, "third"));
        queue.offer("a".into(), demand(2, 600, "second, late"));
        assert_eq!((queue.begin(NOW), queue.is_due(NOW)), (None, false));
        queue.finish("a");
        assert_eq!(queue.begin(NOW), Some("third"));
        queue.finish("a");
        assert!(queue.names().is_empty());
    }

    #[test]
    fn what_still_waits_is_replaced_by_a_later_step() {
        let mut queue = Queue::default();
        queue.offer("a".into(), demand(1, 9_000, "charge, when the provider is back"));
        queue.offer("a".into(), demand(2, 800, "cancelled"));
        queue.offer("a".into(), demand(1, 700, "a late copy"));
        assert_eq!(queue.next_due(), Some(Timestamp::from_millis(800)));
        assert_eq!(queue.begin(NOW), Some("cancelled"));
    }

    #[test]
    fn the_longest_due_comes_first_and_nothing_before_its_time() {
        let mut queue = Queue::default();
        queue.offer("a".into(), demand(1, 900, "a"));
        queue.offer("b".into(), demand(1, 800, "b"));
        queue.offer("c".into(), demand(1, 1_001, "c"));
        assert_eq!(
            [queue.begin(NOW), queue.begin(NOW), queue.begin(NOW)],
            [Some("b"), Some("a"), None]
        );
    }

    #[test]
    fn what_waits_can_be_let_go_and_comes_again() {
        let mut queue = Queue::default();
        queue.offer("a".into(), demand(1, 500, "a"));
        assert_eq!(queue.begin(NOW), Some("a"));
        queue.offer("b".into(), demand(1, 500, "b"));
        queue.forget_waiting();
        assert_eq!((queue.begin(NOW), queue.underway()), (None, 1));
        queue.offer("b".into(), demand(1, 500, "b again"));
        assert_eq!(queue.begin(NOW), Some("b again"));
    }

    #[test]
    fn there_is_a_bound() {
        let mut queue = Queue::default();
        for n in 0..WAITING_MAX {
            assert!(queue.offer(n.to_string(), demand(1, 1, "x")));
        }
        assert!(!queue.offer("one more".into(), demand(1, 1, "x")));
        assert!(queue.offer("0".into(), demand(2, 1, "not more, but later")));
    }
}
