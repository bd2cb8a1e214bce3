//! The keys that apply: those of the table, but for actions whose keys the user chose.

use std::collections::BTreeMap;

use super::keymap::{Action, BINDINGS, Binding, Key, View, view_of};
use crate::domain::spelling;

/// Which keys do what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keymap {
    chosen: BTreeMap<Action, Vec<Key>>,
}

impl Keymap {
    /// Reads `ACTION=KEY[,KEY] …`; the error says what is wrong with it. No key may mean two things in one view.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut chosen = BTreeMap::new();
        for word in text.split_whitespace() {
            let (name, keys) = word
                .split_once('=')
                .ok_or_else(|| format!("{word:?}: write ACTION=KEY, such as replay=^Y"))?;
            let action = Action::parse(name).ok_or_else(|| unknown(name))?;
            let keys = keys.split(',').map(key).collect::<Result<Vec<Key>, String>>()?;
            if chosen.insert(action, keys).is_some() {
                return Err(format!("{name} is given twice; write {name}=KEY,KEY"));
            }
        }
        let keymap = Self { chosen };
        keymap.check()?;
        Ok(keymap)
    }

    fn check(&self) -> Result<(), String> {
        for view in View::ALL {
            let mut seen: Vec<(Key, Action)> = vec![];
            for binding in BINDINGS.iter().filter(|binding| binding.holds(*view)) {
                for key in self.keys(binding) {
                    if let Some((_, other)) = seen.iter().find(|(known, _)| known == key) {
                        let action = binding.action;
                        return Err(format!("{key} would mean {other} and {action} in {view}"));
                    }
                    seen.push((*key, binding.action));
                }
            }
        }
        Ok(())
    }

    /// The keys of a binding, the usual one first.
    pub fn keys(&self, binding: &Binding) -> &[Key] {
        self.chosen.get(&binding.action).map_or(binding.keys, Vec::as_slice)
    }

    /// What a key means in a view.
    pub fn action(&self, key: Key, view: View) -> Option<&'static Binding> {
        BINDINGS.iter().find(|binding| binding.holds(view) && self.keys(binding).contains(&key))
    }

    /// The usual key of an action, as people write it.
    pub fn usual(&self, action: Action) -> String {
        let binding = BINDINGS.iter().find(|binding| binding.action == action);
        let key = binding.and_then(|binding| self.keys(binding).first());
        key.map(Key::to_string).unwrap_or_default()
    }
}

fn unknown(name: &str) -> String {
    let near = spelling::did_you_mean(name, Action::ALL.iter().map(|action| action.as_str()));
    format!("there is no action {name:?}{near}; `ecom tui --list-keys` prints all")
}

fn key(text: &str) -> Result<Key, String> {
    let key = Key::parse(text).ok_or_else(|| {
        format!("{text:?} is no key; write r, G, ^R, Enter, Space, Up, PgDn and so on")
    })?;
    if view_of(key).is_some() {
        return Err(format!("{key} chooses a view, and nothing else"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_keys_apply_and_the_others_stay() {
        let keymap = Keymap::parse("replay=^Y quit=Q,^C").unwrap();
        let action = |text: &str, view| {
            keymap.action(Key::parse(text).unwrap(), view).map(|binding| binding.action)
        };
        assert_eq!(action("^Y", View::Dlq), Some(Action::Replay));
        assert_eq!(action("r", View::Dlq), None);
        assert_eq!(action("Q", View::Logs), Some(Action::Quit));
        assert_eq!(action("q", View::Logs), None);
        assert_eq!(action("e", View::Dlq), Some(Action::Edit));
        assert_eq!(
            (keymap.usual(Action::Quit), keymap.usual(Action::Help)),
            ("Q".into(), "?".into())
        );
        assert_eq!(Keymap::parse(" ").unwrap(), Keymap::default());
    }

    #[test]
    fn two_actions_may_change_places() {
        let keymap = Keymap::parse("sort=f freeze=s").unwrap();
        let meant = keymap.action(Key::parse("s").unwrap(), View::Topics).unwrap();
        assert_eq!(meant.action, Action::Freeze);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, says) in [
            ("replay", "write ACTION=KEY"),
            ("repaly=x", "did you mean replay?"),
            ("replay=", "is no key"),
            ("replay=1", "1 chooses a view"),
            ("replay=e", "e would mean replay and edit in dlq"),
            ("quit=Q quit=X", "quit is given twice"),
        ] {
            let told = Keymap::parse(text).unwrap_err();
            assert!(told.contains(says), "{text}: {told}");
        }
    }
}
