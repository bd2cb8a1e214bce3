//! What happened to an order, step below step.

use crate::domain::Timestamp;
use crate::ops::trace::telling::{ending, lasting, line as told};
use crate::ops::trace::tree::laid_out;
use crate::ops::trace::{Step, StepKind, Trace};
use crate::tui::state::popup::{Line, Page, line};
use crate::tui::text;
use crate::tui::theme::Tone;

/// Everything that happened to it.
pub fn page(trace: &Trace) -> Page {
    let begun = trace.steps.first().map_or(Timestamp::default(), |step| step.at);
    let step = |(depth, step): (usize, &Step)| {
        let after = lasting(step.at.since(begun));
        vec![
            (format!("{} {:>9} ", text::clock(step.at), format!("+{after}")), Tone::Dim),
            ("  ".repeat(depth), Tone::Plain),
            (text::harmless(&told(step)), tone(step)),
        ]
    };
    let mut lines: Vec<Line> = laid_out(&trace.steps).into_iter().map(step).collect();
    lines.push(vec![]);
    lines.push(line(text::harmless(&ending(trace, begun)), Tone::Accent));
    let note = |note: &String| line(format!("! {}", text::harmless(note)), Tone::Warn);
    lines.extend(trace.notes.iter().map(note));
    let of = trace.user_id.as_ref().map_or_else(String::new, |user| format!(" of {user}"));
    let title = text::harmless(&format!("order {}{of}", trace.order_id));
    Page::new(title, lines)
}

const fn tone(step: &Step) -> Tone {
    match step.kind {
        _ if step.error.is_some() => Tone::Bad,
        StepKind::DeadLetter => Tone::Bad,
        StepKind::State => Tone::Good,
        StepKind::Replay | StepKind::Edit | StepKind::Action | StepKind::Unsent => Tone::Warn,
        StepKind::Handled | StepKind::Repeat => Tone::Dim,
        _ => Tone::Plain,
    }
}
