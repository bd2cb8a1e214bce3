//! Ctrl-C and SIGTERM: the first asks to finish, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, output};

/// Waits for the first signal; how the process would have ended by it.
pub(super) async fn first() -> anyhow::Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        biased;
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    })
}

/// Ends the process at the next signal.
pub(super) async fn end_at_second() -> anyhow::Result<std::convert::Infallible> {
    let exit = first().await?;
    output::say("stopped without finishing");
    std::process::exit(exit.code().into());
}
