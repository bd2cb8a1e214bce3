//! Answers to questions, as people and programs read them.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value as Json, json};

use super::output;
use crate::app::zone::local;
use crate::domain::Timestamp;
use crate::ops::queries::{QueryView, library};

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum AnswerFormat {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// One JSON object.
    Json,
    /// One JSON object per row.
    Jsonl,
    /// Comma-separated values, with a first line of names.
    Csv,
}

/// A row with its columns' names, in their order.
struct Named<'a>(&'a [String], &'a [Json]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, cell) in self.0.iter().zip(self.1) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Whole<'a> {
    kind: &'static str,
    schema_version: u32,
    query: Option<&'a str>,
    columns: &'a [String],
    rows: Vec<Named<'a>>,
    more: bool,
}

/// Prints what was found; `query` is the name of what was asked, if it has one.
pub(super) fn print(
    query: Option<&str>,
    found: &QueryView,
    format: AnswerFormat,
) -> anyhow::Result<()> {
    let columns = found.columns.as_slice();
    let rows = found.rows.iter().map(|row| Named(columns, row));
    match format {
        AnswerFormat::Table if found.rows.is_empty() => output::say("no rows"),
        AnswerFormat::Table => {
            let mut lines = vec![columns.iter().map(|name| name.to_uppercase()).collect()];
            lines.extend(found.rows.iter().map(|row| row.iter().map(shown).collect()));
            output::out(&output::table(&lines))?;
        }
        AnswerFormat::Json => {
            let (rows, more) = (rows.collect(), found.more);
            let whole = Whole { kind: "query", schema_version: 1, query, columns, rows, more };
            output::line(serde_json::to_string(&whole)?)?;
        }
        AnswerFormat::Jsonl => {
            for row in rows {
                output::line(serde_json::to_string(&row)?)?;
            }
        }
        AnswerFormat::Csv => {
            let mut text = csv_line(columns.iter().cloned());
            for row in &found.rows {
                text.push_str(&csv_line(row.iter().map(plain)));
            }
            output::out(&text)?;
        }
    }
    Ok(())
}

/// The library as JSON.
pub(super) fn library() -> Json {
    let param = |param: &library::Param| json!({ "name": param.name, "default": param.default, "meaning": param.meaning });
    let named = |named: library::Named| {
        json!({
            "name": named.name, "answers": named.answers, "group": named.group,
            "params": named.params.iter().map(param).collect::<Vec<_>>(),
        })
    };
    let all: Vec<Json> = library::all().map(named).collect();
    json!({ "kind": "queries", "schema_version": 1, "queries": all })
}

/// A value as text; nothing for null.
fn plain(cell: &Json) -> String {
    match cell {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        cell => cell.to_string(),
    }
}

/// A value for people, on one line.
fn shown(cell: &Json) -> String {
    match cell {
        Json::Null => "-".into(),
        Json::String(text) if is_time(text) => text.parse().map_or_else(|_| text.clone(), local),
        cell => {
            let escaped = |c: char| {
                if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
            };
            plain(cell).chars().map(escaped).collect()
        }
    }
}

/// Whether it is a time as tables have it, and nothing that only looks like one.
fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|time| time.to_string() == text)
}

/// Values as RFC 4180 has them, but for the line's end.
fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let cells = ["a", "b,c", "say \"x\"", "two\nlines", ""].map(str::to_owned);
        assert_eq!(csv_line(cells.into_iter()), "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",\n");
        assert_eq!(shown(&json!("a\tb\u{1b}[31m")), "a\\tb\\u{1b}[31m");
        assert_eq!((shown(&Json::Null), plain(&Json::Null)), ("-".into(), String::new()));
        assert_eq!(shown(&json!({ "a": [1] })), r#"{"a":[1]}"#);
    }

    #[test]
    fn a_row_keeps_the_order_of_its_columns() {
        let columns = ["z", "a"].map(str::to_owned);
        let row = serde_json::to_string(&Named(&columns, &[json!(1), json!(null)])).unwrap();
        assert_eq!(row, r#"{"z":1,"a":null}"#);
    }
}
