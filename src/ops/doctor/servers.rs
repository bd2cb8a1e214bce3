//! PostgreSQL, Redis, the mail server and the payment provider.

use std::sync::Arc;

use super::clock::judge_skew;
use super::{Area, Finding};
use crate::app::Settings;
use crate::app::checkup::servers::{self, PostgresFacts, RedisFacts};
use crate::ports::Clock;

/// The oldest PostgreSQL that the shop is tested on.
const POSTGRES_MIN: u32 = 140_000;
/// The oldest Redis that has all commands which the shop uses.
const REDIS_MIN: (u32, u32) = (6, 2);
/// Evictions that take holds away before they are too old.
const KEEPS_ALL: &str = "noeviction";

pub(super) async fn postgres(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    if settings.postgres.url.is_empty() {
        return vec![Finding::skipped(Area::Postgres, "server", "tables are in the data folder")];
    }
    match servers::postgres(settings, clock.as_ref()).await {
        Ok(facts) => judge_postgres(&facts, settings.postgres.connections),
        Err(e) => vec![Finding::told(Area::Postgres, "server", &e.to_string())],
    }
}

/// `wanted`: connections that one process takes at most.
fn judge_postgres(facts: &PostgresFacts, wanted: u32) -> Vec<Finding> {
    let area = Area::Postgres;
    let reached = format!("PostgreSQL {} at {}", facts.version, facts.place);
    let server = if facts.version_number < POSTGRES_MIN {
        Finding::fail(area, "server", reached, "use PostgreSQL 14 or newer")
    } else if facts.read_only {
        let found = format!("{reached} takes no writes");
        Finding::fail(area, "server", found, "name the primary, not a standby")
    } else {
        Finding::ok(area, "server", reached)
    };
    let mut findings = vec![server, judge_schema(facts.steps, facts.steps_known)];
    if facts.steps.is_some() {
        findings.push(if facts.inbox {
            Finding::ok(area, "idempotence", "processed_events is there")
        } else {
            let advice = "restore the database, or give the shop an empty one";
            Finding::fail(area, "idempotence", "there is no table processed_events", advice)
        });
    }
    let commit = &facts.synchronous_commit;
    findings.push(if !facts.fsync {
        let advice = "set fsync = on in postgresql.conf: a power cut can destroy the database";
        Finding::fail(area, "commits", "the server does not sync its log (fsync = off)", advice)
    } else if commit == "off" {
        let found = "synchronous_commit = off; the shop asks for on for itself";
        Finding::warn(area, "commits", found, "let other programs on that database do the same")
    } else {
        Finding::ok(area, "commits", format!("on disk before they are told ({commit})"))
    });
    let free = facts.connections_max.saturating_sub(facts.connections);
    let found = format!("{free} of {} free; a process takes {wanted}", facts.connections_max);
    findings.push(if free == 0 {
        Finding::fail(area, "connections", found, "raise max_connections there")
    } else if free < wanted {
        let advice = "raise max_connections there, or lower postgres.connections";
        Finding::warn(area, "connections", found, advice)
    } else {
        Finding::ok(area, "connections", found)
    });
    findings.push(judge_skew("PostgreSQL", facts.ahead_ms));
    findings
}

fn judge_schema(steps: Option<u64>, known: u64) -> Finding {
    let (area, check) = (Area::Postgres, "schema");
    match steps {
        None => Finding::ok(area, check, "no shop yet; `ecom serve` makes one"),
        Some(steps) if steps > known => {
            let found = format!("version {steps}, newer than {known}, the newest this build knows");
            Finding::fail(area, check, found, "use a newer ecom")
        }
        Some(steps) if steps < known => {
            let found = format!("version {steps}, older than {known}");
            Finding::warn(
                area,
                check,
                found,
                "the next `ecom serve` brings it up to date; back it up",
            )
        }
        Some(steps) => Finding::ok(area, check, format!("version {steps}")),
    }
}

pub(super) async fn redis(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    if settings.redis.url.is_empty() {
        return vec![Finding::skipped(Area::Redis, "server", "cache and holds are in memory")];
    }
    match servers::redis(settings, clock).await {
        Ok(facts) => judge_redis(&facts),
        Err(e) => vec![Finding::told(Area::Redis, "server", &e.to_string())],
    }
}

fn judge_redis(facts: &RedisFacts) -> Vec<Finding> {
    let area = Area::Redis;
    let mut parts = facts.version.split('.').map(|part| part.parse::<u32>().ok());
    let version = parts.next().flatten().zip(parts.next().flatten());
    let found = format!("Redis {}", facts.version);
    let mut findings = vec![if version.is_some_and(|version| version < REDIS_MIN) {
        Finding::fail(area, "server", found, "use Redis 6.2 or newer")
    } else if facts.replica {
        let found = format!("{found} is a replica and takes no writes");
        Finding::fail(area, "server", found, "name the primary in redis.url")
    } else {
        Finding::ok(area, "server", found)
    }];
    findings.push(match facts.eviction.as_deref() {
        Some(KEEPS_ALL) => Finding::ok(area, "eviction", "nothing is thrown away (noeviction)"),
        None => Finding::skipped(area, "eviction", "the server does not tell"),
        Some(policy) if facts.max.is_none() => {
            Finding::ok(area, "eviction", format!("{policy}, and memory has no limit"))
        }
        Some(policy) => {
            let found = format!("{policy}: holds may go when memory is short, and are made anew");
            Finding::warn(area, "eviction", found, "set maxmemory-policy noeviction there")
        }
    });
    let used = facts.used >> 20;
    findings.push(match facts.max {
        None => Finding::ok(area, "memory", format!("{used} MiB used, no limit")),
        Some(max) => {
            let found = format!("{used} of {} MiB used", max >> 20);
            let advice = "raise maxmemory there";
            if facts.used >= max {
                Finding::fail(area, "memory", found, advice)
            } else if facts.used >= max / 10 * 9 {
                Finding::warn(area, "memory", found, advice)
            } else {
                Finding::ok(area, "memory", found)
            }
        }
    });
    findings.extend(facts.ahead_ms.map(|ahead| judge_skew("Redis", ahead)));
    findings
}

pub(super) async fn smtp(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let area = Area::Smtp;
    if settings.smtp.url.is_empty() {
        return vec![Finding::skipped(
            area,
            "server",
            "mail goes to the mailbox in the data folder",
        )];
    }
    vec![match servers::smtp(settings, clock).await {
        Ok(()) => Finding::ok(area, "server", "it lets us in"),
        Err(e) => Finding::told(area, "server", &e.to_string()),
    }]
}

pub(super) async fn gateway(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let area = Area::Gateway;
    if settings.gateway.url.is_empty() {
        return vec![Finding::skipped(area, "provider", "payments are simulated in the shop")];
    }
    vec![match servers::gateway(settings, clock).await {
        Ok(()) => Finding::ok(area, "provider", format!("{} answers", settings.gateway.url)),
        Err(e) => Finding::told(area, "provider", &e.to_string()),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    /// The one finding that is not good, if there is one.
    #[track_caller]
    fn check(findings: &[Finding], expected: Option<(&str, Status)>) {
        let bad: Vec<_> = findings
            .iter()
            .filter(|f| f.status != Status::Ok)
            .map(|f| (f.check.as_str(), f.status))
            .collect();
        assert_eq!(bad, expected.into_iter().collect::<Vec<_>>(), "{findings:#?}");
        let without = |f: &&Finding| f.status >= Status::Warn && f.status <= Status::Fail;
        assert!(findings.iter().filter(without).all(|f| f.advice.is_some()), "{findings:#?}");
    }

    #[test]
    fn a_postgres_is_judged_by_what_the_shop_needs_of_it() {
        let good = || PostgresFacts {
            place: "db:5432/shop".into(),
            version: "16.4".into(),
            version_number: 160_004,
            steps: Some(3),
            steps_known: 3,
            inbox: true,
            synchronous_commit: "on".into(),
            fsync: true,
            read_only: false,
            connections_max: 100,
            connections: 20,
            ahead_ms: 3,
        };
        let with = |change: &dyn Fn(&mut PostgresFacts), expected| {
            let mut facts = good();
            change(&mut facts);
            check(&judge_postgres(&facts, 20), expected);
        };
        with(&|_| {}, None);
        with(&|f| f.steps = None, None);
        with(&|f| f.version_number = 139_999, Some(("server", Status::Fail)));
        with(&|f| f.read_only = true, Some(("server", Status::Fail)));
        with(&|f| f.steps = Some(4), Some(("schema", Status::Fail)));
        with(&|f| f.steps = Some(2), Some(("schema", Status::Warn)));
        with(&|f| f.inbox = false, Some(("idempotence", Status::Fail)));
        with(&|f| f.fsync = false, Some(("commits", Status::Fail)));
        with(&|f| f.synchronous_commit = "off".into(), Some(("commits", Status::Warn)));
        with(&|f| f.connections = 80, None);
        with(&|f| f.connections = 81, Some(("connections", Status::Warn)));
        with(&|f| f.connections = 100, Some(("connections", Status::Fail)));
        let skewed = ("PostgreSQL and this machine", Status::Fail);
        with(&|f| f.ahead_ms = 60_000, Some(skewed));
    }

    #[test]
    fn a_redis_is_judged_by_what_it_keeps() {
        let good = || RedisFacts {
            version: "7.4.1".into(),
            used: 1 << 20,
            max: Some(100 << 20),
            eviction: Some("noeviction".into()),
            replica: false,
            ahead_ms: Some(-2),
        };
        let with = |change: &dyn Fn(&mut RedisFacts), expected| {
            let mut facts = good();
            change(&mut facts);
            check(&judge_redis(&facts), expected);
        };
        with(&|_| {}, None);
        with(&|f| f.version = "6.2.0".into(), None);
        with(&|f| f.version = "6.0.9".into(), Some(("server", Status::Fail)));
        with(&|f| f.version = "not told".into(), None);
        with(&|f| f.replica = true, Some(("server", Status::Fail)));
        with(&|f| f.eviction = Some("allkeys-lru".into()), Some(("eviction", Status::Warn)));
        with(&|f| f.eviction = None, Some(("eviction", Status::Skipped)));
        with(&|f| (f.eviction, f.max) = (Some("allkeys-lru".into()), None), None);
        with(&|f| f.used = 90 << 20, Some(("memory", Status::Warn)));
        with(&|f| f.used = 100 << 20, Some(("memory", Status::Fail)));
        with(&|f| f.ahead_ms = None, None);
        with(&|f| f.ahead_ms = Some(2_000), Some(("Redis and this machine", Status::Warn)));
    }
}
