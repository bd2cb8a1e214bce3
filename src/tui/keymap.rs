//! Which key does what, and where: the one table that keys, footer, help and palette go by.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::domain::closed_set::closed_set;

closed_set! {
    /// A view.
    View {
        /// How everything is.
        Overview = "overview",
        /// Topics.
        Topics = "topics",
        /// Records as they come.
        Tail = "tail",
        /// Consumer groups.
        Groups = "groups",
        /// Dead letters.
        Dlq = "dlq",
        /// Orders.
        Orders = "orders",
        /// The run of `ecom simulate`.
        Simulation = "simulation",
        /// What the shop logs.
        Logs = "logs",
    }
}

closed_set! {
    /// What a key can do.
    Action {
        /// Moves the cursor up.
        Up = "up",
        /// Moves it down.
        Down = "down",
        /// A page up.
        PageUp = "page-up",
        /// A page down.
        PageDown = "page-down",
        /// To the first row.
        Top = "top",
        /// To the last row.
        Bottom = "bottom",
        /// Opens what is under the cursor.
        Open = "open",
        /// Back, or away with what is open.
        Back = "back",
        /// The next view.
        NextView = "next-view",
        /// The one before.
        PreviousView = "previous-view",
        /// Only rows that match.
        Filter = "filter",
        /// Sorts by the next column, then the other way round.
        Sort = "sort",
        /// Marks the row under the cursor.
        Mark = "mark",
        /// Marks all rows that are shown.
        MarkAll = "mark-all",
        /// Takes all marks away.
        Unmark = "unmark",
        /// Stops or goes on with showing what comes.
        Freeze = "freeze",
        /// A shorter time in the charts.
        ZoomIn = "zoom-in",
        /// A longer one.
        ZoomOut = "zoom-out",
        /// The time that fits best.
        ZoomAuto = "zoom-auto",
        /// Reads again.
        Refresh = "refresh",
        /// Copies the row to the clipboard.
        Copy = "copy",
        /// Writes what is shown to a file.
        Export = "export",
        /// By what dead letters are summed up.
        GroupBy = "group-by",
        /// Sends dead letters back, once the plan is agreed to.
        Replay = "replay",
        /// Repairs a dead letter in an editor.
        Edit = "edit",
        /// Gives dead letters up.
        Discard = "discard",
        /// Takes that back.
        Restore = "restore",
        /// Jobs that send letters back.
        Jobs = "jobs",
        /// What happened to the order under the cursor.
        Trace = "trace",
        /// Writes a record, in an editor.
        Produce = "produce",
        /// Makes a topic, in an editor.
        CreateTopic = "create-topic",
        /// Deletes a topic.
        DeleteTopic = "delete-topic",
        /// Sets where a group reads next.
        ResetOffsets = "reset-offsets",
        /// Makes an order go on.
        ResumeOrder = "resume-order",
        /// Cancels an order.
        CancelOrder = "cancel-order",
        /// Allows changes, where the settings protect what is shown.
        Unlock = "unlock",
        /// Other colours.
        Theme = "theme",
        /// Commands by name.
        Palette = "palette",
        /// Keys.
        Help = "help",
        /// Leaves.
        Quit = "quit",
    }
}

/// A key, and whether Ctrl is held. Shift is in the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which.
    pub code: KeyCode,
    /// Whether Ctrl is held.
    pub ctrl: bool,
}

impl Key {
    /// What was pressed.
    pub fn of(event: KeyEvent) -> Self {
        let code = match event.code {
            // Some terminals say BackTab, some Tab with Shift.
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Self { code, ctrl: event.modifiers.contains(KeyModifiers::CONTROL) }
    }

    /// Reads `r`, `G`, `^R`, `Enter`, `Space`, `PgDn` and so on; none if it is no key.
    pub fn parse(text: &str) -> Option<Self> {
        let code = match text {
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" => KeyCode::Tab,
            "S-Tab" => KeyCode::BackTab,
            "Space" => KeyCode::Char(' '),
            "Backspace" => KeyCode::Backspace,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "PgUp" => KeyCode::PageUp,
            "PgDn" => KeyCode::PageDown,
            _ => {
                let mut chars =
                    text.strip_prefix('^').filter(|rest| !rest.is_empty()).unwrap_or(text).chars();
                let (c, ctrl) = (chars.next()?, text.len() > 1 && text.starts_with('^'));
                return chars.next().is_none().then_some(Self {
                    code: KeyCode::Char(if ctrl { c.to_ascii_lowercase() } else { c }),
                    ctrl,
                });
            }
        };
        Some(Self::code(code))
    }

    const fn char(c: char) -> Self {
        Self { code: KeyCode::Char(c), ctrl: false }
    }

    const fn ctrl(c: char) -> Self {
        Self { code: KeyCode::Char(c), ctrl: true }
    }

    const fn code(code: KeyCode) -> Self {
        Self { code, ctrl: false }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("^")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) if self.ctrl => write!(f, "{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("S-Tab"),
            code => write!(f, "{code:?}"),
        }
    }
}

/// Where a binding holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Everywhere,
    These(&'static [View]),
}

/// A line of the keymap.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys, the usual one first.
    pub keys: &'static [Key],
    /// What they do.
    pub action: Action,
    /// In few words.
    pub help: &'static str,
    /// Whether it changes the shop or the cluster.
    pub changes: bool,
    /// Whether the footer shows it.
    pub shown: bool,
    on: On,
}

impl Binding {
    /// Whether it holds in this view.
    pub fn holds(&self, view: View) -> bool {
        match self.on {
            On::Everywhere => true,
            On::These(views) => views.contains(&view),
        }
    }
}

const LISTS: On =
    On::These(&[View::Topics, View::Tail, View::Groups, View::Dlq, View::Orders, View::Logs]);
const CHARTS: On = On::These(&[View::Overview, View::Simulation]);

const fn line(
    keys: &'static [Key],
    action: Action,
    help: &'static str,
    on: On,
    shown: bool,
) -> Binding {
    Binding { keys, action, help, changes: false, shown, on }
}

const fn changing(
    keys: &'static [Key],
    action: Action,
    help: &'static str,
    views: &'static [View],
) -> Binding {
    Binding { keys, action, help, changes: true, shown: true, on: On::These(views) }
}

/// All bindings, in the order of the footer.
pub const BINDINGS: &[Binding] = &[
    line(
        &[Key::code(KeyCode::Enter), Key::code(KeyCode::Right)],
        Action::Open,
        "open",
        LISTS,
        true,
    ),
    changing(&[Key::char('r')], Action::Replay, "replay", &[View::Dlq]),
    changing(&[Key::char('e')], Action::Edit, "edit", &[View::Dlq]),
    changing(&[Key::char('D')], Action::Discard, "discard", &[View::Dlq]),
    changing(&[Key::char('U')], Action::Restore, "restore", &[View::Dlq]),
    line(&[Key::char('b')], Action::GroupBy, "group by", On::These(&[View::Dlq]), true),
    line(&[Key::char('J')], Action::Jobs, "jobs", On::These(&[View::Dlq]), true),
    line(
        &[Key::char('t')],
        Action::Trace,
        "trace",
        On::These(&[View::Dlq, View::Orders, View::Tail]),
        true,
    ),
    changing(&[Key::char('R')], Action::ResumeOrder, "resume", &[View::Orders]),
    changing(&[Key::char('C')], Action::CancelOrder, "cancel", &[View::Orders]),
    changing(&[Key::char('p')], Action::Produce, "produce", &[View::Topics, View::Tail]),
    changing(&[Key::char('N')], Action::CreateTopic, "new", &[View::Topics]),
    changing(&[Key::char('D')], Action::DeleteTopic, "delete", &[View::Topics]),
    changing(&[Key::char('O')], Action::ResetOffsets, "offsets", &[View::Groups]),
    line(&[Key::char(' ')], Action::Mark, "mark", LISTS, true),
    line(&[Key::char('/')], Action::Filter, "filter", LISTS, true),
    line(&[Key::char('s')], Action::Sort, "sort", LISTS, true),
    line(&[Key::char('f')], Action::Freeze, "freeze", On::Everywhere, true),
    line(&[Key::char('+'), Key::char('=')], Action::ZoomIn, "zoom in", CHARTS, true),
    line(&[Key::char('-')], Action::ZoomOut, "zoom out", CHARTS, true),
    line(&[Key::char('a')], Action::ZoomAuto, "zoom to fit", CHARTS, true),
    line(&[Key::char('c')], Action::Copy, "copy", LISTS, false),
    line(&[Key::char('x')], Action::Export, "export", LISTS, false),
    line(&[Key::ctrl('a')], Action::MarkAll, "mark all", LISTS, false),
    line(&[Key::ctrl('\\'), Key::ctrl('4')], Action::Unmark, "take marks away", LISTS, false),
    line(&[Key::code(KeyCode::Up), Key::char('k')], Action::Up, "up", LISTS, false),
    line(&[Key::code(KeyCode::Down), Key::char('j')], Action::Down, "down", LISTS, false),
    line(&[Key::code(KeyCode::PageUp), Key::ctrl('u')], Action::PageUp, "a page up", LISTS, false),
    line(
        &[Key::code(KeyCode::PageDown), Key::ctrl('d')],
        Action::PageDown,
        "a page down",
        LISTS,
        false,
    ),
    line(&[Key::char('g'), Key::code(KeyCode::Home)], Action::Top, "first", LISTS, false),
    line(&[Key::char('G'), Key::code(KeyCode::End)], Action::Bottom, "last", LISTS, false),
    line(
        &[Key::code(KeyCode::Esc), Key::code(KeyCode::Left), Key::code(KeyCode::Backspace)],
        Action::Back,
        "back",
        On::Everywhere,
        false,
    ),
    line(&[Key::code(KeyCode::Tab)], Action::NextView, "next view", On::Everywhere, false),
    line(
        &[Key::code(KeyCode::BackTab)],
        Action::PreviousView,
        "previous view",
        On::Everywhere,
        false,
    ),
    line(&[Key::ctrl('r')], Action::Refresh, "read again", On::Everywhere, false),
    line(&[Key::char('W')], Action::Unlock, "unlock what is protected", On::Everywhere, false),
    line(&[Key::char('T')], Action::Theme, "other colours", On::Everywhere, false),
    line(&[Key::char(':')], Action::Palette, "command", On::Everywhere, true),
    line(&[Key::char('?')], Action::Help, "help", On::Everywhere, true),
    line(&[Key::char('q'), Key::ctrl('c')], Action::Quit, "quit", On::Everywhere, true),
];

/// The view that a digit chooses, from 1.
pub fn view_of(key: Key) -> Option<View> {
    let KeyCode::Char(digit) = key.code else { return None };
    let at = digit.to_digit(10)?.checked_sub(1)? as usize;
    View::ALL.get(at).copied().filter(|_| !key.ctrl)
}

impl View {
    /// Its number, from 1: the key that chooses it.
    pub fn number(self) -> usize {
        View::ALL.iter().position(|view| *view == self).unwrap_or(0) + 1
    }

    /// The view so many further on.
    #[must_use]
    pub fn after(self, steps: usize) -> Self {
        View::ALL[(self.number() - 1 + steps) % View::ALL.len()]
    }

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Topics => "Topics",
            Self::Tail => "Tail",
            Self::Groups => "Groups",
            Self::Dlq => "DLQ",
            Self::Orders => "Orders",
            Self::Simulation => "Simulation",
            Self::Logs => "Logs",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_view() {
        for view in View::ALL {
            let mut seen = BTreeSet::new();
            for binding in BINDINGS.iter().filter(|binding| binding.holds(*view)) {
                for key in binding.keys {
                    assert!(seen.insert(key.to_string()), "{key} in {view}");
                    assert!(view_of(*key).is_none(), "{key} chooses a view");
                }
            }
        }
    }

    #[test]
    fn every_action_has_a_key() {
        for action in Action::ALL {
            assert!(BINDINGS.iter().any(|b| b.action == *action), "{action}");
        }
    }

    #[test]
    fn what_destroys_is_no_lower_case_letter_away_from_a_harmless_one() {
        let discard = BINDINGS.iter().find(|b| b.action == Action::Discard).unwrap();
        assert_eq!(discard.keys, [Key::char('D')]);
        let near = |b: &&Binding| b.holds(View::Dlq) && b.keys.contains(&Key::char('d'));
        assert!(BINDINGS.iter().find(near).is_none());
    }

    #[test]
    fn digits_choose_views() {
        assert_eq!(view_of(Key::char('1')), Some(View::Overview));
        assert_eq!(view_of(Key::char('8')), Some(View::Logs));
        for none in ['0', '9', 'a'] {
            assert_eq!(view_of(Key::char(none)), None);
        }
        assert_eq!(View::Logs.after(1), View::Overview);
        assert_eq!(View::Overview.after(View::ALL.len() - 1), View::Logs);
    }

    #[test]
    fn keys_are_shown_as_people_write_them() {
        let shown: Vec<String> =
            [Key::char(' '), Key::ctrl('r'), Key::code(KeyCode::PageUp), Key::char('?')]
                .iter()
                .map(ToString::to_string)
                .collect();
        assert_eq!(shown, ["Space", "^R", "PgUp", "?"]);
        for binding in BINDINGS {
            for key in binding.keys {
                let plain = |c: KeyCode| {
                    !matches!(c, KeyCode::Up | KeyCode::Down | KeyCode::Left | KeyCode::Right)
                };
                if plain(key.code) {
                    assert_eq!(Key::parse(&key.to_string()), Some(*key), "{key}");
                }
            }
        }
        assert_eq!(Key::parse("^"), Some(Key::char('^')));
        assert_eq!((Key::parse(""), Key::parse("ab"), Key::parse("^ab")), (None, None, None));
    }
}
