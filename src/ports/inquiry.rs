//! Questions that people ask of the store in SQL: reading only, bounded in time, rows and bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value as Json;

use super::dialect::{Dialect, render};
use super::store::{StoreError, Value};
use crate::domain::Timestamp;

/// Bytes of one answer at most; what comes after is cut off.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// What a cell costs beside its text.
const CELL_BYTES: usize = 32;

/// A question.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// One statement that reads; `:name` stands for a parameter, `{{hour(…)}}` for what each store says in its
    /// own way (see [`render`]).
    pub sql: String,
    /// The parameters.
    pub params: BTreeMap<String, Value>,
    /// Rows at most.
    pub limit: usize,
    /// How long it may take.
    pub timeout: Duration,
}

impl Inquiry {
    /// The statement as a store of this kind takes it.
    pub fn sql_for(&self, dialect: Dialect) -> Result<String, InquiryError> {
        render(&self.sql, &self.params, dialect).map_err(InquiryError::Wrong)
    }
}

/// An answer: named columns, and rows of as many cells. Cells are numbers, text, null, booleans and JSON;
/// times are RFC 3339 text in UTC, bytes are base64.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Their names; no two are the same.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Json>>,
    /// Whether there are more rows.
    pub more: bool,
}

/// An answer while it grows.
pub struct Growing {
    answer: Answer,
    limit: usize,
    bytes: usize,
}

impl Growing {
    /// Nothing yet of what `inquiry` asks for.
    pub fn new(inquiry: &Inquiry) -> Self {
        let answer = Answer { columns: vec![], rows: vec![], more: false };
        Self { answer, limit: inquiry.limit, bytes: 0 }
    }

    /// Names the columns; one whose name is taken gets a number.
    pub fn name<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            let taken = |name: &String| self.answer.columns.contains(name);
            let numbered = (2..).map(|n| format!("{name}_{n}"));
            let mut free = std::iter::once(name.to_owned()).chain(numbered);
            self.answer.columns.extend(free.find(|name| !taken(name)));
        }
    }

    /// Adds a row; whether one more may be added.
    pub fn push(&mut self, row: Vec<Json>) -> bool {
        let size = |cell: &Json| match cell {
            Json::String(text) => text.len() + CELL_BYTES,
            Json::Array(_) | Json::Object(_) => cell.to_string().len() + CELL_BYTES,
            _ => CELL_BYTES,
        };
        self.bytes += row.iter().map(size).sum::<usize>();
        if self.answer.rows.len() == self.limit || self.bytes > ANSWER_BYTES_MAX {
            self.answer.more = true;
            return false;
        }
        self.answer.rows.push(row);
        true
    }

    /// What came together.
    pub fn done(self) -> Answer {
        self.answer
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InquiryError {
    /// The statement is wrong, or does more than read.
    #[error("{0}")]
    Wrong(String),
    /// It took longer than it may.
    #[error("the statement was ended after {} s", .0.as_secs_f64())]
    TooLong(Duration),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl InquiryError {
    /// `why` a statement is wrong, at this byte of it.
    pub fn at(sql: &str, byte: usize, why: &str) -> Self {
        let before = sql.get(..byte.min(sql.len())).unwrap_or(sql);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let rest = sql.get(before.len()..).unwrap_or_default();
        let near: String = rest.chars().take_while(|c| *c != '\n').take(20).collect();
        let near = if near.is_empty() { String::new() } else { format!(", at {near:?}") };
        Self::Wrong(format!("line {line}, column {column}{near}: {why}"))
    }

    /// What only reads is allowed, and this is something else.
    pub fn not_reading(what: &str) -> Self {
        Self::Wrong(format!("{what}; only one statement that reads is run: SELECT, WITH or VALUES"))
    }
}

/// A number as SQL writes it, as JSON; text if JSON has no such number.
pub fn number(text: &str) -> Json {
    // 12 and 12.00 are the same number, whichever store wrote it.
    let bare = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    if let Ok(whole) = bare.parse::<i64>() {
        return whole.into();
    }
    let real = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
    real.map_or_else(|| text.into(), Json::Number)
}

/// Bytes as JSON.
pub fn bytes(bytes: &[u8]) -> Json {
    BASE64.encode(bytes).into()
}

/// A time as JSON; as it is if it is none that JSON has a form for.
pub fn time(text: &str) -> Json {
    text.parse::<Timestamp>().map_or_else(|_| text.into(), |time| time.to_string().into())
}

/// JSON text as JSON; as it is if it is none.
pub fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_have_names_of_their_own_and_rows_a_bound() {
        let inquiry = Inquiry {
            sql: String::new(),
            params: BTreeMap::new(),
            limit: 2,
            timeout: Duration::ZERO,
        };
        let mut growing = Growing::new(&inquiry);
        growing.name(["n", "n", "n_2", "n"].into_iter());
        assert!(growing.push(vec![json!(1)]) && growing.push(vec![json!(2)]));
        assert!(!growing.push(vec![json!(3)]));
        let answer = growing.done();
        assert_eq!(answer.columns, ["n", "n_2", "n_2_2", "n_3"]);
        assert_eq!((answer.rows.len(), answer.more), (2, true));
        let mut large = Growing::new(&Inquiry { limit: 10, ..inquiry });
        assert!(large.push(vec![json!("x")]));
        assert!(!large.push(vec![json!("x".repeat(ANSWER_BYTES_MAX))]));
        assert!(large.done().more);
    }

    #[test]
    fn an_error_says_where() {
        let said =
            |byte| InquiryError::at("select ä\nfrom ordres", byte, "no such table").to_string();
        assert_eq!(said(15), "line 2, column 6, at \"ordres\": no such table");
        assert_eq!(said(0), "line 1, column 1, at \"select ä\": no such table");
        assert_eq!(said(99), "line 2, column 12: no such table");
    }

    #[test]
    fn values_become_json() {
        assert_eq!(number("12"), json!(12));
        assert_eq!(number("12.50"), json!(12.5));
        assert_eq!((number("12.00"), number("-0.25")), (json!(12), json!(-0.25)));
        assert_eq!(number("NaN"), json!("NaN"));
        assert_eq!(time("2026-01-31 12:00:00.1234+00"), json!("2026-01-31T12:00:00.123Z"));
        assert_eq!(time("infinity"), json!("infinity"));
        assert_eq!(json("[1]"), json!([1]));
        assert_eq!(bytes(&[255]), json!("/w=="));
    }
}
