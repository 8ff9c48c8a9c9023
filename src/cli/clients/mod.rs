//! `countersign clients`: access keys for clients, which are worth something only to countersign.

mod issue;

use clap::{Args, Subcommand};

use super::exit::Failure;

/// Arguments of `countersign clients`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an access key for a client that signs its own requests, and print it once
    Issue(issue::Arguments),
}

/// Runs the command.
///
/// # Errors
/// As for `countersign keys seal`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Issue(arguments) => issue::run(arguments),
    }
}
