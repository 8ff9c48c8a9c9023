//! `countersign key-agent`: the process of a key store that needs one of its own. It is started by countersign.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{ExitCode, Failure};
use crate::confine;
use crate::credentials::agent::{self, ORDER, ServeError};
use crate::credentials::stores::ordered;
use crate::guarded_file::WritableFiles;

/// Serves the key store on standard input, which is a socket, until that is closed.
///
/// # Errors
/// There is no order, which only happens when this is started by hand; or the system refuses a request.
pub(crate) fn run() -> Result<(), Failure> {
    confine::keep_private().map_err(|error| system(&error))?;
    WritableFiles::enforce_as_told();
    // the end of the socket is not noticed while this process waits for a program
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| system(&error))?;
    let order = std::env::var(ORDER).map_err(|_| system(&ServeError::NotOrdered))?;
    // Service managers signal every process of a service, but the key may be needed until the last request is served.
    // So signals are handled and have no effect; programs that are started do not inherit the handlers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|error| system(&error))?;
    let _handlers = runtime.block_on(async { ignore_signals() }).map_err(|error| system(&error))?;
    let socket = io::stdin().as_fd().try_clone_to_owned().map_err(|error| system(&error))?;
    agent::serve(&order, ordered, socket).map_err(|error| system(&error))
}

fn ignore_signals() -> io::Result<Vec<tokio::signal::unix::Signal>> {
    let kinds = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ];
    kinds.into_iter().map(signal).collect()
}

fn system(error: &dyn std::error::Error) -> Failure {
    Failure::because(ExitCode::System, error)
}
