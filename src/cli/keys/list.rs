//! `countersign keys list`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::expiry::expiry;
use super::identity_option::IdentityOption;
use super::opening::open;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::output::print;
use crate::clock;
use crate::credentials::Identities;
use crate::credentials::sealed::{is_sealed, looks_sealed};

/// Arguments of `countersign keys list`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    identity: IdentityOption,
}

/// Runs the command. A file that cannot be opened is a line of the list and not a failure: users look for it there.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let identity = arguments.identity.path()?;
    if let Some(path) = &identity {
        drop(Identities::read(path)?); // so that an unusable identity is reported once, not on every line
    }
    let (files, others) = files(&arguments.directory)?;
    let now = clock::now();
    let rows: Vec<(String, String)> =
        files.iter().map(|file| (name(file), row(file, identity.as_deref(), now))).collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let text = rows.iter().fold(String::new(), |mut text, (name, row)| {
        let _infallible = writeln!(text, "{name:width$}  {row}");
        text
    });
    let rest = if others > 0 { format!("not listed: {others} files that are no sealed keys\n") } else { String::new() };
    print(format!("{text}{rest}").as_bytes())
}

/// The directory's files that could be sealed keys, in order of their names, and how many others there are. Hidden ones
/// do not count: Kubernetes' `..data`, our own temporary files.
fn files(directory: &Path) -> Result<(Vec<PathBuf>, usize), Failure> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut files: Vec<PathBuf> = entries
        .map_err(|error| {
            Failure::new(ExitCode::KeyStoreUnavailable, format!("{} cannot be listed: {error}", directory.display()))
        })?
        .into_iter()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .filter(|path| !path.is_dir())
        .collect();
    files.sort();
    let (keys, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| could_be_sealed(path));
    Ok((keys, others.len()))
}

/// Whether the name or the first bytes of a file are those of a sealed key. Only regular files are opened: reading from
/// a FIFO may never end.
fn could_be_sealed(path: &Path) -> bool {
    const ENOUGH: u64 = 64;
    let begins = || {
        let mut head = Vec::new();
        File::open(path).and_then(|file| file.take(ENOUGH).read_to_end(&mut head)).is_ok() && looks_sealed(&head)
    };
    path.is_file() && (path.extension().is_some_and(|extension| extension == "age") || begins())
}

fn name(file: &Path) -> String {
    printable(&file.file_name().unwrap_or_default().to_string_lossy())
}

/// Replaces control characters: the name of a file must not change the reader's terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn row(file: &Path, identity: Option<&Path>, now: Timestamp) -> String {
    let Some(identity) = identity else {
        return match is_sealed(file) {
            Ok(true) => "sealed (give --identity to see the key)".to_owned(),
            Ok(false) => "not an age file".to_owned(),
            Err(error) => printable(&Failure::because(ExitCode::Data, &error).message),
        };
    };
    match open(file, identity) {
        Ok(key) => format!("{}  {}", key.access_key_id, expiry(key.expiration, now)),
        Err(_) if matches!(is_sealed(file), Ok(false)) => "not an age file".to_owned(),
        Err(error) => printable(&Failure::from(error).message),
    }
}
