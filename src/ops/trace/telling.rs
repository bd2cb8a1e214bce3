//! A trace in words.

use std::fmt::Write as _;

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
            let after = last.since(begun).as_millis();
            if after == 0 { format!("{state}") } else { format!("{state} after {after} ms") }
        }
        Some(state) => format!("{state}; it is under way"),
        None => "where it stands is not known".to_owned(),
    }
}
