//! Keys in tokens: from the words of the configuration to those of the store.

use std::path::Path;

use super::agent_inputs::{absolute, passed_on};
use crate::config::settings::{self, Name, Pkcs11Store, TokenUri};
use crate::credentials::pkcs11::{ReadableSecret, TokenAddress, TokenKey, TokenStore};
use crate::credentials::{AccessKeyId, AgentError, KeyStore, LoadError, LoadErrorKind};

/// Starts the store's agent.
pub(super) fn store(name: &Name, store: &Pkcs11Store, pin: &Path) -> Result<Box<dyn KeyStore>, LoadError> {
    let id = AccessKeyId::parse(&store.access_key_id).ok_or_else(|| AgentError::Store {
        kind: LoadErrorKind::Invalid,
        text: "access_key_id is not 1 to 256 bytes of text without control characters".to_owned(),
    })?;
    let readable = match store.readable {
        settings::ReadableSecret::Refuse => ReadableSecret::Refuse,
        settings::ReadableSecret::DangerAllow => ReadableSecret::DangerAllow,
    };
    let key = TokenKey {
        module: absolute(&store.module),
        address: address(&store.uri),
        pin: absolute(pin),
        sessions: store.sessions,
        max_message: store.max_message,
        readable,
    };
    let limits = (store.queue, store.deadline);
    Ok(Box::new(TokenStore::start(name.as_str(), id, key, limits, passed_on(&store.environment))?))
}

/// The token and the key that a URI means.
#[must_use]
pub(crate) fn address(uri: &TokenUri) -> TokenAddress {
    TokenAddress {
        token: uri.token.clone(),
        manufacturer: uri.manufacturer.clone(),
        model: uri.model.clone(),
        serial: uri.serial.clone(),
        slot: uri.slot,
        object: uri.object.clone(),
        id: uri.id.clone(),
    }
}
