//! From a `[key.NAME]` to its live store.

pub(crate) mod agent_inputs;
mod awaited;
#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
#[path = "no_aws.rs"]
mod aws;
// only for its test: this build does not use it
#[cfg(all(test, feature = "aws"))]
mod no_aws;
#[cfg(feature = "pkcs11")]
pub(crate) mod pkcs11;
#[cfg(not(feature = "pkcs11"))]
#[path = "no_pkcs11.rs"]
mod pkcs11;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::agent_inputs::{absolute, passed_on};
use self::awaited::Awaited;
use crate::config::settings::{self, Key, ProcessStore};
use crate::credentials::identity::names_plugin;
use crate::credentials::plugin::{self, PluginKey};
use crate::credentials::process::Program;
use crate::credentials::{AgentStore, FileSource, KeyStore, LoadError, PlainFile, SealedFile};

/// The store that a `[key.NAME]` describes. `credentials_directory` is systemd's `$CREDENTIALS_DIRECTORY`.
///
/// This starts the process of a store that needs one of its own: call it once for each key, before the program confines
/// itself.
///
/// # Errors
/// A systemd credential that we were not given; a process that cannot be started.
pub(crate) fn key_store(key: &Key, credentials_directory: Option<&Path>) -> Result<Box<dyn KeyStore>, LoadError> {
    let locate = |source: &FileSource| source.locate_given(credentials_directory);
    let store: Box<dyn KeyStore> = match &key.store {
        settings::KeyStore::Sealed { file, identity, environment, timeout } => {
            sealed_store(file, locate(identity)?, environment, *timeout)?
        }
        settings::KeyStore::File(source) => Box::new(PlainFile::new(locate(source)?)),
        settings::KeyStore::Process(process) => Box::new(process_store(process)?),
        settings::KeyStore::Aws(store) => aws::store(store)?,
        settings::KeyStore::Pkcs11(token) => pkcs11::store(&key.name, token, &locate(&token.pin)?)?,
    };
    Ok(Box::new(Awaited { key: key.name.to_string(), store }))
}

/// The files of a key that this process reads itself.
///
/// # Errors
/// A systemd credential where there are none.
pub(crate) fn key_files(key: &Key, credentials_directory: Option<&Path>) -> Result<Vec<PathBuf>, LoadError> {
    let locate = |source: &FileSource| source.locate(credentials_directory);
    Ok(match &key.store {
        settings::KeyStore::Sealed { file, identity, .. } => vec![file.clone(), locate(identity)?],
        settings::KeyStore::File(source) => vec![locate(source)?],
        settings::KeyStore::Process(_) | settings::KeyStore::Aws(_) | settings::KeyStore::Pkcs11(_) => Vec::new(),
    })
}

/// Whether a process has to be started for a key.
pub(crate) fn needs_process(key: &Key, credentials_directory: Option<&Path>) -> bool {
    match &key.store {
        settings::KeyStore::Sealed { identity, .. } => {
            identity.locate(credentials_directory).is_ok_and(|identity| names_plugin(&identity))
        }
        settings::KeyStore::File(_) => false,
        settings::KeyStore::Process(_) | settings::KeyStore::Aws(_) | settings::KeyStore::Pkcs11(_) => true,
    }
}

/// A native identity opens the file in this process; an agent opens it with an identity of an age plugin.
fn sealed_store(
    file: &Path,
    identity: PathBuf,
    environment: &[String],
    timeout: Duration,
) -> Result<Box<dyn KeyStore>, LoadError> {
    if !names_plugin(&identity) {
        return Ok(Box::new(SealedFile::new(file.to_owned(), identity)));
    }
    let key = PluginKey { file: absolute(file), identity: absolute(&identity), timeout };
    Ok(Box::new(AgentStore::start(key, plugin::environment(passed_on(environment)))?))
}

fn process_store(store: &ProcessStore) -> Result<AgentStore, LoadError> {
    let ProcessStore { command, environment, timeout, refresh } = store;
    let (path, arguments) = match command.split_first() {
        Some((path, arguments)) => (path.clone(), arguments.to_vec()),
        // the configuration's reader refuses an empty command
        None => (String::new(), Vec::new()),
    };
    let program = Program { path, arguments, timeout: *timeout, refresh: *refresh };
    Ok(AgentStore::start(program, passed_on(environment))?)
}
