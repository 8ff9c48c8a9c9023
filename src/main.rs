//! The `countersign` program: command line in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use countersign::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            #[allow(clippy::print_stderr)] // the process ends here, so there is no log any more
            {
                eprintln!("countersign: {}", failure.message);
            }
            ExitCode::from(failure.code.number())
        }
    }
}
