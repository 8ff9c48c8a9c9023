//! Opening a sealed file for a person, as `run` would, but without an agent: this process is there for this one time anyway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::credentials::agent::Fetch as _;
use crate::credentials::identity::names_plugin;
use crate::credentials::plugin::PluginKey;
use crate::credentials::{Credentials, LoadError, SealedError, SealedFile, document};

/// There may be a touch to wait for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What the file holds. An age plugin is looked for in our own PATH, and has our environment.
///
/// # Errors
/// As when a configured key is loaded.
pub(super) fn open_document(file: &Path, identity: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    if !names_plugin(identity) {
        return Ok(SealedFile::new(file.to_owned(), identity.to_owned()).open_document()?);
    }
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    PluginKey { file: absolute(file), identity: absolute(identity), timeout: TIMEOUT }.fetch()
}

/// The access key in it.
///
/// # Errors
/// As [`open_document`]; and when it is none.
pub(super) fn open(file: &Path, identity: &Path) -> Result<Credentials, LoadError> {
    let json = open_document(file, identity)?;
    Ok(document::parse(&json).map_err(|source| SealedError::Document { path: file.to_owned(), source })?)
}
