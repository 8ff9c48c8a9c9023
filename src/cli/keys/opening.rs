//! Opens a sealed file for a command, in this process: unlike `run`, a command needs no agent.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::app::build::key_stores::agent_inputs::absolute;
use crate::credentials::agent::Fetch as _;
use crate::credentials::identity::names_plugin;
use crate::credentials::plugin::PluginKey;
use crate::credentials::{Credentials, LoadError, SealedError, SealedFile, document};

/// How long an age plugin may take: it may wait for the user to touch a device.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is waited for while the file is opened.
pub(super) fn wait(file: &Path, identity: &Path) -> String {
    let file = file.display();
    if names_plugin(identity) {
        format!("{file}, which an age plugin opens: its device may want to be touched")
    } else {
        format!("{file} to be opened")
    }
}

/// The content of the file. An age plugin is found by our own PATH and gets our environment.
///
/// # Errors
/// As for loading a configured key.
pub(super) fn open_document(file: &Path, identity: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    if !names_plugin(identity) {
        return Ok(SealedFile::new(file.to_owned(), identity.to_owned()).open_document()?);
    }
    PluginKey { file: absolute(file), identity: absolute(identity), timeout: TIMEOUT }.fetch()
}

/// The access key in the file.
///
/// # Errors
/// As for [`open_document`]; and when the content is not an access key.
pub(super) fn open(file: &Path, identity: &Path) -> Result<Credentials, LoadError> {
    credentials(&open_document(file, identity)?, file)
}

/// The access key in `json`, which was in the file.
///
/// # Errors
/// It is not an access key.
pub(super) fn credentials(json: &[u8], file: &Path) -> Result<Credentials, LoadError> {
    Ok(document::parse(json).map_err(|source| SealedError::Document { path: file.to_owned(), source })?)
}
