//! Questions to a shop's tables, in SQL or by the name of one that is known.

pub mod library;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::OpsError;
use crate::app::config::Period;
use crate::domain::Timestamp;
use crate::ports::inquiry::{Answer, Inquiry, InquiryError};
use crate::ports::store::{Store, Value};
use library::Named;

/// Rows of one answer at most.
pub const ROWS_MAX: u64 = 1_000_000;
/// How long a statement may take at most.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A query of the library.
    Name(String),
    /// One statement that reads.
    Sql(String),
}

impl Asked {
    /// What `text` asks: names have no white space, SQL has.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.contains(char::is_whitespace) {
            Self::Sql(text.to_owned())
        } else {
            Self::Name(text.to_owned())
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// What is asked.
    pub ask: Asked,
    /// Values of parameters by name, as they are typed: a number, a time, a span of time (so long ago), a text.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Rows at most; up to 1000000.
    pub limit: u64,
    /// How long it may take, in ms; up to 600000.
    pub timeout_ms: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueryView {
    /// Names of the columns; no two are the same.
    pub columns: Vec<String>,
    /// Rows of as many values: numbers, texts, booleans, null and JSON; times are RFC 3339 in UTC, bytes base64.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Json>>,
    /// Whether there are more rows than were asked for, or than fit into an answer.
    pub more: bool,
}

impl QueryRequest {
    /// The question for a store, as of `now`; an error says what makes no sense, whatever the store is.
    pub fn inquiry(&self, now: Timestamp) -> Result<Inquiry, OpsError> {
        if self.limit == 0 || self.limit > ROWS_MAX {
            return Err(OpsError::Invalid(format!("limit must be between 1 and {ROWS_MAX}")));
        }
        let timeout = Duration::from_millis(self.timeout_ms);
        if timeout.is_zero() || timeout > TIMEOUT_MAX {
            let text = format!("timeout must be between 1 ms and {} s", TIMEOUT_MAX.as_secs());
            return Err(OpsError::Invalid(text));
        }
        let (sql, mut params) = match &self.ask {
            Asked::Name(name) => {
                let named = library::find(name)?;
                (named.sql.to_owned(), self.of_named(&named, now)?)
            }
            Asked::Sql(sql) => {
                let typed = |(name, text): (&String, &String)| (name.clone(), guessed(text, now));
                (sql.clone(), self.set.iter().map(typed).collect())
            }
        };
        params.insert("now".into(), Value::Time(now));
        Ok(Inquiry { sql, params, limit: self.limit as usize, timeout })
    }

    fn of_named(&self, named: &Named, now: Timestamp) -> Result<BTreeMap<String, Value>, OpsError> {
        let known = |name: &str| named.params.iter().any(|param| param.name == name);
        if let Some(name) = self.set.keys().find(|name| !known(name)) {
            let takes: Vec<&str> = named.params.iter().map(|param| param.name).collect();
            let takes = if takes.is_empty() { "none".into() } else { takes.join(", ") };
            let text = format!("{} has no parameter {name}; it takes {takes}", named.name);
            return Err(OpsError::Invalid(text));
        }
        let value = |param: &library::Param| {
            let text = self.set.get(param.name).map_or(param.default, String::as_str);
            let value = like(param.default, text, now);
            let value = value.map_err(|why| OpsError::Invalid(format!("{}: {why}", param.name)))?;
            Ok((param.name.to_owned(), value))
        };
        named.params.iter().map(value).collect()
    }
}

/// `text` as a value of the kind that `default` is of.
fn like(default: &str, text: &str, now: Timestamp) -> Result<Value, String> {
    match guessed(default, now) {
        Value::Int(_) => {
            text.parse().map(Value::Int).map_err(|_| format!("{text:?} is no whole number"))
        }
        Value::Time(_) => match guessed(text, now) {
            Value::Time(time) => Ok(Value::Time(time)),
            _ => Err(format!("{text:?} is no time: write 90s, 5m, 24h or 7d ago, or RFC 3339")),
        },
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// What `text` looks like: a number, so long before `now`, a time, or a text.
fn guessed(text: &str, now: Timestamp) -> Value {
    if let Ok(n) = text.parse() {
        return Value::Int(n);
    }
    if let Ok(Period(ago)) = text.parse() {
        return Value::Time(now - ago);
    }
    text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Time)
}

/// Asks `store`.
pub async fn ask(
    store: &dyn Store,
    now: Timestamp,
    request: &QueryRequest,
) -> Result<QueryView, OpsError> {
    let Answer { columns, rows, more } = store.inquire(&request.inquiry(now)?).await?;
    Ok(QueryView { columns, rows, more })
}

impl From<InquiryError> for OpsError {
    fn from(e: InquiryError) -> Self {
        match e {
            InquiryError::Wrong(text) => Self::Invalid(text),
            InquiryError::TooLong(_) => {
                Self::Unavailable(format!("{e}; allow it more time, or ask for less"))
            }
            InquiryError::Store(e) => e.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn asking(ask: Asked, set: &[(&str, &str)]) -> QueryRequest {
        let set = set.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        QueryRequest { ask, set: set.collect(), limit: 10, timeout_ms: 1_000 }
    }

    #[test]
    fn names_have_no_white_space() {
        assert_eq!(Asked::parse(" orders-recent\n"), Asked::Name("orders-recent".into()));
        assert_eq!(Asked::parse("table orders"), Asked::Sql("table orders".into()));
    }

    #[test]
    fn parameters_are_what_they_look_like_or_what_their_default_is() {
        let set = [("n", "5"), ("ago", "10s"), ("at", "1970-01-01T00:00:00Z"), ("who", "ann")];
        let params = asking(Asked::Sql("select :n".into()), &set).inquiry(NOW).unwrap().params;
        assert_eq!(params["n"], Value::Int(5));
        assert_eq!(params["ago"], Value::Time(Timestamp::from_millis(999_990_000)));
        assert_eq!(params["at"], Value::Time(Timestamp::from_millis(0)));
        assert_eq!(params["who"], Value::Text("ann".into()));
        assert_eq!(params["now"], Value::Time(NOW));
        assert!(like("10", "ten", NOW).unwrap_err().contains("no whole number"));
        assert!(like("1h", "ten", NOW).unwrap_err().contains("no time"));
        assert_eq!(like("", "5", NOW), Ok(Value::Text("5".into())));
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_any_store_is_asked() {
        let refused = |request: QueryRequest| request.inquiry(NOW).unwrap_err();
        let named = |name: &str| Asked::Name(name.into());
        let OpsError::NotFound(said) = refused(asking(named("order-stuck"), &[])) else { panic!() };
        assert!(said.contains("did you mean orders-stuck"), "{said}");
        let OpsError::Invalid(said) = refused(asking(named("orders-recent"), &[("x", "1")])) else {
            panic!()
        };
        assert!(said.contains("has no parameter x"), "{said}");
        for (limit, timeout_ms) in [(0, 1), (ROWS_MAX + 1, 1), (1, 0), (1, 600_001)] {
            let request = QueryRequest { limit, timeout_ms, ..asking(named("orders-recent"), &[]) };
            assert!(matches!(refused(request), OpsError::Invalid(_)), "{limit} {timeout_ms}");
        }
    }
}
