//! Which keys have to be proven before they are used, and by which routes' probes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::BuildError;
use super::probe::{Probe, Probes};
use super::shared_route::SharedRoute;
use crate::clock;
use crate::config::settings::Name;
use crate::credentials::{KeySlot, RefreshOutcome, WatchedKey};

/// From now on these keys have to pass the probes of the routes that they sign for.
pub(crate) fn attach_probes<'k>(
    routes: &BTreeMap<Name, SharedRoute>,
    keys: impl IntoIterator<Item = &'k Arc<KeySlot>>,
) {
    for slot in keys {
        let probes = routes.values().filter(|route| Arc::ptr_eq(&route.key, slot)).filter_map(Probe::of);
        slot.set_proof(Probes::all(probes.collect()));
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
