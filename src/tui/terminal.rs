//! Taking the terminal, and giving it back: at the end, for an editor, and when something goes wrong.

use std::io::{self, IsTerminal, Write};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::app::Screen;
use super::state::State;
use super::views;

/// The terminal: where stdout leads, or stderr if stdout is piped.
type Output = Box<dyn Write + Send>;

/// A terminal that is ours; dropped, it is given back.
pub(super) struct Taken {
    terminal: Terminal<CrosstermBackend<Output>>,
}

/// Whether there is a terminal to draw on and to read keys from.
pub(super) fn is_there() -> bool {
    io::stdout().is_terminal() || io::stderr().is_terminal()
}

fn output() -> Output {
    if io::stdout().is_terminal() { Box::new(io::stdout()) } else { Box::new(io::stderr()) }
}

impl Taken {
    /// Takes the terminal. A panic of this thread gives it back before it is told; one of another thread, where
    /// something is done on the side, is logged, and the console goes on.
    pub(super) fn take() -> io::Result<Self> {
        let before = std::panic::take_hook();
        let own = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == own {
                give_back();
                before(panic);
            } else {
                tracing::error!("{panic}");
            }
        }));
        enter()?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(output()))? })
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(output(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide)
}

fn give_back() {
    // It may be gone; there is nobody left to tell.
    let _ = execute!(
        output(),
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

impl Screen for Taken {
    fn draw(&mut self, state: &State) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| views::draw(state, frame))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        crossterm::terminal::size()
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    fn lend(&mut self, work: &mut dyn FnMut()) -> io::Result<()> {
        give_back();
        work();
        enter()?;
        // One that knows of nothing on the screen: all of it is drawn again.
        self.terminal = Terminal::new(CrosstermBackend::new(output()))?;
        Ok(())
    }
}
