//! Asking before something that cannot be taken back.

use std::io::{self, BufRead, IsTerminal, Write};

use super::exit::WithExit;
use super::{Exit, output};

/// Makes sure that what cannot be undone is meant: its name was given with `--confirm`, or is typed in now. Who is no
/// person must give it; otherwise nothing is done, which is exit code 7.
pub(super) fn severe(what: &str, name: &str, given: Option<&str>) -> anyhow::Result<()> {
    if let Some(given) = given {
        return if given == name {
            Ok(())
        } else {
            Err(refused(format!(
                "--confirm says {given:?}, but {name:?} is meant; nothing was done"
            )))
        };
    }
    if !(io::stdin().is_terminal() && output::is_watched()) {
        return Err(refused(format!("this would {what}; to confirm, add --confirm={name}")));
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "This would {what}. Type {name} to confirm: ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == name {
        return Ok(());
    }
    Err(refused("that is not the name; nothing was done".into()))
}

fn refused(text: String) -> anyhow::Error {
    WithExit(Exit::Refused, text).into()
}
