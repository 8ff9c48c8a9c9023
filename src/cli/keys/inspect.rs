//! `countersign keys inspect`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::dialects::dialects;
use super::expiry::Expiry;
use super::identity_option::IdentityOption;
use super::opening::{open, wait};
use crate::cli::exit::Failure;
use crate::cli::format::{Format, FormatOption, Outcome, print_json};
use crate::cli::output::print;
use crate::cli::progress;
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
    #[command(flatten)]
    output: FormatOption,
}

/// What the file is: `docs/reference/schemas/keys-inspect.schema.json`.
#[derive(Debug, Serialize)]
struct Inspected {
    file: String,
    /// `None` when the file could not be opened.
    key: Option<Key>,
}

/// A key without its secrets.
#[derive(Debug, Serialize)]
struct Key {
    id: String,
    session_token: bool,
    #[serde(flatten)]
    expiry: Expiry,
    /// What requests it can sign.
    dialects: Vec<&'static str>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (key, ended) = match inspect(arguments) {
        Ok(key) => (Some(key), Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    let inspected = Inspected { file: arguments.file.display().to_string(), key };
    match (arguments.output.format, &inspected.key) {
        (Format::Json, _) => print_json(Outcome::of(&ended), &inspected, &ended),
        (Format::Text, Some(key)) => print(text(&inspected.file, key).as_bytes())?,
        (Format::Text, None) => {}
    }
    ended
}

fn inspect(arguments: &Arguments) -> Result<Key, Failure> {
    let identity = arguments.identity.required_path()?;
    let key = progress::shown_for(wait(&arguments.file, &identity), || open(&arguments.file, &identity))?;
    Ok(Key {
        id: key.access_key_id.to_string(),
        session_token: key.session_token.is_some(),
        expiry: Expiry::of(key.expiration, clock::now()),
        // whoever has the secret computes every signature
        dialects: dialects(key.session_token.as_ref(), |_| true),
    })
}

fn text(file: &str, key: &Key) -> String {
    let token = if key.session_token { "yes" } else { "no" };
    format!(
        "file           {file}\naccess key id  {}\nsession token  {token}\nexpiration     {}\n\
         signs for      {}\n",
        key.id,
        key.expiry.text(),
        key.dialects.join(", "),
    )
}
