//! The keys that clients have, and what is wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::BuildError;
use super::shared_key::SharedKey;
use crate::clock;
use crate::config::settings::{Name, Settings};
use crate::credentials::KeySlot;
use crate::proxy::IssuedKeys;

/// The keys that the clients of `settings` have. A key that did not load is missing here, and reported elsewhere.
pub(super) fn issued_keys(
    settings: &Settings,
    keys: &BTreeMap<Name, SharedKey>,
    errors: &mut Vec<BuildError>,
) -> IssuedKeys {
    let names = settings.clients.iter().flat_map(|client| &client.identifiers.issued_keys);
    let slots: Vec<&Arc<KeySlot>> =
        names.filter_map(|name| Some(&keys.iter().find(|(key, _)| key.as_str() == name)?.1.slot)).collect();
    let is_issued = |slot: &Arc<KeySlot>| slots.iter().any(|issued| Arc::ptr_eq(issued, slot));
    let clouds: Vec<Arc<KeySlot>> =
        keys.values().map(|key| &key.slot).filter(|slot| !is_issued(slot)).map(Arc::clone).collect();
    let now = clock::now();
    for (nth, slot) in slots.iter().enumerate() {
        let Ok(key) = slot.current(now) else { continue };
        let name = slot.name().to_owned();
        if key.session_token().is_some() {
            errors.push(BuildError::IssuedWithToken { name: name.clone() });
        }
        if let Some(other) = clouds.iter().find(|other| other.has_id(key.id().as_str())) {
            errors.push(BuildError::IssuedSigns { name: name.clone(), other: other.name().to_owned() });
        }
        if let Some(other) = slots.iter().take(nth).find(|other| other.has_id(key.id().as_str())) {
            errors.push(BuildError::IssuedTwice { name, other: other.name().to_owned() });
        }
    }
    IssuedKeys::new(slots.into_iter().map(Arc::clone).collect(), clouds)
}
