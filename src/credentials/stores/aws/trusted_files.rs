//! The files of AWS's tools that a key depends on: authorities, and profiles, which may name a program to run.

use std::env;
use std::path::{Path, PathBuf};

use super::{AwsKey, AwsSource};
use crate::guarded_file::{self, GuardError};

/// Checks that nobody else can write them. What is missing is not an error here.
///
/// # Errors
/// [`GuardError`].
pub(super) fn check(key: &AwsKey, ca_bundle: Option<&Path>) -> Result<(), GuardError> {
    let profiles = match key.source {
        AwsSource::Profile | AwsSource::Default => profile_files(),
        AwsSource::Environment | AwsSource::WebIdentity | AwsSource::Container | AwsSource::Instance => Vec::new(),
    };
    ca_bundle.into_iter().chain(profiles.iter().map(PathBuf::as_path)).try_for_each(guarded_file::check_trusted)
}

/// Where AWS's tools look for profiles.
fn profile_files() -> Vec<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let files = [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    let located = files.into_iter().filter_map(|(variable, name)| {
        let named = env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        match named {
            Some(path) => Some(match (path.strip_prefix("~"), &home) {
                (Ok(below), Some(home)) => home.join(below),
                (Ok(_) | Err(_), _) => path,
            }),
            None => home.as_ref().map(|home| home.join(".aws").join(name)),
        }
    });
    located.collect()
}
