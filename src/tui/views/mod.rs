//! Drawing: from the state to the screen, and nothing else.

pub mod groups;
pub mod letter;
mod list;
pub mod logs;
mod overview;
pub mod places;
pub mod popups;
mod simulation;
pub mod tail;
pub mod trace;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::keymap::{Action, BINDINGS, View};
use super::state::popup::Line;
use super::state::{Rights, State};
use super::text;
use super::theme::Tone;

/// Draws everything.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    screen(state, area, frame.buffer_mut());
}

/// Draws everything into this part of a buffer.
pub fn screen(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let (top, body, status, footer) = places::screen(area);
    header(state, top, buffer);
    match state.view {
        View::Overview => overview::draw(state, body, buffer),
        View::Topics => list::draw(state, &state.topics, "no topics yet", body, buffer),
        View::Tail => tail::draw(state, body, buffer),
        View::Groups => list::draw(state, &state.groups, "no consumer groups yet", body, buffer),
        View::Dlq => list::draw(state, state.letters.table(), "no dead letters", body, buffer),
        View::Orders => {
            let none = state.no_orders.as_deref().unwrap_or("no orders yet");
            list::draw(state, &state.order_table, none, body, buffer);
        }
        View::Simulation => simulation::draw(state, body, buffer),
        View::Logs => list::draw(state, &state.log_table, "nothing was logged", body, buffer),
    }
    if let Some(popup) = state.popups.last() {
        popups::draw(state, popup, area, buffer);
    }
    says(state, status, buffer);
    keys(state, footer, buffer);
}

/// Writes pieces of text one after another, as far as there is room; the column after them.
fn write(state: &State, line: &Line, area: Rect, buffer: &mut Buffer) -> u16 {
    let mut x = area.x;
    if area.height == 0 {
        return x;
    }
    for (text, tone) in line {
        let room = area.right().saturating_sub(x);
        x = buffer.set_stringn(x, area.y, text, usize::from(room), state.theme.style(*tone)).0;
    }
    x
}

fn header(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let mut end = area.x;
    for tab in places::tabs(state) {
        let tone = if tab.view == state.view { Tone::Cursor } else { Tone::Accent };
        let place = Rect { x: tab.x, width: area.right().saturating_sub(tab.x), ..area };
        end = write(state, &vec![(tab.text, tone)], place, buffer);
    }
    let mut right: Line = vec![];
    if places::has_label_above(state) {
        right.extend([label(state), ("  ".into(), Tone::Plain)]);
    }
    right.push((text::clock(state.now), Tone::Dim));
    at_the_right(
        state,
        &right,
        Rect { x: end, width: area.right().saturating_sub(end), ..area },
        buffer,
    );
}

/// What it is that is looked at.
fn label(state: &State) -> (String, Tone) {
    let tone = if state.setup.rights == Rights::All { Tone::Dim } else { Tone::Warn };
    (state.setup.label.clone(), tone)
}

/// Writes a line at the right end, if there is room and a column before it.
fn at_the_right(state: &State, line: &Line, area: Rect, buffer: &mut Buffer) {
    let width = line.iter().map(|(text, _)| text.chars().count()).sum::<usize>();
    if width < usize::from(area.width) {
        let width = width as u16;
        write(state, line, Rect { x: area.right() - width, width, ..area }, buffer);
    }
}

/// What is being typed, what was said, or how things are.
fn says(state: &State, area: Rect, buffer: &mut Buffer) {
    let line: Line = if let Some(typing) = &state.typing {
        vec![
            ("filter /".into(), Tone::Accent),
            (typing.clone(), Tone::Plain),
            ("▏".into(), Tone::Accent),
            ("  Enter keeps it, Esc clears it, ! turns it round".into(), Tone::Dim),
        ]
    } else if let Some((said, bad, _)) = &state.notice {
        let (mark, tone) = if *bad { ("✗ ", Tone::Bad) } else { ("", Tone::Good) };
        vec![(format!("{mark}{}", text::harmless(said)), tone)]
    } else if let Some(why) = &state.unreachable {
        vec![(format!("✗ {}; trying again", text::harmless(why)), Tone::Bad)]
    } else {
        standing(state)
    };
    let end = write(state, &line, area, buffer) + 1;
    if !places::has_label_above(state) {
        let rest = Rect { x: end, width: area.right().saturating_sub(end), ..area };
        at_the_right(state, &vec![label(state)], rest, buffer);
    }
}

fn standing(state: &State) -> Line {
    let mut line: Line = vec![];
    let mut add = |text: String, tone| {
        if !line.is_empty() {
            line.push(("  ".into(), Tone::Plain));
        }
        line.push((text, tone));
    };
    if state.frozen {
        add("! frozen".into(), Tone::Warn);
    }
    match state.setup.rights {
        Rights::All => {}
        Rights::Locked => {
            let key = state.setup.keys.usual(Action::Unlock);
            add(format!("protected, {key} unlocks"), Tone::Warn);
        }
        Rights::ReadOnly => add("read-only".into(), Tone::Warn),
    }
    if let Some(table) = state.table() {
        let (shown, all) = (table.visible().len(), table.len());
        let at = if shown == 0 { 0 } else { table.cursor() + 1 };
        add(format!("{} of {}", text::number(at as u64), text::number(shown as u64)), Tone::Dim);
        if !table.filtered_by().is_empty() {
            let hidden = all - shown;
            add(format!("filter /{} ({hidden} hidden)", table.filtered_by()), Tone::Warn);
        }
        if table.marked() > 0 {
            add(format!("{} marked", table.marked()), Tone::Marked);
        }
        if let Some((column, largest_first)) = table.sorted_by() {
            let title = table.columns.get(column).map_or("", |column| column.title);
            add(format!("sorted by {title}{}", if largest_first { " ↓" } else { " ↑" }), Tone::Dim);
        }
    }
    match state.view {
        View::Tail => {
            if let Some(line) = tail::standing(state) {
                add(line, Tone::Dim);
            }
        }
        View::Dlq => add(
            match &state.letters.open {
                Some(open) if open.value.is_empty() => format!("{}: (unknown)", state.letters.by),
                Some(open) => format!("{}: {}", state.letters.by, text::harmless(&open.value)),
                None => format!("by {}", state.letters.by),
            },
            Tone::Accent,
        ),
        _ => {}
    }
    line
}

/// The keys that do something here.
fn keys(state: &State, area: Rect, buffer: &mut Buffer) {
    let mut line: Line = vec![];
    let mut add = |key: &str, help: &str| {
        line.push((format!(" {key}"), Tone::Accent));
        line.push((format!(" {help} "), Tone::Dim));
    };
    let may_change = state.setup.rights == Rights::All;
    if let Some(popup) = state.popups.last() {
        popups::keys(state, popup, &mut add);
    } else {
        let here = BINDINGS.iter().filter(|binding| binding.shown && binding.holds(state.view));
        for binding in here.filter(|binding| !binding.changes || may_change) {
            if let Some(key) = state.setup.keys.keys(binding).first() {
                add(&key.to_string(), binding.help);
            }
        }
    }
    write(state, &line, area, buffer);
}
