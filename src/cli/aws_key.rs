//! `countersign aws-key`: asks one of AWS's sources for its key once. Started by the agent of a key store, not by people.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::exit::{ExitCode, Failure};
use crate::confine;
use crate::credentials::aws::{self, AwsKey};

/// Arguments of `countersign aws-key`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which source, as JSON
    order: String,
}

/// Prints the key's JSON, or what is the matter, in the words that the agent reads.
///
/// # Errors
/// Started by hand; a system that refuses what every process may have.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    confine::keep_private().map_err(|error| system(&error))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| system(&error))?;
    let key: AwsKey = serde_json::from_str(&arguments.order).map_err(|error| system(&error))?;
    match aws::obtain(&key) {
        Ok(json) => print(&json),
        Err(error) => print(&aws::refuse(&error)),
    }
    .map_err(|error| system(&error))
}

/// Past the buffer of standard output, which nobody wipes.
fn print(bytes: &[u8]) -> io::Result<()> {
    let mut output = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    output.write_all(bytes)
}

fn system(error: &dyn std::error::Error) -> Failure {
    Failure::because(ExitCode::System, error)
}
