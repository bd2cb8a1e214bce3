//! Showing a run while it goes on: a display on a terminal, a line now and then elsewhere.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::app::SystemClock;
use crate::ports::Clock;
use crate::sim::lab::stats::{Load, Seen};
use crate::sim::live::Watch;

/// Pause between two looks on a terminal.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Pause between two lines elsewhere.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows `watch` until dropped.
pub(super) async fn show(watch: Watch, users: u64, quiet: bool) {
    let clock = SystemClock::default();
    if quiet {
        std::future::pending::<()>().await;
    }
    tell_folder(&clock, &watch).await;
    if output::is_watched() {
        display(&clock, &watch, users).await;
    } else {
        lines(&clock, &watch).await;
    }
}

/// Says where the run's shop is, so that others can look in and turn its dials.
async fn tell_folder(clock: &dyn Clock, watch: &Watch) {
    let (phase, crowd, _) = watch.look();
    let mut begun = crowd.is_some() && !phase.is_empty();
    while !begun {
        clock.sleep(Duration::from_millis(20)).await;
        begun = watch.look().1.is_some();
    }
    if let Some(folder) = watch.folder() {
        let folder = folder.display();
        output::say(format!(
            "the shop is in {folder}; try `ecom gateway set --success 0.5 --data {folder}`"
        ));
    }
}

/// What can be seen now.
struct View {
    phase: &'static str,
    load: Load,
    seen: Seen,
    waiting: u64,
    elapsed: Duration,
}

fn look(clock: &dyn Clock, watch: &Watch) -> View {
    let (phase, crowd, waiting) = watch.look();
    let (load, seen) = crowd.map(|crowd| crowd.stats.snapshot()).unwrap_or_default();
    View { phase, load, seen, waiting, elapsed: clock.elapsed() }
}

impl View {
    fn orders(&self) -> String {
        let open = self.seen.placed.saturating_sub(self.seen.fulfilled + self.seen.cancelled);
        format!(
            "{} placed  {} fulfilled  {} cancelled  {open} open",
            self.seen.placed, self.seen.fulfilled, self.seen.cancelled
        )
    }

    fn errors(&self) -> u64 {
        self.load.http_errors.values().sum()
    }
}

async fn lines(clock: &dyn Clock, watch: &Watch) {
    loop {
        clock.sleep(LINE_EVERY).await;
        let view = look(clock, watch);
        output::say(format!(
            "{:>4} s  {}: {} sessions ended of {}, {} requests, {} errors; orders: {}; {} to do",
            view.elapsed.as_secs(),
            view.phase,
            view.load.ended,
            view.load.offered,
            view.load.requests,
            view.errors(),
            view.orders(),
            view.waiting
        ));
    }
}

async fn display(clock: &dyn Clock, watch: &Watch, users: u64) {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    let line = |template: &str| {
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        style.progress_chars("━╸ ")
    };
    let sessions = all.add(ProgressBar::new(users.max(1)));
    sessions.set_style(line("{spinner} {msg:<18} {bar:32} {pos}/{len} sessions  eta {eta}"));
    let orders = all.add(ProgressBar::new_spinner());
    orders.set_style(line("  orders    {msg}"));
    let rates = all.add(ProgressBar::new_spinner());
    rates.set_style(line("  rates     {msg}"));
    let mut last = look(clock, watch);
    loop {
        clock.sleep(LOOK_EVERY).await;
        let view = look(clock, watch);
        sessions.set_message(view.phase);
        sessions.set_length(users.max(view.load.offered).max(1));
        sessions.set_position(view.load.ended);
        sessions.tick();
        orders.set_message(view.orders());
        let seconds = view.elapsed.saturating_sub(last.elapsed).as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds) as u64;
        let underway = view.load.sessions.saturating_sub(view.load.ended);
        rates.set_message(format!(
            "{}/s requests  {}/s orders  {underway} shoppers in the shop  {} errors  lag {}",
            rate(view.load.requests, last.load.requests),
            rate(view.seen.placed, last.seen.placed),
            view.errors(),
            view.waiting
        ));
        if view.elapsed.saturating_sub(last.elapsed) > Duration::from_secs(1) {
            last = view;
        }
    }
}
