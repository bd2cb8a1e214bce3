//! Keys in what lies over a view.

use crossterm::event::KeyCode;

use super::super::keymap::{Action, Key, View};
use super::super::msg::{Draft, Effect, Load};
use super::super::state::letters::replay_by;
use super::super::state::popup::{Asks, Confirm, Line, Page, Plan, Popup, line};
use super::super::state::table::Table;
use super::super::state::{Rights, State, rows};
use super::super::theme::Tone;
use super::super::views;
use super::admin;
use super::ask::{ask, wanted};
use super::commands::{commands, run};
use crate::ops::dlq::replay::{JobState, JobView, ReplayRequest};

/// Rates among which one chooses, in letters per second; 0 is as fast as it goes.
const RATES: [u32; 5] = [10, 100, 1_000, 10_000, 0];
/// Letters that are sent first to see whether they take effect.
const CANARY: u32 = 10;
/// Ids that a question lists.
const LISTED: usize = 8;

pub(super) fn pressed(state: &mut State, key: Key) -> Vec<Effect> {
    if key.ctrl && key.code == KeyCode::Char('c') {
        return vec![Effect::Quit];
    }
    let Some(top) = state.popups.pop() else { return vec![] };
    let closes = key.code == KeyCode::Esc || (key.code == KeyCode::Char('q') && !takes_text(&top));
    if closes {
        return vec![];
    }
    let action = state.setup.keys.action(key, state.view).map(|binding| binding.action);
    if action == Some(Action::Help) && !takes_text(&top) && !matches!(top, Popup::Help(_)) {
        state.popups.extend([top, Popup::Help(0)]);
        return vec![];
    }
    match top {
        Popup::Help(scroll) => {
            state.popups.push(Popup::Help(scroll));
            scrolled(state, key);
            vec![]
        }
        Popup::Page(page) => on_page(state, key, page),
        Popup::Palette(mut palette) => {
            let found = commands(state, &palette.text);
            match key.code {
                KeyCode::Enter => {
                    return if let Some(command) = found.into_iter().nth(palette.chosen) {
                        run(state, command)
                    } else {
                        state.complain(format!("there is no command {:?}", palette.text));
                        vec![]
                    };
                }
                KeyCode::Up => palette.chosen = palette.chosen.saturating_sub(1),
                KeyCode::Down | KeyCode::Tab => {
                    palette.chosen = (palette.chosen + 1).min(found.len().saturating_sub(1));
                }
                _ => {
                    type_into(&mut palette.text, key);
                    palette.chosen = 0;
                }
            }
            state.popups.push(Popup::Palette(palette));
            vec![]
        }
        Popup::Confirm(confirm) => on_confirm(state, key, confirm),
        Popup::Plan(plan) => on_plan(state, key, plan),
        Popup::Reset(reset) => admin::on_reset(state, key, reset),
        Popup::Job(job) => on_job(state, key, job),
        Popup::Jobs(mut jobs) => {
            let step = views::places::popup_rows(state).max(1) as isize;
            match key.code {
                KeyCode::Up | KeyCode::Char('k') => jobs.walk(-1),
                KeyCode::Down | KeyCode::Char('j') => jobs.walk(1),
                KeyCode::PageUp => jobs.walk(-step),
                KeyCode::PageDown => jobs.walk(step),
                _ => {}
            }
            let chosen = jobs.current().map(|row| row.key.clone());
            state.popups.push(Popup::Jobs(jobs));
            match (key.code, chosen) {
                (KeyCode::Enter, Some(job)) => ask(state, Load::OpenJob(job)),
                _ => vec![],
            }
        }
    }
}

fn takes_text(popup: &Popup) -> bool {
    matches!(popup, Popup::Palette(_))
        || matches!(popup, Popup::Confirm(confirm) if confirm.asks != Asks::Nothing)
}

fn type_into(text: &mut String, key: Key) {
    match key.code {
        KeyCode::Char('u') if key.ctrl => text.clear(),
        KeyCode::Char(c) if !key.ctrl => text.push(c),
        KeyCode::Backspace => {
            text.pop();
        }
        _ => {}
    }
}

pub(super) fn paste(state: &mut State, text: &str) {
    match state.popups.last_mut() {
        Some(Popup::Palette(palette)) => palette.text.push_str(text),
        Some(Popup::Confirm(confirm)) => {
            if let Some(typed) = confirm.asks.text() {
                typed.push_str(text);
                confirm.typed();
            }
        }
        _ => {}
    }
}

/// Scrolls what is on top by so many rows.
pub(super) fn scroll(state: &mut State, by: isize) {
    let room = views::places::popup_rows(state);
    let length = match state.popups.last() {
        Some(Popup::Page(page)) => views::popups::page_lines(state, page).count(),
        Some(Popup::Help(_)) => views::popups::help_lines(state).len(),
        _ => return,
    };
    let last = length.saturating_sub(room);
    if let Some(Popup::Page(Page { scroll, .. }) | Popup::Help(scroll)) = state.popups.last_mut() {
        *scroll = scroll.saturating_add_signed(by).min(last);
    }
}

/// Whether the key scrolled.
fn scrolled(state: &mut State, key: Key) -> bool {
    let page = views::places::popup_rows(state).max(1) as isize;
    let by = match key.code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -page,
        KeyCode::PageDown | KeyCode::Char(' ') => page,
        KeyCode::Home | KeyCode::Char('g') => isize::MIN,
        KeyCode::End | KeyCode::Char('G') => isize::MAX,
        _ => return false,
    };
    scroll(state, by);
    true
}

fn on_page(state: &mut State, key: Key, page: Page) -> Vec<Effect> {
    let letter = page.letter.clone();
    let text = page.lines.iter().map(words).collect::<Vec<_>>().join("\n");
    state.popups.push(Popup::Page(page));
    if scrolled(state, key) {
        return vec![];
    }
    // What a letter's row takes, its page takes as well.
    let Some(binding) = state.setup.keys.action(key, View::Dlq) else { return vec![] };
    if binding.action == Action::Copy {
        state.say("copied what is shown");
        return vec![Effect::Copy(text)];
    }
    let Some(id) = letter else { return vec![] };
    if binding.changes && !state.may_change() {
        return vec![];
    }
    match binding.action {
        Action::Trace => ask(state, Load::Trace(id)),
        Action::Edit => vec![Effect::Draft(Draft::Letter(id))],
        Action::Discard => {
            state.popups.push(discarding(vec![id]));
            vec![]
        }
        Action::Replay => {
            let request = ReplayRequest { ids: vec![id], ..replay_by(&state.setup.actor) };
            ask(state, Load::Plan(request))
        }
        _ => vec![],
    }
}

fn words(line: &Line) -> String {
    line.iter().map(|(text, _)| text.as_str()).collect()
}

/// Asks whether these letters are to be given up.
pub(super) fn discarding(ids: Vec<String>) -> Popup {
    let letters =
        if ids.len() == 1 { "one letter".into() } else { format!("{} letters", ids.len()) };
    let mut lines = vec![line(format!("Give {letters} up? `restore` takes it back."), Tone::Plain)];
    lines.extend(ids.iter().take(LISTED).map(|id| line(format!("  {id}"), Tone::Dim)));
    if ids.len() > LISTED {
        lines.push(line(format!("  and {} more", ids.len() - LISTED), Tone::Dim));
    }
    Popup::Confirm(Confirm {
        title: "Discard".into(),
        lines,
        verb: "Discard",
        effect: Effect::Discard(ids, String::new()),
        yes: false,
        asks: Asks::Reason(String::new()),
    })
}

pub(super) fn turns(key: Key) -> bool {
    matches!(key.code, KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right)
}

fn on_confirm(state: &mut State, key: Key, mut confirm: Confirm) -> Vec<Effect> {
    match key.code {
        KeyCode::Enter if confirm.is_wrong() => {
            state.complain("that is not the name; nothing was done");
            return vec![];
        }
        KeyCode::Enter if confirm.yes => {
            let effect = match (confirm.effect, confirm.asks) {
                (Effect::Discard(ids, _), Asks::Reason(why)) => Effect::Discard(ids, why),
                (Effect::CancelOrder(id, _), Asks::Reason(why)) => Effect::CancelOrder(id, why),
                (other, _) => other,
            };
            if effect != Effect::Quit {
                state.close_page();
            }
            return vec![effect];
        }
        KeyCode::Enter => return vec![],
        _ if turns(key) => confirm.yes = !confirm.yes,
        _ => {
            if let Some(typed) = confirm.asks.text() {
                type_into(typed, key);
                confirm.typed();
            }
        }
    }
    state.popups.push(Popup::Confirm(confirm));
    vec![]
}

fn on_plan(state: &mut State, key: Key, mut plan: Plan) -> Vec<Effect> {
    let rate = RATES.iter().position(|rate| *rate == plan.request.rate).unwrap_or(1);
    match key.code {
        KeyCode::Enter if plan.yes => {
            plan.request.dry_run = false;
            state.close_page();
            return vec![Effect::Replay(plan.request)];
        }
        KeyCode::Enter => return vec![],
        KeyCode::Char('+' | '=') => plan.request.rate = RATES[(rate + 1).min(RATES.len() - 1)],
        KeyCode::Char('-') => plan.request.rate = RATES[rate.saturating_sub(1)],
        KeyCode::Char('c') => {
            plan.request.canary = if plan.request.canary == 0 { CANARY } else { 0 };
        }
        _ if turns(key) => plan.yes = !plan.yes,
        _ => {}
    }
    state.popups.push(Popup::Plan(plan));
    vec![]
}

fn on_job(state: &mut State, key: Key, job: Box<JobView>) -> Vec<Effect> {
    let name = job.job.clone();
    let running = job.state == JobState::Running;
    let resumable =
        matches!(job.state, JobState::Failed | JobState::Cancelled | JobState::Interrupted);
    state.popups.push(Popup::Job(job));
    match key.code {
        KeyCode::Char('c') if running => vec![Effect::Cancel(name)],
        KeyCode::Char('r') if resumable && state.setup.rights == Rights::All => {
            vec![Effect::Resume(name)]
        }
        KeyCode::Enter if !running => {
            state.popups.pop();
            wanted(state)
        }
        _ => vec![],
    }
}

/// Shows what a replay would do, if it would do anything.
pub(super) fn show_plan(state: &mut State, plan: Plan) {
    if plan.report.selected == 0 {
        let skipped = plan.report.skipped;
        state.say(format!("nothing to send back; {skipped} are done with already"));
    } else {
        state.notice = None;
        state.popups.push(Popup::Plan(plan));
    }
}

/// A list of jobs that is not read yet.
pub(super) fn no_jobs() -> Table {
    Table::new(rows::JOBS)
}

pub(super) fn take_jobs(state: &mut State, jobs: &[JobView]) {
    let rows = rows::jobs(jobs, state.now);
    if let Some(Popup::Jobs(table)) = state.popups.last_mut() {
        table.set(rows);
    }
}

/// Takes in a job that is watched, and goes on asking for it while it runs.
pub(super) fn take_job(state: &mut State, job: JobView) -> Vec<Effect> {
    match state.popups.last_mut() {
        Some(Popup::Job(shown)) if shown.job == job.job => {
            let (name, running) = (job.job.clone(), job.state == JobState::Running);
            **shown = job;
            if running { ask(state, Load::Job(name)) } else { vec![] }
        }
        // Closed by now; it goes on by itself.
        _ => vec![],
    }
}

/// Watches a job.
pub(super) fn watch_job(state: &mut State, job: JobView) -> Vec<Effect> {
    let name = job.job.clone();
    state.popups.push(Popup::Job(Box::new(job)));
    ask(state, Load::Job(name))
}
