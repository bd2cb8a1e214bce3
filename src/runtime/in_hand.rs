//! Which effects a runner has in hand, so that each is performed by one task at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names of the effects that wait, are under way or are being recorded. A name whose effect is asked
/// for again meanwhile keeps that successor.
pub(super) struct InHand<E>(Mutex<BTreeMap<String, Option<E>>>);

impl<E> Default for InHand<E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<E> InHand<E> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every name held now.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.lock().keys().cloned().collect()
    }

    /// Takes `name` in hand and gives the effect back to be performed; while the name is held, the
    /// effect is kept as its successor instead.
    pub(super) fn hold(&self, name: &str, effect: E) -> Option<E> {
        let mut names = self.lock();
        if let Some(successor) = names.get_mut(name) {
            *successor = Some(effect);
            return None;
        }
        names.insert(name.to_owned(), None);
        Some(effect)
    }

    /// Lets `name` go; its successor, if there is one.
    pub(super) fn release(&self, name: &str) -> Option<E> {
        self.lock().remove(name).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::InHand;

    #[test]
    fn a_name_is_performed_once_at_a_time_and_its_successor_after_it() {
        let hand = InHand::default();
        assert_eq!(hand.hold("a", 1), Some(1));
        assert_eq!(hand.hold("a", 2), None);
        assert_eq!(hand.names().len(), 1);
        assert_eq!(hand.release("a"), Some(2));
        assert!(hand.names().is_empty());
        assert_eq!(hand.hold("a", 3), Some(3));
        assert_eq!(hand.release("a"), None);
    }
}
