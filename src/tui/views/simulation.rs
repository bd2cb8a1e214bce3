//! The run of `ecom simulate`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::overview::{chart, lines};
use super::write;
use crate::tui::msg::Run;
use crate::tui::state::State;
use crate::tui::state::popup::{Line, line};
use crate::tui::text;
use crate::tui::theme::Tone;

/// Rows of a chart.
const CHART: u16 = 6;

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let Some(run) = &state.run else {
        let text = "no run here; begin one with `ecom simulate --users 1000 --tui`";
        write(state, &line(text, Tone::Dim), area, buffer);
        return;
    };
    let told = facts(run, area.width);
    lines(state, &told, area, buffer);
    let used = (told.len() as u16 + 1).min(area.height);
    let rest = Rect { y: area.y + used, height: area.height - used, ..area };
    if rest.height < CHART {
        return;
    }
    let width = rest.width / 2;
    let place = |n: u16| Rect {
        x: rest.x + width * n,
        width: width.saturating_sub(1),
        height: CHART,
        ..rest
    };
    chart(state, "requests per s", &state.requests, Tone::Accent, place(0), buffer);
    chart(state, "orders per s", &state.orders, Tone::Good, place(1), buffer);
    let below = Rect { y: rest.y + CHART, height: rest.height - CHART, ..rest };
    lines(state, &errors(run), below, buffer);
}

fn facts(run: &Run, width: u16) -> Vec<Line> {
    let all = run.planned.max(run.begun).max(1);
    let room = u64::from(width.saturating_sub(34).clamp(8, 60));
    let full = (run.ended * room / all).min(room) as usize;
    let bar = "█".repeat(full) + &"░".repeat(room as usize - full);
    let open = run.placed.saturating_sub(run.fulfilled + run.cancelled);
    let mut told: Vec<Line> = vec![
        match &run.verdict {
            Some((true, verdict)) => line(format!("✓ {verdict}"), Tone::Good),
            Some((false, verdict)) => line(format!("✗ {verdict}"), Tone::Bad),
            None => line(format!("{} ({} s)", run.phase, run.seconds), Tone::Accent),
        },
        vec![
            (bar, Tone::Good),
            (
                format!(" {} of {} sessions", text::number(run.ended), text::number(all)),
                Tone::Plain,
            ),
        ],
        vec![
            (format!("{} placed  ", text::number(run.placed)), Tone::Plain),
            (format!("{} fulfilled  ", text::number(run.fulfilled)), Tone::Good),
            (format!("{} cancelled  ", text::number(run.cancelled)), Tone::Warn),
            (format!("{} open", text::number(open)), Tone::Plain),
        ],
    ];
    let [p50, p90, p99] = run.checkout_ms;
    told.push(vec![
        ("checkout ".into(), Tone::Dim),
        (format!("p50 {p50:.1} ms  p90 {p90:.1} ms  p99 {p99:.1} ms"), Tone::Plain),
    ]);
    told.push(vec![
        ("shoppers in the shop ".into(), Tone::Dim),
        (text::number(run.begun.saturating_sub(run.ended)), Tone::Plain),
        ("  to do ".into(), Tone::Dim),
        (text::number(run.waiting), Tone::Plain),
    ]);
    told
}

fn errors(run: &Run) -> Vec<Line> {
    if run.errors.is_empty() {
        return vec![line("no request failed", Tone::Good)];
    }
    let mut told = vec![line("requests that failed", Tone::Accent)];
    told.extend(run.errors.iter().map(|(what, count)| {
        vec![
            (format!("{:>9} ", text::number(*count)), Tone::Bad),
            (text::harmless(what), Tone::Plain),
        ]
    }));
    told
}
