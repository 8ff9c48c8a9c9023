//! Keys in the report.

use jiff::Timestamp;

use super::{seconds_until, shown};
use crate::app::build::graph::Graph;
use crate::app::serve::key_reports::why_unusable;
use crate::config::settings;
use crate::credentials::{KeySlot, StoreKind};
use crate::status::{Key, KeyState};

/// All keys, by name.
pub(super) fn keys(graph: &Graph, now: Timestamp) -> Vec<Key> {
    graph.keys_with_settings().map(|(settings, slot)| key(settings, slot, now)).collect()
}

fn key(settings: &settings::Key, slot: &KeySlot, now: Timestamp) -> Key {
    let trouble = slot.trouble().map(|trouble| trouble.to_string());
    let (state, trouble) = match (why_unusable(slot), trouble) {
        (Some(why), None) => (KeyState::Unusable, Some(why)),
        (Some(why), Some(trouble)) => (KeyState::Unusable, Some(format!("{why}: {trouble}"))),
        (None, Some(trouble)) => (KeyState::Degraded, Some(trouble)),
        (None, None) => (KeyState::Usable, None),
    };
    let expiration = slot.expiration();
    Key {
        name: slot.name().to_owned(),
        store: store_kind(&settings.store).to_string(),
        id: slot.id(),
        generation: slot.generation(),
        state,
        trouble,
        expires_at: expiration.map(shown),
        expires_in_seconds: expiration.map(|at| seconds_until(at, now)),
    }
}

const fn store_kind(store: &settings::KeyStore) -> StoreKind {
    match store {
        settings::KeyStore::Sealed { .. } => StoreKind::Sealed,
        settings::KeyStore::File(_) => StoreKind::File,
        settings::KeyStore::Process(_) => StoreKind::Process,
        settings::KeyStore::Aws(_) => StoreKind::Aws,
        settings::KeyStore::Pkcs11(_) => StoreKind::Pkcs11,
    }
}
