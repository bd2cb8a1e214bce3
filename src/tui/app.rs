//! The loop: what happens goes to [`update`], what it asks for to [`Doer`], and what is new on the screen, at most
//! thirty times a second.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::effects::Doer;
use super::keymap::Key;
use super::msg::{Effect, Loaded, Msg};
use super::state::{Setup, State};
use super::terminal::Taken;
use super::update::update;
use super::{editor, terminal};
use crate::ops::admin::topics::NewTopicRequest;
use crate::ops::blob::Blob;
use crate::ops::dlq::editing::EditRequest;
use crate::ops::topics::NewRecordView;

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
                    Effect::Edit(id) => {
                        drop(listening);
                        let msg = self.edit(screen, &id).await?;
                        listening = Box::pin(events());
                        self.tell(msg).await;
                    }
                    Effect::Produce(record) => {
                        drop(listening);
                        let msg = self.produce(screen, record).await?;
                        listening = Box::pin(events());
                        self.tell(msg).await;
                    }
                    Effect::CreateTopic => {
                        drop(listening);
                        let msg = self.create_topic(screen).await?;
                        listening = Box::pin(events());
                        self.tell(msg).await;
                    }
                    other => self.doer.begin(other, self.told.clone()),
                }
            }
        }
    }

    async fn tell(&self, msg: Msg) {
        let _ = self.told.send(msg).await;
    }

    /// Lets the user repair a letter's value, and sends it.
    async fn edit(&self, screen: &mut impl Screen, id: &str) -> anyhow::Result<Msg> {
        let Some(ops) = &self.doer.ops else { return Ok(no_shop()) };
        let detail = match ops.dead_letter(id).await {
            Ok(detail) => detail,
            Err(e) => return Ok(Msg::NotDone(e.to_string())),
        };
        let before = detail.payload.and_then(|payload| payload.bytes()).unwrap_or_default();
        let (path, after) = match edited(screen, &before)? {
            Ok(found) => found,
            Err(msg) => return Ok(msg),
        };
        let value = Blob::of(&after);
        let actor = self.doer.actor.clone();
        let request = EditRequest { id: id.to_owned(), value, dry_run: false, actor };
        Ok(match ops.edit(&request).await {
            Ok(report) => {
                editor::remove(&path);
                Msg::Loaded(Box::new(Loaded::Edited(report)))
            }
            Err(e) => kept_unless(Err(e), &path),
        })
    }

    /// Lets the user write a record, and appends it.
    async fn produce(&self, screen: &mut impl Screen, empty: NewRecordView) -> anyhow::Result<Msg> {
        let template = NewRecordView {
            key: Some(Blob::Text(String::new())),
            value: Some(Blob::Text(String::new())),
            ..empty
        };
        let Some(ops) = &self.doer.ops else { return Ok(no_shop()) };
        Ok(match filled(screen, &template)? {
            Ok((path, record)) => {
                let done = ops.produce(record).await;
                kept_unless(done.map(|at| format!("appended at {at}")), &path)
            }
            Err(msg) => msg,
        })
    }

    /// Lets the user describe a topic, and makes it.
    async fn create_topic(&self, screen: &mut impl Screen) -> anyhow::Result<Msg> {
        let template = NewTopicRequest {
            name: String::new(),
            partitions: 3,
            replication: None,
            config: BTreeMap::new(),
        };
        let Some(ops) = &self.doer.ops else { return Ok(no_shop()) };
        Ok(match filled::<NewTopicRequest>(screen, &template)? {
            Ok((path, request)) => {
                let done = ops.create_topic(&request).await;
                kept_unless(done.map(|topic| format!("{} is there", topic.name)), &path)
            }
            Err(msg) => msg,
        })
    }
}

fn no_shop() -> Msg {
    Msg::NotDone("there is no shop here".into())
}

/// What was done with the user's text, which is kept if it was not.
fn kept_unless(done: Result<String, impl std::fmt::Display>, path: &Path) -> Msg {
    match done {
        Ok(text) => {
            editor::remove(path);
            Msg::Done(text)
        }
        Err(e) => Msg::NotDone(format!("{e}; your text is in {}", path.display())),
    }
}

/// What the user filled a template in with, and the file with it; or what to say instead.
fn filled<T: Serialize + DeserializeOwned>(
    screen: &mut impl Screen,
    template: &T,
) -> anyhow::Result<Result<(PathBuf, T), Msg>> {
    let (path, after) = match edited(screen, &serde_json::to_vec_pretty(template)?)? {
        Ok(found) => found,
        Err(msg) => return Ok(Err(msg)),
    };
    Ok(match serde_json::from_slice(&after) {
        Ok(wanted) => Ok((path, wanted)),
        Err(e) => Err(kept_unless(Err(e), &path)),
    })
}

/// What the user made of this value in an editor, and the file with it; or what to say instead.
fn edited(
    screen: &mut impl Screen,
    before: &[u8],
) -> anyhow::Result<Result<(PathBuf, Vec<u8>), Msg>> {
    let path = editor::scratch(before)?;
    let mut ended = Ok(());
    screen.lend(&mut || ended = editor::open(&path))?;
    if let Err(e) = ended {
        return Ok(Err(Msg::NotDone(format!("{e:#}"))));
    }
    let after = std::fs::read(&path)?;
    if after == before {
        editor::remove(&path);
        return Ok(Err(Msg::Done("nothing was changed; nothing is sent".into())));
    }
    Ok(Ok((path, after)))
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
