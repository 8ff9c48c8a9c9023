//! The `countersign` program: command line in, exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use countersign::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // there is no log any more; where standard error is closed or full, the exit code still says why
            let _may_be_closed = writeln!(std::io::stderr(), "countersign: {}", failure.message);
            ExitCode::from(failure.code.number())
        }
    }
}
