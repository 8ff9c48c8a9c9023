//! The identity of an authenticated client.

use super::client::{CallTime, Client, TooManyCalls};
use super::evidence::Method;
use super::token::TokenName;

/// An authenticated client.
#[derive(Debug, Clone, Copy)]
pub enum ClientIdentity<'c> {
    /// Any process that can connect to a listener with `any_local = true`.
    AnyLocal,
    /// A configured client.
    Named {
        /// The client, with its rules.
        client: &'c Client,
        /// How it was identified. When several methods agree, the first that the listener lists.
        method: Method,
        /// Which of its tokens the request carries, if it carries one.
        token: Option<TokenName<'c>>,
    },
}

impl<'c> ClientIdentity<'c> {
    /// Which token of the client the request carries.
    #[must_use]
    pub const fn token(&self) -> Option<TokenName<'c>> {
        match self {
            Self::AnyLocal => None,
            Self::Named { token, .. } => *token,
        }
    }
}

impl ClientIdentity<'_> {
    /// The client's name in log and audit.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::AnyLocal => "any-local",
            Self::Named { client, .. } => &client.name,
        }
    }

    /// Whose the client is: the name of the file of `conf.d/` that it is in.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        match self {
            Self::AnyLocal => None,
            Self::Named { client, .. } => client.tenant.as_deref(),
        }
    }

    /// The method by which the client was identified, for log and audit.
    #[must_use]
    pub const fn identified_by(&self) -> &'static str {
        match self {
            Self::AnyLocal => "any-local",
            Self::Named { method, .. } => method.as_str(),
        }
    }

    /// The client's number among all clients; `None` for clients without a name.
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
        match self {
            Self::AnyLocal => None,
            Self::Named { client, .. } => Some(client.index),
        }
    }

    /// Whether the client's rules allow something on the route called `route`. Clients without a name may call every
    /// route of their listener.
    #[must_use]
    pub fn sees(&self, route: &str) -> bool {
        match self {
            Self::AnyLocal => true,
            Self::Named { client, .. } => client.seen.include(route),
        }
    }

    /// Counts a call against the client's rate and quota. Clients without a name have neither; the limits of route and
    /// listener apply.
    ///
    /// # Errors
    /// [`TooManyCalls`].
    pub fn take(&self, now: CallTime) -> Result<(), TooManyCalls> {
        match self {
            Self::AnyLocal => Ok(()),
            Self::Named { client, .. } => client.take(now),
        }
    }

    /// Whether the client may call now, as far as this process knows, without counting a call.
    ///
    /// # Errors
    /// [`TooManyCalls`].
    pub fn check(&self, now: CallTime) -> Result<(), TooManyCalls> {
        match self {
            Self::AnyLocal => Ok(()),
            Self::Named { client, .. } => client.check(now),
        }
    }
}
