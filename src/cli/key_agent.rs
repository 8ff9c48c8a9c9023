//! `countersign key-agent`: the process of a key store that needs one of its own. Started by countersign, not by people.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{ExitCode, Failure};
use crate::confine;
use crate::credentials::agent::{self, ORDER, ServeError};

/// Serves its order on standard input, which is a socket, until that is closed.
///
/// # Errors
/// Started by hand; a system that refuses what every process may have.
pub fn run() -> Result<(), Failure> {
    confine::keep_private().map_err(|error| system(&error))?;
    // besides the end of the socket, for when we are waiting for a program just then
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| system(&error))?;
    let order = std::env::var(ORDER).map_err(|_| system(&ServeError::NotOrdered))?;
    // service managers signal every process of a service, and the key may be needed until the last request is served: a
    // handler that does nothing, which programs do not inherit
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|error| system(&error))?;
    let _handlers = runtime.block_on(async { ignore_signals() }).map_err(|error| system(&error))?;
    let socket = io::stdin().as_fd().try_clone_to_owned().map_err(|error| system(&error))?;
    agent::serve(&order, socket).map_err(|error| system(&error))
}

fn ignore_signals() -> io::Result<[tokio::signal::unix::Signal; 3]> {
    Ok([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?])
}

fn system(error: &dyn std::error::Error) -> Failure {
    Failure::because(ExitCode::System, error)
}
