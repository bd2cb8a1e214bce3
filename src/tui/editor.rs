//! The user's own editor.

use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::app::variables::variable;

/// A file of this user's own with this in it.
fn scratch(value: &[u8]) -> anyhow::Result<PathBuf> {
    // What is in it is nobody else's business.
    let only_me = std::fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("ecom-edit-").permissions(only_me).tempdir()?;
    let path = folder.keep().join("value.json");
    std::fs::write(&path, value)?;
    Ok(path)
}

/// Opens `$VISUAL`, `$EDITOR` or vi on the file, and waits until it is closed; an error if it failed.
fn open(path: &Path) -> anyhow::Result<()> {
    let chosen = variable("VISUAL").or_else(|| variable("EDITOR"));
    let chosen = chosen.and_then(|editor| editor.into_string().ok());
    let Some(editor) = chosen.or_else(|| std::io::stdin().is_terminal().then(|| "vi".into()))
    else {
        bail!("there is no terminal for an editor; give the value with --value FILE");
    };
    // An editor may come with arguments of its own.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let ended = std::process::Command::new(program).args(words).arg(path).status();
    let ended = ended.with_context(|| {
        format!("cannot start the editor {editor}; set EDITOR, or give the value with --value")
    })?;
    if ended.success() {
        return Ok(());
    }
    bail!("{editor} ended with {ended}; nothing is sent")
}

/// What the user made of `before` in their editor, and the file that it is in; none if nothing was changed.
pub fn edited(before: &[u8]) -> anyhow::Result<Option<(PathBuf, Vec<u8>)>> {
    let path = scratch(before)?;
    let opened = open(&path);
    let after = std::fs::read(&path)?;
    if after == before {
        remove(&path);
        return opened.map(|()| None);
    }
    opened.with_context(|| format!("your text is in {}", path.display()))?;
    Ok(Some((path, after)))
}

/// Takes the file away, and the folder that was made for it.
pub fn remove(path: &Path) {
    // What is left of it lies in the folder for temporary files.
    let _ = std::fs::remove_file(path);
    if let Some(folder) = path.parent() {
        let _ = std::fs::remove_dir(folder);
    }
}
