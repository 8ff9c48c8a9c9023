//! `countersign policy`: what clients may do, explained, and rules suggested from what they did.

mod explain;
pub(crate) mod record;
mod suggest;

use clap::{Args, Subcommand};

use super::exit::Failure;

/// Arguments of `countersign policy`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a client may make a call, and which rule decides: exit code 0 for allow, 1 for deny
    Explain(explain::Arguments),
    /// Print the least rules that allow what was recorded, ready to append to the configuration
    Suggest(suggest::Arguments),
}

/// Runs the command.
///
/// # Errors
/// See the subcommands.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Explain(arguments) => explain::run(arguments),
        Command::Suggest(arguments) => suggest::run(arguments),
    }
}
