//! Asking before something is changed: never of who says `--yes`, always where the settings protect it; and a
//! name before something goes that cannot be brought back.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::exit::WithExit;
use super::reach::failed;
use super::{Exit, output};
use crate::ops::OpsError;

/// What every command takes that changes something.
#[derive(Debug, Args)]
pub(super) struct YesArg {
    /// Do not ask; must be given where nobody can be asked and console.protected is set.
    #[arg(long)]
    pub(super) yes: bool,
}

/// What every command takes that does what cannot be taken back, and can say it first.
#[derive(Debug, Args)]
pub(super) struct SevereArgs {
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking: the name again.
    #[arg(long, value_name = "NAME", conflicts_with = "dry_run")]
    confirm: Option<String>,
}

impl SevereArgs {
    /// What `act` would do, and unless that was all that was asked for, what it did once `name` was given for
    /// `what` the plan says. `act` is told whether to execute.
    pub(super) async fn planned<T>(
        &self,
        name: &str,
        what: impl FnOnce(&T) -> String,
        act: impl AsyncFn(bool) -> Result<T, OpsError>,
    ) -> anyhow::Result<T> {
        let plan = act(false).await.map_err(failed)?;
        if self.dry_run {
            return Ok(plan);
        }
        severe(&what(&plan), name, self.confirm.as_deref())?;
        act(true).await.map_err(failed)
    }
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

/// Makes sure that what cannot be undone is meant: its name was given with `--confirm`, or is typed in now. Who
/// is no person must give it; otherwise nothing is done, which is exit code 7.
pub(super) fn severe(what: &str, name: &str, given: Option<&str>) -> anyhow::Result<()> {
    if let Some(given) = given {
        if given == name {
            return Ok(());
        }
        let text = format!("--confirm says {given:?}, but {name:?} is meant; nothing was done");
        return Err(refused(text));
    }
    if !is_person() {
        return Err(refused(format!("this would {what}; to confirm, add --confirm={name}")));
    }
    if answer(&format!("This would {what}. Type {name} to confirm:"))? == name {
        return Ok(());
    }
    Err(refused("that is not the name; nothing was done".into()))
}

/// Asks the person at the terminal; anything but yes is no.
pub(super) fn says_yes(question: &str) -> io::Result<bool> {
    Ok(matches!(answer(&format!("{question} [y/N]"))?.as_str(), "y" | "Y" | "yes"))
}

/// What the person at the terminal types.
fn answer(question: &str) -> io::Result<String> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Whether a person can be asked.
pub(super) fn is_person() -> bool {
    io::stdin().is_terminal() && output::is_watched()
}

fn refused(text: String) -> anyhow::Error {
    WithExit(Exit::Refused, text).into()
}
