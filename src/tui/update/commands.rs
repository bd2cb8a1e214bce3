//! Commands by name: views, actions, colours, and topics to be followed.

use super::super::keymap::{Action, BINDINGS, View};
use super::super::msg::Effect;
use super::super::state::State;
use super::super::theme::ThemeName;
use super::{actions, go};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is typed.
    pub name: String,
    /// What it does.
    pub help: String,
    does: Does,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    Go(View),
    Act(Action),
    Paint(ThemeName),
    Follow(String),
}

/// The commands with these words in their names, those that begin with them first.
pub fn commands(state: &State, typed: &str) -> Vec<Command> {
    let wanted = typed.trim().to_lowercase();
    let view = |view: &View| Command {
        name: view.to_string(),
        help: format!("show {}", view.title()),
        does: Does::Go(*view),
    };
    let mut all: Vec<Command> = View::ALL.iter().map(view).collect();
    let here = BINDINGS.iter().filter(|binding| binding.holds(state.view));
    all.extend(here.filter(|binding| binding.action != Action::Palette).map(|binding| Command {
        name: binding.action.to_string(),
        help: binding.help.to_owned(),
        does: Does::Act(binding.action),
    }));
    all.extend(ThemeName::ALL.iter().map(|theme| Command {
        name: format!("theme {theme}"),
        help: "choose colours".into(),
        does: Does::Paint(*theme),
    }));
    let topics = state.pulse.iter().flat_map(|pulse| &pulse.topics);
    all.extend(topics.map(|topic| Command {
        name: format!("tail {}", topic.name),
        help: "follow this topic".into(),
        does: Does::Follow(topic.name.clone()),
    }));
    let mut found: Vec<Command> = all
        .into_iter()
        .filter(|command| wanted.split(' ').all(|word| command.name.to_lowercase().contains(word)))
        .collect();
    found.sort_by_key(|command| !command.name.to_lowercase().starts_with(&wanted));
    found
}

/// Does what a command says.
pub(super) fn run(state: &mut State, command: Command) -> Vec<Effect> {
    match command.does {
        Does::Go(view) => go(state, view),
        Does::Act(action) => actions::act(state, action),
        Does::Paint(theme) => {
            state.theme = theme;
            vec![]
        }
        Does::Follow(topic) => actions::follow(state, topic),
    }
}
