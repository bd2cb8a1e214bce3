//! A tail through the admin API: answer by answer, and only what is wanted.

use std::collections::BTreeMap;

use ecom::ports::bus::NewRecord;
use serde_json::{Value as Json, json};

use super::raw::{Ask, Raw};
use crate::harness::{Tester, shop};

const RECORDS: usize = 9_000;

/// A topic with that many records on three partitions, each of which has its number as key and in its value.
async fn filled(t: &Tester) {
    let bus = &t.embedded.ports.bus;
    bus.create_topic("numbers", 3, None).await.unwrap();
    for some in (0..RECORDS).collect::<Vec<_>>().chunks(1_000) {
        let record = |n: &usize| NewRecord {
            topic: "numbers".into(),
            partition: Some((n % 3) as u32),
            key: Some(n.to_string().into()),
            headers: vec![("kind".into(), if n.is_multiple_of(2) { "even" } else { "odd" }.into())],
            value: Some(format!(r#"{{"n":{n}}}"#).into()),
        };
        bus.publish(some.iter().map(record).collect()).await.unwrap();
        t.clock_ms(1).await;
    }
}

async fn post(raw: &Raw, path: &str, body: &Json) -> Json {
    let answer = raw.send(&Ask::new("POST", path).json(body.to_string()).admin()).await;
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
    answer.json()
}

async fn start(raw: &Raw, place: &Json) -> Json {
    post(raw, "/admin/v1/tail/start", &json!({ "topic": "numbers", "start": place })).await
}

/// What a tail finds until its end, with what else is asked for; and the records it looked at, and its answers.
async fn found(raw: &Raw, more: &Json) -> (Vec<usize>, u64, usize) {
    let mut query = start(raw, &json!("beginning")).await;
    query["until"] = start(raw, &json!("end")).await["next"].clone();
    for (name, value) in more.as_object().unwrap() {
        query[name] = value.clone();
    }
    let (mut numbers, mut scanned, mut answers) = (vec![], 0, 0);
    loop {
        let page = post(raw, "/admin/v1/tail/next", &query).await;
        answers += 1;
        scanned += page["scanned"].as_u64().unwrap();
        let records = page["records"].as_array().unwrap();
        assert!(records.len() <= 500, "an answer is bounded");
        numbers.extend(
            records.iter().map(|record| -> usize {
                record["key"]["text"].as_str().unwrap().parse().unwrap()
            }),
        );
        if page["end"] == true {
            return (numbers, scanned, answers);
        }
        query = page["next"].clone();
    }
}

#[test]
fn only_matches_travel_and_all_are_found() {
    shop(&[], |t| async move {
        filled(&t).await;
        let raw = Raw::gateway(&t);
        let (all, scanned, answers) = found(&raw, &json!({})).await;
        assert_eq!((all.len(), scanned), (RECORDS, RECORDS as u64));
        assert!((RECORDS / 500..RECORDS / 400).contains(&answers), "{answers} answers");
        let thousand = |n: &usize| *n / 1_000;
        assert!(all.is_sorted_by_key(thousand), "in the order of their times");
        for partition in 0..3 {
            assert!(all.iter().filter(|n| *n % 3 == partition).is_sorted());
        }
        let filter = json!({ "filter": "value.n >= 8990 && header.kind == 'odd'" });
        let (mut some, scanned, answers) = found(&raw, &filter).await;
        some.sort_unstable();
        assert_eq!((some, scanned), (vec![8_991, 8_993, 8_995, 8_997, 8_999], RECORDS as u64));
        assert_eq!(answers, 1, "who finds little is not answered often");
        let globs = json!({ "key": "?77", "headers": [{ "name": "kind", "glob": "o*" }] });
        let (mut some, ..) = found(&raw, &globs).await;
        some.sort_unstable();
        assert_eq!(some, [177, 277, 377, 477, 577, 677, 777, 877, 977]);
        let (part, scanned, _) =
            found(&raw, &json!({ "next": { "1": 2_990 }, "until": { "1": 2_995 } })).await;
        assert_eq!((part.len(), scanned), (5, 5));
    });
}

#[test]
fn a_tail_that_is_asked_from_anywhere_goes_on_from_there() {
    shop(&[], |t| async move {
        filled(&t).await;
        let raw = Raw::gateway(&t);
        let first =
            post(&raw, "/admin/v1/tail/next", &start(&raw, &json!("beginning")).await).await;
        // The same again, and others between: who asks is told by what they ask alone.
        let again =
            post(&raw, "/admin/v1/tail/next", &start(&raw, &json!("beginning")).await).await;
        assert_eq!(first, again);
        let second = post(&raw, "/admin/v1/tail/next", &first["next"]).await;
        for _ in 0..6 {
            post(&raw, "/admin/v1/tail/next", &start(&raw, &json!({ "last": 10 })).await).await;
        }
        let again = post(&raw, "/admin/v1/tail/next", &first["next"]).await;
        for part in ["records", "next", "end"] {
            assert_eq!(again[part], second[part], "{part}");
        }
        // What was deleted meanwhile is not told from memory.
        let gone = json!({ "topic": "numbers", "before": "end", "execute": true });
        post(&raw, "/admin/v1/topics/truncate", &gone).await;
        let nothing = post(&raw, "/admin/v1/tail/next", &second["next"]).await;
        assert_eq!((&nothing["records"], &nothing["end"]), (&json!([]), &json!(true)));
    });
}

#[test]
fn at_the_end_it_looks_again() {
    shop(&[], |t| async move {
        filled(&t).await;
        let raw = Raw::gateway(&t);
        let mut query = start(&raw, &json!("end")).await;
        let page = post(&raw, "/admin/v1/tail/next", &query).await;
        assert_eq!((&page["records"], &page["end"]), (&json!([]), &json!(true)));
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for n in 0..3 {
            t.produce("numbers", &format!("new-{n}"), b"x").await;
            let page = post(&raw, "/admin/v1/tail/next", &query).await;
            for record in page["records"].as_array().unwrap() {
                *seen.entry(record["key"]["text"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            query = page["next"].clone();
        }
        assert_eq!(seen, (0..3).map(|n| (format!("new-{n}"), 1)).collect());
    });
}

#[test]
fn who_wants_only_the_newest_is_told_how_many_were_left_out() {
    shop(&[], |t| async move {
        filled(&t).await;
        let raw = Raw::gateway(&t);
        let mut query = start(&raw, &json!("beginning")).await;
        query["newest"] = 7.into();
        let page = post(&raw, "/admin/v1/tail/next", &query).await;
        let keys = page["records"].as_array().unwrap().iter();
        let keys: Vec<&str> = keys.map(|r| r["key"]["text"].as_str().unwrap()).collect();
        assert_eq!(keys.len(), 7);
        assert!(keys.iter().all(|key| key.starts_with("89")), "of the last thousand: {keys:?}");
        let counted = (&page["skipped"], &page["scanned"], &page["end"]);
        assert_eq!(counted, (&json!(RECORDS - 7), &json!(RECORDS), &json!(true)));
        let page = post(&raw, "/admin/v1/tail/next", &page["next"]).await;
        assert_eq!((&page["records"], &page["skipped"]), (&json!([]), &json!(0)));
        for bad in [0, 501] {
            query["newest"] = bad.into();
            let ask = Ask::new("POST", "/admin/v1/tail/next").json(query.to_string()).admin();
            let answer = raw.send(&ask).await;
            assert_eq!(answer.status, 422, "{}", answer.text());
            assert!(answer.text().contains("newest must be from 1 to 500"), "{}", answer.text());
        }
        query["newest"] = 7.into();
        query["filter"] = "value.n < 3".into();
        let page = post(&raw, "/admin/v1/tail/next", &query).await;
        assert_eq!((page["records"].as_array().unwrap().len(), &page["skipped"]), (3, &json!(0)));
    });
}
