//! What an agent is told besides its order: paths that mean the same to it, and variables of ours.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An agent works in another directory than ours.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Those of our variables that an agent sees.
pub(super) fn passed_on(names: &[String]) -> Vec<(OsString, OsString)> {
    names.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect()
}
