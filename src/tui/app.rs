//! The loop: what happens goes to [`update`], what it asks for to [`Doer`], and what is new on the screen: at once
//! what a key leads to, all else gathered.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::effects::Doer;
use super::keymap::Key;
use super::msg::{Effect, Loaded, Msg};
use super::state::{Setup, State};
use super::terminal::Taken;
use super::update::update;
use super::{drafts, terminal};

/// Least time between two frames, but for keys, which are answered at once.
const FRAME: Duration = Duration::from_millis(33);
/// What nobody waits for is drawn together with what follows it within this time.
const GATHER: Duration = Duration::from_millis(100);
/// How long after a key its user waits for what comes of it.
const AWAITED: Duration = Duration::from_secs(2);
/// Time goes on, once a second.
const TICK: Duration = Duration::from_secs(1);
/// Messages that wait at most; who has more to tell waits.
const QUEUE: usize = 256;
/// Rows by which one turn of the wheel moves.
const WHEEL: isize = 3;

/// What is drawn on.
pub trait Screen {
    /// Draws everything.
    fn draw(&mut self, state: &State) -> io::Result<()>;
    /// Columns and rows.
    fn size(&self) -> io::Result<(u16, u16)>;
    /// Puts text on the clipboard.
    fn copy(&mut self, text: &str) -> io::Result<()>;
    /// Gives the terminal away while this is done.
    fn lend(&mut self, work: &mut dyn FnMut()) -> io::Result<()>;
}

/// Whether there is a terminal to draw on.
pub fn has_terminal() -> bool {
    terminal::is_there()
}

/// Shows the console on the terminal until its user leaves, or until `ended` completes; what that was, if it did.
pub async fn show<T>(
    setup: Setup,
    doer: Doer,
    ended: impl Future<Output = T>,
) -> anyhow::Result<Option<T>> {
    let mut screen = Taken::take()?;
    let size = screen.size()?;
    let state = State::new(setup, size, doer.clock.now());
    let events = || EventStream::new().filter_map(|event| async { event.ok() });
    tokio::select! {
        biased;
        ended = ended => Ok(Some(ended)),
        done = Loop::new(state, doer).run(&mut screen, events) => done.map(|_| None),
    }
}

/// The loop's parts.
pub struct Loop {
    state: State,
    doer: Doer,
    told: Sender<Msg>,
    heard: Receiver<Msg>,
}

impl Loop {
    /// Ready to run.
    pub fn new(state: State, doer: Doer) -> Self {
        let (told, heard) = channel(QUEUE);
        Self { state, doer, told, heard }
    }

    /// Runs until its user leaves; how everything was then. `events` begins to listen to the terminal, again after
    /// it was lent.
    pub async fn run<S: Stream<Item = Event>>(
        mut self,
        screen: &mut impl Screen,
        events: impl Fn() -> S,
    ) -> anyhow::Result<State> {
        let clock = Arc::clone(&self.doer.clock);
        let mut listening = Box::pin(events());
        let mut next_tick = clock.elapsed();
        let mut frames = Frames::new(clock.elapsed());
        loop {
            let now = clock.elapsed();
            if frames.until_next(now).is_zero() {
                screen.draw(&self.state)?;
                frames.drawn(clock.elapsed());
            }
            let effects = tokio::select! {
                biased;
                event = listening.next() => match event {
                    Some(event) => {
                        let msg = heard(event);
                        if msg.is_some() {
                            frames.pressed(clock.elapsed());
                        }
                        msg.map_or_else(Vec::new, |msg| update(&mut self.state, msg))
                    }
                    // The terminal is gone.
                    None => return Ok(self.state),
                },
                Some(msg) = self.heard.recv() => {
                    let mut is_new = is_news(&msg);
                    let mut effects = update(&mut self.state, msg);
                    while let Ok(msg) = self.heard.try_recv() {
                        is_new |= is_news(&msg);
                        effects.extend(update(&mut self.state, msg));
                    }
                    if is_new {
                        frames.news(clock.elapsed());
                    }
                    effects
                },
                () = clock.sleep(next_tick.saturating_sub(now)) => {
                    next_tick = clock.elapsed() + TICK;
                    frames.news(clock.elapsed());
                    update(&mut self.state, Msg::Tick(clock.now()))
                },
                () = clock.sleep(frames.until_next(now)) => vec![],
            };
            for effect in effects {
                match effect {
                    Effect::Quit => return Ok(self.state),
                    Effect::Copy(text) => screen.copy(&text)?,
                    Effect::Draft(draft) => {
                        drop(listening);
                        let msg = drafts::written(&self.doer, screen, draft).await?;
                        listening = Box::pin(events());
                        let _ = self.told.send(msg).await;
                    }
                    other => self.doer.begin(other, self.told.clone()),
                }
            }
        }
    }
}

/// When a frame is drawn; times are those that a clock says have passed.
struct Frames {
    due: Option<Duration>,
    drawn: Duration,
    pressed: Duration,
}

impl Frames {
    const fn new(now: Duration) -> Self {
        Self { due: Some(now), drawn: now, pressed: now }
    }

    fn until_next(&self, now: Duration) -> Duration {
        self.due.map_or(Duration::from_hours(1), |due| due.saturating_sub(now))
    }

    const fn drawn(&mut self, now: Duration) {
        self.due = None;
        self.drawn = now;
    }

    /// A key was pressed, or the like.
    const fn pressed(&mut self, now: Duration) {
        self.due = Some(now);
        self.pressed = now;
    }

    /// There is something new to see.
    fn news(&mut self, now: Duration) {
        let awaited = now < self.pressed + AWAITED;
        let due = if awaited { now } else { now + GATHER }.max(self.drawn + FRAME);
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }
}

/// Whether there is anything new to see.
fn is_news(msg: &Msg) -> bool {
    let Msg::Loaded(loaded) = msg else { return true };
    match loaded.as_ref() {
        Loaded::Tail(tailed) => !tailed.records.is_empty() || tailed.skipped > 0,
        Loaded::Logs(lines) => !lines.is_empty(),
        Loaded::Run(run) => run.is_some(),
        _ => true,
    }
}

/// What an event of the terminal means.
fn heard(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(Key::of(key))),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Msg::Click(mouse.column, mouse.row)),
            MouseEventKind::ScrollUp => Some(Msg::Wheel(-WHEEL)),
            MouseEventKind::ScrollDown => Some(Msg::Wheel(WHEEL)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_key_is_answered_at_once_and_what_nobody_waits_for_is_gathered() {
        let mut frames = Frames::new(ms(0));
        assert_eq!(frames.until_next(ms(0)), ms(0));
        frames.drawn(ms(1));
        assert!(frames.until_next(ms(1)) > Duration::from_mins(1));
        // Somebody who has just begun waits for what there is.
        frames.news(ms(5));
        assert_eq!(frames.until_next(ms(5)), ms(29));
        frames.drawn(ms(34));
        frames.news(ms(10_000));
        frames.news(ms(10_040));
        assert_eq!(frames.until_next(ms(10_040)), ms(60));
        frames.pressed(ms(10_050));
        assert_eq!(frames.until_next(ms(10_050)), ms(0));
        frames.drawn(ms(10_051));
        frames.news(ms(11_000));
        assert_eq!(frames.until_next(ms(11_000)), ms(0));
    }
}
