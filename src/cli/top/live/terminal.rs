//! The terminal: taken over for the screen, and given back as it was, whatever ends the command.

use std::io::{self, Stdout, Write};
use std::panic;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};

/// The screen of this process. When it is dropped, the terminal is as before.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    taken: Taken<Stdout>,
}

/// A terminal that is taken over.
struct Taken<W: Write> {
    out: W,
    is_ours: bool,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(super) fn enter() -> io::Result<Self> {
        give_back_on_panic();
        let mut taken = Taken { out: io::stdout(), is_ours: false };
        taken.take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(Self { terminal, taken })
    }

    /// Draws.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// Has everything drawn anew: another program may have written to the terminal.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        execute!(self.taken.out, Clear(ClearType::All))?;
        // `Terminal::clear` would ask the terminal where its cursor is, and the thread that reads keys gets the answer
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    /// Gives the terminal back for a while.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        self.taken.give_back()
    }

    /// Takes it over again.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        self.taken.take()?;
        self.clear()
    }
}

impl<W: Write> Taken<W> {
    fn take(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        self.is_ours = true;
        execute!(self.out, EnterAlternateScreen, Hide)
    }

    fn give_back(&mut self) -> io::Result<()> {
        if !self.is_ours {
            return Ok(());
        }
        self.is_ours = false;
        give_back(&mut self.out)
    }
}

impl<W: Write> Drop for Taken<W> {
    fn drop(&mut self) {
        // a terminal that is gone needs nothing
        let _gone = self.give_back();
    }
}

fn give_back(out: &mut impl Write) -> io::Result<()> {
    let written = execute!(out, LeaveAlternateScreen, Show);
    // also where nothing can be written any more
    disable_raw_mode().and(written)
}

/// The message of a panic would be lost with the screen, and its lines would not return to the left.
fn give_back_on_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let _gone = give_back(&mut io::stdout());
        before(panic);
    }));
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const LEFT: &str = "\u{1b}[?1049l\u{1b}[?25h";

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let mut written = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _taken = Taken { out: &mut written, is_ours: true };
            panic!("while the screen is shown");
        }));
        assert!(panicked.is_err());
        assert_eq!(String::from_utf8(written).unwrap(), LEFT);
    }

    #[test]
    fn the_terminal_is_given_back_once() {
        let mut written = Vec::new();
        let mut taken = Taken { out: &mut written, is_ours: true };
        let _no_terminal_here = taken.give_back();
        drop(taken);
        assert_eq!(String::from_utf8(written).unwrap(), LEFT);
    }
}
