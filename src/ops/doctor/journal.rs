//! The databases of the data folder: whether their pages hold together, and whether this build knows them.

use super::{Area, Finding};
use crate::app::checkup::journals::{self, JournalFacts, JournalState};
use crate::app::{Settings, backends, folder};

const AREA: Area = Area::Journal;
/// A log that is longer than this is not written back as it should be.
const LOG_BYTES_MAX: u64 = 512 << 20;

pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    if !backends::needs_folder(settings) {
        return vec![Finding::skipped(AREA, "journal", "everything is on servers")];
    }
    match settings.data_dir() {
        Ok(path) if folder::holds_data(&path) => {
            journals::look(&path).await.iter().map(judge).collect()
        }
        _ => vec![Finding::skipped(AREA, "journal", "there is no shop yet")],
    }
}

fn judge(facts: &JournalFacts) -> Finding {
    let name = facts.name;
    let state = match &facts.state {
        Some(Ok(state)) => state,
        None if facts.needed => {
            let advice = "restore a backup with `ecom restore`";
            return Finding::fail(AREA, name, "is missing", advice);
        }
        None => return Finding::skipped(AREA, name, "not there; it is made when it is needed"),
        Some(Err(e)) if facts.needed => {
            return Finding::fail(AREA, name, e, "restore a backup with `ecom restore`");
        }
        Some(Err(e)) => {
            return Finding::warn(AREA, name, e, "delete it; it is made anew");
        }
    };
    judge_state(name, facts.needed, state)
}

fn judge_state(name: &str, needed: bool, state: &JournalState) -> Finding {
    let JournalState { schema, schema_known, bytes, log_bytes, damage } = state;
    if let Some(damage) = damage {
        let found = format!("is damaged: {damage}");
        return if needed {
            Finding::fail(AREA, name, found, "stop the shop and restore a backup: `ecom restore`")
        } else {
            Finding::warn(AREA, name, found, "stop the shop and delete it; it is made anew")
        };
    }
    let size = format!("sound, {} MiB", bytes.div_ceil(1 << 20));
    if schema > schema_known {
        let found = format!("schema version {schema}, newer than {schema_known}");
        return Finding::fail(AREA, name, found, "use a newer ecom");
    }
    if schema < schema_known {
        let found = format!("{size}, schema version {schema} of {schema_known}");
        return Finding::warn(AREA, name, found, "the next start brings it up to date; back it up");
    }
    if *log_bytes > LOG_BYTES_MAX {
        let found = format!("{size}, and a write-ahead log of {} MiB", log_bytes >> 20);
        return Finding::warn(AREA, name, found, "does something read for very long? restart it");
    }
    Finding::ok(AREA, name, size)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_database_is_judged_by_its_pages_its_schema_and_its_log() {
        let good = || JournalState {
            schema: 4,
            schema_known: 4,
            bytes: 1 << 20,
            log_bytes: 0,
            damage: None,
        };
        let check = |needed: bool, state: Option<Result<JournalState, String>>, status: Status| {
            let facts = JournalFacts { name: "x.db", needed, state };
            let finding = judge(&facts);
            assert_eq!(finding.status, status, "{facts:?}");
            let has_advice = finding.advice.is_some();
            assert_eq!(has_advice, matches!(status, Status::Warn | Status::Fail), "{facts:?}");
        };
        check(true, Some(Ok(good())), Status::Ok);
        check(true, None, Status::Fail);
        check(false, None, Status::Skipped);
        let damaged = || JournalState { damage: Some("page 7".into()), ..good() };
        check(true, Some(Ok(damaged())), Status::Fail);
        check(false, Some(Ok(damaged())), Status::Warn);
        check(true, Some(Ok(JournalState { schema: 5, ..good() })), Status::Fail);
        check(true, Some(Ok(JournalState { schema: 3, ..good() })), Status::Warn);
        check(true, Some(Ok(JournalState { log_bytes: 1 << 40, ..good() })), Status::Warn);
        check(true, Some(Err("not a database".into())), Status::Fail);
        check(false, Some(Err("not a database".into())), Status::Warn);
    }
}
