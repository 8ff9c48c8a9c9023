//! The current key: every request reads it without a lock, and a refresh replaces it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use thiserror::Error;

use super::access_key::ActiveKey;
use super::fit::{Misfit, RouteNeeds, misfits};
use super::proof::{Proof, Unproven};
use super::secret::SessionToken;
use super::store::{KeyStore, LoadError, LoadErrorKind, StoreError};

/// Why there is no key to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyUnavailable {
    /// No key was ever loaded.
    #[error("the key is not loaded")]
    NotLoaded,
    /// It has expired, and no newer key was loaded.
    #[error("the key has expired")]
    Expired,
}

/// The outcome of a successful refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The store has the same key.
    Unchanged,
    /// The store has another key, which is current from now on.
    Changed,
    /// The store has another key, which is not used yet; the previous key stays current.
    Waiting(Waiting),
}

/// Why a key that was loaded is not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Waiting {
    /// It has expired, and the current one has not.
    #[error("the key in the store has expired already")]
    Expired,
    /// The endpoint has not accepted it yet.
    #[error("the key in the store is not proven")]
    Unproven(#[source] Unproven),
    /// It cannot sign for a route that it is for.
    #[error(transparent)]
    Misfit(Misfit),
}

impl StoreError for Waiting {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Expired | Self::Unproven(_) => LoadErrorKind::Unavailable,
            Self::Misfit(misfit) => misfit.kind(),
        }
    }
}

/// The current key of one `[key.NAME]`.
pub struct KeySlot {
    name: String,
    current: ArcSwapOption<ActiveKey>,
    generation: AtomicU64,
    trouble: ArcSwapOption<String>,
    proof: ArcSwapOption<Box<dyn Proof>>,
    needs: ArcSwap<Vec<RouteNeeds>>,
}

impl KeySlot {
    /// A slot without a key.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            current: ArcSwapOption::const_empty(),
            generation: AtomicU64::new(0),
            trouble: ArcSwapOption::const_empty(),
            proof: ArcSwapOption::const_empty(),
            needs: ArcSwap::default(),
        }
    }

    /// The name the configuration gives the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many keys have been current here, the present one included: 0 means none was ever loaded.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The key to sign with at `now`. Never waits and never loads; an expired key is never returned.
    ///
    /// # Errors
    /// [`KeyUnavailable`].
    pub fn current(&self, now: Timestamp) -> Result<Arc<ActiveKey>, KeyUnavailable> {
        let key = self.current.load_full().ok_or(KeyUnavailable::NotLoaded)?;
        if key.is_expired(now) { Err(KeyUnavailable::Expired) } else { Ok(key) }
    }

    /// Whether the current key has this id.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        self.current.load().as_ref().is_some_and(|key| key.id().as_str() == id)
    }

    /// The id of the key that was loaded last, even if it has expired; `None` before the first.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.current.load().as_ref().map(|key| key.id().as_str().to_owned())
    }

    /// When the key that was loaded last stops working, even if it has; `None` without an end, and without a key.
    #[must_use]
    pub fn expiration(&self) -> Option<Timestamp> {
        self.current.load().as_ref().and_then(|key| key.expiration())
    }

    /// Checks whether there is a key that has not expired at `now`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn check(&self, now: Timestamp) -> Result<(), KeyUnavailable> {
        // only borrowed: a clone would write the reference count, whose cache line all workers share
        let key = self.current.load();
        let key = key.as_ref().ok_or(KeyUnavailable::NotLoaded)?;
        if key.is_expired(now) { Err(KeyUnavailable::Expired) } else { Ok(()) }
    }

    /// Why the last load failed, or why its key is not used; `None` if it succeeded. Without secrets.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.trouble.load_full()
    }

    /// Sets what [`Self::trouble`] returns.
    pub fn set_trouble(&self, trouble: Option<String>) {
        self.trouble.store(trouble.map(Arc::new));
    }

    /// Sets the proof that a new key must pass from now on before it becomes current.
    pub fn set_proof(&self, proof: Option<Box<dyn Proof>>) {
        self.proof.store(proof.map(Arc::new));
    }

    /// Whether a new key must pass a proof.
    #[must_use]
    pub fn has_proof(&self) -> bool {
        self.proof.load().is_some()
    }

    /// Sets what a new key must be able to do from now on before it becomes current.
    pub fn set_needs(&self, needs: Vec<RouteNeeds>) {
        self.needs.store(Arc::new(needs));
    }

    /// Why the current key cannot sign for a route, even if it has expired; `None` without a key.
    #[must_use]
    pub fn misfit(&self, route: RouteNeeds) -> Option<Misfit> {
        let key = self.current.load();
        misfits(key.as_ref()?, &[route]).pop()
    }

    /// Loads the store's key, and makes it current if it is another one. Blocks.
    ///
    /// # Errors
    /// As for [`Self::renew`].
    pub fn refresh(&self, store: &dyn KeyStore) -> Result<RefreshOutcome, LoadError> {
        self.renew(store, Timestamp::MIN)
    }

    /// Loads the store's key, and makes it current if it is another one, can sign for its routes, has not expired, and
    /// passes its proof, if there is one. Blocks.
    ///
    /// Requests in progress keep the key they began with; the old key is wiped when the last of them ends.
    ///
    /// # Errors
    /// The store's error. The previous key stays current: a file that is being written must not stop the service.
    pub fn renew(&self, store: &dyn KeyStore, now: Timestamp) -> Result<RefreshOutcome, LoadError> {
        let new = store.load()?;
        if self.current.load().as_ref().is_some_and(|old| is_same(old, &new)) {
            return Ok(RefreshOutcome::Unchanged);
        }
        if let Some(misfit) = misfits(&new, &self.needs.load()).into_iter().next() {
            return Ok(RefreshOutcome::Waiting(Waiting::Misfit(misfit)));
        }
        if new.is_expired(now) {
            // if both have expired, the newer one is kept, so that the error is about it
            if self.current(now).is_ok() {
                return Ok(RefreshOutcome::Waiting(Waiting::Expired));
            }
        } else if let Some(proof) = self.proof.load_full()
            && let Err(unproven) = proof.prove(&new)
        {
            return Ok(RefreshOutcome::Waiting(Waiting::Unproven(unproven)));
        }
        self.current.store(Some(Arc::new(new)));
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(RefreshOutcome::Changed)
    }
}

fn is_same(old: &ActiveKey, new: &ActiveKey) -> bool {
    old.id() == new.id()
        && old.expiration() == new.expiration()
        && old.session_token().map(SessionToken::expose_secret) == new.session_token().map(SessionToken::expose_secret)
        && old.signing_key().is_same(new.signing_key())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::super::access_key::{AccessKeyId, Credentials};
    use super::super::fit::{IdPlace, MethodOrigin, TokenPlace};
    use super::super::mac_key::{KeyForm, MacKey, SignatureMethod};
    use super::super::secret::SecretAccessKey;
    use super::*;
    use crate::guarded_file::GuardError;

    const FIRST: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    const SECOND: (&str, &str) = ("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY");

    #[derive(Clone, Copy)]
    enum Holds {
        Nothing,
        Key((&'static str, &'static str), Option<i64>),
        Temporary((&'static str, &'static str)),
    }

    struct Fake(Mutex<Holds>);

    impl Fake {
        fn put(&self, holds: Holds) {
            *self.0.lock().unwrap() = holds;
        }
    }

    impl KeyStore for Fake {
        fn load(&self) -> Result<ActiveKey, LoadError> {
            let ((id, secret), token, expires) = match *self.0.lock().unwrap() {
                Holds::Nothing => return Err(GuardError::Missing(PathBuf::from("key.age")).into()),
                Holds::Key(key, expires) => (key, None, expires),
                Holds::Temporary(key) => (key, SessionToken::new("token"), None),
            };
            Ok(ActiveKey::new(Credentials {
                access_key_id: AccessKeyId::parse(id).unwrap(),
                secret_access_key: SecretAccessKey::new(secret.as_bytes()).unwrap(),
                session_token: token,
                expiration: expires.map(|second| Timestamp::from_second(second).unwrap()),
            })
            .into())
        }

        fn watched(&self) -> Vec<PathBuf> {
            Vec::new()
        }

        fn poll(&self) -> std::time::Duration {
            super::super::store::FILE_POLL
        }

        fn describe(&self) -> String {
            "fake".to_owned()
        }
    }

    fn slot_with(holds: Holds) -> (KeySlot, Fake) {
        (KeySlot::new("main"), Fake(Mutex::new(holds)))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_slot_begins_without_a_key_and_says_so() {
        let (slot, store) = slot_with(Holds::Nothing);
        assert!(matches!(slot.current(at(0)), Err(KeyUnavailable::NotLoaded)));
        assert!(slot.refresh(&store).is_err());
        assert!(matches!(slot.current(at(0)), Err(KeyUnavailable::NotLoaded)));
        assert_eq!(slot.generation(), 0);
    }

    #[test]
    fn an_expired_key_is_never_given_out() {
        let (slot, store) = slot_with(Holds::Key(FIRST, Some(1000)));
        assert_eq!(slot.refresh(&store).unwrap(), RefreshOutcome::Changed);
        assert!(slot.current(at(999)).is_ok());
        assert!(matches!(slot.current(at(1000)), Err(KeyUnavailable::Expired)));
        assert!(matches!(slot.current(at(1001)), Err(KeyUnavailable::Expired)));
    }

    #[test]
    fn a_refresh_that_fails_keeps_the_old_key() {
        let (slot, store) = slot_with(Holds::Key(FIRST, None));
        slot.refresh(&store).unwrap();
        store.put(Holds::Nothing);
        assert!(slot.refresh(&store).is_err());
        assert_eq!(slot.current(at(0)).ok().unwrap().id().as_str(), FIRST.0);
        assert_eq!(slot.generation(), 1);
    }

    #[test]
    fn a_store_that_gives_an_expired_key_keeps_the_old_one_in_use() {
        let (slot, store) = slot_with(Holds::Key(FIRST, Some(1000)));
        slot.refresh(&store).unwrap();
        store.put(Holds::Key(SECOND, Some(500)));
        let outcome = slot.renew(&store, at(600)).unwrap();
        assert_eq!(outcome, RefreshOutcome::Waiting(Waiting::Expired));
        assert_eq!(slot.current(at(600)).ok().unwrap().id().as_str(), FIRST.0);
        assert_eq!(slot.renew(&store, at(1000)).unwrap(), RefreshOutcome::Changed);
        assert!(matches!(slot.current(at(1000)), Err(KeyUnavailable::Expired)));
    }

    /// Holds for the key of this id alone.
    struct Only(&'static str);

    impl Proof for Only {
        fn prove(&self, key: &ActiveKey) -> Result<(), Unproven> {
            if key.id().as_str() == self.0 { Ok(()) } else { Err(Unproven::because("not known yet")) }
        }
    }

    #[test]
    fn a_key_is_current_only_when_it_is_proven_and_until_then_the_old_one_stays() {
        let (slot, store) = slot_with(Holds::Key(FIRST, None));
        let unproven = RefreshOutcome::Waiting(Waiting::Unproven(Unproven::because("not known yet")));
        let known = |id| slot.set_proof(Some(Box::new(Only(id))));
        known(SECOND.0);
        assert_eq!(slot.renew(&store, at(0)).unwrap(), unproven);
        assert!(matches!(slot.current(at(0)), Err(KeyUnavailable::NotLoaded)), "nor is a first key used unproven");
        known(FIRST.0);
        assert_eq!(slot.renew(&store, at(0)).unwrap(), RefreshOutcome::Changed);
        store.put(Holds::Key(SECOND, None));
        assert_eq!(slot.renew(&store, at(0)).unwrap(), unproven);
        assert_eq!(slot.current(at(0)).ok().unwrap().id().as_str(), FIRST.0);
        known(SECOND.0);
        assert_eq!(slot.renew(&store, at(0)).unwrap(), RefreshOutcome::Changed);
        assert_eq!(slot.current(at(0)).ok().unwrap().id().as_str(), SECOND.0);
    }

    #[test]
    fn a_key_that_gets_a_session_token_which_its_route_cannot_send_does_not_replace_the_one_in_use() {
        let (slot, store) = slot_with(Holds::Key(FIRST, None));
        let needs = |token| RouteNeeds {
            route: "heat".to_owned(),
            dialect: "openstack",
            key: MacKey { form: KeyForm::Secret, method: SignatureMethod::HmacSha256 },
            method: MethodOrigin::Dialect,
            id: IdPlace::Form,
            token,
        };
        slot.set_needs(vec![needs(TokenPlace::None)]);
        assert_eq!(slot.renew(&store, at(0)).unwrap(), RefreshOutcome::Changed);
        store.put(Holds::Temporary(SECOND));
        let outcome = slot.renew(&store, at(0)).unwrap();
        let misfit = Misfit::Token { route: "heat".to_owned(), dialect: "openstack" };
        assert_eq!(outcome, RefreshOutcome::Waiting(Waiting::Misfit(misfit)));
        assert_eq!(slot.current(at(0)).ok().unwrap().id().as_str(), FIRST.0);
        slot.set_needs(vec![needs(TokenPlace::Sent)]);
        assert_eq!(slot.renew(&store, at(0)).unwrap(), RefreshOutcome::Changed);
        assert!(slot.misfit(needs(TokenPlace::None)).is_some(), "as a reload asks of the key in use");
    }

    #[test]
    fn the_same_key_changes_nothing_and_any_difference_does() {
        let (slot, store) = slot_with(Holds::Key(FIRST, None));
        slot.refresh(&store).unwrap();
        let key = slot.current(at(0)).ok().unwrap();
        assert_eq!(slot.refresh(&store).unwrap(), RefreshOutcome::Unchanged);
        assert!(Arc::ptr_eq(&key, &slot.current(at(0)).ok().unwrap()));
        for changed in [
            Holds::Key((FIRST.0, SECOND.1), None),
            Holds::Key(SECOND, None),
            Holds::Key(SECOND, Some(1)),
            Holds::Key(SECOND, Some(2)),
        ] {
            store.put(changed);
            assert_eq!(slot.refresh(&store).unwrap(), RefreshOutcome::Changed);
        }
        assert_eq!(slot.generation(), 5);
    }
}
