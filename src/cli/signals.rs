//! Ctrl-C and SIGTERM: the first asks to finish, the second ends at once.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, output};

/// Both signals, from the moment on that this is made.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one; how the process would have ended by it.
    pub(super) async fn next(&mut self) -> Exit {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }

    /// Ends the process at the next one.
    pub(super) async fn end_at_next(&mut self) -> Infallible {
        let exit = self.next().await;
        output::say("stopped without finishing");
        std::process::exit(exit.code().into());
    }
}
