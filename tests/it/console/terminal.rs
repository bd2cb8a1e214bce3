//! A real terminal: it is taken, drawn on, and given back as it was, however the console ends.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ecom::adapters::spawn::TokioSpawn;
use ecom::app::SystemClock;
use ecom::tui::app;
use ecom::tui::effects::Doer;
use ecom::tui::state::Setup;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::harness::program::{Printed, Served, clean, ecom, run_with_input};

/// The longest wait for what is to be seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Leaving the alternate screen.
const LEFT: &str = "\u{1b}[?1049l";
/// Showing the cursor again.
const CURSOR: &str = "\u{1b}[?25h";

/// A terminal of 100 columns and 30 rows, and a program on it.
pub(crate) struct Terminal {
    near: File,
    far: File,
    program: Child,
    /// What came, byte for byte.
    seen: String,
    /// What a person sees.
    screen: vt100::Parser,
    heard: Receiver<Vec<u8>>,
}

impl Terminal {
    pub(crate) fn start(mut command: Command) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let name = ptsname(&near, vec![]).unwrap();
        let far = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&far, size).unwrap();
        let end = || Stdio::from(far.try_clone().unwrap());
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let program = command.spawn().unwrap();
        let near = File::from(near);
        let mut reader = near.try_clone().unwrap();
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count) = reader.read(&mut bytes) {
                if count == 0 || tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let (rows, columns) = (NonZero::new(30).unwrap(), NonZero::new(100).unwrap());
        let screen = vt100::Parser::new(rows, columns, 0);
        Self { near, far, program, seen: String::new(), screen, heard }
    }

    /// Waits until this has come.
    #[track_caller]
    fn wait_for_bytes(&mut self, what: &str) {
        let begun = Instant::now();
        while !self.seen.contains(what) {
            self.hear(what, begun);
        }
    }

    /// Waits until this is seen on the screen.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str) {
        let begun = Instant::now();
        while !self.screen.screen().contents().contains(what) {
            self.hear(what, begun);
        }
    }

    #[track_caller]
    fn hear(&mut self, what: &str, begun: Instant) {
        let bytes = self.heard.recv_timeout(PATIENCE.saturating_sub(begun.elapsed()));
        let bytes = bytes.unwrap_or_else(|_| {
            panic!("{what:?} is not seen:\n{}", self.screen.screen().contents())
        });
        self.screen.process(&bytes);
        self.seen.push_str(&String::from_utf8_lossy(&bytes));
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.seen.clear();
        self.near.write_all(keys.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.far).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Its exit code; the terminal must be as it was.
    pub(crate) fn ended(mut self) -> i32 {
        self.wait_for_bytes(LEFT);
        self.wait_for_bytes(CURSOR);
        let code = self.program.wait().unwrap().code().unwrap_or(-1);
        assert!(!self.is_raw(), "keys are echoed again");
        code
    }

    fn signal(&self, name: &str) {
        let pid = self.program.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }
}

fn console(shop: &Served, more: &[&str]) -> Terminal {
    let mut command = ecom();
    command.args(["tui", "--data"]).arg(&shop.data).args(more);
    let mut terminal = Terminal::start(command);
    terminal.wait_for("Overview");
    assert!(terminal.is_raw());
    terminal
}

#[test]
fn a_person_starts_it_looks_around_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Served::start(folder.path(), &["--products", "3"]);
    let mut terminal = console(&shop, &[]);
    terminal.press("2");
    terminal.wait_for("catalog.product_upserted");
    terminal.press("?");
    terminal.wait_for("the views");
    terminal.press("q");
    terminal.wait_for("1 of 22");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn signals_end_it_with_the_terminal_restored() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Served::start(folder.path(), &["--products", "3"]);
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let terminal = console(&shop, &["--view", "logs"]);
        terminal.signal(signal);
        assert_eq!(terminal.ended(), code, "{signal}");
    }
}

#[test]
fn an_editor_gets_the_terminal_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Served::start(folder.path(), &["--products", "3"]);
    let data = shop.data.to_str().unwrap();
    let poison = ["topics", "produce", "order.created", "--key", "K", "--data", data];
    assert_eq!(run_with_input(&poison, b"{}").code(), 0);
    let script = folder.path().join("editor");
    std::fs::write(
        &script,
        "#!/bin/sh\nstty -a | grep -o -- '-\\?icanon'\necho edited >> \"$1\"\n",
    )
    .unwrap();
    let mut command = ecom();
    command.args(["tui", "--view", "dlq", "--data", data]);
    command.env("EDITOR", format!("sh {}", script.display())).env("TMPDIR", folder.path());
    let mut terminal = Terminal::start(command);
    terminal.wait_for("decode.malformed");
    terminal.press("\r");
    terminal.wait_for("dlq.events/");
    terminal.press("e");
    terminal.wait_for_bytes(LEFT);
    terminal.wait_for_bytes("icanon");
    assert!(!terminal.seen.contains("-icanon"), "the editor has the terminal as it was");
    // What was written is no event, and not lost.
    terminal.wait_for("your text is in");
    assert!(terminal.is_raw());
    terminal.press("q");
    terminal.wait_for("e edit");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_shop_that_is_watched_stops_only_when_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = ecom();
    command.args(["serve", "--tui", "--port-base", "0", "--products", "3", "--data"]);
    command.arg(folder.path());
    let mut terminal = Terminal::start(command);
    terminal.wait_for("Overview");
    terminal.press("q");
    terminal.wait_for("The shop stops");
    terminal.press("\r8");
    terminal.wait_for("level");
    terminal.press("q");
    terminal.wait_for("The shop stops");
    terminal.press("\t\r");
    assert_eq!(terminal.ended(), 0);
}

/// Set for the process that is to panic.
const PANIC: &str = "ECOM_TEST_CONSOLE_PANICS";

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    if std::env::var_os(PANIC).is_some() {
        return panicking();
    }
    let mut command = clean(std::env::current_exe().unwrap().to_str().unwrap());
    command
        .args(["--exact", "console::terminal::a_panic_gives_the_terminal_back_before_it_is_told"]);
    command.args(["--nocapture", "--test-threads", "1"]).env(PANIC, "1");
    let mut terminal = Terminal::start(command);
    terminal.wait_for_bytes("on purpose");
    let (left, told) = (terminal.seen.find(LEFT), terminal.seen.find("on purpose"));
    assert!(left.is_some() && left < told, "{}", terminal.seen);
    assert_ne!(terminal.ended(), 0);
}

/// A console whose thread panics after a while.
fn panicking() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = std::sync::Arc::new(SystemClock::default());
        let spawn = std::sync::Arc::new(TokioSpawn::current());
        let doer = Doer::new((None, None), clock, spawn, "ann".to_owned());
        let soon = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            panic!("on purpose");
        };
        let _: Option<()> = app::show(Setup::default(), doer, soon).await.unwrap();
    });
}
