//! `countersign keys list`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::expiry::Expiry;
use super::identity_option::IdentityOption;
use super::opening::{self, open};
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::format::{Format, FormatOption, Outcome, print_json};
use crate::cli::output::print;
use crate::cli::progress;
use crate::clock;
use crate::credentials::Identities;
use crate::credentials::sealed::{is_sealed, looks_sealed};
use crate::waits;

/// Arguments of `countersign keys list`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    identity: IdentityOption,
    #[command(flatten)]
    output: FormatOption,
}

/// What is in the directory: `docs/reference/schemas/keys-list.schema.json`.
#[derive(Debug, Serialize)]
struct List {
    directory: String,
    files: Vec<Listed>,
    /// How many files are none of sealed keys.
    others: usize,
}

/// A file that could be a sealed key.
#[derive(Debug, Serialize)]
struct Listed {
    file: String,
    state: State,
    /// The key in it, when the file was opened.
    key: Option<Key>,
    /// Why the file cannot be used.
    message: Option<String>,
}

#[derive(Debug, Serialize)]
struct Key {
    id: String,
    #[serde(flatten)]
    expiry: Expiry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It is sealed, and there is no identity to open it with.
    Sealed,
    Opened,
    NotSealed,
    Unusable,
}

/// Runs the command. A file that cannot be opened is a line of the list and not a failure: users look for it there.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut list = List { directory: arguments.directory.display().to_string(), files: Vec::new(), others: 0 };
    let ended = fill(&mut list, arguments);
    match arguments.output.format {
        Format::Json => print_json(Outcome::of(&ended), &list, &ended),
        Format::Text if ended.is_ok() => print(list.text().as_bytes())?,
        Format::Text => {}
    }
    ended
}

fn fill(list: &mut List, arguments: &Arguments) -> Result<(), Failure> {
    let identity = arguments.identity.path()?;
    if let Some(path) = &identity {
        drop(Identities::read(path)?); // so that an unusable identity is reported once, not on every line
    }
    let (files, others) = files(&arguments.directory)?;
    let now = clock::now();
    list.files = progress::shown(|| {
        let numbered = (1_usize..).zip(&files);
        numbered
            .map(|(nth, file)| {
                let wait = |identity: &PathBuf| {
                    waits::begin(format!("{} ({nth} of {})", opening::wait(file, identity), files.len()))
                };
                let _wait = identity.as_ref().map(wait);
                listed(file, identity.as_deref(), now)
            })
            .collect()
    });
    list.others = others;
    Ok(())
}

impl List {
    fn text(&self) -> String {
        let width = self.files.iter().map(|listed| listed.file.chars().count()).max().unwrap_or_default();
        let mut text = self.files.iter().fold(String::new(), |mut text, listed| {
            let _infallible = writeln!(text, "{:width$}  {}", listed.file, listed.row());
            text
        });
        if self.others > 0 {
            text.push_str(&format!("not listed: {} files that are no sealed keys\n", self.others));
        }
        text
    }
}

impl Listed {
    fn row(&self) -> String {
        match (self.state, &self.key) {
            (State::Sealed, _) => "sealed (give --identity to see the key)".to_owned(),
            (State::NotSealed, _) => "not an age file".to_owned(),
            (State::Opened, Some(Key { id, expiry })) => format!("{id}  {}", expiry.text()),
            (State::Unusable | State::Opened, _) => self.message.clone().unwrap_or_default(),
        }
    }
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

/// Replaces control characters: the name of a file must not change the reader's terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn listed(path: &Path, identity: Option<&Path>, now: Timestamp) -> Listed {
    let file = printable(&path.file_name().unwrap_or_default().to_string_lossy());
    let is = |state| Listed { file: file.clone(), state, key: None, message: None };
    let unusable = |failure: Failure| Listed { message: Some(printable(&failure.message)), ..is(State::Unusable) };
    let Some(identity) = identity else {
        return match is_sealed(path) {
            Ok(true) => is(State::Sealed),
            Ok(false) => is(State::NotSealed),
            Err(error) => unusable(Failure::because(ExitCode::Data, &error)),
        };
    };
    match open(path, identity) {
        Ok(key) => Listed {
            key: Some(Key { id: key.access_key_id.to_string(), expiry: Expiry::of(key.expiration, now) }),
            ..is(State::Opened)
        },
        Err(_) if matches!(is_sealed(path), Ok(false)) => is(State::NotSealed),
        Err(error) => unusable(Failure::from(error)),
    }
}
