//! A list.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::places::first_shown;
use super::write;
use crate::tui::state::State;
use crate::tui::state::table::{Cell, Column, Row, Table};
use crate::tui::theme::Tone;

/// Columns that a list's widest column gets at least, before others are left out.
const FLEXIBLE_MIN: u16 = 14;
/// Between two columns.
const GAP: u16 = 1;

/// Draws headings and rows; `none` is said where there are no rows.
pub(super) fn draw(state: &State, table: &Table, none: &str, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let widths = widths(table.columns, area.width);
    let line = |n: usize| Rect { y: area.y + n as u16, height: 1, ..area };
    let mut x = area.x;
    for (column, width) in table.columns.iter().zip(&widths) {
        let cell = Cell::text(column.title).tone(Tone::Accent);
        put(state, &cell, column, Rect { x, width: *width, ..line(0) }, None, buffer);
        x += width + if *width > 0 { GAP } else { 0 };
    }
    let room = usize::from(area.height - 1);
    let len = table.visible().len();
    if len == 0 && room > 0 {
        let text = if table.is_empty() { none } else { "nothing matches the filter" };
        write(state, &vec![(text.to_owned(), Tone::Dim)], line(1), buffer);
        return;
    }
    let first = first_shown(table.cursor(), len, room);
    for (n, row) in table.visible().enumerate().skip(first).take(room) {
        let place = line(n - first + 1);
        draw_row(state, table, row, n == table.cursor(), &widths, place, buffer);
    }
}

fn draw_row(
    state: &State,
    table: &Table,
    row: &Row,
    under_cursor: bool,
    widths: &[u16],
    place: Rect,
    buffer: &mut Buffer,
) {
    let marked = table.is_marked(row);
    let whole = match (under_cursor, marked) {
        (true, _) => Some(Tone::Cursor),
        (false, true) => Some(Tone::Marked),
        (false, false) => None,
    };
    if under_cursor {
        buffer.set_style(place, state.theme.style(Tone::Cursor));
    }
    let mut x = place.x;
    for ((column, cell), width) in table.columns.iter().zip(&row.cells).zip(widths) {
        let first = x == place.x;
        let shown = if marked && first {
            Cell { text: format!("● {}", cell.text), ..cell.clone() }
        } else {
            cell.clone()
        };
        put(state, &shown, column, Rect { x, width: *width, ..place }, whole, buffer);
        x += width + if *width > 0 { GAP } else { 0 };
    }
}

fn put(
    state: &State,
    cell: &Cell,
    column: &Column,
    place: Rect,
    whole: Option<Tone>,
    buffer: &mut Buffer,
) {
    if place.width == 0 {
        return;
    }
    let mut style = state.theme.style(whole.unwrap_or(cell.tone));
    if whole == Some(Tone::Cursor) {
        style = state.theme.style(cell.tone).patch(style);
    }
    let width = ratatui::text::Span::raw(cell.text.as_str()).width() as u16;
    let indent = if column.right { place.width.saturating_sub(width) } else { 0 };
    let room = usize::from(place.width - indent);
    buffer.set_stringn(place.x + indent, place.y, &cell.text, room, style);
    if width > place.width {
        buffer.set_stringn(place.right() - 1, place.y, "…", 1, style);
    }
}

/// How wide each column is: columns of fixed width are left out, the last first, until the one that takes
/// what is left has enough.
fn widths(columns: &[Column], room: u16) -> Vec<u16> {
    let mut widths: Vec<u16> = columns.iter().map(|column| column.width).collect();
    loop {
        let fixed: u16 = widths.iter().filter(|width| **width > 0).map(|width| width + GAP).sum();
        let rest = room.saturating_sub(fixed);
        let flexible = columns.iter().position(|column| column.width == 0);
        let enough = flexible.is_none() || rest >= FLEXIBLE_MIN || fixed == 0;
        let last = widths.iter().rposition(|width| *width > 0);
        if let (false, Some(last)) = (enough, last) {
            widths[last] = 0;
        } else {
            if let Some(at) = flexible {
                widths[at] = rest;
            }
            return widths;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::state::table::{numbers, words};

    #[test]
    fn narrow_lists_leave_out_their_last_columns() {
        let columns = &[words("a", 8), words("b", 0), numbers("c", 9)];
        assert_eq!(widths(columns, 60), [8, 41, 9]);
        assert_eq!(widths(columns, 30), [8, 21, 0]);
        assert_eq!(widths(columns, 12), [0, 12, 0]);
        assert_eq!(widths(columns, 0), [0, 0, 0]);
    }
}
