//! How everything is, at a glance.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Sparkline, Widget};

use super::write;
use crate::ops::groups::LagStatus;
use crate::tui::state::State;
use crate::tui::state::history::{History, Scale};
use crate::tui::state::popup::{Line, line};
use crate::tui::state::rows::lag_status;
use crate::tui::text;
use crate::tui::theme::Tone;

/// Columns from which things stand side by side.
const WIDE: u16 = 90;
/// Rows of a chart, its title included.
const CHART: u16 = 5;

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let Some(pulse) = &state.pulse else {
        let text = if state.unreachable.is_some() { "not there" } else { "looking" };
        write(state, &line(text, Tone::Dim), area, buffer);
        return;
    };
    let open: u64 = pulse.letters.iter().map(|letters| letters.open).sum();
    let mut facts: Vec<Line> = vec![
        fact("records per s", state.records.last(), Tone::Plain),
        fact("records not read", pulse.groups.iter().map(|group| group.lag).sum(), Tone::Plain),
        fact("dead letters open", open, if open > 0 { Tone::Bad } else { Tone::Good }),
    ];
    facts.extend(pulse.open_orders.map(|open| fact("orders under way", open, Tone::Plain)));
    facts.push(fact("topics", pulse.topics.len() as u64, Tone::Plain));
    let mut rest = area;
    if area.width >= WIDE {
        let one: Line = facts
            .into_iter()
            .flat_map(|mut fact| {
                fact.push(("   ".into(), Tone::Plain));
                fact
            })
            .collect();
        write(state, &one, rest, buffer);
        rest = below(rest, 1);
    } else {
        for fact in facts {
            write(state, &fact, rest, buffer);
            rest = below(rest, 1);
        }
    }
    rest = charts(state, rest, buffer);
    let troubles: Vec<Line> = troubles(state)
        .iter()
        .flat_map(|line| text::wrapped(line, usize::from(area.width)))
        .collect();
    let (groups, half) = (groups(state), rest.width / 2);
    if area.width >= WIDE {
        let errors = errors(state, rest.width - half);
        // Troubles have a third of the rows, and those that nobody else needs.
        let theirs = troubles.len().min(usize::from(rest.height / 3));
        let room = usize::from(rest.height).saturating_sub(theirs + 1);
        let height = groups.len().max(errors.len()).min(room) as u16;
        let left = Rect { width: half - 1, height, ..rest };
        let right = Rect { x: rest.x + half, width: rest.width - half, height, ..rest };
        lines(state, &groups, left, buffer);
        lines(state, &errors, right, buffer);
        lines(state, &troubles, below(rest, height + 1), buffer);
    } else {
        let mut errors = errors(state, rest.width);
        if !errors.is_empty() {
            errors.push(vec![]);
        }
        let all = [errors, groups, troubles].concat();
        lines(state, &all, rest, buffer);
    }
}

fn fact(name: &str, value: u64, tone: Tone) -> Line {
    vec![(format!("{name} "), Tone::Dim), (text::number(value), tone)]
}

fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// The charts, where there is room for them; what is left below.
fn charts(state: &State, area: Rect, buffer: &mut Buffer) -> Rect {
    let all: [(&str, &History, Tone); 3] = [
        ("records per s", &state.records, Tone::Good),
        ("records not read", &state.lag, Tone::Warn),
        ("dead letters open", &state.open, Tone::Bad),
    ];
    if area.height < CHART + 3 {
        return area;
    }
    if area.width < WIDE {
        let place = Rect { height: CHART, ..area };
        let (title, history, tone) = all[0];
        chart(state, title, history, tone, place, buffer);
        return below(area, CHART);
    }
    let width = area.width / 3;
    for (n, (title, history, tone)) in all.into_iter().enumerate() {
        let place = Rect { x: area.x + width * n as u16, width: width - 1, height: CHART, ..area };
        chart(state, title, history, tone, place, buffer);
    }
    below(area, CHART)
}

/// A figure over time, the newest at the right.
pub(super) fn chart(
    state: &State,
    title: &str,
    history: &History,
    tone: Tone,
    area: Rect,
    buffer: &mut Buffer,
) {
    let width = usize::from(area.width);
    let step = state.scale.step(history.len(), width);
    let columns = history.columns(step, width);
    let top = columns.iter().copied().max().unwrap_or(0);
    let span = match state.scale {
        Scale::Fit => text::span(history.len() as u64),
        Scale::Seconds(_) => text::span((step * width) as u64),
    };
    let mut told = format!("now {}", text::number(history.last()));
    for more in [format!(", top {}", text::number(top)), format!(", {span}")] {
        if title.chars().count() + 1 + told.chars().count() + more.chars().count() <= width {
            told += &more;
        }
    }
    let head = vec![(format!("{title} "), Tone::Accent), (told, Tone::Dim)];
    write(state, &head, area, buffer);
    let mut data = vec![0; width.saturating_sub(columns.len())];
    data.extend(columns);
    let place = below(area, 1);
    // A line of its own below, so that charts and lists keep apart.
    let place = Rect { height: place.height.saturating_sub(1), ..place };
    Sparkline::default()
        .data(&data)
        .max(top.max(1))
        .style(state.theme.style(tone))
        .render(place, buffer);
}

pub(super) fn lines(state: &State, lines: &[Line], area: Rect, buffer: &mut Buffer) {
    for (n, line) in lines.iter().take(usize::from(area.height)).enumerate() {
        write(state, line, below(area, n as u16), buffer);
    }
}

/// Groups, those in trouble first.
fn groups(state: &State) -> Vec<Line> {
    let mut all: Vec<Line> = vec![line("consumer groups", Tone::Accent)];
    let Some(pulse) = &state.pulse else { return all };
    let status = |group: &str| {
        let own = state.behind.iter().filter(|lag| lag.group == group);
        own.map(|lag| lag.status).find(|status| *status != LagStatus::Ok)
    };
    let mut groups: Vec<_> = pulse.groups.iter().collect();
    groups.sort_by_key(|group| (status(&group.group).is_none(), std::cmp::Reverse(group.lag)));
    all.extend(groups.into_iter().map(|group| {
        let known =
            status(&group.group).or_else(|| (!state.behind.is_empty()).then_some(LagStatus::Ok));
        let mark = known.map_or_else(
            || ("…".to_owned(), Tone::Dim),
            |status| {
                let cell = lag_status(status);
                (cell.text, cell.tone)
            },
        );
        vec![
            (format!("{:10}", mark.0), mark.1),
            (format!("{:>9} ", text::number(group.lag)), Tone::Plain),
            (text::harmless(&group.group), Tone::Plain),
        ]
    }));
    all
}

/// Why events died, the most frequent reason first.
fn errors(state: &State, width: u16) -> Vec<Line> {
    let full: u64 = match width {
        70.. => 16,
        50.. => 8,
        _ => 0,
    };
    let letters = state.pulse.iter().flat_map(|pulse| &pulse.letters);
    let mut open: Vec<_> = letters.filter(|letters| letters.open > 0).collect();
    open.sort_by_key(|letters| std::cmp::Reverse(letters.open));
    let Some(most) = open.first().map(|letters| letters.open) else { return vec![] };
    let mut all: Vec<Line> = vec![line("why events died", Tone::Accent)];
    all.extend(open.into_iter().map(|letters| {
        let bar = "█".repeat((letters.open * full).div_ceil(most) as usize);
        let bar = if full > 0 { format!("{bar:0$} ", full as usize) } else { bar };
        vec![
            (format!("{:>9} ", text::number(letters.open)), Tone::Bad),
            (bar, Tone::Bad),
            (text::harmless(&letters.error_code), Tone::Plain),
            (format!("  {} ago", text::ago(state.now, letters.last_at)), Tone::Dim),
        ]
    }));
    all
}

/// What was logged as wrong last.
fn troubles(state: &State) -> Vec<Line> {
    let bad = |line: &&crate::ops::live::LogLine| line.level == "ERROR" || line.level == "WARN";
    let mut all: Vec<Line> = state
        .logs
        .iter()
        .rev()
        .filter(bad)
        .map(|line| {
            let tone = if line.level == "ERROR" { Tone::Bad } else { Tone::Warn };
            vec![
                (format!("{} {:5} ", text::clock(line.at), line.level), tone),
                (text::harmless(&line.text), Tone::Plain),
            ]
        })
        .collect();
    if !all.is_empty() {
        all.insert(0, line("last troubles", Tone::Accent));
    }
    all
}
