//! `countersign config`: what a configuration may say.

use clap::{Args, Subcommand};

use super::exit::{ExitCode, Failure};
use super::output::print_line;
use crate::config::schema::schema;

/// Arguments of `countersign config`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the JSON Schema of a configuration file, for editors: completion, descriptions, and faults while typing
    Schema,
}

/// Runs the command.
///
/// # Errors
/// None but those of standard output.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Schema => print_schema(),
    }
}

fn print_schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&schema())
        .map_err(|error| Failure::new(ExitCode::Bug, format!("the schema cannot be written: {error}")))?;
    print_line!("{text}");
    Ok(())
}
