//! Keys through the real loop, on a real shop in virtual time: what a person sees, frame by frame.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossterm::event::{Event, KeyEvent, KeyModifiers};
use ecom::adapters::spawn::TokioSpawn;
use ecom::ops::Ops;
use ecom::ops::local::{Ground, LocalOps};
use ecom::ports::Clock;
use ecom::tui::app::{Loop, Screen};
use ecom::tui::effects::Doer;
use ecom::tui::keymap::Key;
use ecom::tui::snapshot;
use ecom::tui::state::{Setup, State};
use futures::stream::{self, Stream, StreamExt};

use crate::harness::{Tester, shop};

/// Time between two keys.
const TYPING: Duration = Duration::from_millis(1_500);

/// A screen that remembers its frames.
#[derive(Clone, Default)]
pub(super) struct Film {
    frames: Arc<Mutex<Vec<String>>>,
    copied: Arc<Mutex<Vec<String>>>,
}

impl Screen for Film {
    fn draw(&mut self, state: &State) -> io::Result<()> {
        self.frames.lock().unwrap().push(snapshot::text(state));
        Ok(())
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        Ok((100, 24))
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        self.copied.lock().unwrap().push(text.to_owned());
        Ok(())
    }

    fn lend(&mut self, work: &mut dyn FnMut()) -> io::Result<()> {
        work();
        Ok(())
    }
}

pub(super) fn doer(t: &Tester) -> Doer {
    let ground = Ground::of_shop(t.shop.ports(), t.embedded.console.store(), true);
    let spawn = Arc::clone(&t.shop.ports().spawn);
    let ops: Arc<dyn Ops> = Arc::new(LocalOps::new(ground));
    Doer::new((Some(ops), None), Arc::new(t.clock.clone()), spawn, "ann".into())
}

/// These keys, one after another, each after a while.
fn typed(t: &Tester, keys: &str) -> impl Stream<Item = Event> + use<> {
    let all: Vec<Key> = keys.split_whitespace().map(|word| Key::parse(word).unwrap()).collect();
    let clock = t.clock.clone();
    stream::iter(all).then(move |key| {
        let clock = clock.clone();
        async move {
            clock.sleep(TYPING).await;
            let held = if key.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            Event::Key(KeyEvent::new(key.code, held))
        }
    })
}

/// Presses these keys in a console on this shop until it ends; the film of it.
pub(super) async fn filmed(t: &Tester, keys: &str) -> (Film, State) {
    let mut screen = Film::default();
    let setup = Setup { label: "test".into(), actor: "ann".into(), ..Setup::default() };
    let state = State::new(setup, screen.size().unwrap(), t.clock.now());
    let state = Loop::new(state, doer(t)).run(&mut screen, || typed(t, keys)).await.unwrap();
    (screen, state)
}

impl Film {
    /// Whether all of this is seen in one frame, in this order of frames.
    #[track_caller]
    pub(super) fn shows(&self, scenes: &[&str]) {
        let frames = self.frames.lock().unwrap();
        let mut at = 0;
        for scene in scenes {
            let found = frames[at..].iter().position(|frame| frame.contains(scene));
            let last = frames.last().cloned().unwrap_or_default();
            at += found.unwrap_or_else(|| panic!("{scene:?} is not seen; in the end:\n{last}"));
        }
    }
}

#[test]
fn a_poisoned_event_is_found_understood_and_sent_back() {
    shop(&[], |t| async move {
        t.product("P-1", "10.00", 5).await;
        t.produce("order.created", "ORD-1", b"{\"broken\":1}").await;
        t.settle().await;
        let keys = "5 Enter Enter Esc Space r Tab Enter Esc b q";
        let (film, state) = filmed(&t, keys).await;
        film.shows(&[
            "records per s",
            "decode.malformed",
            "dlq.events/",
            "not a valid order.created event",
            "1 marked",
            "one letter goes back",
            "failed again",
            "by topic",
        ]);
        assert!(state.popups.is_empty());
        let frames = film.frames.lock().unwrap().len();
        assert!(frames < 200, "{frames} frames in 15 s: nothing is drawn that is not new");
    });
}

#[test]
fn an_order_is_followed_from_its_list_to_its_trace() {
    shop(&[], |t| async move {
        t.product("P-1", "10.00", 5).await;
        let order = t.buy("ann", "P-1").await;
        t.settle().await;
        let (film, _) = filmed(&t, "6 Enter G c Esc c q").await;
        film.shows(&[
            "FULFILLED",
            &order,
            "order is FULFILLED",
            "copied what is shown",
            "copied ORD-",
        ]);
        let copied = film.copied.lock().unwrap().clone();
        assert!(copied[0].contains("order is PENDING"), "{copied:?}");
        assert_eq!(copied[1], order);
    });
}

#[test]
fn records_are_followed_as_they_come() {
    shop(&[], |t| async move {
        t.product("P-1", "10.00", 5).await;
        let shopper = t.clone();
        let order = async {
            t.pass(4).await;
            shopper.buy("ann", "P-1").await
        };
        let keys = ": t a i l Space o r d e r . c r e a t e d Enter j j j j j j Enter Esc Esc q";
        let (done, order) = futures::future::join(filmed(&t, keys), order).await;
        done.0.shows(&["nothing was appended yet", &order, "\"order_id\": ", "dlq.events"]);
    });
}

#[test]
fn a_console_without_a_terminal_ends_by_itself() {
    shop(&[], |t| async move {
        let (film, _) = filmed(&t, "").await;
        assert_eq!(film.frames.lock().unwrap().len(), 1);
    });
}

#[test]
fn real_time_passes_for_a_console_as_well() {
    // The same loop on a tokio runtime, where nobody orders what happens.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(ecom::app::SystemClock::default());
        let spawn = Arc::new(TokioSpawn::current());
        let of_doer = Arc::clone(&clock) as Arc<dyn Clock>;
        let doer = Doer::new((None, None), of_doer, spawn, "ann".into());
        let mut screen = Film::default();
        let state = State::new(Setup::default(), (80, 24), clock.now());
        let key =
            |c| Event::Key(KeyEvent::new(crossterm::event::KeyCode::Char(c), KeyModifiers::NONE));
        let frames = Arc::clone(&screen.frames);
        let wait_for = move |what: &'static str| {
            let (frames, clock) = (Arc::clone(&frames), Arc::clone(&clock));
            async move {
                while !frames.lock().unwrap().last().is_some_and(|frame| frame.contains(what)) {
                    clock.sleep(Duration::from_millis(5)).await;
                }
            }
        };
        let script = stream::iter([
            ("no shop here", key('7')),
            ("no run here", key('?')),
            ("the views", key('q')),
            ("no run here", key('q')),
        ]);
        let again = move || {
            let wait_for = wait_for.clone();
            script.clone().then(move |(what, key)| {
                let seen = wait_for(what);
                async move {
                    seen.await;
                    key
                }
            })
        };
        let done = pin!(Loop::new(state, doer).run(&mut screen, again));
        tokio::time::timeout(Duration::from_mins(1), done).await.unwrap().unwrap();
    });
}
