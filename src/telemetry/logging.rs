//! Setting up the log: one line per event on standard error, for people or for machines.

use std::io::{self, IsTerminal as _};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Readable; coloured on a terminal.
    Human,
    /// One JSON object.
    Json,
}

/// The log could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// `log.level` is not a filter.
    #[error("log.level is not a tracing filter (try \"info\" or \"warn,countersign=debug\")")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Somebody else has set one up before.
    #[error("the log is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Whether `filter` can be used.
///
/// # Errors
/// [`LogError::Filter`].
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    EnvFilter::try_new(filter).map(drop).map_err(LogError::Filter)
}

/// Directs the process's events to standard error. No level shows a secret: secrets have no `Debug`.
///
/// # Errors
/// An unusable filter, or a second call.
pub fn initialise(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter).map_err(LogError::Filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).finish().try_init(),
    }
    .map_err(LogError::Twice)
}
