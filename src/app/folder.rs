//! The data folder: one process at a time, and a note of where that process can be reached.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// Who holds this file's lock owns the folder.
pub(super) const LOCK: &str = "ecom.lock";
/// How often, and with which pause, a lock is tried that others hold only for a moment.
const LOCK_LOOKS: u32 = 100;
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(50);
/// Where the owner can be reached.
pub(super) const NOTE: &str = "server.json";
/// Says that a backup is being put back here.
pub(super) const RESTORING: &str = "restore.json";

/// A folder that this process owns until it is dropped.
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Where a running shop can be reached by this machine's own commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerNote {
    /// Its process id.
    pub pid: u32,
    /// The gateway's address, `http://127.0.0.1:8000`.
    pub address: String,
    /// What the admin API wants to see.
    pub token: String,
}

/// The folder is in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is in use by another ecom process{}", path.display(), owner.as_ref().map(|n| format!(" (pid {}, {})", n.pid, n.address)).unwrap_or_default())]
pub struct InUse {
    /// The folder.
    pub path: PathBuf,
    /// Who uses it, if they left a note.
    pub owner: Option<ServerNote>,
}

/// A backup was not wholly put back: what is in the folder is no shop's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a restore into {} was broken off; run the same `ecom restore` again to finish it", .0.display())]
pub struct HalfRestored(pub PathBuf);

impl DataFolder {
    /// Makes the folder if it is missing and takes it; an [`InUse`] error if another process has it, and a
    /// [`HalfRestored`] one if a restore is not finished.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let taken = Self::take(path)?;
        if path.join(RESTORING).exists() {
            bail!(HalfRestored(path.to_owned()));
        }
        Ok(taken)
    }

    /// The same, whatever is in it.
    pub(super) fn take(path: &Path) -> anyhow::Result<Self> {
        make(path).with_context(|| {
            format!("cannot make the data folder {}; name another with --data", path.display())
        })?;
        let lock_path = path.join(LOCK);
        let lock = lock_file(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!(InUse { path: path.to_owned(), owner: ServerNote::read(path) })
            }
            Err(TryLockError::Error(e)) => {
                Err(e).with_context(|| format!("cannot lock {}", lock_path.display()))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the shop's tables and events.
    pub fn shop_db(&self) -> PathBuf {
        shop_db(&self.path)
    }

    /// The file of the world outside.
    pub fn outside_db(&self) -> PathBuf {
        outside_db(&self.path)
    }

    /// Leaves a note of where this process can be reached, readable by its user only.
    pub fn leave_note(&self, note: &ServerNote) -> anyhow::Result<()> {
        let path = self.path.join(NOTE);
        let fresh = self.path.join("server.json.new");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(serde_json::to_string_pretty(note)?.as_bytes())?;
        std::fs::rename(&fresh, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes the note away.
    pub fn take_note_away(&self) {
        let _ = std::fs::remove_file(self.path.join(NOTE));
    }
}

fn make(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn lock_file(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(path).with_context(|| format!("cannot open {}", path.display()))
}

/// A folder that any number of processes use at once.
#[derive(Clone)]
pub struct SharedFolder(PathBuf);

impl SharedFolder {
    /// Makes the folder if it is missing.
    pub fn make(path: PathBuf) -> anyhow::Result<Self> {
        make(&path).with_context(|| {
            format!("cannot make the folder {}; name another with XDG_STATE_HOME", path.display())
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What only one process does at a time, by this name, until what is returned is dropped; none while
    /// another does.
    pub fn try_lock(&self, name: &str) -> anyhow::Result<Option<File>> {
        let lock = lock_file(&self.0.join(name))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e).with_context(|| {
                let path = self.0.display();
                format!("cannot lock files in {path}; name another folder with XDG_STATE_HOME")
            }),
        }
    }

    /// The same; waits for the other, which is done in a moment unless something is wrong with it.
    pub fn lock(&self, name: &str) -> anyhow::Result<File> {
        for _ in 0..LOCK_LOOKS {
            if let Some(lock) = self.try_lock(name)? {
                return Ok(lock);
            }
            std::thread::sleep(LOCK_LOOK_EVERY);
        }
        bail!("another ecom process holds {}; is it stopped?", self.0.join(name).display())
    }
}

impl ServerNote {
    /// The note in `folder`, if a process left one.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(NOTE)).ok()?).ok()
    }
}

/// A token that nobody can guess.
pub fn new_token() -> String {
    let mut dice = crate::adapters::random::system_randomness().stream("admin-token");
    format!("{:016x}{:016x}", dice.below(u64::MAX), dice.below(u64::MAX))
}

/// The file of the shop's tables and events in `folder`.
pub fn shop_db(folder: &Path) -> PathBuf {
    folder.join("shop.db")
}

/// The file of the world outside in `folder`.
pub fn outside_db(folder: &Path) -> PathBuf {
    folder.join("outside.db")
}

/// Whether `folder` holds a shop's data.
pub fn holds_data(folder: &Path) -> bool {
    shop_db(folder).exists()
}

/// A folder that is removed when dropped, unless it is kept.
pub struct ThrowAway {
    path: PathBuf,
    keep: bool,
}

impl ThrowAway {
    /// A new folder under the system's place for such; `name` must be new there.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, keep: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it there.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for ThrowAway {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
