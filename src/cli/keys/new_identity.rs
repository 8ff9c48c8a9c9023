//! `countersign keys new-identity`.

use std::path::PathBuf;

use clap::Args;

use super::failures::not_written;
use crate::cli::exit::Failure;
use crate::cli::output::print;
use crate::clock;
use crate::credentials::Identities;
use crate::credentials::seal::{Existing, write_secret_file};

/// Arguments of `countersign keys new-identity`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write the identity to this file (mode 600) and print only its public key; without it the identity goes to
    /// standard output, to be piped, say, to `systemd-creds encrypt`
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command. There is no `--force`: without its identity, a sealed key is lost.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let identity = Identities::generate();
    let file = identity.to_file(clock::now());
    let Some(out) = &arguments.out else {
        return print(&file);
    };
    write_secret_file(out, &file, Existing::Refuse).map_err(|error| {
        not_written(
            &error,
            "it may be all that opens your keys, and is not replaced; move it away or choose another name",
        )
    })?;
    let public: String = identity.recipients().iter().map(|recipient| format!("{recipient}\n")).collect();
    print(public.as_bytes())
}
