//! Architecture rules, checked on the sources: who may import whom, what no file may contain, and
//! that the map in ARCHITECTURE.md shows what is there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should end")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the library, and those that it may name. A module may always name itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("events", &["domain"]),
    ("ports", &["domain", "events"]),
    ("services", &["domain", "events", "ports", "http"]),
    ("adapters", &["domain", "events", "ports"]),
    ("runtime", &["domain", "events", "ports", "services"]),
    ("http", &["domain", "ports", "runtime", "services"]),
    ("app", &["domain", "events", "ports", "services", "adapters", "runtime", "http"]),
    ("ops", &["domain", "events", "ports", "runtime", "http", "app"]),
    ("sim", &["domain", "ports", "http", "app", "ops"]),
    ("tui", &["domain", "ports", "app", "ops"]),
    ("bench", &["domain", "ports", "services", "http", "app", "sim"]),
    ("cli", &["domain", "ports", "http", "app", "ops", "sim", "tui", "bench"]),
];

/// Crates that only some folders may name.
const VENDORS: &[(&str, &[&str])] = &[
    ("rusqlite", &["src/adapters/sqlite"]),
    ("sqlx", &["src/adapters/postgres"]),
    ("rdkafka", &["src/adapters/bus/kafka"]),
    ("lettre", &["src/adapters/mail/smtp"]),
    ("redis", &["src/adapters/redis"]),
    ("opentelemetry", &["src/adapters/otlp"]),
    ("opentelemetry_http", &["src/adapters/otlp"]),
    ("opentelemetry_otlp", &["src/adapters/otlp"]),
    ("opentelemetry_sdk", &["src/adapters/otlp"]),
    (
        "axum",
        &[
            "src/http",
            "src/ops/api",
            "src/app/shop.rs",
            "src/app/provider",
            "src/services/*/api.rs",
            "src/sim/virtual_time/routes.rs",
        ],
    ),
    ("clap", &["src/cli"]),
    ("clap_complete", &["src/cli"]),
    ("clap_mangen", &["src/cli"]),
    ("indicatif", &["src/cli"]),
    ("crossterm", &["src/tui"]),
    ("ratatui", &["src/tui"]),
    ("tokio::fs", &[]),
];

/// Words that tell nothing about a file.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "manager"];

/// Lines of a file, tests not counted.
const LINES_MAX: usize = 400;

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Its lines without the tests at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        self.text[..end].lines().enumerate().map(|(n, line)| (n + 1, line))
    }

    /// Its module: the folder or file right below `src`.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or_default();
        below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ext: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, ext, found);
        } else if path.extension().is_some_and(|found| found == ext) {
            found.push(path);
        }
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = vec![];
    folders.iter().for_each(|folder| files(&root().join(folder), "rs", &mut paths));
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    let read =
        |path: PathBuf| Source { path: relative(&path), text: fs::read_to_string(&path).unwrap() };
    paths.into_iter().map(read).collect()
}

#[track_caller]
fn nothing(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

/// The modules named after `crate::` in a line, those in braces included.
fn imports(line: &str) -> Vec<&str> {
    let mut found = vec![];
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with('$') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            found.extend(list.split(',').map(first_word));
        } else {
            found.push(first_word(rest));
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    let text = text.trim();
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[test]
fn modules_name_only_what_they_may() {
    let mut wrong = vec![];
    for source in sources(&["src"]) {
        let module = source.module();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            if !["lib", "bin"].contains(&module) {
                wrong.push(format!("{}: module {module} is not in the list", source.path));
            }
            continue;
        };
        for (n, line) in source.code().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for named in imports(line) {
                let is_module = MAY_IMPORT.iter().any(|(name, _)| *name == named);
                if is_module && named != module && !allowed.contains(&named) {
                    wrong.push(format!("{}:{n}: {module} must not know {named}", source.path));
                }
            }
        }
    }
    nothing(&wrong, "a module names one that it must not know");
}

#[test]
fn a_service_does_not_know_another_one() {
    let services = ["cart", "catalog", "inventory", "notification", "order", "payment"];
    let mut wrong = vec![];
    for source in sources(&["src/services"]) {
        let own = source.path.split('/').nth(2).unwrap_or_default();
        if !services.contains(&own) {
            continue;
        }
        for (n, line) in source.code() {
            for other in services.iter().filter(|other| **other != own) {
                let named = [
                    format!("services::{other}"),
                    format!("super::{other}::"),
                    format!("super::super::{other}"),
                ];
                if named.iter().any(|named| line.contains(named.as_str())) {
                    wrong.push(format!("{}:{n}: {line}", source.path));
                }
            }
        }
    }
    nothing(&wrong, "a service names another service");
}

#[test]
fn the_checker_knows_nothing_of_the_services() {
    let forbidden = ["crate::services", "crate::events", "crate::runtime", "crate::adapters"];
    let mut wrong = vec![];
    for source in sources(&["src/sim/check"]) {
        for (n, line) in
            source.code().filter(|(_, line)| forbidden.iter().any(|name| line.contains(name)))
        {
            wrong.push(format!("{}:{n}: {line}", source.path));
        }
    }
    nothing(&wrong, "the checker must have its own idea of the shop");
}

#[test]
fn each_vendor_has_its_place() {
    let fits = |path: &str, place: &str| match place.split_once('*') {
        Some((before, after)) => path.starts_with(before) && path.ends_with(after),
        None => path.starts_with(place),
    };
    let mut wrong = vec![];
    for source in sources(&["src"]) {
        for (vendor, places) in VENDORS {
            let inside = places.iter().any(|place| fits(&source.path, place));
            let name = format!("{vendor}::");
            let named = |line: &str| {
                // A part of a longer word or path, such as `adapters::redis::`, is no crate.
                let longer = |before: &str| {
                    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
                    before.strip_suffix("::").unwrap_or(before).ends_with(part_of_a_word)
                };
                line.match_indices(&name).any(|(at, _)| !longer(&line[..at]))
            };
            for (n, line) in source.code().filter(|(_, line)| !inside && named(line)) {
                wrong.push(format!("{}:{n}: {line}", source.path));
            }
        }
    }
    nothing(&wrong, "a crate is named outside of its place");
}

#[test]
fn services_and_the_runtime_do_not_touch_time_chance_or_tasks_of_the_machine() {
    let forbidden = [
        "SystemTime",
        "Instant::now",
        "HashMap",
        "HashSet",
        "tokio::spawn",
        "tokio::time",
        "rand::",
    ];
    let mut wrong = vec![];
    for source in sources(&["src/domain", "src/events", "src/ports", "src/services", "src/runtime"])
    {
        for (n, line) in source.code().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            if forbidden.iter().any(|word| line.contains(word))
                && source.path != "src/ports/random.rs"
            {
                wrong.push(format!("{}:{n}: {line}", source.path));
            }
        }
    }
    nothing(&wrong, "goes around the ports, or has no order");
}

#[test]
fn every_file_says_what_it_is_and_has_a_telling_name_and_a_bearable_length() {
    let mut wrong = vec![];
    for source in sources(&["src", "tests", "benches"]) {
        if !source.text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with `//!`", source.path));
        }
        let lines = source.code().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, at most {LINES_MAX}", source.path));
        }
        let name = Path::new(&source.path).file_stem().unwrap().to_string_lossy().into_owned();
        let words = name.split('_').chain(source.path.split('/'));
        if words.into_iter().any(|word| EMPTY_NAMES.contains(&word)) {
            wrong.push(format!("{}: its name tells nothing", source.path));
        }
    }
    nothing(&wrong, "files");
}

#[test]
fn nothing_is_left_to_do_or_switched_off() {
    // Put together here, so that this file does not find itself.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["X", "XX"],
        ["db", "g!("],
        ["#[ig", "nore"],
        ["#[should_", "panic"],
    ];
    let words: Vec<String> = words.iter().map(|parts| parts.concat()).collect();
    let mut wrong = vec![];
    for source in sources(&["src", "tests", "benches"]) {
        for (n, line) in source.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                wrong.push(format!("{}:{}: {line}", source.path, n + 1));
            }
        }
    }
    nothing(&wrong, "left over");
}

#[test]
fn sql_asks_neither_the_clock_nor_chance() {
    let words =
        ["now()", "current_timestamp", "current_date", "random()", "datetime('now'", "strftime("];
    let mut paths = vec![];
    files(&root().join("migrations"), "sql", &mut paths);
    files(&root().join("queries"), "sql", &mut paths);
    files(&root().join("src"), "rs", &mut paths);
    let mut wrong = vec![];
    for path in paths {
        let text = fs::read_to_string(&path).unwrap().to_lowercase();
        for (n, line) in text.lines().enumerate() {
            let is_sql = path.extension().is_some_and(|ext| ext == "sql")
                || line.contains('"') && line.contains(" where ");
            if is_sql && words.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{}: {line}", path.display(), n + 1));
            }
        }
    }
    nothing(&wrong, "SQL must say the same on both stores, and the same again");
}

#[test]
fn the_map_shows_every_module() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut wrong = vec![];
    let mut folders = vec!["src".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() && entry.path().join("mod.rs").is_file() {
                let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
                if !map.contains(&format!("`{path}`")) {
                    wrong.push(path.clone());
                }
                folders.push(path);
            }
        }
    }
    wrong.sort();
    nothing(&wrong, "modules that ARCHITECTURE.md does not mention as `src/…`");
}
