//! Finding the shop that an operation is meant for: the running one that owns the data folder, else
//! the folder itself.

use std::sync::Arc;

use super::exit::WithExit;
use super::{Exit, output};
use crate::app::embedded::Environment;
use crate::app::folder::{self, InUse};
use crate::app::{DataFolder, Embedded, Settings};
use crate::ops::local::LocalOps;
use crate::ops::remote::RemoteOps;
use crate::ops::{Ops, OpsError};

/// A shop in reach; closes what it opened.
pub(super) struct Reach {
    pub(super) ops: Arc<dyn Ops>,
    /// Whether somebody consumes there now.
    pub(super) running: bool,
    opened: Option<(Embedded, DataFolder)>,
}

impl Reach {
    /// Finds it; says which it is if `verbose`.
    pub(super) async fn find(settings: &Settings, verbose: bool) -> anyhow::Result<Self> {
        let path = settings.data_dir()?;
        if !folder::holds_data(&path) {
            let text = format!(
                "{} holds no shop; start one with `ecom serve`, or name its folder with --data",
                path.display()
            );
            return Err(WithExit(Exit::NotFound, text).into());
        }
        // Who holds the folder decides: a note alone may have come with a copy.
        let owned = match DataFolder::open(&path) {
            Ok(owned) => owned,
            Err(e) => return Self::running(e, verbose).await,
        };
        if verbose {
            output::say(format!("using the stopped shop in {}", path.display()));
        }
        let embedded = Embedded::open(&owned, settings, Environment::system())?;
        let ops = Arc::new(LocalOps::stopped(&embedded.ports));
        Ok(Self { ops, running: false, opened: Some((embedded, owned)) })
    }

    /// The shop that holds the folder, if that is why it could not be opened.
    async fn running(error: anyhow::Error, verbose: bool) -> anyhow::Result<Self> {
        let in_use = error.downcast::<InUse>()?;
        if let Some(note) = &in_use.owner {
            let remote = RemoteOps::new(note);
            if remote.answers().await {
                if verbose {
                    output::say(format!("using the running shop at {}", note.address));
                }
                return Ok(Self { ops: Arc::new(remote), running: true, opened: None });
            }
        }
        let text =
            format!("{in_use}, but it does not answer on its admin API; is serve.admin off?");
        Err(WithExit(Exit::Unreachable, text).into())
    }

    /// Writes what was opened back and closes it.
    pub(super) fn close(self) {
        if let Some((embedded, _owned)) = self.opened {
            embedded.close();
        }
    }
}

/// Ends a command with the exit code that an operation's error asks for.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failed(e: OpsError) -> anyhow::Error {
    let exit = match &e {
        OpsError::NotFound(_) => Exit::NotFound,
        OpsError::Invalid(_) => Exit::Usage,
        OpsError::Unavailable(_) => Exit::Unreachable,
        OpsError::Failed(_) => Exit::Failure,
    };
    WithExit(exit, e.to_string()).into()
}
