//! Trusted files and secrets that the confined process could write, because they lie where the audit is written.

use std::path::{Path, PathBuf};

use super::guarded_files;
use crate::config::settings::Settings;
use crate::credentials::WatchedKey;
use crate::guarded_file::directory_of;
use crate::telemetry::audit::Target;

/// A message when the directory of the audit holds more than lines: the right to write there is a right to all of it,
/// because the kernel knows no narrower one that outlasts a rotation. To be asked before the process is confined.
pub(crate) fn beside_audit(settings: &Settings, file: Option<&Path>, keys: &[WatchedKey]) -> Option<String> {
    let directory = match &settings.audit.target {
        Some(Target::File(path)) => real(&directory_of(path)),
        Some(Target::Stdout | Target::Journald | Target::Syslog) | None => return None,
    };
    let mut found: Vec<String> = guarded_files(settings, file, keys)
        .filter(|path| real(path).starts_with(&directory))
        .map(|path| path.display().to_string())
        .collect();
    found.sort();
    found.dedup();
    (!found.is_empty()).then(|| {
        format!(
            "in the audit's directory, where this process can write while it serves, there are also {}: whoever takes \
             the process over could change them. Give the audit a directory of its own",
            found.join(", ")
        )
    })
}

/// The path without symlinks; of a file that is not there, the one that it would have.
pub(super) fn real(path: &Path) -> PathBuf {
    let absent = || Some(directory_of(path).canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(absent).unwrap_or_else(|| path.to_owned())
}
