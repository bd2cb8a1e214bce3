//! What lies over a view and takes the keys.

use super::table::Table;
use crate::ops::dlq::replay::{JobView, ReplayReport, ReplayRequest};
use crate::ops::groups::{ResetTo, ResetView};
use crate::ops::topics::TailStart;
use crate::tui::msg::Effect;
use crate::tui::theme::Tone;

/// A line of text, in pieces that mean something.
pub type Line = Vec<(String, Tone)>;

/// A line with one meaning.
pub fn line(text: impl Into<String>, tone: Tone) -> Line {
    vec![(text.into(), tone)]
}

/// A popup.
#[derive(Debug, Clone)]
pub enum Popup {
    /// Keys.
    Help(Scroll),
    /// Commands by name.
    Palette(Palette),
    /// Text to read.
    Page(Page),
    /// A question.
    Confirm(Confirm),
    /// What a replay would do.
    Plan(Plan),
    /// Where a group would read next.
    Reset(Reset),
    /// A job.
    Job(Box<JobView>),
    /// All jobs.
    Jobs(Table),
}

/// How far something is scrolled.
pub type Scroll = usize;

/// Commands by name.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    /// What was typed.
    pub text: String,
    /// Which of those that match is chosen.
    pub chosen: usize,
}

/// Text to read.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// How far it is scrolled.
    pub scroll: Scroll,
    /// The dead letter that it shows, if it is one: keys do something with it.
    pub letter: Option<String>,
}

impl Page {
    /// A page that is only read.
    pub const fn new(title: String, lines: Vec<Line>) -> Self {
        Self { title, lines, scroll: 0, letter: None }
    }
}

/// A question; No is chosen at first.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// Its title.
    pub title: String,
    /// What would be done.
    pub lines: Vec<Line>,
    /// The word for doing it.
    pub verb: &'static str,
    /// What is done.
    pub effect: Effect,
    /// Whether doing it is chosen.
    pub yes: bool,
    /// What is typed before it is done.
    pub asks: Asks,
}

impl Confirm {
    /// Takes in what was typed: a name that is whole chooses to do it.
    pub fn typed(&mut self) {
        if let Asks::Name { name, typed } = &self.asks {
            self.yes = name == typed;
        }
    }

    /// Whether something else than the name is confirmed with.
    pub fn is_wrong(&self) -> bool {
        let is = |name: &String, typed: &String| name != typed && (self.yes || !typed.is_empty());
        matches!(&self.asks, Asks::Name { name, typed } if is(name, typed))
    }
}

/// What a question wants typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// Why; may be left empty.
    Reason(String),
    /// The name of what goes for good, for it is done only then.
    Name {
        /// What it is.
        name: String,
        /// As far as it is typed.
        typed: String,
    },
}

impl Asks {
    /// What is being typed, if anything is.
    pub const fn text(&mut self) -> Option<&mut String> {
        match self {
            Self::Nothing => None,
            Self::Reason(text) | Self::Name { typed: text, .. } => Some(text),
        }
    }
}

/// Where a group would read next.
#[derive(Debug, Clone)]
pub struct Reset {
    /// The group.
    pub group: String,
    /// Which of [`PLACES`].
    pub place: usize,
    /// What would be set.
    pub changes: Vec<ResetView>,
    /// Whether doing it is chosen.
    pub yes: bool,
}

/// Places among which one chooses.
pub static PLACES: [(&str, ResetTo); 6] = [
    ("the beginning", ResetTo::Place(TailStart::Beginning)),
    ("a day ago", ResetTo::Place(TailStart::Ago(86_400_000))),
    ("an hour ago", ResetTo::Place(TailStart::Ago(3_600_000))),
    ("10 minutes ago", ResetTo::Place(TailStart::Ago(600_000))),
    ("one record on", ResetTo::Shift(1)),
    ("the end", ResetTo::Place(TailStart::End)),
];

/// What a replay would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is asked for.
    pub request: ReplayRequest,
    /// What would be done.
    pub report: ReplayReport,
    /// Whether doing it is chosen.
    pub yes: bool,
}
