//! From a `[key.NAME]` to its live store.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::aws_keys;
use super::pkcs11_keys;
use super::worker::signature_method;
use crate::clock;
use crate::config::settings::{self, Key, Name, ProcessStore, Route};
use crate::credentials::identity::names_plugin;
use crate::credentials::plugin::{self, PluginKey};
use crate::credentials::process::Program;
use crate::credentials::{
    AgentStore, FileSource, KeySlot, KeyStore, LoadError, LoadErrorKind, Order, PlainFile, SealedFile, SignatureMethod,
    StoreError,
};

/// The store that a `[key.NAME]` describes. `credentials_directory` is systemd's `$CREDENTIALS_DIRECTORY`.
///
/// For a store that needs a process of its own this starts the process: call it once for each key, before the program confines
/// itself.
///
/// # Errors
/// A systemd credential where there are none; a process that cannot be started.
pub fn key_store(key: &Key, credentials_directory: Option<&Path>) -> Result<Box<dyn KeyStore>, LoadError> {
    let locate = |source: &settings::FileSource| file_source(source).locate(credentials_directory);
    Ok(match &key.store {
        settings::KeyStore::Sealed { file, identity, environment, timeout } => {
            sealed_store(file, locate(identity)?, environment, *timeout)?
        }
        settings::KeyStore::File(source) => Box::new(PlainFile::new(locate(source)?)),
        settings::KeyStore::Process(process) => Box::new(process_store(process)?),
        settings::KeyStore::Aws(store) => aws_keys::store(store)?,
        settings::KeyStore::Pkcs11(token) => pkcs11_keys::store(&key.name, token, &locate(&token.pin)?)?,
    })
}

/// The files of a key that this process reads itself.
///
/// # Errors
/// A systemd credential where there are none.
pub(super) fn key_files(key: &Key, credentials_directory: Option<&Path>) -> Result<Vec<PathBuf>, LoadError> {
    let locate = |source: &settings::FileSource| file_source(source).locate(credentials_directory);
    Ok(match &key.store {
        settings::KeyStore::Sealed { file, identity, .. } => vec![file.clone(), locate(identity)?],
        settings::KeyStore::File(source) => vec![locate(source)?],
        settings::KeyStore::Process(_) | settings::KeyStore::Aws(_) | settings::KeyStore::Pkcs11(_) => Vec::new(),
    })
}

/// Whether a key comes from a process that is started for it.
pub(super) fn needs_process(key: &Key, credentials_directory: Option<&Path>) -> bool {
    match &key.store {
        settings::KeyStore::Sealed { identity, .. } => {
            file_source(identity).locate(credentials_directory).is_ok_and(|identity| names_plugin(&identity))
        }
        settings::KeyStore::File(_) => false,
        settings::KeyStore::Process(_) | settings::KeyStore::Aws(_) | settings::KeyStore::Pkcs11(_) => true,
    }
}

/// A route asks for a MAC that its key, as its token made it, is not for.
#[derive(Debug, Error)]
#[error("it does not compute {}, which `profile.signature_method` of route.{route} asks for", .method.as_str())]
struct WrongMethod {
    route: Name,
    method: SignatureMethod,
}

impl StoreError for WrongMethod {
    fn kind(&self) -> LoadErrorKind {
        LoadErrorKind::Invalid
    }
}

/// Whether a route's key, if there is one already, computes what the route asks for.
///
/// # Errors
/// It does not.
pub(super) fn check_method(route: &Route, key: &KeySlot) -> Result<(), LoadError> {
    let method = signature_method(route.profile.signature_method);
    match key.current(clock::now()) {
        Ok(key) if !key.signing_key().computes(method) => Err(WrongMethod { route: route.name.clone(), method }.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn file_source(source: &settings::FileSource) -> FileSource {
    match source {
        settings::FileSource::Path(path) => FileSource::Path(path.clone()),
        settings::FileSource::SystemdCredential(name) => FileSource::SystemdCredential(name.clone()),
    }
}

/// A native identity opens its file here; one that an age plugin has, in an agent.
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
    Ok(Box::new(AgentStore::start(Order::Plugin(key), plugin::environment(passed_on(environment)))?))
}

fn process_store(store: &ProcessStore) -> Result<AgentStore, LoadError> {
    let ProcessStore { command, environment, timeout, refresh } = store;
    let (path, arguments) = match command.split_first() {
        Some((path, arguments)) => (path.clone(), arguments.to_vec()),
        // the configuration's reader lets none pass
        None => (String::new(), Vec::new()),
    };
    let program = Program { path, arguments, timeout: *timeout, refresh: *refresh };
    Ok(AgentStore::start(Order::Process(program), passed_on(environment))?)
}

/// An agent works in another directory than ours.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Those of our variables that an agent sees.
pub(super) fn passed_on(names: &[String]) -> Vec<(OsString, OsString)> {
    names.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect()
}
