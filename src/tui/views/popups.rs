//! What lies over a view.

use std::cmp::Ordering;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget};

use super::overview::lines;
use super::{list, places, write};
use crate::ops::dlq::replay::{JobState, JobView};
use crate::ops::groups::ResetView;
use crate::tui::keymap::{Action, BINDINGS, View};
use crate::tui::state::popup::{
    Asks, Confirm, Line, PLACES, Page, Palette, Plan, Popup, Reset, line,
};
use crate::tui::state::rows::job_tone;
use crate::tui::state::{Rights, State};
use crate::tui::text;
use crate::tui::theme::Tone;
use crate::tui::update::commands;

/// Columns of a question.
const NARROW: u16 = 70;
/// Commands that a palette lists.
const LISTED: u16 = 12;

pub(super) fn draw(state: &State, popup: &Popup, area: Rect, buffer: &mut Buffer) {
    match popup {
        Popup::Help(scroll) => {
            let page = Page { scroll: *scroll, ..Page::new("Keys".into(), help_lines(state)) };
            draw_page(state, &page, area, buffer);
        }
        Popup::Page(page) => draw_page(state, page, area, buffer),
        Popup::Palette(palette) => draw_palette(state, palette, area, buffer),
        Popup::Confirm(confirm) => {
            let mut told = confirm.lines.clone();
            let asked = match &confirm.asks {
                Asks::Nothing => None,
                Asks::Reason(why) => Some(("why ".to_owned(), why)),
                Asks::Name { name, typed } => {
                    Some((format!("type {} ", text::harmless(name)), typed))
                }
            };
            if let Some((asked, typed)) = asked {
                told.push(vec![]);
                told.push(vec![
                    (asked, Tone::Accent),
                    (typed.clone(), Tone::Plain),
                    ("▏".into(), Tone::Accent),
                ]);
            }
            told.extend(buttons(confirm));
            framed(state, &confirm.title, &told, NARROW, area, buffer);
        }
        Popup::Plan(plan) => framed(state, "Replay", &plan_lines(plan), NARROW, area, buffer),
        Popup::Reset(reset) => {
            let title = format!("Offsets of {}", text::harmless(&reset.group));
            framed(state, &title, &reset_lines(reset), NARROW, area, buffer);
        }
        Popup::Job(job) => {
            framed(state, &text::harmless(&job.job), &job_lines(job), NARROW, area, buffer);
        }
        Popup::Jobs(jobs) => {
            let inner = frame(state, "Jobs", places::popup(area, (100, area.height)), buffer);
            list::draw(state, jobs, "no replays yet", inner, buffer);
        }
    }
}

/// The keys of a popup, for the footer.
pub(super) fn keys(state: &State, popup: &Popup, add: &mut impl FnMut(&str, &str)) {
    let (may_change, usual) = (state.setup.rights == Rights::All, |a| state.setup.keys.usual(a));
    match popup {
        Popup::Help(_) => add("↑↓", "scroll"),
        Popup::Page(page) => {
            add("↑↓", "scroll");
            if page.letter.is_some() {
                if may_change {
                    add(&usual(Action::Replay), "replay");
                    add(&usual(Action::Edit), "edit");
                    add(&usual(Action::Discard), "discard");
                }
                add(&usual(Action::Trace), "trace");
            }
            add(&usual(Action::Copy), "copy");
        }
        Popup::Palette(_) => {
            add("↑↓", "choose");
            add("Enter", "do it");
        }
        Popup::Confirm(_) => {
            add("Tab", "choose");
            add("Enter", "do it");
        }
        Popup::Reset(_) => {
            add("+ -", "elsewhere");
            add("Tab", "choose");
            add("Enter", "do it");
        }
        Popup::Plan(_) => {
            add("+-", "rate");
            add("c", "canary");
            add("Tab", "choose");
            add("Enter", "do it");
        }
        Popup::Job(job) => match job.state {
            JobState::Running => add("c", "cancel the job"),
            JobState::Failed | JobState::Cancelled | JobState::Interrupted if may_change => {
                add("r", "resume");
            }
            _ => {}
        },
        Popup::Jobs(_) => {
            add("↑↓", "choose");
            add("Enter", "open");
        }
    }
    add("Esc", "close");
}

/// A frame with a title; what is inside of it.
fn frame(state: &State, title: &str, place: Rect, buffer: &mut Buffer) -> Rect {
    Clear.render(place, buffer);
    let block = Block::bordered()
        .border_style(state.theme.style(Tone::Accent))
        .title(format!(" {title} "))
        .title_style(state.theme.style(Tone::Accent));
    let inner = block.inner(place);
    block.render(place, buffer);
    inner
}

fn framed(state: &State, title: &str, told: &[Line], width: u16, area: Rect, buffer: &mut Buffer) {
    let place = places::popup(area, (width, told.len() as u16 + 2));
    let inner = frame(state, title, place, buffer);
    // The end of it is what must be seen: there the buttons are.
    let skip = told.len().saturating_sub(usize::from(inner.height));
    lines(state, &told[skip..], inner, buffer);
}

fn draw_page(state: &State, page: &Page, area: Rect, buffer: &mut Buffer) {
    let inner = frame(state, &page.title, places::popup(area, (area.width, area.height)), buffer);
    let all: Vec<Line> = page_lines(state, page).skip(page.scroll).collect();
    lines(state, &all, inner, buffer);
    let more = all.len().saturating_sub(usize::from(inner.height));
    let text = format!(" {more} more lines ");
    let width = text.chars().count() as u16;
    if more > 0 && inner.height > 0 && inner.width > width {
        let x = inner.right().saturating_sub(width);
        let place = Rect { x, y: inner.bottom(), width, height: 1 };
        write(state, &line(text, Tone::Dim), place, buffer);
    }
}

fn draw_palette(state: &State, palette: &Palette, area: Rect, buffer: &mut Buffer) {
    let found = commands(state, &palette.text);
    let inner = frame(state, "Command", places::popup(area, (NARROW, LISTED + 3)), buffer);
    let typed = vec![
        (":".into(), Tone::Accent),
        (palette.text.clone(), Tone::Plain),
        ("▏".into(), Tone::Accent),
    ];
    let mut told: Vec<Line> = vec![typed];
    let room = usize::from(inner.height.saturating_sub(1));
    let first = places::first_shown(palette.chosen, found.len(), room);
    told.extend(found.iter().enumerate().skip(first).take(room).map(|(n, command)| {
        let tone = if n == palette.chosen { Tone::Cursor } else { Tone::Plain };
        vec![
            (format!("{:28}", text::harmless(&command.name)), tone),
            (format!(" {}", command.help), Tone::Dim),
        ]
    }));
    if found.is_empty() {
        told.push(line("no such command", Tone::Dim));
    }
    lines(state, &told, inner, buffer);
}

/// A page's lines as they are shown, each in as many as it takes.
pub fn page_lines<'a>(state: &State, page: &'a Page) -> impl Iterator<Item = Line> + use<'a> {
    let width = places::page_columns(state);
    page.lines.iter().flat_map(move |line| text::wrapped(line, width))
}

/// All keys: those of the view first.
pub fn help_lines(state: &State) -> Vec<Line> {
    let mut all = vec![line(format!("1-{}  the views", View::ALL.len()), Tone::Plain)];
    let mut section = |title: &str, wanted: &dyn Fn(&crate::tui::keymap::Binding) -> bool| {
        all.push(vec![]);
        all.push(line(title, Tone::Accent));
        for binding in BINDINGS.iter().filter(|binding| wanted(binding)) {
            let keys: Vec<String> =
                state.setup.keys.keys(binding).iter().map(ToString::to_string).collect();
            let note = if binding.changes { "  changes something" } else { "" };
            all.push(vec![
                (format!("  {:16}", keys.join(" ")), Tone::Accent),
                (binding.help.to_owned(), Tone::Plain),
                (note.to_owned(), Tone::Warn),
            ]);
        }
    };
    let here = state.view;
    let everywhere = |b: &crate::tui::keymap::Binding| View::ALL.iter().all(|view| b.holds(*view));
    section(here.title(), &|binding| binding.holds(here) && !everywhere(binding));
    section("everywhere", &everywhere);
    all
}

fn buttons(confirm: &Confirm) -> Vec<Line> {
    choice(confirm.verb, confirm.yes)
}

fn choice(verb: &str, yes: bool) -> Vec<Line> {
    let tone = |chosen| if chosen { Tone::Cursor } else { Tone::Plain };
    let button = |text: &str, chosen: bool| {
        let marked = if chosen { format!("▸[ {text} ]") } else { format!(" [ {text} ]") };
        (marked, tone(chosen))
    };
    vec![vec![], vec![button("Cancel", !yes), ("  ".into(), Tone::Plain), button(verb, yes)]]
}

fn going(count: u64) -> String {
    match count {
        1 => "one letter goes back".into(),
        _ => format!("{} letters go back", text::number(count)),
    }
}

fn plan_lines(plan: &Plan) -> Vec<Line> {
    const SHOWN: usize = 5;
    let (request, report) = (&plan.request, &plan.report);
    let mut told = vec![line(going(report.selected), Tone::Plain)];
    let ids = request.ids.iter().take(SHOWN);
    told.extend(ids.map(|id| line(format!("           {}", text::harmless(id)), Tone::Dim)));
    let mut table = |title: &str, counts: &std::collections::BTreeMap<String, u64>| {
        told.push(line(title, Tone::Accent));
        let mut counts: Vec<_> = counts.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let more = counts.len().saturating_sub(SHOWN);
        told.extend(counts.into_iter().take(SHOWN).map(|(what, count)| {
            let what = if what.is_empty() { "(unknown)" } else { what };
            line(format!("{:>9}  {}", text::number(*count), text::harmless(what)), Tone::Plain)
        }));
        if more > 0 {
            told.push(line(format!("           and {more} others"), Tone::Dim));
        }
    };
    table("to", &report.by_topic);
    table("because of", &report.by_error);
    let rate = match request.rate {
        0 => "as fast as it goes".into(),
        rate => format!("{} per s", text::number(u64::from(rate))),
    };
    let canary = match request.canary {
        0 => "none".into(),
        n => format!("{n} first; the others only if these take effect"),
    };
    told.push(vec![]);
    for (name, value) in [
        ("rate    ", rate),
        ("canary  ", canary),
        ("parked  ", format!("if sent back {} times already", request.max_replays)),
    ] {
        told.push(vec![(name.into(), Tone::Accent), (value, Tone::Plain)]);
    }
    if report.skipped > 0 {
        told.push(line(format!("{} are done with already", report.skipped), Tone::Dim));
    }
    for warning in &report.warnings {
        told.push(vec![]);
        let warning = line(text::harmless(warning), Tone::Warn);
        told.extend(text::wrapped(&warning, NARROW as usize - 4));
    }
    told.extend(choice("Replay", plan.yes));
    told
}

fn reset_lines(reset: &Reset) -> Vec<Line> {
    const SHOWN: usize = 12;
    let (place, _) = &PLACES[reset.place];
    let mut told = vec![
        vec![("to  ".into(), Tone::Accent), ((*place).to_owned(), Tone::Plain)],
        vec![],
        line(format!("{:>12} → {:>12}", "reads next", "then"), Tone::Dim),
    ];
    let row = |change: &ResetView| {
        let tone = match change.after.cmp(&change.before) {
            Ordering::Equal => Tone::Dim,
            Ordering::Less => Tone::Plain,
            // Those in between are not read at all.
            Ordering::Greater => Tone::Warn,
        };
        let place = text::harmless(&format!("{}/{}", change.topic, change.partition));
        let numbers =
            format!("{:>12} → {:>12}", text::number(change.before), text::number(change.after));
        line(format!("{numbers}  {place}"), tone)
    };
    told.extend(reset.changes.iter().take(SHOWN).map(row));
    let more = reset.changes.len().saturating_sub(SHOWN);
    if more > 0 {
        told.push(line(format!("and {more} others"), Tone::Dim));
    }
    told.extend(choice("Set", reset.yes));
    told
}

fn job_lines(job: &JobView) -> Vec<Line> {
    const ORDERS: usize = 5;
    let report = &job.report;
    let room = 40_u64;
    let handled = report.replayed + report.parked + report.damaged + report.unroutable;
    let full = (handled * room / report.selected.max(1)).min(room) as usize;
    let bar = "█".repeat(full) + &"░".repeat(room as usize - full);
    let mut told: Vec<Line> = vec![
        vec![
            (job.state.to_string(), job_tone(job.state)),
            (format!("  by {}", text::harmless(&job.actor)), Tone::Dim),
        ],
        vec![
            (bar, Tone::Good),
            (
                format!(" {} of {}", text::number(handled), text::number(report.selected)),
                Tone::Plain,
            ),
        ],
    ];
    for (what, count, tone) in [
        ("sent back", report.replayed, Tone::Plain),
        ("resolved", report.resolved, Tone::Good),
        ("failed again", report.refailed, Tone::Bad),
        ("nothing heard yet", report.pending, Tone::Warn),
        ("parked: sent back too often", report.parked, Tone::Warn),
        ("damaged", report.damaged, Tone::Bad),
        ("unroutable", report.unroutable, Tone::Bad),
        ("had taken effect already", report.duplicates, Tone::Dim),
    ] {
        if count > 0 {
            told.push(vec![
                (format!("{:>9}  ", text::number(count)), tone),
                (what.into(), Tone::Plain),
            ]);
        }
    }
    told.extend(report.orders.iter().take(ORDERS).map(|order| {
        let status = |status: &Option<String>| status.clone().unwrap_or_else(|| "none".into());
        let change = format!("{} → {}", status(&order.before), status(&order.after));
        vec![
            (format!("  {}  ", text::harmless(&order.order_id)), Tone::Accent),
            (change, Tone::Plain),
        ]
    }));
    if let Some(note) = &report.note {
        told.push(line(text::harmless(note), Tone::Warn));
    }
    told
}
