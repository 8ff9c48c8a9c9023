//! The clients of one configuration that share their limits with other replicas.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::limits::SharedLimits;
use super::shared_client::{Questions, SharedClient};
use super::state::{StoreState, WhenUnavailable};

/// The settings of `[rates]` that concern calls, and not the connection to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingSettings {
    /// Separates deployments that use one store.
    pub namespace: String,
    /// For how long tokens are leased.
    pub ahead: Duration,
    /// What happens to calls while the store is away.
    pub when_unavailable: WhenUnavailable,
    /// Whether replicas report endpoints that they cannot reach to each other.
    pub hints: bool,
}

/// Creates the clients that share their limits through one store. It lives as long as the process, while a reload may
/// add and remove clients.
#[derive(Debug)]
pub struct Sharing {
    settings: SharingSettings,
    state: Arc<StoreState>,
    questions: Questions,
}

/// The clients for which the store's thread has to ask, in the order in which they came.
pub type Inbox = UnboundedReceiver<Arc<SharedClient>>;

impl Sharing {
    /// Returns the inbox for the store's thread too. Until that thread reads it, nobody asks the store.
    #[must_use]
    pub fn new(settings: SharingSettings) -> (Self, Inbox) {
        let (questions, inbox) = mpsc::unbounded_channel();
        (Self { settings, state: Arc::default(), questions }, inbox)
    }

    /// What is known of the store.
    #[must_use]
    pub const fn state(&self) -> &Arc<StoreState> {
        &self.state
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &SharingSettings {
        &self.settings
    }

    /// The client `name` with these limits. What was known of it `before` is kept if its limits are the same.
    #[must_use]
    pub fn client(&self, name: &str, limits: SharedLimits, before: Option<&Arc<SharedClient>>) -> Arc<SharedClient> {
        if let Some(before) = before.filter(|before| before.limits() == limits) {
            return Arc::clone(before);
        }
        let SharingSettings { namespace, ahead, when_unavailable, hints: _ } = &self.settings;
        let state = (Arc::clone(&self.state), *when_unavailable);
        let key = key_in_store(namespace, "client", name);
        Arc::new(SharedClient::new(key, limits, *ahead, state, self.questions.clone()))
    }
}

/// The clients by their numbers. Clients without a rate and a quota share nothing.
#[derive(Debug, Default)]
pub struct ClientRates(Vec<Option<Arc<SharedClient>>>);

impl ClientRates {
    /// The clients in order of their numbers.
    #[must_use]
    pub const fn new(clients: Vec<Option<Arc<SharedClient>>>) -> Self {
        Self(clients)
    }

    /// The client with this number, if it shares its limits.
    #[must_use]
    pub fn of(&self, index: usize) -> Option<&Arc<SharedClient>> {
        self.0.get(index)?.as_ref()
    }
}

/// The name of a key in the store. It is hashed, so that whoever reads the store learns no names; a namespace that
/// cannot be guessed keeps names that can be guessed from being tried.
pub(super) fn key_in_store(namespace: &str, kind: &str, name: &str) -> String {
    use std::fmt::Write as _;
    let mut key = String::from("countersign:");
    // a key of any length is one for HMAC
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(namespace.as_bytes()) else { return key };
    for part in [kind, name] {
        mac.update(part.as_bytes());
        mac.update(&[0]);
    }
    for byte in mac.finalize().into_bytes().iter().take(16) {
        let _never_fails = write!(key, "{byte:02x}");
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::limits::SharedRate;

    #[test]
    fn names_in_the_store_are_hashed_and_differ_by_namespace_and_kind() {
        let key = key_in_store("countersign", "client", "reporting");
        assert_eq!(key.len(), "countersign:".len() + 32);
        assert!(!key.contains("reporting"));
        for other in [
            key_in_store("other", "client", "reporting"),
            key_in_store("countersign", "other", "reporting"),
            key_in_store("countersign", "client", "reporting2"),
        ] {
            assert_ne!(key, other);
        }
    }

    #[test]
    fn a_client_goes_on_with_its_tokens_where_its_limits_are_the_same() {
        let settings = SharingSettings {
            namespace: "n".to_owned(),
            ahead: Duration::from_millis(100),
            when_unavailable: WhenUnavailable::Refuse,
            hints: false,
        };
        let (sharing, _inbox) = Sharing::new(settings);
        let limits = |calls| SharedLimits {
            rate: Some(SharedRate { calls, period: Duration::from_secs(1), burst: calls }),
            quota: None,
        };
        let first = sharing.client("a", limits(5), None);
        first.put_back();
        let same = sharing.client("a", limits(5), Some(&first));
        assert_eq!(same.try_take(0), super::super::AtOnce::Taken);
        let other = sharing.client("a", limits(6), Some(&first));
        let refused = super::super::AtOnce::Refused(super::super::NotNow::StoreAway);
        assert_eq!(other.try_take(0), refused, "its tokens were leased on other terms, and the store is away");
        let rates = ClientRates::new(vec![None, Some(other)]);
        assert!(rates.of(0).is_none() && rates.of(1).is_some() && rates.of(2).is_none());
    }
}
