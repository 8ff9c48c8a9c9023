//! `countersign aws-key` and `plugin-key`: loads a key once, for the agent that starts this process.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::exit::{ExitCode, Failure};
use crate::confine;
use crate::credentials::StoreError;
use crate::credentials::agent::one_shot;
use crate::guarded_file::WritableFiles;

/// Arguments of either command.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to get, as JSON
    order: String,
}

/// Prints the key's JSON that `obtain` returns, or its error, in the form that the agent reads.
///
/// # Errors
/// The order is not valid, which only happens when this is started by hand; or the system refuses a request.
pub(crate) fn run<O: DeserializeOwned, E: StoreError>(
    arguments: &Arguments,
    obtain: impl FnOnce(&O) -> Result<Zeroizing<Vec<u8>>, E>,
) -> Result<(), Failure> {
    confine::keep_private().map_err(|error| system(&error))?;
    WritableFiles::enforce_as_told();
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| system(&error))?;
    let order: O = serde_json::from_str(&arguments.order).map_err(|error| system(&error))?;
    print(&one_shot::answer(obtain(&order))).map_err(|error| system(&error))
}

/// Writes to standard output without its buffer, which is not wiped.
fn print(bytes: &[u8]) -> io::Result<()> {
    let mut output = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    output.write_all(bytes)
}

fn system(error: &dyn std::error::Error) -> Failure {
    Failure::because(ExitCode::System, error)
}
