//! Tells a broken world from broken events: when half of many different keys fail, it is not the
//! events' fault, and dead-lettering them all would only make work. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Distinct keys that must have been seen before anything is concluded.
const KEYS_MIN: usize = 20;
/// How long an outcome counts.
const WINDOW: Duration = Duration::from_secs(10);
/// First pause when the breaker opens; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The breaker of one consumer. Times are of [`crate::ports::Clock::elapsed`].
#[derive(Debug)]
pub(super) struct Breaker {
    outcomes: VecDeque<(Duration, u64, bool)>,
    open_until: Option<Duration>,
    pause: Duration,
    /// Tries since it opened.
    probes: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { outcomes: VecDeque::new(), open_until: None, pause: PAUSE_MIN, probes: 0 }
    }
}

/// What the breaker allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Everything.
    All,
    /// One try of an event that failed before, to see whether the world works again.
    ProbeOld,
    /// One try of another event, since those that failed may be to blame after all.
    ProbeNew,
    /// Nothing until then.
    NothingUntil(Duration),
}

impl Breaker {
    /// Notes how an event with this key went. Poison is not noted: it is the event's fault.
    pub(super) fn note(&mut self, now: Duration, key: u64, good: bool) {
        if self.open_until.is_some() {
            if good {
                *self = Self::default();
            } else {
                self.pause = (self.pause * 2).min(PAUSE_MAX);
                self.open_until = Some(now + self.pause);
                self.probes += 1;
            }
            return;
        }
        self.outcomes.push_back((now, key, good));
        while self.outcomes.front().is_some_and(|(at, ..)| *at + WINDOW < now) {
            self.outcomes.pop_front();
        }
        if !good && self.most_keys_fail() {
            self.open_until = Some(now + self.pause);
        }
    }

    fn most_keys_fail(&self) -> bool {
        let latest: BTreeMap<u64, bool> =
            self.outcomes.iter().map(|(_, key, good)| (*key, *good)).collect();
        let failing = latest.values().filter(|good| !**good).count();
        latest.len() >= KEYS_MIN && failing * 2 >= latest.len()
    }

    pub(super) fn allows(&self, now: Duration) -> Allowed {
        match self.open_until {
            None => Allowed::All,
            Some(until) if now < until => Allowed::NothingUntil(until),
            Some(_) if self.probes.is_multiple_of(2) => Allowed::ProbeOld,
            Some(_) => Allowed::ProbeNew,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Whether it has been open for so long that an event that fails is to blame itself: otherwise a
    /// backlog of bad events would keep it open for ever.
    pub(super) fn has_lost_patience(&self) -> bool {
        self.is_open() && self.pause == PAUSE_MAX
    }

    /// There is no other event to try: the next try is of one that failed before.
    pub(super) fn nothing_new(&mut self) {
        self.probes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Duration = Duration::from_secs(100);

    fn after(outcomes: &[(u64, bool)]) -> Breaker {
        let mut breaker = Breaker::default();
        outcomes.iter().for_each(|(key, good)| breaker.note(T0, *key, *good));
        breaker
    }

    #[test]
    fn it_opens_when_half_of_twenty_keys_fail() {
        let mixed: Vec<_> = (0..20).map(|key| (key, key % 2 == 0)).collect();
        assert!(after(&mixed).is_open());
        assert!(!after(&mixed[..19]).is_open(), "too few keys to tell");
        let mostly_good: Vec<_> = (0..40).map(|key| (key, key % 3 != 0)).collect();
        assert!(!after(&mostly_good).is_open());
    }

    #[test]
    fn one_key_failing_over_and_over_is_one_key() {
        let stubborn: Vec<_> = (0..200).map(|_| (7, false)).collect();
        assert!(!after(&stubborn).is_open());
    }

    #[test]
    fn old_outcomes_do_not_count() {
        let mut breaker = after(&(0..19).map(|key| (key, false)).collect::<Vec<_>>());
        breaker.note(T0 + WINDOW * 2, 19, false);
        assert!(!breaker.is_open());
    }

    #[test]
    fn it_probes_after_a_pause_that_grows_and_closes_on_success() {
        let mut breaker = after(&(0..20).map(|key| (key, false)).collect::<Vec<_>>());
        assert_eq!(breaker.allows(T0), Allowed::NothingUntil(T0 + PAUSE_MIN));
        let probe = T0 + PAUSE_MIN;
        assert_eq!(breaker.allows(probe), Allowed::ProbeOld);
        breaker.note(probe, 1, false);
        assert_eq!(breaker.allows(probe), Allowed::NothingUntil(probe + PAUSE_MIN * 2));
        assert_eq!(breaker.allows(probe + PAUSE_MIN * 2), Allowed::ProbeNew, "by turns");
        breaker.note(probe, 1, true);
        assert_eq!(breaker.allows(probe), Allowed::All);
    }

    #[test]
    fn it_loses_patience_after_about_a_minute() {
        let mut breaker = after(&(0..20).map(|key| (key, false)).collect::<Vec<_>>());
        let mut now = T0;
        while !breaker.has_lost_patience() {
            let Allowed::NothingUntil(until) = breaker.allows(now) else { panic!("it is open") };
            now = until;
            breaker.note(now, 1, false);
        }
        let took = now.saturating_sub(T0);
        assert!((10..=60).contains(&took.as_secs()), "{took:?}");
    }
}
