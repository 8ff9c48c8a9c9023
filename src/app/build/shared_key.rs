//! Keys as all workers share them: loaded when they are new or have changed, kept otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::error::BuildError;
use super::key_needs::needs;
use super::key_stores::key_store;
use crate::clock;
use crate::config::settings::{Key, Name, Settings};
use crate::credentials::{
    KeySlot, KeyStore, KeyUnavailable, LoadError, LoadErrorKind, RouteNeeds, StoreError, Waiting, WatchedKey, misfits,
};
use crate::error_chain::causes;
use crate::guarded_file::directory_of;

/// One key as all workers share it.
pub(crate) struct SharedKey {
    pub(crate) settings: Key,
    pub(crate) slot: Arc<KeySlot>,
}

/// All keys of a graph.
pub(crate) struct LoadedKeys {
    pub(crate) all: BTreeMap<Name, SharedKey>,
    /// Those that no graph had before, with the stores they are loaded from.
    pub(crate) new: Vec<WatchedKey>,
}

/// What it means that a store has no key at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AbsentKey {
    /// At a start: the key may come later, and its requests are answered with 503 until then.
    MayCome,
    /// On a reload: a fault, since the configuration that is served has its keys.
    IsAFault,
}

/// Whether a key has to be proven before it is used, and what it has to be able to do then.
enum RequiredProof {
    None,
    Probe(Vec<RouteNeeds>),
}

impl LoadedKeys {
    /// Loads the keys of `settings`, except those that are in `before` with the same settings: they are watched
    /// already.
    pub(crate) fn load(
        settings: &Settings,
        credentials_directory: Option<&Path>,
        absent: AbsentKey,
        before: Option<&BTreeMap<Name, SharedKey>>,
        errors: &mut Vec<BuildError>,
    ) -> Self {
        let (mut all, mut new) = (BTreeMap::new(), Vec::new());
        for key in &settings.keys {
            let known = before.and_then(|before| before.get(&key.name)).filter(|known| known.settings == *key);
            let slot = match known {
                Some(known) => Arc::clone(&known.slot),
                None => match load_key(key, credentials_directory, absent, required_proof(settings, key)) {
                    Ok(watched) => {
                        let slot = Arc::clone(&watched.slot);
                        new.push(watched);
                        slot
                    }
                    Err(faults) => {
                        let name = || key.name.clone();
                        errors.extend(faults.into_iter().map(|source| BuildError::Key { name: name(), source }));
                        continue;
                    }
                },
            };
            all.insert(key.name.clone(), SharedKey { settings: key.clone(), slot });
        }
        Self { all, new }
    }
}

fn required_proof(settings: &Settings, key: &Key) -> RequiredProof {
    let routes = || settings.routes.iter().filter(|route| route.key == key.name);
    let probed = routes().any(|route| route.probe.is_some());
    if probed { RequiredProof::Probe(routes().map(needs).collect()) } else { RequiredProof::None }
}

fn load_key(
    key: &Key,
    credentials_directory: Option<&Path>,
    absent: AbsentKey,
    proof: RequiredProof,
) -> Result<WatchedKey, Vec<LoadError>> {
    let store = key_store(key, credentials_directory).map_err(|error| vec![error])?;
    let slot = Arc::new(KeySlot::new(key.name.as_str()));
    let loaded = match proof {
        // whether it fits is found out when its routes are built
        RequiredProof::None => slot.refresh(store.as_ref()).and_then(|_loaded| refuse_expired(&slot, absent)),
        // no endpoint is called before the process is confined: the thread of the key begins with the proof
        RequiredProof::Probe(needs) => match store.load() {
            Ok(key) => {
                let misfits = misfits(&key, &needs);
                if !misfits.is_empty() {
                    return Err(misfits.into_iter().map(LoadError::from).collect());
                }
                if key.is_expired(clock::now()) { Err(Waiting::Expired.into()) } else { Ok(()) }
            }
            Err(error) => Err(error),
        },
    };
    let may_come = |error: &LoadError| {
        absent == AbsentKey::MayCome && error.kind() == LoadErrorKind::Unavailable && can_come(store.as_ref())
    };
    match loaded {
        Ok(()) => {}
        Err(error) => {
            let others = also_missing(store.as_ref(), &error);
            if !may_come(&error) {
                return Err(std::iter::once(error).chain(others.into_iter().map(LoadError::from)).collect());
            }
            let all = std::iter::once(causes(&error)).chain(others.iter().map(|other| causes(other)));
            slot.set_trouble(Some(all.collect::<Vec<_>>().join("; ")));
        }
    }
    Ok(WatchedKey { slot, store })
}

/// An expired key is like one that is absent. At a start, the slot keeps it, and says that it has expired.
fn refuse_expired(slot: &KeySlot, absent: AbsentKey) -> Result<(), LoadError> {
    match (absent, slot.check(clock::now())) {
        (AbsentKey::IsAFault, Err(KeyUnavailable::Expired)) => Err(Waiting::Expired.into()),
        (AbsentKey::MayCome | AbsentKey::IsAFault, _) => Ok(()),
    }
}

/// Another file of a store that could not be loaded: loading ends at the first fault.
#[derive(Debug, Error)]
#[error("cannot read {}", .path.display())]
struct MissingFile {
    path: PathBuf,
    source: io::Error,
}

impl StoreError for MissingFile {
    fn kind(&self) -> LoadErrorKind {
        LoadErrorKind::Unavailable
    }
}

/// The files of a store that are not there, beside the one that `first` names.
fn also_missing(store: &dyn KeyStore, first: &LoadError) -> Vec<MissingFile> {
    let told = causes(first);
    let names = |path: &Path| told.contains(&*path.to_string_lossy());
    // a directory that is not there may stand in the place of the file
    let is_told = |path: &Path| {
        let directory = directory_of(path);
        names(path) || (!directory.is_dir() && names(&directory))
    };
    let others = store.watched().into_iter().filter(|path| !is_told(path));
    others.filter_map(|path| fs::metadata(&path).err().map(|source| MissingFile { path, source })).collect()
}

/// Whether an absent key can be loaded later. A directory that does not exist when the process confines itself cannot
/// be read afterwards.
fn can_come(store: &dyn KeyStore) -> bool {
    store.watched().iter().all(|file| directory_of(file).is_dir())
}
