//! The file of a backup: a plain tar whose first entry is the manifest, and whose others are the databases.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{BackupError, FORMAT, KIND, Manifest, PARTS, Part};

/// The name of the first entry.
const MANIFEST: &str = "manifest.json";
/// No manifest is larger.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// A tar consists of blocks of this size, and ends with two empty ones.
const BLOCK: u64 = 512;
/// What is written is brought to disk after so many bytes, so that the shop's own syncs never wait for much.
const SYNC_EVERY: usize = 4 << 20;

/// A file that goes to disk in small steps.
struct Steadily {
    file: File,
    unsynced: usize,
}

impl Write for Steadily {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Reads as long as it is wanted.
struct Wanted<'a> {
    file: File,
    go_on: &'a dyn Fn() -> bool,
}

impl Read for Wanted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.go_on)() { self.file.read(buffer) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// Writes the new file `path`, readable by its user only: the manifest, and its parts from `folder`, where
/// each has the name of its part and `suffix`. It is on disk then; how large it is.
pub(super) fn write(
    path: &Path,
    manifest: &Manifest,
    (folder, suffix): (&Path, &str),
    go_on: &dyn Fn() -> bool,
) -> io::Result<u64> {
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let mut tar = tar::Builder::new(Steadily { file, unsynced: 0 });
    let at = manifest.taken_at.millis().unsigned_abs() / 1_000;
    let json = serde_json::to_vec_pretty(manifest)?;
    tar.append_data(&mut header(json.len() as u64, at), MANIFEST, &*json)?;
    for part in &manifest.parts {
        let file = File::open(folder.join(format!("{}{suffix}", part.name)))?;
        tar.append_data(&mut header(part.bytes, at), &part.name, Wanted { file, go_on })?;
    }
    let file = tar.into_inner()?.file;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn header(bytes: u64, at: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(at);
    header
}

/// SHA-256 of a file.
pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(HEXLOWER.encode(&digest.finalize())),
            n => digest.update(&buffer[..n]),
        }
    }
}

/// What the archive at `path` holds, as far as its manifest and its length tell.
pub(super) fn look(path: &Path) -> Result<Manifest, BackupError> {
    let mut archive = open(path)?;
    let (manifest, bytes) = manifest(&mut archive, path)?;
    let parts = manifest.parts.iter().map(|part| part.bytes);
    let blocks = |bytes: u64| BLOCK + bytes.div_ceil(BLOCK) * BLOCK;
    let expected = blocks(bytes) + parts.map(blocks).sum::<u64>() + 2 * BLOCK;
    let found = path.metadata().map_err(|e| unreadable(path, e))?.len();
    if found < expected {
        let text = format!("is cut off: {found} of {expected} bytes are there; use another copy");
        return Err(wrong(path, &text));
    }
    if found > expected {
        return Err(wrong(path, "is damaged: something follows its end; use another copy"));
    }
    Ok(manifest)
}

/// Writes the parts of the archive at `path` to new files in `folder`, each under its name and `suffix`,
/// readable by its user only. They are on disk then, and what the manifest says of them is true.
pub(super) fn unpack(
    path: &Path,
    manifest: &Manifest,
    (folder, suffix): (&Path, &str),
) -> Result<(), BackupError> {
    let mut archive = open(path)?;
    let mut entries = archive.entries().map_err(|e| damaged(path, &e))?.skip(1);
    for part in &manifest.parts {
        let entry = entries.next().ok_or_else(|| wrong(path, "is damaged: a part is missing"))?;
        let entry = entry.map_err(|e| damaged(path, &e))?;
        let name = entry.path_bytes();
        if *name != *part.name.as_bytes() || entry.size() != part.bytes {
            return Err(wrong(path, "is damaged: its parts are not what its manifest says"));
        }
        drop(name);
        unpack_part(entry, part, &folder.join(format!("{}{suffix}", part.name)), path)?;
    }
    Ok(())
}

fn unpack_part(
    mut entry: impl Read,
    part: &Part,
    to: &Path,
    archive: &Path,
) -> Result<(), BackupError> {
    let place = to.display().to_string();
    let unwritable = |e: io::Error| BackupError::failed(&format!("cannot write {place}"), e);
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to);
    let mut file = file.map_err(unwritable)?;
    let (mut digest, mut written) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = entry.read(&mut buffer).map_err(|e| damaged(archive, &e))?;
        if n == 0 {
            break;
        }
        digest.update(&buffer[..n]);
        file.write_all(&buffer[..n]).map_err(unwritable)?;
        written += n as u64;
    }
    file.sync_all().map_err(unwritable)?;
    if written != part.bytes || HEXLOWER.encode(&digest.finalize()) != part.sha256 {
        let text = format!("is damaged: {} is not what was backed up; use another copy", part.name);
        return Err(wrong(archive, &text));
    }
    Ok(())
}

fn open(path: &Path) -> Result<tar::Archive<File>, BackupError> {
    let missing = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => {
            BackupError::NotFound(format!("there is no file {}", path.display()))
        }
        _ => unreadable(path, e),
    };
    let file = File::open(path).map_err(missing)?;
    if !file.metadata().map_err(|e| unreadable(path, e))?.is_file() {
        return Err(wrong(path, "is no file; name one that `ecom backup` made"));
    }
    Ok(tar::Archive::new(file))
}

/// The first entry, and how large it is.
fn manifest(archive: &mut tar::Archive<File>, path: &Path) -> Result<(Manifest, u64), BackupError> {
    let foreign = || wrong(path, "is no backup of a shop; name a file that `ecom backup` made");
    let first = archive.entries().ok().and_then(|mut entries| entries.next()?.ok());
    let first = first.filter(|e| *e.path_bytes() == *MANIFEST.as_bytes()).ok_or_else(foreign)?;
    if first.size() > MANIFEST_BYTES_MAX {
        return Err(foreign());
    }
    let mut json = vec![];
    let size = first.size();
    first.take(size).read_to_end(&mut json).map_err(|e| damaged(path, &e))?;
    let told: serde_json::Value = serde_json::from_slice(&json).map_err(|e| damaged(path, &e))?;
    if told["kind"] != KIND {
        return Err(foreign());
    }
    if told["format"].as_u64().is_none_or(|format| format > u64::from(FORMAT)) {
        return Err(newer(path, &told));
    }
    let manifest: Manifest = serde_json::from_slice(&json).map_err(|e| damaged(path, &e))?;
    let names = manifest.parts.iter().map(|part| part.name.as_str());
    if !names.eq(PARTS.iter().map(|(name, _)| *name)) {
        return Err(wrong(path, "is damaged: its parts are not those of a shop"));
    }
    let of_newer = |(part, (_, schema)): (&Part, &(&str, _))| {
        let schema: &crate::adapters::sqlite::Schema = schema;
        part.schema > schema.steps.len() as u64
    };
    if manifest.parts.iter().zip(&PARTS).any(of_newer) {
        return Err(newer(path, &told));
    }
    Ok((manifest, size))
}

fn newer(path: &Path, told: &serde_json::Value) -> BackupError {
    let by = told["ecom_version"].as_str().map(|v| format!(" ({v})")).unwrap_or_default();
    wrong(path, &format!("was made by a newer ecom{by} than this one; use that or a newer one"))
}

fn wrong(path: &Path, text: &str) -> BackupError {
    BackupError::Failed(format!("{} {text}", path.display()))
}

fn damaged(path: &Path, e: &dyn std::fmt::Display) -> BackupError {
    wrong(path, &format!("is damaged: {e}; use another copy"))
}

fn unreadable(path: &Path, e: io::Error) -> BackupError {
    BackupError::failed(&format!("cannot read {}", path.display()), e)
}
