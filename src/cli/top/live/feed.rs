//! The threads beside the screen: one asks the admin listener, one reads keys, one takes signals.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::Event;
use crate::cli::admin_client::Targets;
use crate::cli::first_process;
use crate::cli::top::report::fetch;

/// What the user wants of the thread that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Ask now.
    Now,
    /// Ask so often from now on.
    Every(Duration),
    /// Ask no more.
    Pause,
    /// Ask again.
    Resume,
}

/// The thread that asks. It ends when this is dropped.
pub(super) struct Feed(Sender<Demand>);

impl Feed {
    /// Asks now, and again after each `interval`.
    pub(super) fn start(
        targets: Targets,
        limit: Duration,
        interval: Duration,
        events: Sender<Event>,
    ) -> io::Result<Self> {
        let (demands, inbox) = channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let round = Round { runtime, targets, limit, interval, events, inbox };
        thread::Builder::new().name("feed".to_owned()).spawn(move || round.run())?;
        Ok(Self(demands))
    }

    pub(super) fn demand(&self, demand: Demand) {
        // the thread lives until this value is dropped
        let _sent = self.0.send(demand);
    }
}

struct Round {
    runtime: Runtime,
    targets: Targets,
    limit: Duration,
    interval: Duration,
    events: Sender<Event>,
    inbox: Receiver<Demand>,
}

impl Round {
    fn run(mut self) {
        loop {
            let answer = self.runtime.block_on(fetch(&self.targets, self.limit));
            if self.events.send(Event::Asked(Box::new(answer))).is_err() || !self.wait() {
                return;
            }
        }
    }

    /// Waits for the time to ask again; `false`: nobody wants to know any more.
    fn wait(&mut self) -> bool {
        loop {
            match self.inbox.recv_timeout(self.interval) {
                Ok(Demand::Now | Demand::Resume) | Err(RecvTimeoutError::Timeout) => return true,
                Ok(Demand::Every(interval)) => self.interval = interval,
                Ok(Demand::Pause) => return self.rest(),
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Waits for the end of a pause.
    fn rest(&mut self) -> bool {
        loop {
            match self.inbox.recv() {
                Ok(Demand::Now | Demand::Resume) => return true,
                Ok(Demand::Every(interval)) => self.interval = interval,
                Ok(Demand::Pause) => {}
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        // after a panic here the terminal has been given back
        let _sent = self.events.send(Event::End);
    }
}

/// Reads keys and sizes, for as long as there is a terminal.
pub(super) fn read_keys(events: Sender<Event>) -> io::Result<()> {
    let read = move || {
        loop {
            let event = event::read().map_or(Event::End, Event::Terminal);
            let is_last = matches!(event, Event::End);
            if events.send(event).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read).map(drop)
}

/// Takes the signals that ask for the end, so that the terminal is given back before. Ctrl-C is a key here.
pub(super) fn take_signals(events: Sender<Event>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    drop(entered);
    first_process::leave_signals_to_command();
    let take = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
                _ = quit.recv() => {}
            }
        });
        // the screen may have ended by itself
        let _sent = events.send(Event::End);
    };
    thread::Builder::new().name("signals".to_owned()).spawn(take).map(drop)
}
