//! The loop: what happens goes to [`update`], what it asks for to [`Doer`], and what is new on the screen, at most
//! thirty times a second.

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
        let (mut dirty, mut next_frame) = (true, clock.elapsed());
        loop {
            let now = clock.elapsed();
            if dirty && now >= next_frame {
                screen.draw(&self.state)?;
                dirty = false;
                next_frame = clock.elapsed() + FRAME;
            }
            let until_frame =
                if dirty { next_frame.saturating_sub(now) } else { Duration::from_hours(1) };
            let effects = tokio::select! {
                biased;
                event = listening.next() => match event {
                    Some(event) => {
                        // Who pressed a key waits for nothing.
                        next_frame = now;
                        dirty = true;
                        heard(event).map_or_else(Vec::new, |msg| update(&mut self.state, msg))
                    }
                    // The terminal is gone.
                    None => return Ok(self.state),
                },
                Some(msg) = self.heard.recv() => {
                    dirty |= is_news(&msg);
                    let mut effects = update(&mut self.state, msg);
                    while let Ok(msg) = self.heard.try_recv() {
                        dirty |= is_news(&msg);
                        effects.extend(update(&mut self.state, msg));
                    }
                    effects
                },
                () = clock.sleep(next_tick.saturating_sub(now)) => {
                    next_tick = clock.elapsed() + TICK;
                    dirty = true;
                    update(&mut self.state, Msg::Tick(clock.now()))
                },
                () = clock.sleep(until_frame) => vec![],
            };
            for effect in effects {
                match effect {
                    Effect::Quit => return Ok(self.state),
                    Effect::Copy(text) => screen.copy(&text)?,
                    Effect::Draft(draft) => {
                        drop(listening);
                        let msg = drafts::written(&self.doer, screen, draft).await;
                        listening = Box::pin(events());
                        let _ = self.told.send(msg).await;
                    }
                    other => self.doer.begin(other, self.told.clone()),
                }
            }
        }
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
