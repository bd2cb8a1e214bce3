//! Where things are on the screen: for who draws them, and for who clicks on them.

use ratatui::layout::Rect;

use crate::tui::keymap::View;
use crate::tui::state::State;

/// Columns at each side of a popup; one for which there are not so many takes them all.
const MARGIN: u16 = 3;

/// A view's name at the top.
pub struct Tab {
    /// Where it begins.
    pub x: u16,
    /// What it says.
    pub text: String,
    /// Which view it is.
    pub view: View,
}

/// The names of the views: in full if there is room, else only that of the current one.
pub fn tabs(state: &State) -> Vec<Tab> {
    let label = |view: View, full: bool| {
        let name = if full || view == state.view { view.title() } else { "" };
        format!(" {} {name}", view.number()).trim_end().to_owned() + " "
    };
    let length =
        |full| View::ALL.iter().map(|view| label(*view, full).chars().count()).sum::<usize>();
    let full = length(true) <= usize::from(state.size.0);
    let mut x = 0;
    let tab = |view: &View| {
        let text = label(*view, full);
        let begins = x;
        x += text.chars().count() as u16;
        Tab { x: begins, text, view: *view }
    };
    View::ALL.iter().map(tab).collect()
}

/// Whether what is looked at is named in the header, before the time; else it is in the line above the keys.
pub fn has_label_above(state: &State) -> bool {
    const CLOCK: usize = 8;
    let tabs: usize = tabs(state).iter().map(|tab| tab.text.chars().count()).sum();
    let label = state.setup.label.chars().count();
    tabs + 1 + label + 2 + CLOCK <= usize::from(state.size.0)
}

/// The view whose name is at this column.
pub fn tab_at(state: &State, column: u16) -> Option<View> {
    let tabs = tabs(state);
    let tab = tabs.iter().rev().find(|tab| tab.x <= column)?;
    (column < tab.x + tab.text.chars().count() as u16).then_some(tab.view)
}

/// Header, body, and the two lines below it.
pub fn screen(area: Rect) -> (Rect, Rect, Rect, Rect) {
    let line = |from_bottom: u16| Rect {
        x: area.x,
        y: area.y + area.height.saturating_sub(from_bottom),
        width: area.width,
        height: u16::from(area.height > from_bottom),
    };
    let header = Rect { height: area.height.min(1), ..area };
    let body = Rect { y: area.y + header.height, height: area.height.saturating_sub(3), ..area };
    (header, body, line(2), line(1))
}

/// Rows of a list that fit.
pub fn list_rows(state: &State) -> usize {
    usize::from(state.size.1.saturating_sub(4))
}

/// The first row of a list that is shown, so that the cursor is in the middle where it can be.
pub fn first_shown(cursor: usize, len: usize, room: usize) -> usize {
    cursor.saturating_sub(room / 2).min(len.saturating_sub(room))
}

/// The row of the list that is shown at this row of the screen.
pub fn row_at(state: &State, row: u16) -> Option<usize> {
    let table = state.table()?;
    let room = list_rows(state);
    let at = usize::from(row).checked_sub(2).filter(|at| *at < room)?;
    let len = table.visible().len();
    Some(first_shown(table.cursor(), len, room) + at).filter(|at| *at < len)
}

/// Where a popup lies: as large as `wanted`, inside of the body.
pub fn popup(area: Rect, wanted: (u16, u16)) -> Rect {
    let (_, body, _, _) = screen(area);
    let fits = wanted.0.saturating_add(2 * MARGIN) <= body.width;
    let width = if fits { wanted.0 } else { body.width };
    let height = wanted.1.min(body.height);
    Rect {
        x: body.x + (body.width - width) / 2,
        y: body.y + (body.height - height) / 2,
        width,
        height,
    }
}

/// Columns of text in a page that lies over the view.
pub fn page_columns(state: &State) -> usize {
    let area = Rect::new(0, 0, state.size.0, state.size.1);
    usize::from(popup(area, (area.width, area.height)).width.saturating_sub(2))
}

/// Lines of text that fit into a page that lies over the view.
pub fn popup_rows(state: &State) -> usize {
    usize::from(state.size.1.saturating_sub(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_always_among_the_rows_shown() {
        for len in 0..30 {
            for room in 1..12 {
                for cursor in 0..len {
                    let first = first_shown(cursor, len, room);
                    assert!(
                        first <= cursor && cursor < first + room,
                        "{cursor} of {len} in {room}"
                    );
                    assert!(len <= room || first + room <= len, "no room is wasted");
                }
            }
        }
    }

    #[test]
    fn a_screen_of_any_size_has_its_parts_inside() {
        for height in 0..12 {
            let area = Rect::new(0, 0, 7, height);
            let (header, body, status, footer) = screen(area);
            for part in [header, body, status, footer] {
                assert!(part.bottom() <= area.bottom(), "{part:?} in {height}");
            }
            let over = popup(area, (100, 100));
            assert!(over.bottom() <= area.bottom() && over.right() <= area.right());
        }
    }
}
