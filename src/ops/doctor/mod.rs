//! The doctor: looks at everything that a shop needs, on this machine and on its servers, and says how it is
//! and what to do. It changes nothing, but for a topic and a group of its own on Kafka, which it removes.
//! Looking and judging are apart: what is judged is plain data.

mod clock;
mod config;
mod folder;
mod groups;
mod journal;
mod kafka;
mod machine;
mod servers;
mod topics;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};
use serde::{Deserialize, Serialize};

use crate::app::Settings;
use crate::app::embedded::Environment;
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;
use crate::ports::clock::timeout;
pub use config::ConfigFacts;
pub use machine::TerminalFacts;

closed_set! {
    /// What is looked at.
    Area {
        /// Where settings come from.
        Config = "config",
        /// The terminal that this is shown on.
        Terminal = "terminal",
        /// How many files may be open.
        Files = "files",
        /// Whether clocks agree.
        Clock = "clock",
        /// The data folder: room, rights, owner.
        Folder = "folder",
        /// The databases in it.
        Journal = "journal",
        /// Brokers.
        Kafka = "kafka",
        /// The shop's topics.
        Topics = "topics",
        /// Consumer groups.
        Groups = "groups",
        /// The database server.
        Postgres = "postgres",
        /// Cache and holds.
        Redis = "redis",
        /// The mail server.
        Smtp = "smtp",
        /// The payment provider.
        Gateway = "gateway",
    }
}

closed_set! {
    /// How something is.
    Status {
        /// As it should be.
        Ok = "ok",
        /// It works, and may not for long or not for all.
        Warn = "warn",
        /// It does not work.
        Fail = "fail",
        /// It was not looked at, or is not there to be looked at.
        Skipped = "skipped",
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Where was looked.
    pub area: Area,
    /// At what.
    pub check: String,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do, if anything.
    pub advice: Option<String>,
}

impl Finding {
    fn new(area: Area, check: &str, status: Status, found: impl Into<String>) -> Self {
        Self { area, check: check.to_owned(), status, found: found.into(), advice: None }
    }

    fn ok(area: Area, check: &str, found: impl Into<String>) -> Self {
        Self::new(area, check, Status::Ok, found)
    }

    fn skipped(area: Area, check: &str, found: impl Into<String>) -> Self {
        Self::new(area, check, Status::Skipped, found)
    }

    fn warn(area: Area, check: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(area, check, Status::Warn, found) }
    }

    fn fail(area: Area, check: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(area, check, Status::Fail, found) }
    }

    /// A server's own words, which end in what to do after a semicolon.
    fn told(area: Area, check: &str, words: &str) -> Self {
        match words.split_once("; ") {
            Some((found, advice)) => Self::fail(area, check, found, advice),
            None => Self::fail(area, check, words, "see `ecom config show --origin`"),
        }
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// When the looks began.
    pub at: Timestamp,
    /// How long they took.
    pub took_ms: u64,
    /// What was looked at: a folder, or servers.
    pub shop: String,
    /// Findings, by area.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// How many findings have this status.
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }
}

/// What the doctor is told by whoever calls.
pub struct Patient<'a> {
    /// The settings, if they can be read.
    pub settings: Option<&'a Settings>,
    /// Where they come from.
    pub config: ConfigFacts,
    /// The terminal.
    pub terminal: TerminalFacts,
}

/// Looks at all areas in `only`, or at all if it is empty, at the same time; each look ends after `limit`.
pub async fn examine(
    patient: &Patient<'_>,
    only: &BTreeSet<Area>,
    limit: Duration,
    env: &Environment,
) -> Diagnosis {
    let clock = env.clock.as_ref();
    let (at, begun) = (clock.now(), clock.elapsed());
    let wanted = |area: Area| only.is_empty() || only.contains(&area);
    let mut findings = vec![];
    if wanted(Area::Config) {
        findings.extend(config::judge(&patient.config));
    }
    if wanted(Area::Terminal) {
        findings.extend(machine::judge_terminal(&patient.terminal));
    }
    if wanted(Area::Files) {
        findings.push(machine::judge_files(machine::open_files()));
    }
    if let Some(settings) = patient.settings {
        let looks = looks(settings, &wanted, limit, env).into_iter().map(async |(areas, look)| {
            timeout(clock, limit, look).await.unwrap_or_else(|| {
                let late = |area: &Area| {
                    let (found, what) = (format!("not done within {limit:?}"), area.as_str());
                    Finding::fail(*area, what, found, "give it more time with --timeout")
                };
                areas.iter().filter(|area| wanted(**area)).map(late).collect()
            })
        });
        findings.extend(join_all(looks).await.into_iter().flatten());
    } else {
        let out_of_reach = "not looked at: the settings cannot be read";
        let rest = Area::ALL.iter().filter(|area| wanted(**area));
        let rest = rest.filter(|a| !matches!(a, Area::Config | Area::Terminal | Area::Files));
        findings.extend(rest.map(|area| Finding::skipped(*area, area.as_str(), out_of_reach)));
    }
    findings.retain(|finding| wanted(finding.area));
    // Stable: within an area in the order in which was looked.
    findings.sort_by_key(|finding| finding.area);
    let took_ms = clock.elapsed().saturating_sub(begun).as_millis() as u64;
    Diagnosis { at, took_ms, shop: patient.settings.map_or_else(String::new, shop), findings }
}

type Look<'a> = (&'static [Area], BoxFuture<'a, Vec<Finding>>);

/// Who looks, and at what.
fn looks<'a>(
    settings: &'a Settings,
    wanted: &dyn Fn(Area) -> bool,
    limit: Duration,
    env: &'a Environment,
) -> Vec<Look<'a>> {
    let clock = &env.clock;
    let all: Vec<Look<'a>> = vec![
        (&[Area::Folder], async move { folder::look(settings) }.boxed()),
        (&[Area::Journal], journal::look(settings).boxed()),
        (&[Area::Clock], clock::look_at_folder(settings, clock).boxed()),
        (&[Area::Kafka, Area::Clock], kafka::look(settings, limit, env).boxed()),
        (&[Area::Topics], topics::look(settings, clock).boxed()),
        (&[Area::Groups], groups::look(settings, limit, clock).boxed()),
        (&[Area::Postgres, Area::Clock], servers::postgres(settings, clock).boxed()),
        (&[Area::Redis, Area::Clock], servers::redis(settings, clock).boxed()),
        (&[Area::Smtp], servers::smtp(settings, clock).boxed()),
        (&[Area::Gateway], servers::gateway(settings, clock).boxed()),
    ];
    all.into_iter().filter(|(areas, _)| areas.iter().any(|area| wanted(*area))).collect()
}

/// What is meant by the settings, in words.
fn shop(settings: &Settings) -> String {
    let servers = [
        ("Kafka", settings.kafka.bootstrap.is_empty()),
        ("PostgreSQL", settings.postgres.url.is_empty()),
        ("Redis", settings.redis.url.is_empty()),
    ];
    let named: Vec<&str> =
        servers.iter().filter(|(_, none)| !none).map(|(name, _)| *name).collect();
    let folder = settings.data_dir().map(|path| path.display().to_string()).unwrap_or_default();
    if named.is_empty() {
        format!("embedded, in {folder}")
    } else {
        format!("on {}", named.join(", "))
    }
}
