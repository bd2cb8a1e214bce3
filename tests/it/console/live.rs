//! What a dashboard asks for: how everything is, the log, and both as they come, as server-sent events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value as Json;

use crate::harness::program::{Printed, Served, run, run_with_input};

/// A stream of events that is read line by line; a test that waits for one that never comes ends after this.
const PATIENCE: Duration = Duration::from_secs(30);

struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Asks for `path`, with the token that lies in the folder.
    fn open(shop: &Served, path: &str) -> Self {
        let note = std::fs::read(shop.data.join("server.json")).unwrap();
        let note: Json = serde_json::from_slice(&note).unwrap();
        let address = shop.gateway().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let token = note["token"].as_str().unwrap();
        write!(
            stream,
            "GET /admin/v1/{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        let mut stream = Self(BufReader::new(stream));
        assert!(stream.line().unwrap().starts_with("HTTP/1.1 200"));
        stream
    }

    /// The next line; none at the end.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event of this name: its id and its data.
    fn next(&mut self, wanted: &str) -> (String, Json) {
        let (mut name, mut id) = (String::new(), String::new());
        loop {
            let line = self.line().unwrap_or_else(|| panic!("it ended before {wanted}"));
            if let Some(found) = line.strip_prefix("event: ") {
                found.clone_into(&mut name);
            } else if let Some(found) = line.strip_prefix("id: ") {
                found.clone_into(&mut id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                // The id may come after the data, in the next line.
                let data: Json = serde_json::from_str(data).unwrap();
                if name != wanted {
                    continue;
                }
                if id.is_empty()
                    && let Some(next) = self.line()
                    && let Some(found) = next.strip_prefix("id: ")
                {
                    found.clone_into(&mut id);
                }
                return (id, data);
            }
        }
    }
}

#[test]
fn streams_tell_what_comes_and_end_with_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Served::start(folder.path(), &["--products", "3"]);
    let mut live = Stream::open(&shop, "live");
    let (_, pulse) = live.next("pulse");
    assert_eq!(pulse["topics"].as_array().unwrap().len(), 22, "{pulse}");
    let mut records = Stream::open(&shop, "topics/order.created/live");
    let data = folder.path().to_str().unwrap();
    let produce = ["topics", "produce", "order.created", "--key", "K", "--data", data];
    let produced = run_with_input(&produce, b"{}");
    assert_eq!(produced.code(), 0, "{}", produced.err());
    let (id, record) = records.next("record");
    assert_eq!(id, produced.out().trim());
    assert_eq!(record["value"]["text"], "{}");
    let (_, logged) = live.next("log");
    assert_eq!(logged["level"], "WARN");
    assert!(logged["text"].as_str().unwrap().starts_with("event given up"), "{logged}");
    let (_, pulse) = live.next("pulse");
    let open = |pulse: &Json| pulse["letters"][0]["open"].as_u64().unwrap_or(0);
    assert!(open(&pulse) > 0 || open(&live.next("pulse").1) > 0);
    assert_eq!(shop.stop(), 0);
    while live.line().is_some() {}
    while records.line().is_some() {}
}

#[test]
fn one_frame_is_printed_for_people_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut shop = Served::start(folder.path(), &["--products", "3"]);
    let once = |more: &[&str]| run(&[&["tui", "--once", "--data", data], more].concat());
    let text = once(&["--view", "topics", "--size", "60x12"]);
    assert_eq!(text.code(), 0, "{}", text.err());
    assert_eq!(text.out().lines().count(), 12);
    assert!(text.out().contains("catalog.product_upserted"), "{}", text.out());
    let json = once(&["--view", "groups", "-o", "json"]);
    let frame: Json = serde_json::from_str(&json.out()).unwrap();
    assert_eq!(frame["rows"].as_array().unwrap().len(), 5, "{frame}");
    assert_eq!(shop.stop(), 0);
    let stopped = once(&["--view", "dlq"]);
    assert!(stopped.out().contains("no dead letters"), "{}", stopped.out());
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (args, said) in [
        (vec!["tui", "--view", "nope"], "there is no such view; use one of overview, topics"),
        (vec!["tui", "--theme", "pink"], "there is no such theme; use one of dark"),
        (vec!["tui", "--once", "--size", "0x5"], "write columns and rows, such as 120x40"),
        (vec!["tui", "--once", "--keys", "Enter Nope"], "\"Nope\" is no key"),
        (vec!["tui", "--keys", "Enter"], "--once"),
        (vec!["tui"], "the console needs a terminal; `ecom tui --once` prints one frame"),
    ] {
        let ran = run(&args);
        assert_eq!(ran.code(), 2, "{args:?}: {}", ran.err());
        assert!(ran.err().contains(said), "{args:?}: {}", ran.err());
    }
}
