//! Keys in tokens.

use std::path::Path;

use super::agent_inputs::{absolute, passed_on};
use crate::config::settings::{Name, Pkcs11Store};
use crate::credentials::pkcs11::{TokenKey, TokenStore};
use crate::credentials::{KeyStore, LoadError};

/// Starts the agent of the store.
pub(super) fn store(name: &Name, store: &Pkcs11Store, pin: &Path) -> Result<Box<dyn KeyStore>, LoadError> {
    let key = TokenKey {
        module: absolute(&store.module),
        address: store.address.clone(),
        pin: absolute(pin),
        sessions: store.sessions,
        max_message: store.max_message,
        readable: store.readable,
    };
    let limits = (store.queue, store.deadline);
    Ok(Box::new(TokenStore::start(
        name.as_str(),
        store.access_key_id.clone(),
        key,
        limits,
        passed_on(&store.environment),
    )?))
}
