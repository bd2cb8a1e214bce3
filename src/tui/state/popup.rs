//! What lies over a view and takes the keys.

use super::table::Table;
use crate::ops::dlq::replay::{JobView, ReplayReport, ReplayRequest};
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
    /// What it is about.
    pub about: About,
}

/// What a page is about, so that keys can do something with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A dead letter.
    Letter {
        /// Its id.
        id: String,
        /// Its order or other key.
        key: Option<String>,
    },
    /// Anything else, and the key of the record, if it is one.
    Other(Option<String>),
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
    /// A reason that is asked for.
    pub reason: Option<String>,
}

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
