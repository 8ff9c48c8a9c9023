//! `countersign keys reseal`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::failures::not_written;
use super::identity_option::IdentityOption;
use super::opening::{credentials, open_document, wait};
use super::recipients;
use crate::cli::exit::Failure;
use crate::cli::output::print;
use crate::cli::progress;
use crate::credentials::seal::{Existing, seal, write_secret_file};

/// Arguments of `countersign keys reseal`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("with").required(true).args(IdentityOption::NAMES)))]
pub(super) struct Arguments {
    /// The sealed file; it is replaced whole
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    identity: IdentityOption,
    /// Seal to this age public key and no longer to those of before; may be given more than once
    #[arg(short, long, value_name = "AGE1...", required = true)]
    recipient: Vec<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipients = recipients::parse(&arguments.recipient)?;
    let identity = arguments.identity.required_path()?;
    let key = progress::shown_for(wait(&arguments.file, &identity), || open_document(&arguments.file, &identity))?;
    drop(credentials(&key, &arguments.file)?);
    let sealed = progress::shown_for(format!("{} to be sealed", arguments.file.display()), || seal(&key, &recipients))?;
    write_secret_file(&arguments.file, &sealed, Existing::Replace).map_err(|error| not_written(&error, ""))?;
    let text = format!("sealed {} to\n{}", arguments.file.display(), recipients::listing(&recipients));
    print(text.as_bytes())
}
