//! Topics made and deleted, and groups that read on somewhere else.

use crossterm::event::KeyCode;

use super::super::keymap::Key;
use super::super::msg::{Effect, Load};
use super::super::state::State;
use super::super::state::popup::{Asks, Confirm, PLACES, Popup, Reset, line};
use super::super::text;
use super::super::theme::Tone;
use super::ask::ask;
use super::popups::turns;
use crate::ops::admin::topics::TopicRemoval;

/// The place that is offered first, which loses nothing.
const FIRST: usize = 0;

pub(super) fn delete_topic(state: &mut State) -> Vec<Effect> {
    let topic = state.topics.current().map(|row| row.key.clone());
    topic.map_or_else(Vec::new, |topic| ask(state, Load::Removal(topic)))
}

/// Asks for the name of a topic before it is deleted.
pub(super) fn deleting(removal: &TopicRemoval) -> Popup {
    let what = format!("Delete {} and its {} records?", removal.topic, removal.records);
    let mut lines = vec![line(text::harmless(&what), Tone::Plain)];
    lines.extend(removal.readers.iter().map(|reader| {
        let says = format!("  {} has not read {} of them", reader.group, reader.unread);
        line(text::harmless(&says), if reader.unread > 0 { Tone::Warn } else { Tone::Dim })
    }));
    Popup::Confirm(Confirm {
        title: "Delete a topic".into(),
        lines,
        verb: "Delete",
        effect: Effect::DeleteTopic(removal.topic.clone()),
        yes: false,
        asks: Asks::Name { name: removal.topic.clone(), typed: String::new() },
    })
}

pub(super) fn reset_offsets(state: &mut State) -> Vec<Effect> {
    let group = state.groups.current().map(|row| row.key.clone());
    group.map_or_else(Vec::new, |group| ask(state, Load::Reset(group, FIRST)))
}

/// Shows where a group would read next, instead of where it would have at another place.
pub(super) fn show_reset(state: &mut State, reset: Reset) {
    state.notice = None;
    match state.popups.last_mut() {
        Some(Popup::Reset(shown)) if shown.group == reset.group => *shown = reset,
        // Closed by now.
        _ if reset.place != FIRST => {}
        _ => state.popups.push(Popup::Reset(reset)),
    }
}

pub(super) fn on_reset(state: &mut State, key: Key, mut reset: Reset) -> Vec<Effect> {
    let place = match key.code {
        KeyCode::Enter if reset.yes => return vec![Effect::Reset(reset.group, reset.place)],
        KeyCode::Enter => return vec![],
        KeyCode::Char('+' | '=') => (reset.place + 1).min(PLACES.len() - 1),
        KeyCode::Char('-') => reset.place.saturating_sub(1),
        _ => reset.place,
    };
    if turns(key) {
        reset.yes = !reset.yes;
    }
    let group = (place != reset.place).then(|| reset.group.clone());
    state.popups.push(Popup::Reset(reset));
    group.map_or_else(Vec::new, |group| ask(state, Load::Reset(group, place)))
}
