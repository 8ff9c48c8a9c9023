//! Sealing to the recipients of plugins: the plugin itself wraps the file's key.

use std::env;

use age::plugin::{Identity, Recipient as PluginRecipient, RecipientPluginV1, ResolveError};

use thiserror::Error;

use super::no_operator::NoOperator;
use super::trusted_program;
use crate::credentials::identity::Recipient;
use crate::credentials::program::AGEDEBUG;
use crate::guarded_file::GuardError;

/// Why a key cannot be sealed to the recipients of a plugin.
#[derive(Debug, Error)]
pub enum RecipientError {
    /// A recipient's plugin is not installed.
    #[error("the program {0} is in no directory of PATH: install the age plugin to seal to its recipients")]
    NoPlugin(String),
    /// Others can write or replace the plugin, which would see the key of the file.
    #[error("{program} is not started")]
    Guarded {
        /// `age-plugin-NAME`.
        program: String,
        /// Why not.
        source: GuardError,
    },
    /// age would print the key of the file.
    #[error("AGEDEBUG is set, with which age shows the keys of files on standard error: unset it")]
    Debugged,
}

/// The wrappers of a file's key for all of `recipients`: one for each native recipient, and one for each plugin.
pub(in crate::credentials) fn wrappers(
    recipients: &[Recipient],
) -> Result<Vec<Box<dyn age::Recipient>>, RecipientError> {
    let mut wrappers: Vec<Box<dyn age::Recipient>> = Vec::new();
    let (mut public, mut identities): (Vec<PluginRecipient>, Vec<Identity>) = (Vec::new(), Vec::new());
    let mut names: Vec<&str> = Vec::new();
    for recipient in recipients {
        let name = match recipient {
            Recipient::Native(native) => {
                wrappers.push(Box::new(native.clone()));
                continue;
            }
            Recipient::Plugin(recipient) => {
                public.push(recipient.clone());
                recipient.plugin()
            }
            Recipient::OfPluginIdentity(identity) => {
                identities.push(identity.clone());
                identity.plugin()
            }
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if !names.is_empty() && env::var_os(AGEDEBUG).is_some() {
        return Err(RecipientError::Debugged);
    }
    for name in names {
        let program = super::program(name);
        trusted_program::check(&program).map_err(|source| RecipientError::Guarded { program, source })?;
        let plugin = RecipientPluginV1::new(name, &public, &identities, NoOperator::default());
        wrappers.push(Box::new(plugin.map_err(|error| unresolved(&error))?));
    }
    Ok(wrappers)
}

fn unresolved(error: &ResolveError) -> RecipientError {
    match error {
        ResolveError::MissingPlugin { binary_name } => RecipientError::NoPlugin(binary_name.clone()),
        ResolveError::InvalidPluginName { name } => RecipientError::NoPlugin(super::program(name)),
        // the enum may grow
        _ => RecipientError::NoPlugin(super::program("")),
    }
}
