//! What happens when something happens: pure, so that every way through the console can be tested as a table.

mod actions;
mod admin;
mod ask;
mod commands;
mod popups;

pub use ask::wanted;
pub use commands::{Command, commands};

use crossterm::event::KeyCode;

use super::keymap::{self, Key, View};
use super::msg::{Effect, Load, Loaded, Msg};
use super::state::State;
use super::state::popup::{Page, Plan, Popup, Reset, line};
use super::text;
use super::theme::Tone;
use super::views::{self, places};
use ask::ask;

/// Filters that are remembered.
const FILTERS: usize = 20;

/// Takes in what happened; what is to be done about it.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => pressed(state, key),
        Msg::Paste(text) => {
            let plain = text.chars().filter(|c| !c.is_control());
            if let Some(typing) = &mut state.typing {
                typing.extend(plain);
                filter_as_typed(state);
            } else {
                popups::paste(state, &plain.collect::<String>());
            }
            vec![]
        }
        Msg::Click(column, row) => clicked(state, column, row),
        Msg::Wheel(rows) => {
            if state.popups.is_empty() {
                if let Some(table) = state.table_mut() {
                    table.walk(rows);
                }
            } else {
                popups::scroll(state, rows);
            }
            more_letters(state)
        }
        Msg::Resize(columns, rows) => {
            state.size = (columns, rows);
            vec![]
        }
        Msg::Tick(now) => {
            state.now = now;
            if let Some((_, _, seconds)) = &mut state.notice {
                *seconds -= 1;
                if *seconds == 0 {
                    state.notice = None;
                }
            }
            wanted(state)
        }
        Msg::Loaded(loaded) => taken(state, *loaded),
        Msg::Failed(load, why) => failed(state, &load, why),
        Msg::Done(text) => {
            state.say(text);
            wanted(state)
        }
        Msg::NotDone(why) => {
            not_done(state, why);
            vec![]
        }
    }
}

/// Says why something could not be done: on a page, if that is more than a line.
fn not_done(state: &mut State, why: String) {
    const MARK: usize = 2;
    if why.chars().count() + MARK <= usize::from(state.size.0) {
        state.complain(why);
    } else {
        let lines = vec![line(text::harmless(&why), Tone::Bad)];
        state.popups.push(Popup::Page(Page::new("Not done".into(), lines)));
    }
}

#[expect(clippy::too_many_lines, reason = "an arm per thing that comes")]
fn taken(state: &mut State, loaded: Loaded) -> Vec<Effect> {
    match loaded {
        Loaded::Pulse(pulse) => {
            state.busy.remove(Load::Pulse.kind());
            state.take_pulse(pulse);
        }
        Loaded::Lag(behind) => {
            state.busy.remove(Load::Lag.kind());
            state.behind = behind;
            state.show_pulse();
        }
        Loaded::Tail(tailed) => {
            state.busy.remove("tail");
            state.tail.take(tailed, state.frozen);
            return wanted_tail(state);
        }
        Loaded::Summary(by, groups) => {
            state.busy.remove("summary");
            if !state.frozen {
                state.letters.take_summary(by, &groups, state.now);
            }
        }
        Loaded::Letters(filter, letters) => {
            state.busy.remove("letters");
            state.letters.take(&filter, letters);
        }
        Loaded::Letter(detail) => {
            state.busy.remove("letter");
            let page = views::letter::page(&detail);
            state.popups.push(Popup::Page(page));
        }
        Loaded::Jobs(jobs) => {
            state.busy.remove("jobs");
            popups::take_jobs(state, &jobs);
        }
        Loaded::Job(job) => {
            state.busy.remove("job");
            return popups::take_job(state, job);
        }
        Loaded::Opened(job) => {
            state.busy.remove("open job");
            return popups::watch_job(state, job);
        }
        Loaded::Plan(request, report) => {
            state.busy.remove("plan");
            popups::show_plan(state, Plan { request, report, yes: false });
        }
        Loaded::Reset(group, place, changes) => {
            state.busy.remove("reset");
            admin::show_reset(state, Reset { group, place, changes, yes: false });
        }
        Loaded::Removal(removal) => {
            state.busy.remove("removal");
            state.popups.push(admin::deleting(&removal));
        }
        Loaded::Edited(report) => {
            let at = report.at.unwrap_or_default();
            state.say(format!("sent to {at} in place of {}", report.id));
            state.close_page();
            return wanted(state);
        }
        Loaded::Orders(orders) => {
            state.busy.remove("orders");
            state.take_orders(&orders);
        }
        Loaded::Trace(trace) => {
            state.busy.remove("trace");
            state.popups.push(Popup::Page(views::trace::page(&trace)));
        }
        Loaded::Order(report) => {
            let told = report.told.join("; ");
            state.say(format!("{} is {}: {told}", report.order_id, report.state));
            return wanted(state);
        }
        Loaded::Logs(lines) => {
            state.busy.remove("logs");
            state.take_logs(lines);
        }
        Loaded::Run(run) => {
            state.busy.remove(Load::Run.kind());
            state.take_run(run);
        }
    }
    vec![]
}

fn failed(state: &mut State, load: &Load, why: String) -> Vec<Effect> {
    state.busy.remove(load.kind());
    match load {
        Load::Pulse => state.unreachable = Some(why),
        Load::Orders => state.no_orders = Some(why),
        Load::Tail(_) => {
            // A topic that is not there is not asked for again.
            state.tail.next = None;
            state.complain(why);
        }
        _ if state.unreachable.is_none() => state.complain(why),
        _ => {}
    }
    vec![]
}

fn pressed(state: &mut State, key: Key) -> Vec<Effect> {
    if state.typing.is_some() {
        typed(state, key);
        return vec![];
    }
    if !state.popups.is_empty() {
        return popups::pressed(state, key);
    }
    if let Some(view) = keymap::view_of(key) {
        return go(state, view);
    }
    match state.setup.keys.action(key, state.view) {
        Some(binding) => actions::act(state, binding.action),
        None => vec![],
    }
}

/// Shows this view.
fn go(state: &mut State, view: View) -> Vec<Effect> {
    // What was said was about the view that is left.
    state.notice = None;
    state.view = view;
    wanted(state)
}

fn typed(state: &mut State, key: Key) {
    let Some(typing) = &mut state.typing else { return };
    match key.code {
        KeyCode::Char(c) if !key.ctrl => typing.push(c),
        KeyCode::Backspace => {
            typing.pop();
        }
        KeyCode::Char('u') => typing.clear(),
        KeyCode::Up => {
            let at = state.filters.iter().position(|filter| filter == typing);
            let before = at.unwrap_or(state.filters.len()).checked_sub(1);
            if let Some(filter) = before.and_then(|at| state.filters.get(at)) {
                typing.clone_from(filter);
            }
        }
        KeyCode::Enter => {
            let filter = std::mem::take(typing);
            state.typing = None;
            if !filter.is_empty() {
                state.filters.retain(|known| *known != filter);
                state.filters.push(filter);
                let surplus = state.filters.len().saturating_sub(FILTERS);
                state.filters.drain(..surplus);
            }
            return;
        }
        KeyCode::Esc => {
            typing.clear();
            filter_as_typed(state);
            state.typing = None;
            return;
        }
        _ => return,
    }
    filter_as_typed(state);
}

fn filter_as_typed(state: &mut State) {
    let typing = state.typing.clone().unwrap_or_default();
    if let Some(table) = state.table_mut() {
        table.filter(&typing);
    }
}

fn clicked(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    if !state.popups.is_empty() || state.typing.is_some() {
        return vec![];
    }
    if row == 0 {
        return places::tab_at(state, column).map_or_else(Vec::new, |view| go(state, view));
    }
    let Some(at) = places::row_at(state, row) else { return vec![] };
    let Some(table) = state.table_mut() else { return vec![] };
    if table.cursor() == at {
        return actions::act(state, keymap::Action::Open);
    }
    table.go(at);
    vec![]
}

/// More letters, when the cursor is on the last of those that are there.
fn more_letters(state: &mut State) -> Vec<Effect> {
    let wanted = state.view == View::Dlq && state.letters.table().is_at_end();
    let more = state.letters.more().filter(|_| wanted);
    more.map_or_else(Vec::new, |filter| ask(state, Load::Letters(filter)))
}

fn wanted_tail(state: &mut State) -> Vec<Effect> {
    if state.view != View::Tail {
        return vec![];
    }
    let next = state.tail.next.clone();
    next.map_or_else(Vec::new, |next| ask(state, Load::Tail(next)))
}
