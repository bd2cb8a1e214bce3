//! A filter's text as words.

use super::{FILTER_BYTES_MAX, FilterError};

/// A word and where it begins, in bytes.
pub(super) type Placed = (usize, Token);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits, `_` and `-`.
    Name(String),
    /// Between quotes.
    Text(String),
    /// As it is written.
    Number(String),
    /// One of [`SIGNS`].
    Sign(&'static str),
    End,
}

/// Longer ones before those that they begin with.
const SIGNS: [&str; 16] =
    ["||", "&&", "==", "!=", "=~", "!~", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", "."];

/// What is wrong at this byte of `text`.
pub(super) fn wrong(text: &str, at: usize, what: impl Into<String>) -> FilterError {
    FilterError { column: text[..at].chars().count() + 1, what: what.into() }
}

pub(super) fn words(text: &str) -> Result<Vec<Placed>, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(wrong(text, 0, format!("a filter has at most {FILTER_BYTES_MAX} bytes")));
    }
    let (mut words, mut at) = (vec![], 0);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if first == '"' || first == '\'' {
            let (content, length) = quoted(rest, first)
                .ok_or_else(|| wrong(text, at, format!("this {first} is never closed")))?;
            words.push((at, Token::Text(content)));
            at += length;
        } else if first.is_ascii_digit() || first == '-' && digit_follows(rest) {
            let length = number(rest);
            words.push((at, Token::Number(rest[..length].to_owned())));
            at += length;
        } else if is_of_name(first) {
            let length = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
            words.push((at, Token::Name(rest[..length].to_owned())));
            at += length;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            words.push((at, Token::Sign(sign)));
            at += sign.len();
        } else {
            let what = match first {
                '=' => "write == to compare, or =~ for a pattern".to_owned(),
                '&' => "write && for and".to_owned(),
                '|' => "write || for or".to_owned(),
                _ => format!("{first:?} means nothing here; text stands between quotes"),
            };
            return Err(wrong(text, at, what));
        }
    }
    words.push((text.len(), Token::End));
    Ok(words)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn digit_follows(rest: &str) -> bool {
    rest[1..].starts_with(|c: char| c.is_ascii_digit())
}

/// The bytes of the number at the beginning; or of a name that begins with a digit, which is no number, and is
/// taken for what it looks like by whoever reads it.
fn number(rest: &str) -> usize {
    let mut before = ' ';
    let mut end = rest.len();
    for (at, c) in rest.char_indices() {
        let signed = at == 0 || matches!(before, 'e' | 'E');
        let fraction = c == '.' && rest[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        if !(c.is_ascii_alphanumeric() || c == '_' || fraction || signed && "+-".contains(c)) {
            end = at;
            break;
        }
        before = c;
    }
    end
}

/// What stands between quotes, and the bytes it takes with them.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((content, at + 1));
        }
        let escaped = chars.peek().map(|(_, next)| *next).filter(|n| *n == quote || *n == '\\');
        match escaped {
            Some(next) if c == '\\' => {
                content.push(next);
                chars.next();
            }
            _ => content.push(c),
        }
    }
    None
}
