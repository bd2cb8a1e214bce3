//! Log output: lines for people, or JSON for programs, on stderr; and the newest lines in memory, for whoever
//! asks a running process for them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use super::SystemClock;
use super::zone::local;
use crate::adapters::bus::kafka::NOISE;
use crate::domain::Timestamp;
use crate::domain::closed_set::closed_set;
use crate::ports::Clock;

/// Lines that are kept in memory.
const KEPT: usize = 2_000;
/// Bytes of a line that are kept.
const LINE_BYTES_MAX: usize = 2_048;

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

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, from 1.
    pub n: u64,
    /// When.
    pub at: Timestamp,
    /// How grave.
    pub level: tracing::Level,
    /// What.
    pub text: String,
}

static NEWEST: Mutex<(u64, VecDeque<LogLine>)> = Mutex::new((0, VecDeque::new()));
static SILENT: AtomicBool = AtomicBool::new(false);

/// Reads a level or a filter.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{level:?} is no log filter: {e}");
    let filter = EnvFilter::try_new(level).map_err(|e| wrong(&e))?;
    Ok(filter.add_directive(NOISE.parse().map_err(|e| wrong(&e))?))
}

/// The time of a line for people; programs get UTC.
struct LocalTime(SystemClock);

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        writer.write_str(&local(self.0.now()))
    }
}

/// Starts logging; a second call changes nothing.
pub fn start(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = filter(level).map_err(anyhow::Error::msg)?;
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let logs = fmt::layer().with_writer(writer).with_target(false);
    let all = tracing_subscriber::registry().with(filter).with(Newest);
    // An error means that logging was started before, which is as good.
    let _ = if json {
        let logs = logs.json().flatten_event(true).with_current_span(true).with_span_list(false);
        all.with(logs).try_init()
    } else {
        let logs = logs.with_timer(LocalTime(SystemClock::default())).with_ansi(terminal);
        all.with(logs).try_init()
    };
    Ok(())
}

/// Writes nothing to stderr while a full-screen program has the terminal; the newest lines are kept.
pub fn silence(silent: bool) {
    SILENT.store(silent, Ordering::Relaxed);
}

/// The lines after number `after` that are still there, the oldest first.
pub fn after(after: u64) -> Vec<LogLine> {
    let newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    newest.1.iter().filter(|line| line.n > after).cloned().collect()
}

fn writer() -> Box<dyn io::Write> {
    if SILENT.load(Ordering::Relaxed) { Box::new(io::sink()) } else { Box::new(io::stderr()) }
}

/// Keeps the newest lines.
struct Newest;

impl<S: tracing::Subscriber> Layer<S> for Newest {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let Words { mut message, fields } = words;
        message.push_str(&fields);
        if message.len() > LINE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(LINE_BYTES_MAX));
            message.push('…');
        }
        let at = SystemClock::default().now();
        let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
        newest.0 += 1;
        let n = newest.0;
        if newest.1.len() == KEPT {
            newest.1.pop_front();
        }
        newest.1.push_back(LogLine { n, at, level: *event.metadata().level(), text: message });
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_long_ones_cut() {
        let logs = tracing_subscriber::registry().with(Newest);
        tracing::subscriber::with_default(logs, || {
            tracing::warn!(topic = "order.created", tries = 3, "cannot publish");
            tracing::error!("{}", "ü".repeat(LINE_BYTES_MAX));
            for n in 0..KEPT - 2 {
                tracing::info!(n, "filler");
            }
        });
        let lines = after(0);
        assert_eq!(lines.len(), KEPT);
        let warned = lines.iter().find(|line| line.level == tracing::Level::WARN).unwrap();
        assert_eq!(warned.text, "cannot publish topic=order.created tries=3");
        let cut = lines.iter().find(|line| line.level == tracing::Level::ERROR).unwrap();
        assert!(cut.text.ends_with("ü…"), "{} bytes", cut.text.len());
        assert!(cut.text.len() <= LINE_BYTES_MAX + '…'.len_utf8());
        let last = lines.last().unwrap().n;
        assert!(after(last).is_empty());
        assert_eq!(after(last - 2).len(), 2);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Newest), || {
            tracing::info!("one more");
        });
        let lines = after(0);
        assert_eq!((lines.len(), lines[0].n), (KEPT, 2), "the oldest is dropped");
    }
}
