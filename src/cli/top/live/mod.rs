//! The live screen: threads that ask, read keys and take signals, and one that draws.

mod canvas;
mod draw;
mod feed;
mod palette;
mod tables;
mod terminal;
mod view;

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use ratatui::crossterm::event::Event as TerminalEvent;
use rustix::process::{Signal, getpid, kill_process};

use self::feed::{Demand, Feed};
use self::palette::Palette;
use self::terminal::Screen;
use self::view::{Step, View};
use super::report::Fetched;
use crate::cli::admin_client::Targets;
use crate::cli::exit::{ExitCode, Failure};

/// The screen is drawn again so often at least: ages are told in seconds.
const TICK: Duration = Duration::from_secs(1);

/// What happens while the screen is shown.
pub(super) enum Event {
    /// The admin listener was asked.
    Asked(Box<Result<Fetched, String>>),
    /// A key, or another size.
    Terminal(TerminalEvent),
    /// The terminal is gone, or somebody wants the command to end.
    End,
}

/// Shows the status until the user quits.
///
/// # Errors
/// 71 when there is no terminal, or it cannot be written to.
pub(super) fn run(targets: Targets, limit: Duration, interval: Duration) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let message = "this is no terminal: `countersign top --once` prints the status as text";
        return Err(Failure::new(ExitCode::System, message));
    }
    let failed = |error: io::Error| Failure::new(ExitCode::System, format!("the terminal cannot be used: {error}"));
    let (events, inbox) = channel();
    let shown = targets.shown();
    feed::take_signals(events.clone()).map_err(failed)?;
    let feed = Feed::start(targets, limit, interval, events.clone()).map_err(failed)?;
    let mut screen = Screen::enter().map_err(failed)?;
    // from here on keys are not echoed
    feed::read_keys(events).map_err(failed)?;
    let mut view = View::new(shown, interval);
    show(&mut screen, &mut view, &feed, &inbox).map_err(failed)
}

fn show(screen: &mut Screen, view: &mut View, feed: &Feed, inbox: &Receiver<Event>) -> io::Result<()> {
    let palette = Palette::of_environment();
    loop {
        screen.draw(|frame| draw::draw(frame, view, palette))?;
        let event = match inbox.recv_timeout(TICK) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let step = match event {
            Event::Asked(answer) => {
                view.take(*answer);
                Step::Stay
            }
            Event::Terminal(TerminalEvent::Key(key)) => view.press(key),
            // where several sizes end at the one before, the drawing sees none, and the terminal has forgotten a part
            Event::Terminal(TerminalEvent::Resize(..)) => Step::Repaint,
            Event::Terminal(_) => Step::Stay,
            Event::End => Step::Quit,
        };
        match step {
            Step::Stay => {}
            Step::Quit => return Ok(()),
            Step::Repaint => screen.clear()?,
            Step::Ask(demand) => feed.demand(demand),
            Step::Suspend => suspend(screen, feed)?,
        }
    }
}

/// Gives the terminal back to the shell until the process is continued, as Ctrl-Z does.
fn suspend(screen: &mut Screen, feed: &Feed) -> io::Result<()> {
    screen.leave()?;
    kill_process(getpid(), Signal::TSTP)?;
    // `fg`
    screen.enter_again()?;
    feed.demand(Demand::Now);
    Ok(())
}
