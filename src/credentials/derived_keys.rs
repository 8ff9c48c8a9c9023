//! Keys that were derived for one day, region and service, kept until later days.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hmac::HmacReset;
use secret_memory::SecretBox;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::key_use::KeyScope;
use super::keyed_state::{finish, scrubbed};

/// The derived keys of one secret. Using them takes no lock and counts no reference.
pub(in crate::credentials) struct DerivedKeys(ArcSwap<Vec<Arc<DerivedKey>>>);

/// One of them: its keyed state, and what it is good for.
pub(in crate::credentials) struct DerivedKey {
    scope: KeyScope,
    state: SecretBox<HmacReset<Sha256>>,
}

/// How many days are kept for one region and service. Around midnight, the clocks of two endpoints may be on two days.
const DAYS: usize = 2;

impl DerivedKeys {
    pub(in crate::credentials) fn new() -> Self {
        Self(ArcSwap::default())
    }

    /// The MAC of `message` with the key for `scope`; `None` when there is no such key. What it leaves on the stack is
    /// for the caller to overwrite.
    #[inline(never)]
    pub(in crate::credentials) fn mac(&self, scope: &KeyScope, message: &[u8]) -> Option<[u8; 32]> {
        let keys = self.0.load();
        Some(keys.iter().find(|key| key.scope == *scope)?.mac(message))
    }

    /// Keeps a key, and returns the MAC of `message` with it.
    #[inline(never)]
    pub(in crate::credentials) fn keep(&self, new: DerivedKey, message: &[u8]) -> [u8; 32] {
        let new = Arc::new(new);
        self.0.rcu(|keys| {
            let mut kept: Vec<_> = keys.iter().map(Arc::clone).collect();
            // another thread may have derived the same key at the same time
            if !kept.iter().any(|key| key.scope == new.scope) {
                kept.push(Arc::clone(&new));
                forget_old_days(&mut kept, &new.scope);
            }
            kept
        });
        new.mac(message)
    }

    /// Forgets all of them.
    #[cfg(feature = "pkcs11")]
    pub(in crate::credentials) fn forget(&self) {
        self.0.store(Arc::default());
    }

    #[cfg(test)]
    fn scopes(&self) -> Vec<KeyScope> {
        self.0.load().iter().map(|key| key.scope.clone()).collect()
    }
}

impl DerivedKey {
    /// Derives the key for `scope` from `first`, the MAC of the day. The keys between the two are on the stack, which
    /// the caller overwrites.
    #[inline(never)]
    pub(in crate::credentials) fn after_first(first: &Zeroizing<[u8; 32]>, scope: &KeyScope) -> Self {
        Self { scope: scope.clone(), state: SecretBox::new(scrubbed(&*last(first, scope))) }
    }

    #[inline(never)]
    fn mac(&self, message: &[u8]) -> [u8; 32] {
        finish(self.state.expose_secret().clone(), message).into()
    }
}

/// The MAC of `message` with the key for `scope`, derived from `first`, the MAC of the day. The key is not kept: it is
/// on the stack, which the caller overwrites.
pub(in crate::credentials) fn mac_once(first: &Zeroizing<[u8; 32]>, scope: &KeyScope, message: &[u8]) -> [u8; 32] {
    finish(scrubbed::<HmacReset<Sha256>>(&*last(first, scope)), message).into()
}

/// The last of the derived keys.
fn last(first: &Zeroizing<[u8; 32]>, scope: &KeyScope) -> Zeroizing<[u8; 32]> {
    let mut key = first.clone();
    for word in [&*scope.region, &*scope.service, scope.derivation.last_word()] {
        *key = finish(scrubbed::<HmacReset<Sha256>>(&*key), word.as_bytes()).into();
    }
    key
}

/// Keeps the keys of the last days, among those for the region and service of `scope`, and of the others those that are
/// not older. The last days are those that were used last: a clock that was ahead and goes right again does not have
/// every request derive a key.
fn forget_old_days(keys: &mut Vec<Arc<DerivedKey>>, scope: &KeyScope) {
    let is_alike = |key: &DerivedKey| KeyScope { date: key.scope.date, ..scope.clone() } == key.scope;
    let alike = keys.iter().filter(|key| is_alike(key)).count();
    let mut too_many = alike.saturating_sub(DAYS);
    keys.retain(|key| {
        let goes = too_many > 0 && is_alike(key);
        too_many = too_many.saturating_sub(usize::from(goes));
        !goes
    });
    let oldest = keys.iter().filter(|key| is_alike(key)).map(|key| key.scope.date).min();
    // one day alone says nothing of the others' clocks
    if let Some(oldest) = oldest.filter(|_| alike >= DAYS) {
        keys.retain(|key| key.scope.date >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_use::Derivation;
    use super::*;

    fn scope(date: &[u8; 8], region: &str) -> KeyScope {
        KeyScope { derivation: Derivation::Aws4, date: *date, region: region.into(), service: "iam".into() }
    }

    /// Uses the key for a scope; whether it had to be derived.
    fn derives(keys: &DerivedKeys, scope: &KeyScope) -> bool {
        let is_missing = keys.mac(scope, b"message").is_none();
        if is_missing {
            keys.keep(DerivedKey::after_first(&Zeroizing::new([7; 32]), scope), b"message");
        }
        is_missing
    }

    #[test]
    fn a_key_is_derived_once_for_a_day_and_forgotten_when_two_later_ones_are_there() {
        let keys = DerivedKeys::new();
        let [first, second, third] = [b"20261231", b"20270101", b"20270102"].map(|date| scope(date, "us-east-1"));
        let elsewhere = scope(b"20261231", "eu-central-1");
        for new in [&first, &elsewhere, &second] {
            assert!(derives(&keys, new) && !derives(&keys, new));
        }
        assert!(!derives(&keys, &first), "two days are kept");
        assert!(derives(&keys, &third) && !derives(&keys, &second));
        assert_eq!(keys.scopes(), [second, third], "what is older is gone, also of a region that is used no more");
        assert!(derives(&keys, &first));
    }

    #[test]
    fn regions_and_services_have_keys_of_their_own() {
        let keys = DerivedKeys::new();
        let here = scope(b"20261231", "us-east-1");
        let others = [
            scope(b"20261231", "eu-central-1"),
            KeyScope { service: "sts".into(), ..here.clone() },
            KeyScope { derivation: Derivation::Volcengine, ..here.clone() },
        ];
        assert!(derives(&keys, &here) && others.iter().all(|other| derives(&keys, other)));
        let mac = |scope| keys.mac(scope, b"message").unwrap();
        assert!(others.iter().all(|other| mac(other) != mac(&here)));
    }

    #[test]
    fn a_clock_that_was_days_ahead_and_is_right_again_does_not_derive_a_key_for_every_request() {
        let keys = DerivedKeys::new();
        let at = |date| derives(&keys, &scope(date, "us-east-1"));
        assert!(at(b"20270105") && at(b"20270106"));
        assert!(at(b"20270101") && !at(b"20270101") && !at(b"20270106"));
        assert!(at(b"20270102") && !at(b"20270102") && !at(b"20270101"));
        assert_eq!(keys.scopes().len(), DAYS);
    }

    #[test]
    fn a_clock_that_goes_through_all_days_fills_no_memory() {
        let keys = DerivedKeys::new();
        for day in 0..1000 {
            let date: [u8; 8] = format!("{:08}", 20_000_000 + day).into_bytes().try_into().unwrap();
            assert!(derives(&keys, &scope(&date, "us-east-1")));
            assert!(keys.scopes().len() <= DAYS);
        }
    }
}
