//! Configured clients: what identifies each, what it may call, and how often.

use subtle::ConditionallySelectable as _;
use thiserror::Error;

use super::calls_left::CallsLeft;
use super::evidence::{CertificateName, Evidence, Method};
use super::quota::{OverQuota, Quota};
use super::rate::{RateLimit, Throttled};
use super::route_view::SeenRoutes;
use super::rule::{Rule, Verdict, judge};
use super::token::TokenDigest;
use crate::query::QueryForm;

/// A client that the configuration names.
#[derive(Debug)]
pub struct Client {
    /// Its number among all clients, by which its shares of limits are found. [`Clients::new`] sets it.
    pub index: usize,
    /// The name in logs and in the audit.
    pub name: String,
    /// Whose it is: the name of the file of `conf.d/` that it is in, `None` for the main file.
    pub tenant: Option<String>,
    /// What identifies it.
    pub identifiers: Identifiers,
    /// What it may call. Without a rule that allows a call, nothing.
    pub rules: Vec<Rule>,
    /// What happens to calls that the rules do not allow.
    pub mode: Mode,
    /// How often it may call. `None`: without a limit.
    pub rate: Option<RateLimit>,
    /// How many calls it may make in a day. `None`: without a limit.
    pub quota: Option<Quota>,
    /// The routes that it sees. [`Clients::new`] sets it.
    pub seen: SeenRoutes,
}

/// Both clocks, for limits of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTime {
    /// A monotonic clock that all workers share, in nanoseconds.
    pub nanos: u64,
    /// The wall clock, in seconds since 1970.
    pub unix_seconds: i64,
}

/// Why a client has to wait before its next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooManyCalls {
    /// Its rate.
    #[error(transparent)]
    Rate(#[from] Throttled),
    /// Its quota.
    #[error(transparent)]
    Quota(#[from] OverQuota),
}

/// What identifies a client. One match is enough: these are alternatives, not factors of one authentication.
#[cfg_attr(test, derive(Default))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifiers {
    /// User ids of Unix peers, and of the owners of loopback connections.
    pub uids: Vec<u32>,
    /// Group ids of Unix peers.
    pub gids: Vec<u32>,
    /// SPIFFE ids in client certificates.
    pub spiffe_ids: Vec<String>,
    /// DNS names in client certificates, in lower case.
    pub dns_names: Vec<String>,
    /// Digests of bearer tokens. There are several while a token is being replaced.
    pub tokens: Vec<TokenDigest>,
    /// Kubernetes service accounts, as `namespace/name`.
    pub service_accounts: Vec<String>,
    /// The names of the keys that were issued to the client. There are several while one is being replaced.
    pub issued_keys: Vec<String>,
}

/// What happens to calls that a client's rules do not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are refused.
    Enforce,
    /// They pass and are recorded, so that rules can be derived from actual use.
    Record,
}

impl Mode {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("enforce", Self::Enforce), ("record", Self::Record)];
}

impl Identifiers {
    /// Whether the client can be identified by this method.
    #[must_use]
    pub const fn include(&self, method: Method) -> bool {
        match method {
            Method::UnixPeer => !self.uids.is_empty() || !self.gids.is_empty(),
            Method::LoopbackOwner => !self.uids.is_empty(),
            Method::Mtls => !self.spiffe_ids.is_empty() || !self.dns_names.is_empty(),
            Method::BearerToken => !self.tokens.is_empty(),
            Method::ServiceAccount => !self.service_accounts.is_empty(),
            Method::IssuedKey => !self.issued_keys.is_empty(),
        }
    }
}

/// All configured clients, shared by all workers.
#[derive(Debug)]
pub struct Clients(Vec<Client>);

impl Client {
    /// What the rules say about a call, in either mode.
    #[must_use]
    pub fn judge(&self, route: &str, form: &QueryForm<'_>) -> Verdict {
        judge(&self.rules, route, form)
    }

    /// What is left of the client's limits, without counting a call.
    #[must_use]
    pub fn calls_left(&self, now: CallTime) -> Vec<CallsLeft> {
        let rate = self.rate.iter().map(|rate| rate.left(now.nanos));
        rate.chain(self.quota.iter().map(|quota| quota.left(now.unix_seconds))).collect()
    }

    /// Whether the client may call now, without counting a call.
    ///
    /// # Errors
    /// [`TooManyCalls`].
    pub fn check(&self, now: CallTime) -> Result<(), TooManyCalls> {
        if let Some(rate) = &self.rate {
            rate.check(now.nanos)?;
        }
        if let Some(quota) = &self.quota {
            quota.check(now.unix_seconds)?;
        }
        Ok(())
    }

    /// Counts a call against the client's rate and quota.
    ///
    /// # Errors
    /// [`TooManyCalls`]. A refused call counts against neither, unless two calls race for the last one of the quota.
    pub fn take(&self, now: CallTime) -> Result<(), TooManyCalls> {
        if let Some(quota) = &self.quota {
            // before the rate, so that a call beyond the quota takes no token
            quota.check(now.unix_seconds)?;
        }
        if let Some(rate) = &self.rate {
            rate.try_take(now.nanos)?;
        }
        if let Some(quota) = &self.quota {
            quota.try_take(now.unix_seconds)?;
        }
        Ok(())
    }

    /// The name of a service account, if it is one of this client's.
    pub(super) fn service_account(&self, account: &str) -> Option<&str> {
        self.identifiers.service_accounts.iter().map(String::as_str).find(|known| *known == account)
    }

    /// Whether a name in a certificate is one of this client's.
    pub(super) fn is_named(&self, name: CertificateName<'_>) -> bool {
        match name {
            CertificateName::Spiffe(id) => self.identifiers.spiffe_ids.iter().any(|known| known == id),
            CertificateName::Dns(name) => {
                self.identifiers.dns_names.iter().any(|known| known.eq_ignore_ascii_case(name))
            }
            CertificateName::Other(_) => false,
        }
    }

    fn is_identified_by(&self, method: Method, evidence: &Evidence<'_>) -> bool {
        let Identifiers { uids, gids, spiffe_ids: _, dns_names: _, tokens: _, service_accounts: _, issued_keys } =
            &self.identifiers;
        match method {
            Method::UnixPeer => {
                evidence.uid.is_some_and(|uid| uids.contains(&uid))
                    || evidence.gid.is_some_and(|gid| gids.contains(&gid))
            }
            Method::LoopbackOwner => evidence.owner_uid.is_some_and(|uid| uids.contains(&uid)),
            Method::Mtls => evidence.certificate_names().any(|name| self.is_named(name)),
            Method::ServiceAccount => {
                evidence.service_account.is_some_and(|account| self.service_account(account).is_some())
            }
            Method::IssuedKey => evidence.issued_key.is_some_and(|name| issued_keys.iter().any(|known| known == name)),
            // `Clients::by_token` compares the tokens of all clients at once
            Method::BearerToken => false,
        }
    }
}

impl Clients {
    /// The names and identifiers of `clients` must be unique, which the configuration checks.
    #[must_use]
    pub fn new(clients: Vec<Client>) -> Self {
        let clients = clients.into_iter().enumerate();
        let complete = |(index, client): (usize, Client)| {
            let seen = match client.mode {
                Mode::Enforce => SeenRoutes::of(&client.rules),
                Mode::Record => SeenRoutes::all(),
            };
            Client { index, seen, ..client }
        };
        Self(clients.map(complete).collect())
    }

    /// Iterates over all clients.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.0.iter()
    }

    /// The client with this number.
    #[must_use]
    pub fn numbered(&self, index: usize) -> Option<&Client> {
        self.0.get(index)
    }

    /// The client with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Client> {
        self.0.iter().find(|client| client.name == name)
    }

    /// The clients that the evidence for one method identifies. There are several when, for instance, a user id belongs
    /// to one client and a group id to another.
    pub(super) fn identified_by<'c>(
        &'c self,
        method: Method,
        evidence: &Evidence<'_>,
        token: Option<&TokenDigest>,
    ) -> impl Iterator<Item = &'c Client> {
        let by_token = match method {
            Method::BearerToken => token.and_then(|token| self.by_token(token)),
            Method::UnixPeer | Method::LoopbackOwner | Method::Mtls | Method::ServiceAccount | Method::IssuedKey => {
                None
            }
        };
        self.0.iter().filter(move |client| client.is_identified_by(method, evidence)).chain(by_token)
    }

    /// Compares every digest of every client, so that the time taken does not tell which one matched.
    fn by_token(&self, presented: &TokenDigest) -> Option<&Client> {
        let mut found = u64::MAX;
        for (index, client) in (0_u64..).zip(&self.0) {
            for known in &client.identifiers.tokens {
                found.conditional_assign(&index, known.matches(presented));
            }
        }
        self.0.get(usize::try_from(found).ok()?)
    }
}
