//! What an agent is given beside its order: absolute paths, and some of our environment variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A path that means the same in every working directory: that of an agent is another than ours.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The environment variables of these names, as far as they are set.
pub(super) fn passed_on(names: &[String]) -> Vec<(OsString, OsString)> {
    names.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect()
}
