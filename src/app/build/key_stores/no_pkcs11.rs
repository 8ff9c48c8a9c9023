//! Keys in tokens, in a program that was built without them.

use std::path::Path;

use crate::config::settings::{Name, Pkcs11Store};
use crate::credentials::{AgentError, KeyStore, LoadError, LoadErrorKind};

/// Refuses such a key.
pub(super) fn store(_name: &Name, _store: &Pkcs11Store, _pin: &Path) -> Result<Box<dyn KeyStore>, LoadError> {
    let text = "this countersign was built without the feature `pkcs11`, which keys in tokens need".to_owned();
    Err(AgentError::Store { kind: LoadErrorKind::Invalid, text }.into())
}
