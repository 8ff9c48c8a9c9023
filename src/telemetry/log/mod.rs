//! Setting up the log: one line per event on standard error, for people or for machines.

mod human_lines;
pub(super) mod json_lines;
pub(super) mod line;
#[cfg(test)]
pub(super) mod memory;
pub(super) mod outlet;
mod panics;
mod queue;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

use jiff::Timestamp;
use thiserror::Error;
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use human_lines::{Colour, HumanLines};
use json_lines::JsonLines;
use outlet::Outlet;
pub(crate) use queue::lost_lines;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal, unless `NO_COLOR` is set.
    Human,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// What the configuration calls them.
    pub const WORDS: [(&'static str, Self); 2] = [("human", Self::Human), ("json", Self::Json)];
}

/// The log could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// `log.level` is not a valid filter.
    #[error("log.level is not a tracing filter (try \"info\" or \"warn,countersign=debug\")")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// A log was set up before.
    #[error("the log is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
    /// The level cannot be changed, since nothing is logged any more.
    #[error("the log has ended")]
    Gone(#[source] reload::Error),
    /// The system refuses a thread.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
}

/// Dropping this waits, for at most a second, until the lines written so far have left the process.
pub struct LastLines {
    outlet: Outlet,
    level: Level,
}

/// Which events the log shows, which can be changed while it is written.
#[derive(Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl LastLines {
    /// The log's level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level.clone()
    }
}

impl Level {
    /// Shows what `filter` lets through from now on.
    ///
    /// # Errors
    /// The filter is not valid, or the log is gone.
    pub fn set(&self, filter: &str) -> Result<(), LogError> {
        let filter = EnvFilter::try_new(filter).map_err(LogError::Filter)?;
        self.0.reload(filter).map_err(LogError::Gone)
    }
}

impl Drop for LastLines {
    fn drop(&mut self) {
        self.outlet.flush();
    }
}

/// Checks that `filter` is valid.
///
/// # Errors
/// [`LogError::Filter`].
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    EnvFilter::try_new(filter).map(drop).map_err(LogError::Filter)
}

/// Writes the process's events to standard error. No level shows a secret, since secrets have no `Debug`. A reader
/// that stalls or leaves costs log lines, never exchanges.
///
/// # Errors
/// The filter is not valid, the system refuses a thread, or the log was set up before.
pub fn initialise(format: LogFormat, filter: &str, wall: fn(Instant) -> Timestamp) -> Result<LastLines, LogError> {
    let filter = EnvFilter::try_new(filter).map_err(LogError::Filter)?;
    // Each place in the source keeps whether its events are shown, and a change has all of them ask again. So the lock
    // in this layer is taken for lines that are written only, and not for those of `JsonLines::write_directly`.
    let (filter, handle) = reload::Layer::new(filter);
    let outlet = Outlet::start(io::stderr()).map_err(LogError::Thread)?;
    match format {
        LogFormat::Human => {
            let lines = HumanLines::new(outlet.clone(), wall, colour_of_standard_error());
            tracing_subscriber::registry().with(filter).with(lines).try_init()
        }
        LogFormat::Json => {
            let lines = JsonLines::new(outlet.clone(), wall);
            tracing_subscriber::registry().with(filter).with(lines).try_init()
        }
    }
    .map_err(LogError::Twice)?;
    panics::log_panics();
    Ok(LastLines { outlet, level: Level(handle) })
}

/// Writes what `events` logs to standard error, on this thread and at once: for a process whose log has no thread yet.
///
/// # Errors
/// [`LogError::Filter`].
pub fn write_at_once(
    format: LogFormat,
    filter: &str,
    wall: fn(Instant) -> Timestamp,
    events: impl FnOnce(),
) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter).map_err(LogError::Filter)?;
    let outlet = Outlet::without_thread();
    match format {
        LogFormat::Human => {
            let lines = HumanLines::new(outlet.clone(), wall, colour_of_standard_error());
            with_default(tracing_subscriber::registry().with(filter).with(lines), events);
        }
        LogFormat::Json => {
            let lines = JsonLines::new(outlet.clone(), wall);
            with_default(tracing_subscriber::registry().with(filter).with(lines), events);
        }
    }
    // a log that nobody reads is no reason to stop
    let _may_be_closed = io::stderr().write_all(&outlet.take());
    Ok(())
}

fn colour_of_standard_error() -> Colour {
    if io::stderr().is_terminal() { on_terminal(std::env::var_os("NO_COLOR")) } else { Colour::None }
}

/// `NO_COLOR` with any value but the empty one asks for lines without colours (no-color.org).
fn on_terminal(no_color: Option<OsString>) -> Colour {
    match no_color {
        Some(value) if !value.is_empty() => Colour::None,
        Some(_) | None => Colour::Ansi,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_colours_unless_no_color_is_set() {
        let value = |text: &str| Some(OsString::from(text));
        assert_eq!(on_terminal(None), Colour::Ansi);
        assert_eq!(on_terminal(value("")), Colour::Ansi);
        assert_eq!(on_terminal(value("1")), Colour::None);
    }
}
