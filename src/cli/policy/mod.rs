//! `countersign policy`: what clients may do, explained and tested, and rules suggested from what they did.

mod decided;
mod expectations;
mod explain;
mod learning;
pub(crate) mod record;
mod suggest;
mod table_test;

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
    /// Print the least rules that allow what was recorded, ready to append to the configuration, and how they differ
    /// from those in force
    Suggest(suggest::Arguments),
    /// Test whether the rules decide a table of calls as expected: exit code 0 if they do, else 1
    Test(table_test::Arguments),
}

/// Runs the command.
///
/// # Errors
/// See the subcommands.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Explain(arguments) => explain::run(arguments),
        Command::Suggest(arguments) => suggest::run(arguments),
        Command::Test(arguments) => table_test::run(arguments),
    }
}
