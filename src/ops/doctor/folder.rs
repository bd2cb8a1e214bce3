//! The data folder: whether there is one, whose it is, who has it, and how much room there is.

use crate::app::checkup::folder::{FolderFacts, Holder, look as look_at};
use crate::app::{Settings, backends};

use super::{Area, Finding};

const AREA: Area = Area::Folder;

pub(super) fn look(settings: &Settings) -> Vec<Finding> {
    if !backends::needs_folder(settings) {
        return vec![Finding::skipped(AREA, "folder", "everything is on servers")];
    }
    match settings.data_dir() {
        Ok(path) => judge(&look_at(&path), settings.data.disk_floor.0),
        Err(e) => vec![Finding::fail(AREA, "folder", e.to_string(), "name one with --data")],
    }
}

/// `floor`: room below which no orders are taken, in bytes.
fn judge(facts: &FolderFacts, floor: u64) -> Vec<Finding> {
    let path = facts.path.display();
    let mut findings = vec![match (facts.exists, facts.writable) {
        (true, true) => Finding::ok(AREA, "folder", path.to_string()),
        (true, false) => {
            let advice = "give this user the right to write there, or name another with --data";
            Finding::fail(AREA, "folder", format!("{path} cannot be written"), advice)
        }
        (false, true) => {
            Finding::ok(AREA, "folder", format!("{path} is not there; `ecom serve` makes it"))
        }
        (false, false) => {
            let advice = "name a folder that can be made with --data";
            Finding::fail(AREA, "folder", format!("{path} is not there and cannot be made"), advice)
        }
    }];
    if let Some(room) = facts.room {
        findings.push(judge_room(room, floor));
    }
    if !facts.exists {
        return findings;
    }
    if facts.open_to_others.is_empty() {
        findings.push(Finding::ok(AREA, "rights", "readable by its user only"));
    } else {
        let found = format!("others can read {}", facts.open_to_others.join(", "));
        let advice = format!("chmod 700 {path}; chmod 600 {path}/*.db");
        findings.push(Finding::warn(AREA, "rights", found, advice));
    }
    findings.push(match &facts.holder {
        Holder::Nobody => Finding::ok(AREA, "owner", "no process has it"),
        Holder::Shop(note) => {
            let found = format!("a running shop: pid {}, {}", note.pid, note.address);
            Finding::ok(AREA, "owner", found)
        }
        Holder::Silent => Finding::warn(
            AREA,
            "owner",
            "a process has it that does not say where it can be reached",
            "is it starting? with serve.admin = false, commands cannot reach it",
        ),
        Holder::Unknown(why) => {
            Finding::warn(AREA, "owner", why, "see whether this user may open the folder's files")
        }
    });
    if facts.half_restored {
        let found = "a restore was broken off";
        let advice = "run the same `ecom restore` again to finish it";
        findings.push(Finding::fail(AREA, "restore", found, advice));
    }
    findings
}

fn judge_room(room: u64, floor: u64) -> Finding {
    let found = format!("{} MiB free; orders are refused below {} MiB", room >> 20, floor >> 20);
    if room < floor {
        Finding::fail(AREA, "room", found, "make room, or lower data.disk_floor")
    } else if room < floor.saturating_mul(4) {
        Finding::warn(AREA, "room", found, "make room soon")
    } else {
        Finding::ok(AREA, "room", found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;
    use crate::app::folder::ServerNote;

    fn good() -> FolderFacts {
        FolderFacts {
            path: "/data".into(),
            exists: true,
            writable: true,
            room: Some(1 << 40),
            open_to_others: vec![],
            holder: Holder::Nobody,
            half_restored: false,
        }
    }

    #[test]
    fn a_folder_is_judged_by_its_room_its_rights_and_its_owner() {
        let check = |facts: FolderFacts, check: &str, status: Status| {
            let findings = judge(&facts, 1 << 28);
            let found = findings.iter().find(|f| f.check == check);
            assert_eq!(found.map(|f| f.status), Some(status), "{facts:?}");
            let bad = findings.iter().filter(|f| f.status != Status::Ok).count();
            assert_eq!(bad, usize::from(status != Status::Ok), "{findings:?}");
        };
        check(good(), "folder", Status::Ok);
        check(FolderFacts { writable: false, ..good() }, "folder", Status::Fail);
        check(FolderFacts { exists: false, ..good() }, "folder", Status::Ok);
        let nowhere = FolderFacts { exists: false, writable: false, ..good() };
        check(nowhere, "folder", Status::Fail);
        for (room, status) in [
            ((1 << 28) - 1, Status::Fail),
            (1 << 28, Status::Warn),
            ((1 << 30) - 1, Status::Warn),
            (1 << 30, Status::Ok),
        ] {
            check(FolderFacts { room: Some(room), ..good() }, "room", status);
        }
        let open = FolderFacts { open_to_others: vec!["shop.db".into()], ..good() };
        check(open, "rights", Status::Warn);
        let note = ServerNote { pid: 7, address: "http://127.0.0.1:1".into(), token: "t".into() };
        check(FolderFacts { holder: Holder::Shop(note), ..good() }, "owner", Status::Ok);
        check(FolderFacts { holder: Holder::Silent, ..good() }, "owner", Status::Warn);
        check(FolderFacts { half_restored: true, ..good() }, "restore", Status::Fail);
    }
}
