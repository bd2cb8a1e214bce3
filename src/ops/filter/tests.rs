//! What a filter takes, and what is wrong with others.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::ports::bus::{Position, Record};

fn record(value: Option<&[u8]>) -> Record {
    let header = |(name, value): (&str, &'static [u8])| (name.to_owned(), Bytes::from(value));
    Record {
        at: Position { topic: "order.created".into(), partition: 2, offset: 41 },
        timestamp: "2026-01-31T12:00:00Z".parse().unwrap(),
        key: Some(Bytes::from_static(b"ORD-1")),
        headers: [
            ("event_type", b"order.created".as_slice()),
            ("n", b"3"),
            ("n", b"7.5"),
            ("raw", b"\xff\x00"),
        ]
        .map(header)
        .into(),
        value: value.map(Bytes::copy_from_slice),
    }
}

#[track_caller]
fn holds(filter: &str, record: &Record) -> bool {
    Filter::parse(filter).unwrap_or_else(|e| panic!("{filter}: {e}")).takes(record)
}

const ORDER: &[u8] = br#" {"order_id":"ORD-1","n":5,"r":5.0,"yes":true,"none":null,"text":"5","big":123456789012345678901,
  "user":{"name":"Zo\u00eb \"Z\"","tags":["a","b",{"c":1}]},"odd key":{"a.b":"x"},"twice":1,"twice":2,"0":"zero"} "#;

#[test]
fn records_are_chosen() {
    let order = record(Some(ORDER));
    let cases = [
        (r#"value.order_id == "ORD-1" && header.event_type =~ "order\..*""#, true),
        (r"value.order_id == 'ORD-1'", true),
        (r#"value.order_id != "ORD-1""#, false),
        ("value.n == 5 && value.r == 5 && value.n == 5.0", true),
        (r#"value.text == 5 || value.n == "5""#, false),
        ("value.n > 4 && value.n <= 5 && value.n < 5.5", true),
        ("value.n >= 6 || value.n < 5", false),
        ("value.big == 123456789012345678901", true),
        ("value.big == 123456789012345678902", false),
        ("value.yes && value.yes == true && value.yes != false", true),
        ("value.yes > false", false),
        ("value.none", false),
        ("value.none == null && value.missing == null && value.n != null", true),
        ("value.missing", false),
        ("!value.missing && !(value.missing > 1) && value.missing != 1", true),
        (r#"value.missing !~ "x" && value.missing != "x""#, true),
        (r#"value.user.name == "Zoë \"Z\"""#, true),
        (r#"value.user.tags[1] == "b" && value.user.tags[2].c == 1"#, true),
        ("value.user.tags[3] || value.user.tags.x || value.user[0]", false),
        (r#"value.user.tags =~ "\"b\"""#, true),
        (r#"value["odd key"]["a.b"] == "x" && value."odd key"."a.b" == "x""#, true),
        ("value.twice == 2 && value.twice != 1", true),
        ("value.0 == 'zero' && value[\"0\"] == 'zero'", true),
        (r#"value =~ "ORD-\d""#, true),
        (r#"value == "x""#, false),
        (r#"key == "ORD-1" && key =~ "^ORD-" && key > "ORD-0""#, true),
        ("header.n == 7.5 && header.n > 7 && header[\"n\"] == '7.5'", true),
        ("header.raw && header.raw != 'x'", true),
        (r#"header.raw =~ "(?-u)\xff""#, true),
        ("header.missing", false),
        ("partition == 2 && offset >= 41 && offset < 42 && topic == 'order.created'", true),
        (r#"timestamp >= "2026-01-31T12:00:00Z" && timestamp < "2026-01-31T12:00:00.001Z""#, true),
        ("timestamp == 1769860800000", true),
        ("partition == 1 || partition == 2 && offset == 41", true),
        ("(partition == 1 || partition == 2) && offset == 40", false),
        ("!!key", true),
    ];
    for (filter, taken) in cases {
        assert_eq!(holds(filter, &order), taken, "{filter}");
    }
}

#[test]
fn what_is_no_json_has_no_parts() {
    for value in [&b"not json"[..], b"{\"n\":5", b"{\"n\":5} x", b"", b"\xff", b"5", b"[5]"] {
        let record = record(Some(value));
        assert!(!holds("value.n", &record) && holds("value.n == null", &record), "{value:?}");
        assert!(holds("value", &record), "{value:?}");
    }
    assert!(holds("value[0] == 5", &record(Some(b"[5]"))));
    let tombstone = record(None);
    assert!(holds("value == null && !value && value.n == null", &tombstone));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("", 1, "expected key, value"),
        ("value.n = 5", 9, "write == to compare"),
        ("value.n == five", 12, "text stands between quotes"),
        ("value.n ==", 11, "expected text in quotes, a number"),
        ("value. == 1", 8, "expected a name after the point"),
        ("value[x]", 7, "expected a number or a quoted name"),
        ("value[-1]", 7, "a number from 0"),
        ("value[1", 8, "expected ]"),
        ("valeu == 1", 1, "\"valeu\" is none of key"),
        ("key.x == 1", 4, "key has no parts"),
        ("header == 1", 8, "name a header"),
        ("header[1] == 1", 9, "headers have names"),
        ("key == \"x", 8, "never closed"),
        ("key =~ \"(\"", 8, "the pattern is wrong: unclosed group"),
        ("key =~ x", 8, "a pattern in quotes"),
        ("(key", 5, "expected && or || or )"),
        ("key key", 5, "expected && or || or the end"),
        ("key & value", 5, "write && for and"),
        ("\u{fc}", 1, "means nothing here"),
        ("key == '\u{fc}' x", 12, "expected && or || or the end"),
        ("offset == 1e", 11, "this is no number"),
        ("timestamp > \"noon\"", 13, "write a time as"),
    ];
    for (filter, column, what) in cases {
        let wrong = Filter::parse(filter).unwrap_err();
        assert_eq!(wrong.column, column, "{filter}: {wrong}");
        assert!(wrong.what.contains(what), "{filter}: {wrong}");
        assert!(!wrong.to_string().contains('\n'), "{filter}: {wrong}");
    }
    assert!(Filter::parse(&"!".repeat(40)).unwrap_err().what.contains("levels"));
    let long = format!("key == \"{}\"", "x".repeat(FILTER_BYTES_MAX));
    assert!(Filter::parse(&long).unwrap_err().what.contains("at most"));
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The expression as somebody might write it.
fn written(expr: &Expr) -> String {
    match expr {
        Expr::Or(a, b) => format!("({} || {})", written(a), written(b)),
        Expr::And(a, b) => format!("({} && {})", written(a), written(b)),
        Expr::Not(of) => format!("!{}", written(of)),
        Expr::Test(place, check) => {
            let place = match place {
                Place::Topic => "topic".to_owned(),
                Place::Partition => "partition".to_owned(),
                Place::Offset => "offset".to_owned(),
                Place::Timestamp => "timestamp".to_owned(),
                Place::Key => "key".to_owned(),
                Place::Header(name) => format!("header[{}]", quoted(name)),
                Place::Value(steps) => {
                    let step = |step: &Step| match step {
                        Step::Field(name) => format!(".{}", quoted(name)),
                        Step::Index(n) => format!("[{n}]"),
                    };
                    format!("value{}", steps.iter().map(step).collect::<String>())
                }
            };
            let literal = |literal: &Literal| match literal {
                Literal::Text(text) => quoted(text),
                Literal::Number(Number::Whole(n)) => n.to_string(),
                Literal::Number(Number::Real(n)) => format!("{n:?}"),
                Literal::Time(time) => quoted(&time.to_string()),
                Literal::Bool(yes) => yes.to_string(),
                Literal::Null => "null".to_owned(),
            };
            match check {
                Check::There => place,
                Check::Matches(pattern) => format!("{place} =~ {}", quoted(pattern.0.as_str())),
                Check::MatchesNot(pattern) => format!("{place}!~{}", quoted(pattern.0.as_str())),
                Check::Compare(compare, with) => {
                    let sign = match compare {
                        Compare::Equal => "==",
                        Compare::Unequal => "!=",
                        Compare::Less => "<",
                        Compare::LessOrEqual => "<=",
                        Compare::Greater => ">",
                        Compare::GreaterOrEqual => ">=",
                    };
                    format!("{place}{sign} {}", literal(with))
                }
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof!["[abc]|\\PC{0,6}".prop_map(Step::Field), (0_usize..3).prop_map(Step::Index)];
    proptest::collection::vec(step, 0..4)
}

fn exprs() -> impl Strategy<Value = Expr> {
    let place = prop_oneof![
        Just(Place::Topic),
        Just(Place::Partition),
        Just(Place::Offset),
        Just(Place::Key),
        steps().prop_map(Place::Value),
        "\\PC{0,8}".prop_map(Place::Header),
    ];
    let literal = prop_oneof![
        any::<String>().prop_map(Literal::Text),
        any::<i64>().prop_map(|n| Literal::Number(Number::Whole(n.into()))),
        (-1e6..1e6).prop_map(|n| Literal::Number(Number::Real(n))),
        any::<bool>().prop_map(Literal::Bool),
        Just(Literal::Null),
    ];
    let compare = prop_oneof![
        Just(Compare::Equal),
        Just(Compare::Unequal),
        Just(Compare::Less),
        Just(Compare::LessOrEqual),
        Just(Compare::Greater),
        Just(Compare::GreaterOrEqual)
    ];
    let pattern = "[a-z\"\\.]{0,4}"
        .prop_map(|text: String| Pattern(regex::bytes::Regex::new(&regex::escape(&text)).unwrap()));
    let check = prop_oneof![
        Just(Check::There),
        (compare, literal).prop_map(|(compare, literal)| Check::Compare(compare, literal)),
        pattern.clone().prop_map(Check::Matches),
        pattern.prop_map(Check::MatchesNot),
    ];
    let test = (place, check).prop_map(|(place, check)| Expr::Test(place, check));
    test.prop_recursive(3, 12, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(a, b)| Expr::Or(Box::new(a), Box::new(b))),
            two.prop_map(|(a, b)| Expr::And(Box::new(a), Box::new(b))),
            inner.prop_map(|of| Expr::Not(Box::new(of))),
        ]
    })
}

fn documents() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e6..1e6).prop_map(Json::from),
        "\\PC{0,6}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = "[abc]|\\PC{0,6}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map(name, inner, 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(expr in exprs()) {
        let text = written(&expr);
        prop_assert_eq!(Filter::parse(&text), Ok(Filter(expr)), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in "\\PC{0,40}|[a-z.=!~&|()\\[\\]\"'\\\\ 0-9-]{0,30}") {
        if let Err(wrong) = Filter::parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&wrong.column), "{}", wrong);
        }
    }

    #[test]
    fn parts_are_those_that_a_parsed_document_has(document in documents(), steps in steps()) {
        let text = serde_json::to_vec(&document).unwrap();
        // As it is read: the last digit of a number may differ.
        let document: Json = serde_json::from_slice(&text).unwrap();
        let mut expected = Some(&document);
        for step in &steps {
            expected = match (expected, step) {
                (Some(Json::Object(fields)), Step::Field(name)) => fields.get(name),
                (Some(Json::Array(items)), Step::Index(n)) => items.get(*n),
                _ => None,
            };
        }
        let found = json::part(&text, &steps).map(|part| serde_json::from_str::<Json>(part).unwrap());
        prop_assert_eq!(found.as_ref(), expected);
        // Compared as a whole value is, too.
        let there = Expr::Test(Place::Value(steps.clone()), Check::There);
        let is_there = expected.is_some_and(|part| !part.is_null()) || steps.is_empty();
        prop_assert_eq!(Filter(there).takes(&record(Some(&text))), is_there);
    }

    #[test]
    fn a_test_and_its_opposite_never_agree(expr in exprs(), document in documents()) {
        let record = record(Some(json!({ "a": document }).to_string().as_bytes()));
        let opposite = Filter(Expr::Not(Box::new(expr.clone())));
        prop_assert_ne!(Filter(expr).takes(&record), opposite.takes(&record));
    }
}
