//! What happened, folded into one hash: two runs are the same if their hashes are. On request every
//! step is kept, to show where two runs part.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A running account of a run.
#[derive(Clone, Default)]
pub struct Trace {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    hasher: Sha256,
    steps: u64,
    kept: Option<Vec<String>>,
}

/// Characters of a step that are kept.
const STEP_MAX: usize = 400;

/// Where two runs part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which step, from 0.
    pub step: usize,
    /// What the first run did there.
    pub first: String,
    /// What the second run did there.
    pub second: String,
}

impl Trace {
    /// A trace that keeps every step.
    pub fn keeping() -> Self {
        let trace = Self::default();
        trace.lock().kept = Some(vec![]);
        trace
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a step: what kind of, and everything that makes it different from others.
    pub(super) fn note(&self, kind: &'static str, detail: impl FnOnce() -> String) {
        let detail = detail();
        let mut inner = self.lock();
        inner.hasher.update(kind);
        inner.hasher.update((detail.len() as u64).to_be_bytes());
        inner.hasher.update(&detail);
        inner.steps += 1;
        if let Some(kept) = &mut inner.kept {
            kept.push(format!("{kind} {detail}").chars().take(STEP_MAX).collect());
        }
    }

    /// The hash so far, in hex.
    pub fn hash(&self) -> String {
        HEXLOWER.encode(&self.lock().hasher.clone().finalize())
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Where this run and another part, if they do; both must have kept their steps.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let first = self.lock().kept.clone().unwrap_or_default();
        let second = other.lock().kept.clone().unwrap_or_default();
        let end = "(the run ended)".to_owned();
        let step =
            (0..first.len().max(second.len())).find(|at| first.get(*at) != second.get(*at))?;
        let at = |steps: &[String]| steps.get(step).unwrap_or(&end).clone();
        Some(Difference { step, first: at(&first), second: at(&second) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(steps: &[&str]) -> Trace {
        let trace = Trace::keeping();
        steps.iter().for_each(|step| trace.note("step", || (*step).to_owned()));
        trace
    }

    #[test]
    fn equal_runs_have_equal_hashes_and_others_show_where_they_part() {
        assert_eq!(trace(&["a", "b"]).hash(), trace(&["a", "b"]).hash());
        assert_ne!(trace(&["a", "b"]).hash(), trace(&["ab"]).hash());
        assert_eq!(trace(&["a"]).difference(&trace(&["a"])), None);
        let difference = trace(&["a", "b"]).difference(&trace(&["a", "c"])).unwrap();
        assert_eq!((difference.step, difference.second.as_str()), (1, "step c"));
        assert_eq!(trace(&["a"]).difference(&trace(&["a", "b"])).unwrap().first, "(the run ended)");
    }
}
