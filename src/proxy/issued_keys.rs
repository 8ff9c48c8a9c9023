//! The keys that were issued to clients: which of them has an id.

use std::sync::Arc;

use jiff::Timestamp;

use crate::credentials::{ActiveKey, KeySlot, SigningKey};

/// The keys that were issued to clients, as all workers share them. Each is in a slot, so that one that is replaced in
/// its store is replaced here.
pub struct IssuedKeys {
    issued: Vec<Arc<KeySlot>>,
    /// All other keys: whoever has the secret of one of them is no client, but whom the secret was kept from.
    clouds: Vec<Arc<KeySlot>>,
}

/// An issued key, for one request.
pub(super) struct IssuedKey<'k> {
    /// The name of its table, by which its client is found.
    pub(super) name: &'k str,
    key: Arc<ActiveKey>,
}

impl IssuedKeys {
    /// The keys in the slots that are `issued`, and the others.
    #[must_use]
    pub const fn new(issued: Vec<Arc<KeySlot>>, clouds: Vec<Arc<KeySlot>>) -> Self {
        Self { issued, clouds }
    }

    /// The key with this id, at `now`. There is none where two slots have the id: it would be two clients, or a cloud's
    /// key.
    ///
    /// Ids are compared in whatever time it takes, since they are not secret.
    pub(super) fn find(&self, id: &str, now: Timestamp) -> Option<IssuedKey<'_>> {
        let mut with_id = self.issued.iter().filter(|slot| slot.has_id(id));
        let slot = with_id.next()?;
        if with_id.next().is_some() || self.clouds.iter().any(|slot| slot.has_id(id)) {
            return None;
        }
        // a refresh may have replaced it in between
        let key = slot.current(now).ok().filter(|key| key.id().as_str() == id)?;
        // a session token belongs to a cloud's temporary credentials, which countersign does not issue
        let is_ours = key.session_token().is_none() && key.signing_key().held().is_some();
        is_ours.then(|| IssuedKey { name: slot.name(), key })
    }
}

impl IssuedKey<'_> {
    /// The id.
    pub(super) fn id(&self) -> &str {
        self.key.id().as_str()
    }

    /// What verifies its signatures; `None` for a key in a device, which [`IssuedKeys::find`] does not return.
    pub(super) fn verifier(&self) -> Option<&SigningKey> {
        self.key.signing_key().held()
    }
}
