//! Putting a backup back. All is written beside the place where it belongs and checked there; then a marker
//! says that the folder is being changed, what was there is moved aside, the databases get their names, and
//! the marker goes. With the marker there, no shop starts: a restore that was killed is done again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BackupError, Manifest, PARTS, RestoreReport, archive, room, stamp};
use crate::adapters::sqlite::copy;
use crate::app::folder::{self, DataFolder, InUse, LOCK, NOTE, RESTORING};
use crate::ports::Clock;

/// What the files of a restore end in before they are checked.
const SUFFIX: &str = ".new";
/// Files of a shop, each of which may have a log and a map of it.
const DATABASES: [&str; 3] = ["shop.db", "outside.db", "console.db"];
/// What the name of a folder with a former shop begins with.
const ASIDE: &str = "before-";

/// What the marker says.
#[derive(Serialize, Deserialize)]
struct Marker {
    /// The backup.
    archive: String,
    /// Where the former shop goes.
    aside: String,
    /// The former shop's files.
    former: BTreeSet<String>,
}

/// Puts the backup `archive` into `folder`, which must not hold a shop; with `aside`, one that it holds is
/// moved into a folder in it. What is wrong is found before anything is changed.
pub fn restore(
    archive: &Path,
    path: &Path,
    aside: bool,
    clock: &dyn Clock,
) -> Result<RestoreReport, BackupError> {
    let begun = clock.elapsed();
    let manifest = archive::look(archive)?;
    let is_new = !path.exists();
    if !is_new {
        may_be_used(path, aside)?;
    }
    let owned = DataFolder::take(path).map_err(|e| match e.downcast::<InUse>() {
        Ok(in_use) => BackupError::Refused(format!("{in_use}; stop it first")),
        Err(e) => BackupError::Failed(format!("{e:#}")),
    })?;
    let staged = stage(archive, &manifest, path);
    if let Err(e) = staged {
        unstage(path);
        if is_new {
            let _ = fs::remove_file(path.join(LOCK));
            let _ = fs::remove_dir(path);
        }
        return Err(e);
    }
    let failed = |e: std::io::Error| {
        BackupError::failed(
            &format!("cannot finish the restore into {}; do it again", path.display()),
            e,
        )
    };
    let aside = put_in_place(archive, path, clock).map_err(failed)?;
    drop(owned);
    let took_ms = clock.elapsed().saturating_sub(begun).as_millis() as u64;
    Ok(RestoreReport { folder: path.display().to_string(), aside, took_ms, manifest })
}

/// An existing folder must be empty, or an unfinished restore's, or the shop in it is to be moved aside.
fn may_be_used(path: &Path, aside: bool) -> Result<(), BackupError> {
    let unreadable =
        |e: std::io::Error| BackupError::failed(&format!("cannot read {}", path.display()), e);
    if path.join(RESTORING).exists() {
        return Ok(());
    }
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        names.insert(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    if folder::holds_data(path) && !aside {
        return Err(BackupError::Refused(format!(
            "{} holds a shop; name an empty folder, or let --force move that shop aside",
            path.display()
        )));
    }
    let mut ours = files_of_a_shop();
    // What a restore that was killed has left.
    ours.extend(PARTS.iter().flat_map(|(name, _)| with_log(&format!("{name}{SUFFIX}"))));
    ours.extend([LOCK.to_owned(), format!("restore{SUFFIX}")]);
    let known = |name: &String| ours.contains(name) || name.starts_with(ASIDE);
    match names.iter().find(|name| !known(name)) {
        Some(other) => Err(BackupError::Refused(format!(
            "{} is not empty, there is {other:?} in it; name an empty or a new folder",
            path.display()
        ))),
        None => Ok(()),
    }
}

fn files_of_a_shop() -> BTreeSet<String> {
    DATABASES.iter().flat_map(|db| with_log(db)).chain([NOTE.to_owned()]).collect()
}

/// A database, its log, and the map of that.
fn with_log(database: &str) -> [String; 3] {
    ["", "-wal", "-shm"].map(|end| format!("{database}{end}"))
}

/// Unpacks the databases beside their places and checks them.
fn stage(archive: &Path, manifest: &Manifest, path: &Path) -> Result<(), BackupError> {
    unstage(path);
    let needed: u64 = manifest.parts.iter().map(|part| part.bytes).sum();
    let free = room(path).map_err(|e| BackupError::failed("free space", e))?;
    if free < needed {
        return Err(BackupError::Refused(format!(
            "{} has {} MiB free, and the backup needs {} MiB",
            path.display(),
            free >> 20,
            needed.div_ceil(1 << 20)
        )));
    }
    archive::unpack(archive, manifest, (path, SUFFIX))?;
    for (name, _) in PARTS {
        copy::check_copy(&staged(path, name)).map_err(|e| {
            BackupError::Failed(format!("{}: {name} is damaged: {e}", archive.display()))
        })?;
    }
    Ok(())
}

fn staged(path: &Path, name: &str) -> PathBuf {
    path.join(format!("{name}{SUFFIX}"))
}

fn unstage(path: &Path) {
    for file in PARTS.iter().flat_map(|(name, _)| with_log(&format!("{name}{SUFFIX}"))) {
        let _ = fs::remove_file(path.join(file));
    }
}

/// Moves what is there aside, and what is staged to its place. Done again after a kill it comes to the same.
fn put_in_place(archive: &Path, path: &Path, clock: &dyn Clock) -> std::io::Result<Option<String>> {
    let marker = path.join(RESTORING);
    let there = |file: &String| path.join(file).exists();
    // One that was broken off has said what was there and where it goes.
    let begun =
        fs::read(&marker).ok().and_then(|json| serde_json::from_slice::<Marker>(&json).ok());
    let note = begun.unwrap_or_else(|| Marker {
        archive: archive.display().to_string(),
        aside: format!("{ASIDE}{}", stamp(clock.now())),
        former: files_of_a_shop().into_iter().filter(there).collect(),
    });
    write_synced(&marker, &serde_json::to_vec_pretty(&note)?)?;
    sync_folder(path)?;
    let aside = (!note.former.is_empty()).then(|| path.join(&note.aside));
    if let Some(aside) = &aside {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(aside)?;
        for file in note.former.iter().filter(|file| !aside.join(file).exists()) {
            fs::rename(path.join(file), aside.join(file))?;
        }
        sync_folder(aside)?;
    }
    for file in files_of_a_shop().iter().filter(|file| there(file)) {
        // The restore that was broken off had put it here.
        fs::remove_file(path.join(file))?;
    }
    // The tables last: a folder with them holds a shop.
    for (name, _) in PARTS {
        fs::rename(staged(path, name), path.join(name))?;
    }
    sync_folder(path)?;
    fs::remove_file(&marker)?;
    sync_folder(path)?;
    Ok(aside.map(|aside| aside.display().to_string()))
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes)?;
    fs::File::open(&fresh)?.sync_all()?;
    fs::rename(&fresh, path)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    fs::File::open(path)?.sync_all()
}
