//! Printing: data on stdout, talk on stderr; a closed pipe ends quietly.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Prints data.
pub(super) fn out(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// Prints data as it is.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Prints data and ends the line.
pub(super) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    out(&format!("{text}\n"))
}

/// Says something on the side.
pub(super) fn say(text: impl std::fmt::Display) {
    // Nobody may be listening, which is fine.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says what went wrong and why.
pub(super) fn error(error: &anyhow::Error) {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        let _ = write!(text, "\n  because: {cause}");
    }
    say(text);
}

/// Whether the error is that nobody reads our output any more.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}

/// Whether people watch stderr.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// One JSON object that says what it is.
pub(super) fn tagged(
    what: &impl serde::Serialize,
    kind: &str,
) -> serde_json::Result<serde_json::Value> {
    let mut json = serde_json::to_value(what)?;
    json["kind"] = kind.into();
    json["schema_version"] = 1.into();
    Ok(json)
}

/// Columns, padded to the widest cell of each.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
