//! Opens a sealed file with the plugins that its identity file names, in the one-shot process.

use std::env;
use std::fmt;
use std::io;
use std::iter;
use std::path::Path;

use age::DecryptError;
use age::plugin::{Identity, IdentityPluginV1, ResolveError};
use zeroize::Zeroizing;

use super::no_operator::NoOperator;
use super::trusted_program;
use super::{PluginError, PluginKey, program};
use crate::credentials::identity::Identities;
use crate::credentials::program::redaction::redacted;
use crate::credentials::stores::sealed::{OpenError, SealedError, decrypt, decryptor, explain, open_stream};
use crate::guarded_file;

/// The key's JSON, as it was sealed.
///
/// # Errors
/// [`PluginError`].
pub fn obtain(key: &PluginKey) -> Result<Zeroizing<Vec<u8>>, PluginError> {
    let sealed = guarded_file::read_secret(&key.file).map_err(SealedError::File)?;
    let identities = Identities::read(&key.identity).map_err(SealedError::Identity)?;
    match decrypt(&sealed, &identities) {
        Ok(document) => return Ok(document),
        Err(OpenError::OtherRecipient) if !identities.of_plugins().is_empty() => {}
        Err(error) => return Err(not_opened(&key.file, error)),
    }
    // checked here, because the age crate does not report this error
    drop(tempfile::tempdir().map_err(PluginError::NoPlace)?);
    let names = names(identities.of_plugins());
    let mut refused = None;
    for name in &names {
        match ask(name, &identities, &sealed, key) {
            Ok(Some(document)) => return Ok(document),
            Ok(None) => {}
            // another plugin may open the file; if none does, the first error is reported
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let programs = names.iter().map(|name| program(name)).collect::<Vec<_>>().join(", ");
    let none_fits = || PluginError::NoneFits { file: key.file.clone(), identity: key.identity.clone(), programs };
    Err(refused.unwrap_or_else(none_fits))
}

fn not_opened(file: &Path, source: OpenError) -> PluginError {
    SealedError::Open { path: file.to_owned(), source }.into()
}

/// The name of each plugin once, in order.
fn names(identities: &[Identity]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for identity in identities {
        if !names.contains(&identity.plugin()) {
            names.push(identity.plugin());
        }
    }
    names
}

/// Opens the file with all identities of a plugin; `None` if none of them fits.
fn ask(
    name: &str,
    identities: &Identities,
    sealed: &[u8],
    key: &PluginKey,
) -> Result<Option<Zeroizing<Vec<u8>>>, PluginError> {
    trusted_program::check(&program(name)).map_err(|source| PluginError::Guarded { program: program(name), source })?;
    let operator = NoOperator::default();
    let plugin = IdentityPluginV1::new(name, identities.of_plugins(), operator.clone());
    let plugin = plugin.map_err(|error| unresolved(error, &key.identity))?;
    let decryptor = decryptor(sealed).map_err(|error| not_opened(&key.file, error))?;
    match decryptor.decrypt(iter::once(&plugin as &dyn age::Identity)) {
        Ok(plaintext) => open_stream(plaintext).map(Some).map_err(|error| not_opened(&key.file, error)),
        Err(error) => match (operator.question(), refused(&error, program(name), key)) {
            (Some(question), _) => Err(PluginError::Asks { program: program(name), question }),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        },
    }
}

/// The error for a plugin that cannot be found.
fn unresolved(error: ResolveError, identity: &Path) -> PluginError {
    let identity = identity.to_owned();
    match error {
        ResolveError::MissingPlugin { binary_name } => {
            let path = env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned();
            PluginError::Missing { program: binary_name, identity, path }
        }
        ResolveError::InvalidPluginName { .. } => PluginError::NoName(identity),
        // the enum may grow
        _ => PluginError::NoName(identity),
    }
}

/// Why a plugin did not open a file; `None` if the file is not sealed to it.
fn refused(error: &DecryptError, program: String, key: &PluginKey) -> Option<PluginError> {
    let file = key.file.clone();
    if let DecryptError::NoMatchingKeys = error {
        return None;
    }
    if let DecryptError::Plugin(errors) = error {
        return Some(PluginError::Refused { program, file, told: told(errors) });
    }
    // the file is in memory, so an I/O error is about the plugin
    if let DecryptError::Io(error) = error {
        let garbled = error.kind() == io::ErrorKind::InvalidData;
        return Some(if garbled { PluginError::Garbled { program } } else { PluginError::Ended { program, file } });
    }
    Some(not_opened(&file, explain(error)))
}

/// The errors that a plugin reports, redacted.
pub(in crate::credentials) fn told(errors: &[impl fmt::Display]) -> String {
    errors.iter().map(|error| redacted(&error.to_string())).collect::<Vec<_>>().join("; ")
}
