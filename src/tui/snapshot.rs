//! One frame without a terminal: for scripts, reports of bugs, and documents.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::{Value, json};

use super::effects::{Doer, pause};
use super::keymap::Key;
use super::msg::{Effect, Load, Msg};
use super::state::{Setup, State};
use super::update::update;
use super::views;

/// Rounds of asking and answering before a frame is taken as it is: a job is waited for as long as a minute.
const ROUNDS: usize = 240;

/// How everything is once all that was asked for has come, after these keys were pressed.
pub async fn once(setup: Setup, doer: &Doer, size: (u16, u16), keys: &[Key]) -> State {
    let now = doer.clock.now();
    let mut state = State::new(setup, size, now);
    answer(&mut state, doer, Msg::Tick(now)).await;
    for key in keys {
        answer(&mut state, doer, Msg::Key(*key)).await;
    }
    state
}

async fn answer(state: &mut State, doer: &Doer, msg: Msg) {
    let mut effects = update(state, msg);
    for _ in 0..ROUNDS {
        let mut next = vec![];
        for effect in effects {
            if let Some(msg) = doer.done(effect).await {
                next.extend(update(state, msg));
            }
        }
        // Following a topic goes on for ever; one answer is enough. A job is waited for.
        next.retain(|effect| !matches!(effect, Effect::Load(Load::Tail(_))));
        if next.is_empty() {
            break;
        }
        doer.clock.sleep(next.iter().map(pause).max().unwrap_or_default()).await;
        effects = next;
    }
    state.busy.clear();
}

/// The frame as lines of text.
pub fn text(state: &State) -> String {
    let area = Rect::new(0, 0, state.size.0, state.size.1);
    let mut buffer = Buffer::empty(area);
    views::screen(state, area, &mut buffer);
    let mut text = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character takes two cells, of which the second is empty.
            x += ratatui::text::Span::raw(symbol).width().max(1) as u16;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What the frame shows, for programs.
pub fn json(state: &State) -> Value {
    let rows = state.table().map(|table| {
        let row = |row: &super::state::table::Row| {
            let cells = table.columns.iter().zip(&row.cells);
            let cells = cells.map(|(column, cell)| (column.title.to_owned(), json!(cell.text)));
            let id = ("id".to_owned(), json!(row.key));
            Value::Object([id].into_iter().chain(cells).collect())
        };
        table.visible().map(row).collect::<Vec<Value>>()
    });
    json!({
        "schema_version": 1,
        "kind": "console_frame",
        "view": state.view,
        "at": state.now,
        "label": state.setup.label,
        "pulse": state.pulse,
        "rows": rows,
        "trouble": state.unreachable,
    })
}
