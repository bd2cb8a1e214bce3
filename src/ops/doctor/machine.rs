//! This machine: the terminal, and how many files may be open.

use super::{Area, Finding};

/// The smallest terminal that everything fits on, columns by rows.
const TERMINAL_MIN: (u16, u16) = (40, 10);
/// From here on nothing is cut short.
const TERMINAL_GOOD: (u16, u16) = (80, 24);
/// A shop with its listeners, databases and some hundred clients.
const FILES_MIN: u64 = 256;
/// As many connections as a busy shop has.
const FILES_GOOD: u64 = 1_024;

/// What is known of the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TerminalFacts {
    /// Columns and rows; none if this is no terminal.
    pub size: Option<(u16, u16)>,
    /// What the environment calls it.
    pub term: String,
    /// Whether colour is not wanted.
    pub no_color: bool,
    /// What it says of its colours.
    pub colorterm: String,
    /// How texts are encoded, as the locale says.
    pub locale: String,
}

pub(super) fn judge_terminal(facts: &TerminalFacts) -> Vec<Finding> {
    let area = Area::Terminal;
    let Some((columns, rows)) = facts.size else {
        let found = "output goes to a file or a pipe: no colour, nothing is cut short";
        return vec![Finding::skipped(area, "terminal", found)];
    };
    let size = format!("{columns} x {rows}");
    let fits = |(c, r): (u16, u16)| columns >= c && rows >= r;
    let size = if fits(TERMINAL_GOOD) {
        Finding::ok(area, "size", size)
    } else if fits(TERMINAL_MIN) {
        Finding::warn(area, "size", size, "80 x 24 shows more")
    } else {
        Finding::warn(area, "size", size, "make it at least 40 x 10")
    };
    let colour = match (facts.no_color, facts.term.as_str(), facts.colorterm.as_str()) {
        (true, ..) => Finding::ok(area, "colour", "off, as NO_COLOR says"),
        (_, "" | "dumb", _) => {
            let advice = "set TERM to what the terminal is, for example xterm-256color";
            Finding::warn(area, "colour", "off: TERM does not say what this is", advice)
        }
        (_, _, "truecolor" | "24bit") => Finding::ok(area, "colour", "all colours"),
        (_, term, _) if term.contains("256color") => Finding::ok(area, "colour", "256 colours"),
        _ => Finding::ok(area, "colour", "16 colours"),
    };
    let locale = facts.locale.to_lowercase().replace('-', "");
    let utf8 = if locale.contains("utf8") {
        Finding::ok(area, "characters", "UTF-8")
    } else {
        let found = match facts.locale.as_str() {
            "" => "no locale is set".to_owned(),
            locale => format!("the locale {locale} is not UTF-8"),
        };
        Finding::warn(area, "characters", found, "set LANG, for example to C.UTF-8")
    };
    vec![size, colour, utf8]
}

/// How many files this process may have open; none: as many as it likes.
pub(super) fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

pub(super) fn judge_files(limit: Option<u64>) -> Finding {
    let (area, check) = (Area::Files, "open files");
    let Some(limit) = limit else { return Finding::ok(area, check, "no limit") };
    let found = format!("at most {limit}");
    let advice = "raise it, for example with `ulimit -n 4096`, where the shop is started";
    match limit {
        FILES_GOOD.. => Finding::ok(area, check, found),
        FILES_MIN.. => Finding::warn(area, check, found, advice),
        _ => Finding::fail(area, check, found, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_terminal_is_judged_by_what_fits_on_it() {
        use Status::{Ok, Skipped, Warn};
        let good = || TerminalFacts {
            size: Some((120, 40)),
            term: "xterm-256color".into(),
            no_color: false,
            colorterm: String::new(),
            locale: "en_US.UTF-8".into(),
        };
        let check = |facts: TerminalFacts, expected: &[Status]| {
            let found: Vec<Status> = judge_terminal(&facts).iter().map(|f| f.status).collect();
            assert_eq!(found, expected, "{facts:?}");
        };
        check(good(), &[Ok, Ok, Ok]);
        check(TerminalFacts { size: None, ..good() }, &[Skipped]);
        check(TerminalFacts { size: Some((80, 24)), ..good() }, &[Ok, Ok, Ok]);
        check(TerminalFacts { size: Some((79, 24)), ..good() }, &[Warn, Ok, Ok]);
        check(TerminalFacts { size: Some((39, 10)), ..good() }, &[Warn, Ok, Ok]);
        check(TerminalFacts { term: "dumb".into(), ..good() }, &[Ok, Warn, Ok]);
        let off = TerminalFacts { term: "dumb".into(), no_color: true, ..good() };
        check(off, &[Ok, Ok, Ok]);
        for (locale, status) in [("C", Warn), ("", Warn), ("C.utf8", Ok), ("de_DE.UTF-8", Ok)] {
            check(TerminalFacts { locale: locale.into(), ..good() }, &[Ok, Ok, status]);
        }
    }

    #[test]
    fn few_open_files_are_told() {
        for (limit, status) in [
            (None, Status::Ok),
            (Some(1_024), Status::Ok),
            (Some(1_023), Status::Warn),
            (Some(256), Status::Warn),
            (Some(255), Status::Fail),
        ] {
            assert_eq!(judge_files(limit).status, status, "{limit:?}");
        }
    }
}
