//! A line of the log in full.

use super::tail::field;
use crate::app::zone::local;
use crate::ops::live::LogLine;
use crate::tui::state::popup::Page;
use crate::tui::state::table::Row;

/// The line with this key.
pub fn page(row: &Row, lines: &[LogLine]) -> Page {
    let found = lines.iter().find(|line| line.n.to_string() == row.key);
    let lines = found.map_or_else(Vec::new, |line| {
        vec![field("at", &local(line.at)), field("level", &line.level), field("text", &line.text)]
    });
    Page::new(format!("line {}", row.key), lines)
}
