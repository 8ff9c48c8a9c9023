//! Where the configuration of a running proxy comes from.

use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The file, if there is one; the environment is laid over it.
    pub(crate) file: Option<PathBuf>,
    /// The text that is served already.
    pub(crate) served: ServedText,
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials_directory: Option<PathBuf>,
}

/// A text of the configuration, by its digests.
#[derive(Debug, Clone)]
pub(crate) struct ServedText {
    /// That of all of it, see [`crate::config::Text::sha256`].
    pub(crate) sha256: Option<String>,
    /// Those of its files, see [`crate::config::Text::digests`].
    pub(crate) files: BTreeMap<String, String>,
}
