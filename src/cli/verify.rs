//! `countersign verify`.

use clap::Args;

use super::exit::{ExitCode, Failure};

/// Arguments of `countersign verify`.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Runs the command.
///
/// # Errors
/// Not there yet.
pub fn run(_arguments: &Arguments) -> Result<(), Failure> {
    Err(Failure::new(ExitCode::Bug, "not there yet"))
}
