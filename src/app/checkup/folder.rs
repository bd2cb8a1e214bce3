//! Looking at a data folder without taking it for longer than a moment.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::app::folder::{DataFolder, InUse, LOCK, NOTE, RESTORING, ServerNote};

/// Who has a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A process that says where it can be reached.
    Shop(ServerNote),
    /// A process that does not say.
    Silent,
    /// That cannot be told, and why.
    Unknown(String),
}

/// What a folder looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    /// Where.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Whether this user may write there, or make it.
    pub writable: bool,
    /// Bytes free there, or where it would be.
    pub room: Option<u64>,
    /// The folder, and files in it, that other users can read.
    pub open_to_others: Vec<String>,
    /// Who has it.
    pub holder: Holder,
    /// Whether a restore was broken off.
    pub half_restored: bool,
}

/// Looks at the folder at `path`.
pub fn look(path: &Path) -> FolderFacts {
    let exists = path.is_dir();
    // What is not there would be made in the nearest folder above that is.
    let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let place = place.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    FolderFacts {
        path: path.to_owned(),
        exists,
        writable: place.is_dir() && rustix::fs::access(place, rustix::fs::Access::WRITE_OK).is_ok(),
        room: crate::app::backup::room(place).ok(),
        open_to_others: open_to_others(path).unwrap_or_default(),
        holder: holder(path),
        half_restored: path.join(RESTORING).exists(),
    }
}

fn open_to_others(path: &Path) -> io::Result<Vec<String>> {
    let others_can = |path: &Path| {
        let mode = path.metadata()?.permissions().mode();
        Ok::<_, io::Error>((mode & 0o077) != 0)
    };
    if !others_can(path)? {
        // Nobody else comes past the folder.
        return Ok(vec![]);
    }
    let mut open = vec![];
    for entry in path.read_dir()? {
        let (entry, name) = entry.map(|e| (e.path(), e.file_name()))?;
        let name = name.to_string_lossy().into_owned();
        let ours = name.contains(".db") || name == NOTE;
        if ours && others_can(&entry)? {
            open.push(name);
        }
    }
    Ok(open)
}

fn holder(path: &Path) -> Holder {
    // Without a lock nobody has ever had it, and looking makes none.
    if !path.join(LOCK).exists() {
        return Holder::Nobody;
    }
    match DataFolder::take(path).map_err(|e| (format!("{e:#}"), e.downcast::<InUse>())) {
        Ok(_) => Holder::Nobody,
        Err((_, Ok(InUse { owner: Some(note), .. }))) => Holder::Shop(note),
        Err((_, Ok(InUse { owner: None, .. }))) => Holder::Silent,
        Err((why, Err(_))) => Holder::Unknown(why),
    }
}
