//! The keys of a graph: loaded where they are new, as they were where nothing changed, proven where their routes have a probe.

use std::path::Path;
use std::sync::Arc;

use super::error::BuildError;
use super::key_stores::key_store;
use super::probe::{Probe, Probes};
use super::shared_route::SharedRoute;
use crate::clock;
use crate::config::settings::{Key, Name, Settings};
use crate::credentials::{KeySlot, KeyStore, LoadError, LoadErrorKind, RefreshOutcome, WatchedKey};
use crate::secret_file::directory_of;
use crate::telemetry::record::causes;

/// What a key is that is not there just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No reason not to start: it may come.
    MayCome,
    /// A reason to go on with the configuration there was, which has its keys.
    Fault,
}

/// Whether a key has to be proven before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequiredProof {
    None,
    Probe,
}

/// The slots of all keys, those that are `known` and new ones, and what the new ones are loaded from.
pub(crate) fn keys(
    settings: &Settings,
    credentials_directory: Option<&Path>,
    missing: Missing,
    known: impl Fn(&Key) -> Option<Arc<KeySlot>>,
    errors: &mut Vec<BuildError>,
) -> (Vec<Arc<KeySlot>>, Vec<WatchedKey>) {
    let (mut slots, mut new_keys) = (Vec::new(), Vec::new());
    for key in &settings.keys {
        if let Some(slot) = known(key) {
            slots.push(slot);
            continue;
        }
        match load_key(key, credentials_directory, missing, required_proof(settings, key)) {
            Ok(key) => {
                slots.push(Arc::clone(&key.slot));
                new_keys.push(key);
            }
            Err(source) => errors.push(BuildError::Key { name: key.name.clone(), source }),
        }
    }
    (slots, new_keys)
}

/// From now on these keys have to pass the probes of the routes that they sign for.
pub(crate) fn attach_probes<'k>(
    settings: &Settings,
    routes: &[SharedRoute],
    keys: impl IntoIterator<Item = &'k Arc<KeySlot>>,
) {
    for slot in keys {
        let routes = settings.routes.iter().zip(routes).filter(|(_, shared)| Arc::ptr_eq(&shared.key, slot));
        let probes = routes.filter_map(|(route, shared)| Probe::of(route, shared));
        slot.set_proof(Probes::all(probes.collect()));
    }
}

/// Proves the keys that a reload brings, while those there were still serve.
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

fn required_proof(settings: &Settings, key: &Key) -> RequiredProof {
    let probed = settings.routes.iter().any(|route| route.key == key.name && route.probe.is_some());
    if probed { RequiredProof::Probe } else { RequiredProof::None }
}

fn load_key(
    key: &Key,
    credentials_directory: Option<&Path>,
    missing: Missing,
    proof: RequiredProof,
) -> Result<WatchedKey, LoadError> {
    let store = key_store(key, credentials_directory)?;
    let slot = Arc::new(KeySlot::new(key.name.as_str()));
    let loaded = match proof {
        RequiredProof::None => slot.refresh(store.as_ref()).map(drop),
        // nothing is called before the process is confined: the key's own thread begins with the proof
        RequiredProof::Probe => store.load().map(drop),
    };
    let may_come = |error: &LoadError| {
        missing == Missing::MayCome && error.kind() == LoadErrorKind::Unavailable && can_come(store.as_ref())
    };
    match loaded {
        Ok(()) => {}
        Err(error) if may_come(&error) => slot.set_trouble(Some(causes(&error))),
        Err(error) => return Err(error),
    }
    Ok(WatchedKey { slot, store })
}

/// Whether a key that is not there may be there later. A directory that is not there when the process confines itself cannot
/// be read afterwards.
fn can_come(store: &dyn KeyStore) -> bool {
    store.watched().iter().all(|file| directory_of(file).is_dir())
}
