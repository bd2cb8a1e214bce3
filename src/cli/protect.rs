//! Asking before something is changed: never of who says `--yes`, always where the settings protect it.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::exit::WithExit;
use super::{Exit, output};

/// What every command takes that changes something.
#[derive(Debug, Args)]
pub(super) struct YesArg {
    /// Do not ask; must be given where nobody can be asked and console.protected is set.
    #[arg(long)]
    pub(super) yes: bool,
}

/// Makes sure that a change which hurts nobody is meant. That is asked, or must have been said with `--yes`,
/// only where the settings, `console.protected`, protect what is changed. `what` continues "this would …"; an
/// error, exit code 7, says that nothing was done.
pub(super) fn mild(protected: bool, what: &str, yes: &YesArg) -> anyhow::Result<()> {
    if protected { moderate(protected, what, yes) } else { Ok(()) }
}

/// Makes sure that a change is meant: a person at a terminal is asked. Who is no person goes on, unless the
/// settings protect what is changed.
pub(super) fn moderate(protected: bool, what: &str, yes: &YesArg) -> anyhow::Result<()> {
    if yes.yes {
        return Ok(());
    }
    if !is_person() {
        return if protected {
            Err(refused(format!("this would {what}, and console.protected is set: add --yes")))
        } else {
            Ok(())
        };
    }
    if says_yes(&format!("This would {what}. Go on?"))? {
        return Ok(());
    }
    Err(refused("nothing was done".into()))
}

/// Asks the person at the terminal; anything but yes is no.
pub(super) fn says_yes(question: &str) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Whether a person can be asked.
pub(super) fn is_person() -> bool {
    io::stdin().is_terminal() && output::is_watched()
}

fn refused(text: String) -> anyhow::Error {
    WithExit(Exit::Refused, text).into()
}
