//! Which records are meant: a small language over key, value, headers and place of a record.
//!
//! ```text
//! expression = and { "||" and }
//! and        = not { "&&" not }
//! not        = "!" not | "(" expression ")" | test
//! test       = place [ compare literal | ( "=~" | "!~" ) string ]
//! compare    = "==" | "!=" | "<" | "<=" | ">" | ">="
//! place      = "topic" | "partition" | "offset" | "timestamp" | "key"
//!            | "value" { "." name | "[" number "]" | "[" string "]" }
//!            | "header" ( "." name | "[" string "]" )
//! literal    = string | number | "true" | "false" | "null"
//! ```
//!
//! A name is letters, digits, `_` and `-`, or a string. A string stands between `"` or between `'`; in it,
//! `\` before the same quote or before `\` stands for that, and everywhere else for itself, so that patterns
//! need no second `\`.
//!
//! - `value` and `key` are their bytes; `value.a.b[0]` is that part of a value that is JSON. Of a value that
//!   is none, or has no such part, there is nothing. Of a name that an object has twice the last counts, and
//!   so does the last of several headers.
//! - A place alone holds if there is something and it is not null.
//! - Types are not converted within JSON: `value.n == 5` holds for `5` and `5.0`, not for `"5"`. Keys, headers
//!   and whole values have no type, and are read as what they are compared with.
//! - `== null` holds for null and for what is not there. `!=` and `!~` hold where `==` and `=~` do not, so also
//!   where there is nothing. Every other test of nothing, or of another type, does not hold.
//! - Text is ordered by its bytes. A timestamp is compared with an RFC 3339 time, or with milliseconds.
//! - `=~` looks for the pattern (of the crate `regex`) anywhere in the text; of JSON that is no string, in what
//!   stands there.

mod eval;
mod glob;
mod json;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use glob::Glob;

use crate::domain::Timestamp;
use crate::ports::admin::Glimpse;

/// The longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 4_096;

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what}")]
pub struct FilterError {
    /// Characters before it, and one.
    pub column: usize,
    /// What is wrong, and what to write.
    pub what: String,
}

/// A choice of records.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Expr);

impl Filter {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parser::parse(text).map(Self)
    }

    /// Whether this record is meant.
    pub fn takes(&self, record: &dyn Glimpse) -> bool {
        eval::holds(&self.0, record)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Test(Place, Check),
}

/// Something of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    Value(Vec<Step>),
    Header(String),
}

/// One step into JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq)]
enum Check {
    There,
    Compare(Compare, Literal),
    Matches(Pattern),
    MatchesNot(Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(Number),
    Time(Timestamp),
    Bool(bool),
    Null,
}

/// A number: exact where it is whole.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    /// Reads a number as JSON writes them.
    fn parse(text: &str) -> Option<Self> {
        let is_of_one = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
        if !text.bytes().all(is_of_one) || !text.ends_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        text.parse().map(Self::Whole).or_else(|_| text.parse().map(Self::Real)).ok()
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        let real = |number| match number {
            Self::Whole(n) => n as f64,
            Self::Real(n) => n,
        };
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (a, b) => real(a).partial_cmp(&real(b)),
        }
    }
}

/// A pattern, the same as another if it is written the same.
#[derive(Debug, Clone)]
struct Pattern(regex::bytes::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
