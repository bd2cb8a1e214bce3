//! What each action does in a view.

use super::super::keymap::{Action, BINDINGS, View};
use super::super::msg::{Draft, Effect, Follow, Load};
use super::super::state::State;
use super::super::state::history::Scale;
use super::super::state::popup::{Asks, Confirm, Palette, Popup, line};
use super::super::state::tail::Tail;
use super::super::theme::Tone;
use super::super::views;
use super::ask::{ask, wanted};
use super::{admin, go, more_letters};
use crate::ops::topics::NewRecordView;

/// Does it, if it may be done.
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    let changes = BINDINGS.iter().any(|binding| binding.action == action && binding.changes);
    if changes && !state.may_change() {
        return vec![];
    }
    match action {
        Action::Up => walk(state, -1),
        Action::Down => walk(state, 1),
        Action::PageUp => walk(state, -page(state)),
        Action::PageDown => walk(state, page(state)),
        Action::Top => jump(state, 0),
        Action::Bottom => jump(state, usize::MAX),
        Action::Open => open(state),
        Action::Back => back(state),
        Action::NextView => go(state, state.view.after(1)),
        Action::PreviousView => go(state, state.view.after(View::ALL.len() - 1)),
        Action::Refresh => {
            state.say("reading again");
            wanted(state)
        }
        Action::GroupBy => {
            state.letters.next_grouping();
            wanted(state)
        }
        Action::Replay => replay(state),
        Action::Edit => edit(state),
        Action::Discard => discard(state),
        Action::Restore => restore(state),
        Action::Jobs => {
            state.popups.push(Popup::Jobs(super::popups::no_jobs()));
            wanted(state)
        }
        Action::Trace => trace(state),
        Action::ResumeOrder => about_order(state, false),
        Action::CancelOrder => about_order(state, true),
        Action::Produce => produce(state),
        Action::CreateTopic => vec![Effect::Draft(Draft::Topic)],
        Action::DeleteTopic => admin::delete_topic(state),
        Action::ResetOffsets => admin::reset_offsets(state),
        Action::Copy => copy(state),
        Action::Export => export(state),
        Action::Quit => quit(state),
        Action::Filter
        | Action::Sort
        | Action::Mark
        | Action::MarkAll
        | Action::Unmark
        | Action::Freeze
        | Action::ZoomIn
        | Action::ZoomOut
        | Action::ZoomAuto
        | Action::Theme
        | Action::Unlock
        | Action::Palette
        | Action::Help => {
            look(state, action);
            vec![]
        }
    }
}

/// What only changes how things look.
fn look(state: &mut State, action: Action) {
    match action {
        Action::ZoomIn => state.scale = state.scale.closer(),
        Action::ZoomOut => state.scale = state.scale.wider(),
        Action::ZoomAuto => state.scale = Scale::Fit,
        Action::Theme => {
            state.theme = state.theme.next();
            state.say(format!("colours: {}", state.theme));
        }
        Action::Unlock => state.unlock(),
        Action::Palette => state.popups.push(Popup::Palette(Palette::default())),
        Action::Help => state.popups.push(Popup::Help(0)),
        Action::Freeze => {
            state.frozen = !state.frozen;
            if !state.frozen {
                state.tail.show();
                state.show_pulse();
            }
        }
        _ => {}
    }
    let typing = matches!(action, Action::Filter);
    let Some(table) = state.table_mut() else { return };
    match action {
        Action::Sort => table.sort_next(),
        Action::Mark => table.mark(),
        Action::MarkAll => table.mark_all(),
        Action::Unmark => table.unmark(),
        _ => {}
    }
    if typing {
        state.typing = Some(table.filtered_by().to_owned());
    }
}

fn page(state: &State) -> isize {
    views::places::list_rows(state).max(1) as isize
}

fn walk(state: &mut State, steps: isize) -> Vec<Effect> {
    if let Some(table) = state.table_mut() {
        table.walk(steps);
    }
    more_letters(state)
}

fn jump(state: &mut State, to: usize) -> Vec<Effect> {
    if let Some(table) = state.table_mut() {
        table.go(to);
    }
    more_letters(state)
}

fn open(state: &mut State) -> Vec<Effect> {
    match state.view {
        View::Topics => {
            let topic = state.topics.current().map(|row| row.key.clone());
            topic.map_or_else(Vec::new, |topic| follow(state, topic))
        }
        View::Tail => {
            if let Some(record) = state.tail.current() {
                let page = views::tail::page(record);
                state.popups.push(Popup::Page(page));
            }
            vec![]
        }
        View::Groups => {
            if let Some(row) = state.groups.current() {
                let page = views::groups::page(&row.key, &state.behind);
                state.popups.push(Popup::Page(page));
            }
            vec![]
        }
        View::Dlq if state.letters.open.is_none() => {
            let filter = state.letters.enter();
            filter.map_or_else(Vec::new, |filter| ask(state, Load::Letters(filter)))
        }
        View::Dlq => {
            let id = state.letters.table().current().map(|row| row.key.clone());
            id.map_or_else(Vec::new, |id| ask(state, Load::Letter(id)))
        }
        View::Logs => {
            if let Some(row) = state.log_table.current() {
                let page = views::logs::page(row, &state.logs);
                state.popups.push(Popup::Page(page));
            }
            vec![]
        }
        View::Orders => trace(state),
        View::Overview | View::Simulation => vec![],
    }
}

/// Follows this topic.
pub(super) fn follow(state: &mut State, topic: String) -> Vec<Effect> {
    state.frozen = false;
    if state.tail.topic.as_ref() != Some(&topic) {
        state.tail = Tail::new(Some(topic));
    } else if state.tail.next.is_none() {
        state.tail.next = Some(Follow::Begin(topic));
    }
    go(state, View::Tail)
}

fn back(state: &mut State) -> Vec<Effect> {
    if let Some(table) = state.table_mut() {
        if !table.filtered_by().is_empty() {
            table.filter("");
            return vec![];
        }
        if table.marked() > 0 {
            table.unmark();
            return vec![];
        }
    }
    if state.view == View::Dlq && state.letters.open.take().is_some() {
        return wanted(state);
    }
    if state.view == View::Tail {
        return go(state, View::Topics);
    }
    vec![]
}

fn replay(state: &mut State) -> Vec<Effect> {
    let request = state.letters.replay(&state.setup.actor);
    request.map_or_else(Vec::new, |request| {
        state.say("looking at what a replay would do");
        ask(state, Load::Plan(request))
    })
}

fn edit(state: &mut State) -> Vec<Effect> {
    if let Some(letter) = state.letters.current() {
        vec![Effect::Draft(Draft::Letter(letter.id.clone()))]
    } else {
        state.say("open a group first: one letter is repaired at a time");
        vec![]
    }
}

/// The letters that are chosen, none while only groups are shown.
fn chosen(state: &mut State) -> Vec<String> {
    if state.letters.open.is_none() {
        state.say("open a group first, and mark letters in it");
        return vec![];
    }
    state.letters.table().chosen()
}

fn discard(state: &mut State) -> Vec<Effect> {
    let ids = chosen(state);
    if !ids.is_empty() {
        state.popups.push(super::popups::discarding(ids));
    }
    vec![]
}

fn restore(state: &mut State) -> Vec<Effect> {
    let ids = chosen(state);
    if ids.is_empty() { vec![] } else { vec![Effect::Restore(ids)] }
}

/// What the row under the cursor can be traced by.
fn trace(state: &mut State) -> Vec<Effect> {
    let row = state.table().and_then(|table| table.current());
    let id = row.filter(|_| state.view != View::Dlq || state.letters.open.is_some());
    if let Some(id) = id.map(|row| row.key.clone()) {
        ask(state, Load::Trace(id))
    } else {
        state.say("open a group first: one order is traced at a time");
        vec![]
    }
}

/// Asks before an order is cancelled or made to go on.
fn about_order(state: &mut State, cancel: bool) -> Vec<Effect> {
    let Some(order) = state.order_table.current().map(|row| row.key.clone()) else {
        return vec![];
    };
    let (title, verb, text) = if cancel {
        ("Cancel an order", "Cancel it", "Cancel it; what was paid is given back.")
    } else {
        ("Resume an order", "Resume", "Make it go on, by whatever it waits for.")
    };
    let effect = if cancel {
        Effect::CancelOrder(order.clone(), String::new())
    } else {
        Effect::ResumeOrder(order.clone())
    };
    state.popups.push(Popup::Confirm(Confirm {
        title: title.into(),
        lines: vec![line(order, Tone::Accent), line(text, Tone::Plain)],
        verb,
        effect,
        yes: false,
        asks: if cancel { Asks::Reason(String::new()) } else { Asks::Nothing },
    }));
    vec![]
}

fn produce(state: &State) -> Vec<Effect> {
    let topic = match state.view {
        View::Topics => state.topics.current().map(|row| row.key.clone()),
        _ => state.tail.topic.clone(),
    };
    let record = topic.map(|topic| NewRecordView {
        topic,
        partition: None,
        key: None,
        headers: vec![],
        value: None,
    });
    record.map(|record| Effect::Draft(Draft::Record(record))).into_iter().collect()
}

fn copy(state: &mut State) -> Vec<Effect> {
    let Some(row) = state.table().and_then(|table| table.current()) else { return vec![] };
    let text = row.key.clone();
    state.say(format!("copied {text}"));
    vec![Effect::Copy(text)]
}

fn export(state: &mut State) -> Vec<Effect> {
    let Some(table) = state.table() else { return vec![] };
    let mut lines = String::new();
    for row in table.visible() {
        let cells = table.columns.iter().zip(&row.cells);
        let cells = cells.map(|(column, cell)| (column.title.to_owned(), cell.text.clone().into()));
        let object: serde_json::Map<String, serde_json::Value> =
            [("id".to_owned(), row.key.clone().into())].into_iter().chain(cells).collect();
        lines.push_str(&serde_json::Value::Object(object).to_string());
        lines.push('\n');
    }
    let time: String =
        state.now.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    let file = format!("ecom-{}-{time}.jsonl", state.view);
    vec![Effect::Write(file.into(), lines)]
}

/// Leaves; asks first, if something ends with the console.
pub(super) fn quit(state: &mut State) -> Vec<Effect> {
    // A run that has come to its verdict has nothing left to lose.
    let over = state.run.as_ref().is_some_and(|run| run.verdict.is_some());
    let Some(ends) = state.setup.ends.clone().filter(|_| !over) else { return vec![Effect::Quit] };
    state.popups.push(Popup::Confirm(Confirm {
        title: "Quit".into(),
        lines: vec![line(ends, Tone::Plain)],
        verb: "Quit",
        effect: Effect::Quit,
        yes: false,
        asks: Asks::Nothing,
    }));
    vec![]
}
