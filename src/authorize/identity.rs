//! The identity of an authenticated client.

use super::client::Client;
use super::evidence::Method;
use super::rate::Throttled;
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

    /// Counts a call against the client's rate. Clients without a name have no rate; the limits of route and listener
    /// apply.
    ///
    /// # Errors
    /// [`Throttled`] when the rate is exceeded.
    pub fn take(&self, now_nanos: u64) -> Result<(), Throttled> {
        match self {
            Self::AnyLocal => Ok(()),
            Self::Named { client, .. } => client.take(now_nanos),
        }
    }
}
