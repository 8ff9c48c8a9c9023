//! `countersign keys inspect`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::dialects::dialects;
use super::expiry::expiry;
use super::identity_option::IdentityOption;
use super::opening::open;
use crate::cli::exit::Failure;
use crate::cli::output::print;
use crate::clock;

/// Arguments of `countersign keys inspect`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("with").required(true).args(IdentityOption::NAMES)))]
pub(super) struct Arguments {
    /// The sealed file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    identity: IdentityOption,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let identity = arguments.identity.required_path()?;
    let key = open(&arguments.file, &identity)?;
    let token = if key.session_token.is_some() { "yes" } else { "no" };
    let text = format!(
        "file           {}\naccess key id  {}\nsession token  {token}\nexpiration     {}\n\
         signs for      {}\n",
        arguments.file.display(),
        key.access_key_id,
        expiry(key.expiration, clock::now()),
        // whoever has the secret computes every signature
        dialects(key.session_token.as_ref(), |_| true),
    );
    print(text.as_bytes())
}
