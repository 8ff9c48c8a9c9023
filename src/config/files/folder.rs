//! `conf.d/`: which of its files are read, in which order, and which are not.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::directory_of;
use super::opened::{Part, fault, unreadable};
use crate::config::error::ConfigError;
use crate::config::settings::Name;

/// The folder's name.
const FOLDER: &str = "conf.d";
/// What the names of its files end in.
const ENDING: &str = ".toml";
/// More files are an accident: a loop in a script, or another program's folder.
const MOST_FILES: usize = 1000;

/// What stands in the folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// In order of name.
    pub(super) parts: Vec<Part>,
    /// In order of name.
    pub(super) ignored: Vec<String>,
}

/// The folder beside a configuration file; `None` when there is none.
#[must_use]
pub fn folder_of(file: &Path) -> Option<PathBuf> {
    let folder = directory_of(file).join(FOLDER);
    match folder.symlink_metadata() {
        Ok(_) => Some(folder),
        // beside the file of a pipe (/proc/self/fd/0) there are no folders
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(_) => Some(folder),
    }
}

/// The configuration file, and those of its folder that are there now.
#[must_use]
pub fn files_of(file: &Path) -> Vec<PathBuf> {
    let folder = folder_of(file);
    let listed = folder.and_then(|folder| list(&folder).ok());
    let parts = listed.into_iter().flat_map(|listed| listed.parts).map(|part| part.path);
    std::iter::once(file.to_owned()).chain(parts).collect()
}

/// Lists the folder.
pub(super) fn list(folder: &Path) -> Result<Listed, ConfigError> {
    let failed = |error: std::io::Error| unreadable(folder, &error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut listed = Listed { parts: Vec::new(), ignored: Vec::new() };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let (path, file_name) = (entry.path(), entry.file_name());
        match stem(&file_name) {
            Some(stem) => {
                let name = Name::parse(stem).ok_or_else(|| {
                    fault(
                        &path,
                        "the name of a file of conf.d is NAME.toml, where NAME is 1 to 64 of a-z, 0-9, `_` and `-`: \
                         rename it; to have it ignored, give it a name that ends otherwise",
                    )
                })?;
                listed.parts.push(Part { path, name });
            }
            None if is_told(&file_name) && !path.is_dir() => {
                listed.ignored.push(file_name.to_string_lossy().into_owned());
            }
            None => {}
        }
    }
    if listed.parts.len() > MOST_FILES {
        return Err(fault(folder, &format!("holds more than {MOST_FILES} files")));
    }
    listed.parts.sort_by(|one, other| one.path.file_name().cmp(&other.path.file_name()));
    listed.ignored.sort();
    Ok(listed)
}

/// The name without its ending, of a file that is read.
fn stem(file_name: &OsStr) -> Option<&str> {
    // what is not UTF-8 is no name of ours, and is refused as one that breaks the rules
    let text = file_name.to_str().unwrap_or(if file_name.as_encoded_bytes().ends_with(ENDING.as_bytes()) {
        "\u{fffd}.toml"
    } else {
        ""
    });
    text.strip_suffix(ENDING).filter(|stem| !stem.starts_with('.') && !stem.is_empty())
}

/// Whether an ignored file is told of. Of hidden files it is one that somebody may have hidden to switch it off; lock
/// files of Emacs (`.#a.toml`), and whatever Kubernetes and editors hide, is not.
fn is_told(file_name: &OsStr) -> bool {
    let text = file_name.to_string_lossy();
    !text.starts_with('.') || (text.ends_with(ENDING) && !text.starts_with(".#"))
}
