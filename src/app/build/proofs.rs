//! What a new key has to be able to do before it is used, and by which routes' probes it is proven.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::BuildError;
use super::key_needs::needs;
use super::probe::{Probe, Probes};
use super::shared_route::SharedRoute;
use crate::clock;
use crate::config::settings::Name;
use crate::credentials::{KeySlot, RefreshOutcome, WatchedKey};

/// From now on these keys have to fit the routes that they sign for, and to pass their probes.
pub(crate) fn attach_conditions<'k>(
    routes: &BTreeMap<Name, SharedRoute>,
    keys: impl IntoIterator<Item = &'k Arc<KeySlot>>,
) {
    for slot in keys {
        let signs_for = || routes.values().filter(|route| Arc::ptr_eq(&route.key, slot));
        slot.set_needs(signs_for().map(|route| needs(&route.settings)).collect());
        slot.set_proof(Probes::all(signs_for().filter_map(Probe::of).collect()));
    }
}

/// Proves the keys that are new in a reload, while the previous ones still sign.
pub(crate) fn prove(keys: &[WatchedKey]) -> Result<(), Vec<BuildError>> {
    let mut errors = Vec::new();
    for key in keys.iter().filter(|key| key.slot.has_proof()) {
        let source = match key.slot.renew(key.store.as_ref(), clock::now()) {
            Ok(RefreshOutcome::Changed | RefreshOutcome::Unchanged) => continue,
            Ok(RefreshOutcome::Waiting(waiting)) => waiting.into(),
            Err(error) => error,
        };
        errors.extend(Name::parse(key.slot.name()).map(|name| BuildError::Key { name, source }));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
