//! Log output: lines for people, or JSON for programs; always on stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::domain::closed_set::closed_set;

closed_set! {
    /// How log lines look.
    LogFormat {
        /// People on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Human = "human",
        /// One JSON object per line.
        Json = "json",
    }
}

/// Reads a level or a filter.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(level).map_err(|e| format!("{level:?} is no log filter: {e}"))
}

/// Starts logging; a second call changes nothing.
pub fn start(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = filter(level).map_err(anyhow::Error::msg)?;
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_target(false);
    // An error means that logging was started before, which is as good.
    let _ = if json {
        logs.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        logs.with_ansi(terminal).try_init()
    };
    Ok(())
}
