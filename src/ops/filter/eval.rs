//! What an expression says of a record.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Check, Compare, Expr, Literal, Number, Place, json};
use crate::ports::admin::Glimpse;

pub(super) fn holds(expr: &Expr, record: &dyn Glimpse) -> bool {
    match expr {
        Expr::Or(a, b) => holds(a, record) || holds(b, record),
        Expr::And(a, b) => holds(a, record) && holds(b, record),
        Expr::Not(of) => !holds(of, record),
        Expr::Test(place, check) if cannot_equal(place, check, record) => false,
        Expr::Test(place, check) => passes(&found(place, record), check),
    }
}

/// Whether a glance at a value tells that no part of it is this text, which is most of what a search looks at:
/// text stands in JSON as it is, unless there are escapes.
fn cannot_equal(place: &Place, check: &Check, record: &dyn Glimpse) -> bool {
    let (Place::Value(steps), Check::Compare(Compare::Equal, Literal::Text(text))) = (place, check)
    else {
        return false;
    };
    let Some(value) = record.value().filter(|_| !steps.is_empty()) else { return false };
    memchr::memchr(b'\\', value).is_none() && memchr::memmem::find(value, text.as_bytes()).is_none()
}

/// What is at a place of a record.
enum Found<'a> {
    Nothing,
    Null,
    Bool(bool),
    /// A number of the record's place.
    Count(i128),
    /// A number in JSON, and as it is written.
    Number(Number, &'a str),
    /// Text in JSON.
    Text(Cow<'a, str>),
    /// An object or a list in JSON.
    Whole(&'a str),
    /// Bytes without a type.
    Bytes(&'a [u8]),
}

fn found<'a>(place: &Place, record: &'a dyn Glimpse) -> Found<'a> {
    match place {
        Place::Topic => Found::Text(record.topic().into()),
        Place::Partition => Found::Count(record.partition().into()),
        Place::Offset => Found::Count(record.offset().into()),
        Place::Timestamp => Found::Count(record.timestamp().millis().into()),
        Place::Key => record.key().map_or(Found::Null, Found::Bytes),
        Place::Value(steps) if steps.is_empty() => record.value().map_or(Found::Null, Found::Bytes),
        Place::Value(steps) => {
            let part = record.value().and_then(|value| json::part(value, steps));
            part.map_or(Found::Nothing, of_json)
        }
        Place::Header(name) => record.header(name).map_or(Found::Nothing, Found::Bytes),
    }
}

/// A piece of JSON, as it is written.
fn of_json(text: &str) -> Found<'_> {
    match text.as_bytes().first() {
        Some(b'n') => Found::Null,
        Some(b't') => Found::Bool(true),
        Some(b'f') => Found::Bool(false),
        // Without escapes it is what stands between its quotes.
        Some(b'"') if !text.contains('\\') => Found::Text(text[1..text.len() - 1].into()),
        Some(b'"') => serde_json::from_str::<String>(text)
            .map_or(Found::Nothing, |text| Found::Text(text.into())),
        Some(b'{' | b'[') => Found::Whole(text),
        _ => Number::parse(text).map_or(Found::Nothing, |number| Found::Number(number, text)),
    }
}

fn passes(found: &Found<'_>, check: &Check) -> bool {
    match check {
        Check::There => !matches!(found, Found::Nothing | Found::Null),
        Check::Matches(pattern) => text(found).is_some_and(|text| pattern.0.is_match(&text)),
        Check::MatchesNot(pattern) => !text(found).is_some_and(|text| pattern.0.is_match(&text)),
        Check::Compare(compare, literal) => {
            let order = order(found, literal);
            match compare {
                Compare::Equal => order == Some(Ordering::Equal),
                Compare::Unequal => order != Some(Ordering::Equal),
                // There is no more or less of these: they are equal or not.
                _ if matches!(literal, Literal::Bool(_) | Literal::Null) => false,
                Compare::Less => order.is_some_and(Ordering::is_lt),
                Compare::LessOrEqual => order.is_some_and(Ordering::is_le),
                Compare::Greater => order.is_some_and(Ordering::is_gt),
                Compare::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            }
        }
    }
}

/// How what was found compares; none if it is of another type.
fn order(found: &Found<'_>, literal: &Literal) -> Option<Ordering> {
    match (found, literal) {
        (Found::Nothing | Found::Null, Literal::Null) => Some(Ordering::Equal),
        (Found::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Found::Count(a), Literal::Number(b)) => Number::Whole(*a).compare(*b),
        (Found::Count(a), Literal::Time(b)) => Some(a.cmp(&b.millis().into())),
        (Found::Number(a, _), Literal::Number(b)) => a.compare(*b),
        (Found::Text(a), Literal::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Found::Bytes(a), Literal::Text(b)) => Some((*a).cmp(b.as_bytes())),
        (Found::Bytes(a), Literal::Number(b)) => {
            Number::parse(std::str::from_utf8(a).ok()?)?.compare(*b)
        }
        (Found::Bytes(a), Literal::Bool(b)) => match *a {
            b"true" => Some(true.cmp(b)),
            b"false" => Some(false.cmp(b)),
            _ => None,
        },
        _ => None,
    }
}

/// What a pattern is looked for in.
fn text<'a>(found: &'a Found<'_>) -> Option<Cow<'a, [u8]>> {
    Some(match found {
        Found::Nothing | Found::Null => return None,
        Found::Bool(true) => b"true".as_slice().into(),
        Found::Bool(false) => b"false".as_slice().into(),
        Found::Count(n) => n.to_string().into_bytes().into(),
        Found::Text(text) => text.as_bytes().into(),
        Found::Number(_, text) | Found::Whole(text) => text.as_bytes().into(),
        Found::Bytes(bytes) => (*bytes).into(),
    })
}
