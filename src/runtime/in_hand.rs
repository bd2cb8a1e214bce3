//! Which effects a runner has in hand, so that each is performed by one task at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The effects that wait, are under way or are being recorded, by name: the step each is at, and a
/// later step that was asked for meanwhile.
pub(super) struct InHand<E>(Mutex<BTreeMap<String, Held<E>>>);

struct Held<E> {
    step: i64,
    next: Option<(i64, E)>,
}

impl<E> Default for InHand<E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<E> InHand<E> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every name held now.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.lock().keys().cloned().collect()
    }

    /// Takes `name` in hand at `step` and gives the effect back to be performed. While the name is
    /// held, a later step is kept for afterwards, and a copy of what is held is dropped.
    pub(super) fn hold(&self, name: &str, step: i64, effect: E) -> Option<E> {
        let mut names = self.lock();
        let Some(held) = names.get_mut(name) else {
            names.insert(name.to_owned(), Held { step, next: None });
            return Some(effect);
        };
        if step > held.next.as_ref().map_or(held.step, |(next, _)| *next) {
            held.next = Some((step, effect));
        }
        None
    }

    /// Lets `name` go; what was asked for meanwhile, if anything.
    pub(super) fn release(&self, name: &str) -> Option<E> {
        Some(self.lock().remove(name)?.next?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::InHand;

    #[test]
    fn a_name_is_performed_once_at_a_time_and_its_latest_step_after_it() {
        let hand = InHand::default();
        assert_eq!(hand.hold("a", 1, "first"), Some("first"));
        assert_eq!(hand.hold("a", 1, "the same, read from its row"), None);
        assert_eq!(hand.hold("a", 3, "third"), None);
        assert_eq!(hand.hold("a", 2, "second, late"), None);
        assert_eq!(hand.names().len(), 1);
        assert_eq!(hand.release("a"), Some("third"));
        assert!(hand.names().is_empty());
        assert_eq!(hand.hold("a", 4, "fourth"), Some("fourth"));
        assert_eq!(hand.release("a"), None);
    }
}
