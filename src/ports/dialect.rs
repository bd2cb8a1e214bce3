//! One SQL text for both stores: parameters by name, and the few things that each store says in its own way.

use std::collections::BTreeMap;

use super::store::Value;

/// Which SQL a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite: times are RFC 3339 text.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// What stands in braces: its name, how many arguments it takes, and its text for SQLite and for PostgreSQL, with
/// `$1` and `$2` for the arguments.
const MACROS: [(&str, usize, &str, &str); 5] = [
    // The minute, hour or day (UTC) in which a time lies, as a time.
    ("minute", 1, "(substr($1, 1, 16) || ':00.000Z')", "date_trunc('minute', $1)"),
    ("hour", 1, "(substr($1, 1, 13) || ':00:00.000Z')", "date_trunc('hour', $1)"),
    ("day", 1, "(substr($1, 1, 10) || 'T00:00:00.000Z')", "date_trunc('day', $1)"),
    // Seconds from one time to another.
    (
        "seconds",
        2,
        "round(unixepoch($2, 'subsec') - unixepoch($1, 'subsec'), 3)",
        "round(extract(epoch from ($2 - $1)), 3)",
    ),
    // The elements of a JSON list as rows with a column `value`.
    ("each", 1, "json_each($1)", "jsonb_array_elements($1)"),
];

/// `sql` for a store: `:name` becomes the parameter's value, `{{hour(x)}}` the store's own words. What stands in
/// quotes or comments stays as it is. An error says what is unknown.
pub fn render(
    sql: &str,
    params: &BTreeMap<String, Value>,
    dialect: Dialect,
) -> Result<String, String> {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let kept = untouched(rest, &text);
        if kept > 0 {
            text.push_str(&rest[..kept]);
            rest = &rest[kept..];
        } else if let Some(inside) = rest.strip_prefix("{{") {
            let end = inside.find("}}").ok_or("{{ is never closed")?;
            text.push_str(&expanded(&inside[..end], params, dialect)?);
            rest = &inside[end + 2..];
        } else if let Some(name) = parameter(rest) {
            let value = params.get(name).ok_or_else(|| unknown(name, params))?;
            text.push_str(&literal(value, dialect)?);
            rest = &rest[1 + name.len()..];
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    Ok(text)
}

fn unknown(name: &str, params: &BTreeMap<String, Value>) -> String {
    let known: Vec<&str> = params.keys().map(String::as_str).collect();
    format!("the parameter :{name} has no value; those that have one are {}", known.join(", "))
}

/// Bytes from here on that are quoted, a comment or a cast; `before` is what was read so far.
fn untouched(rest: &str, before: &str) -> usize {
    let to_end_of = |from: usize, end: &str| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("--") {
        to_end_of(2, "\n")
    } else if rest.starts_with("/*") {
        to_end_of(2, "*/")
    } else if rest.starts_with('\'') {
        let escapes = before.ends_with(['e', 'E'])
            && !before[..before.len() - 1].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if escapes { escaped(rest) } else { to_end_of(1, "'") }
    } else if rest.starts_with('"') {
        to_end_of(1, "\"")
    } else if rest.starts_with("::") {
        2
    } else {
        0
    }
}

/// The length of a text in which a backslash keeps the next character from ending it.
fn escaped(rest: &str) -> usize {
    let mut after_backslash = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if after_backslash => after_backslash = false,
            '\\' => after_backslash = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The name of the parameter that begins here.
fn parameter(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix(':')?;
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins_well.then(|| &name[..end])
}

fn expanded(
    call: &str,
    params: &BTreeMap<String, Value>,
    dialect: Dialect,
) -> Result<String, String> {
    let known = || MACROS.map(|(name, ..)| name).join(", ");
    let wrong = || format!("{{{{{call}}}}} is none of {}", known());
    let (name, args) = call.trim().split_once('(').ok_or_else(wrong)?;
    let args = args.strip_suffix(')').ok_or_else(wrong)?;
    let found = MACROS.into_iter().find(|(known, ..)| *known == name.trim());
    let (_, count, sqlite, postgres) = found.ok_or_else(wrong)?;
    let args: Vec<&str> = args.split(',').map(str::trim).collect();
    if args.len() != count {
        return Err(format!("{{{{{call}}}}} has {} arguments, not {count}", args.len()));
    }
    let mut text = if dialect == Dialect::Sqlite { sqlite } else { postgres }.to_owned();
    for (n, arg) in args.into_iter().enumerate() {
        text = text.replace(&format!("${}", n + 1), &render(arg, params, dialect)?);
    }
    Ok(text)
}

/// A value as SQL writes it.
fn literal(value: &Value, dialect: Dialect) -> Result<String, String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    Ok(match (value, dialect) {
        (Value::Null, _) => "null".into(),
        (Value::Int(n), _) => n.to_string(),
        (Value::Text(text), _) if text.contains('\0') => {
            return Err("a parameter has a NUL character in it".into());
        }
        (Value::Text(text), Dialect::Sqlite) => quoted(text),
        // By itself it would be of no type yet.
        (Value::Text(text), Dialect::Postgres) => format!("cast({} as text)", quoted(text)),
        (Value::Time(time), Dialect::Sqlite) => quoted(&time.to_string()),
        (Value::Time(time), Dialect::Postgres) => format!("timestamptz '{time}'"),
        (Value::Bytes(_), _) => return Err("bytes cannot be a parameter".into()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Timestamp;

    fn params() -> BTreeMap<String, Value> {
        let all = [
            ("n", Value::Int(-5)),
            ("who", Value::Text("O'Neill".into())),
            ("since", Value::Time(Timestamp::from_millis(0))),
        ];
        all.map(|(name, value)| (name.to_owned(), value)).into()
    }

    #[track_caller]
    fn becomes(sql: &str, sqlite: &str, postgres: &str) {
        assert_eq!(render(sql, &params(), Dialect::Sqlite).as_deref(), Ok(sqlite));
        assert_eq!(render(sql, &params(), Dialect::Postgres).as_deref(), Ok(postgres));
    }

    #[test]
    fn parameters_become_values() {
        becomes("a = :n", "a = -5", "a = -5");
        becomes(":who", "'O''Neill'", "cast('O''Neill' as text)");
        becomes(
            "at > :since",
            "at > '1970-01-01T00:00:00.000Z'",
            "at > timestamptz '1970-01-01T00:00:00.000Z'",
        );
    }

    #[test]
    fn quotes_comments_and_casts_stay() {
        for sql in [
            "':n'",
            "'it''s :n'",
            "\":n\"",
            "-- :n {{x\n1",
            "/* :n */ 2",
            "x::text",
            "e'\\':n'",
            "name':n'",
            "'never closed :n",
            "a[1:2]",
            "ä:'",
        ] {
            becomes(sql, sql, sql);
        }
        becomes("e'\\\\' || :n", "e'\\\\' || -5", "e'\\\\' || -5");
        becomes("'\\' || :n", "'\\' || -5", "'\\' || -5");
    }

    #[test]
    fn what_stands_in_braces_becomes_the_stores_own_words() {
        becomes("{{hour(at)}}", "(substr(at, 1, 13) || ':00:00.000Z')", "date_trunc('hour', at)");
        becomes(
            "{{ seconds(at, :since) }}",
            "round(unixepoch('1970-01-01T00:00:00.000Z', 'subsec') - unixepoch(at, 'subsec'), 3)",
            "round(extract(epoch from (timestamptz '1970-01-01T00:00:00.000Z' - at)), 3)",
        );
        for wrong in ["{{week(at)}}", "{{hour}}", "{{hour(a, b)}}", "{{hour(a)", ":missing"] {
            assert!(render(wrong, &params(), Dialect::Sqlite).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_its_quotes(text in "[a-z':; \\\\-]{0,12}") {
            let all = BTreeMap::from([("x".to_owned(), Value::Text(text.clone()))]);
            let sql = render(":x", &all, Dialect::Sqlite).unwrap();
            let inside = &sql[1..sql.len() - 1];
            prop_assert_eq!(inside.replace("''", "'"), text);
            prop_assert_eq!(inside.replace("''", "").contains('\''), false);
        }

        #[test]
        fn whatever_is_typed_is_rendered_or_refused(sql in ".{0,60}") {
            let _ = render(&sql, &params(), Dialect::Postgres);
        }
    }
}
