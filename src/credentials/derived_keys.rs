//! Keys that were derived for one day, region and service, kept until the next day.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hmac::HmacReset;
use secret_memory::SecretBox;
use sha2::Sha256;

use super::key_use::KeyScope;

/// The derived keys of one secret. Reading them takes no lock; deriving one takes four MACs.
pub(super) struct DerivedKeys(ArcSwap<Vec<Arc<DerivedKey>>>);

/// One of them: its keyed state, and what it is good for.
pub(super) struct DerivedKey {
    pub(super) scope: KeyScope,
    pub(super) state: SecretBox<HmacReset<Sha256>>,
}

/// How many days are kept for one region and service. Around midnight, the clocks of two endpoints may be on two days.
const DAYS: usize = 2;

impl DerivedKeys {
    pub(super) fn new() -> Self {
        Self(ArcSwap::default())
    }

    /// The key for `scope`, derived when it is not there.
    pub(super) fn get_or_derive(&self, scope: &KeyScope, derive: impl FnOnce() -> DerivedKey) -> Arc<DerivedKey> {
        if let Some(known) = self.0.load().iter().find(|key| key.scope == *scope) {
            return Arc::clone(known);
        }
        let new = Arc::new(derive());
        // two threads may derive the same key at once; the second one's is kept as well, until the day after
        self.0.rcu(|keys| {
            let mut kept: Vec<_> = keys.iter().map(Arc::clone).collect();
            kept.push(Arc::clone(&new));
            forget_old_days(&mut kept, scope);
            kept
        });
        new
    }
}

/// Keeps the keys of the latest days, among those for the region and service of `scope`.
fn forget_old_days(keys: &mut Vec<Arc<DerivedKey>>, scope: &KeyScope) {
    let is_alike = |key: &DerivedKey| KeyScope { date: scope.date, ..key.scope.clone() } == *scope;
    let mut days: Vec<_> = keys.iter().filter(|key| is_alike(key)).map(|key| key.scope.date).collect();
    days.sort_unstable();
    days.dedup();
    if let Some(oldest) = days.len().checked_sub(DAYS).and_then(|first| days.get(first)) {
        keys.retain(|key| !is_alike(key) || key.scope.date >= *oldest);
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit as _;

    use super::super::key_use::Derivation;
    use super::*;

    fn scope(date: &[u8; 8], region: &str) -> KeyScope {
        KeyScope { derivation: Derivation::Aws4, date: *date, region: region.into(), service: "iam".into() }
    }

    fn derived(scope: &KeyScope) -> DerivedKey {
        DerivedKey { scope: scope.clone(), state: SecretBox::new(HmacReset::new_from_slice(b"key").unwrap()) }
    }

    #[test]
    fn a_key_is_derived_once_for_a_day_and_forgotten_when_two_later_ones_are_there() {
        let keys = DerivedKeys::new();
        let get = |scope: &KeyScope| {
            let mut was_derived = false;
            let _key = keys.get_or_derive(scope, || {
                was_derived = true;
                derived(scope)
            });
            was_derived
        };
        let [first, second, third] = [b"20261231", b"20270101", b"20270102"].map(|date| scope(date, "us-east-1"));
        let elsewhere = scope(b"20261231", "eu-central-1");
        for new in [&first, &elsewhere, &second] {
            assert!(get(new) && !get(new));
        }
        assert!(!get(&first), "two days are kept");
        assert!(get(&third) && !get(&second) && !get(&elsewhere));
        assert!(get(&first), "it was forgotten");
    }
}
