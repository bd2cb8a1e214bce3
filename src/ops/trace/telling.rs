//! A trace in words.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Step, StepKind, Trace};
use crate::domain::Timestamp;
use crate::ops::orders::OrderState;

/// A step in one line.
pub fn line(step: &Step) -> String {
    let mut line = step.what.clone();
    match step.kind {
        StepKind::Event | StepKind::Repeat | StepKind::Replay | StepKind::Edit => {
            if let Some(record) = &step.record {
                let _ = write!(line, "  {record}");
            }
            if let Some(event) = &step.event_id {
                let _ = write!(line, "  {event}");
            }
        }
        StepKind::DeadLetter => {
            if let Some(state) = &step.state {
                let _ = write!(line, " ({state})");
            }
        }
        _ => {}
    }
    if let Some(error) = &step.error {
        let _ = write!(line, ": {error}");
    }
    line
}

/// A length of time as exact as it matters: `12 ms`, `12.3 s`, `12 min 3 s`.
pub fn lasting(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{} ms", time.as_millis()),
        10..600 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// How it stands: what it waits for, or how it ended; `begun` is when its first step was.
pub fn ending(trace: &Trace, begun: Timestamp) -> String {
    if !trace.waiting.is_empty() {
        let what: Vec<&str> = trace.waiting.iter().map(|wait| wait.what.as_str()).collect();
        let state = trace.state.map_or_else(String::new, |state| format!("{state}, "));
        return format!("{state}waits: {}", what.join("; "));
    }
    let is = |step: &&Step| step.kind == StepKind::State;
    let last = trace.steps.iter().rev().find(is).map_or(begun, |step| step.at);
    match trace.state {
        Some(state @ (OrderState::Fulfilled | OrderState::Cancelled)) => {
            let after = last.since(begun);
            if after.is_zero() {
                format!("{state}")
            } else {
                format!("{state} after {}", lasting(after))
            }
        }
        Some(state) => format!("{state}; it is under way"),
        None => "where it stands is not known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_told_in_larger_units() {
        let told = |ms| lasting(Duration::from_millis(ms));
        assert_eq!((told(0), told(9_999)), ("0 ms".into(), "9999 ms".into()));
        assert_eq!((told(10_000), told(243_088)), ("10.0 s".into(), "243.1 s".into()));
        assert_eq!((told(600_000), told(3_723_999)), ("10 min 0 s".into(), "62 min 3 s".into()));
    }
}
