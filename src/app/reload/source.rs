//! Where the configuration of a running proxy comes from.

use std::path::PathBuf;

#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The file, if there is one; the environment is laid over it.
    pub(crate) file: Option<PathBuf>,
    /// The digest of the text that is served already, see [`crate::config::Text::sha256`].
    pub(crate) served: Option<String>,
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials_directory: Option<PathBuf>,
}
