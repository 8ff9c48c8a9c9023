//! Who is calling, once a listener's evidence has been judged.

use super::client::Client;
use super::evidence::Method;
use super::rate::Throttled;

/// An authenticated client.
#[derive(Debug, Clone, Copy)]
pub enum ClientIdentity<'c> {
    /// Whoever can connect to a listener that says `any_local = true`.
    AnyLocal,
    /// A client that the configuration names.
    Named {
        /// The client, with its rules.
        client: &'c Client,
        /// How it was identified; when several ways agree, the first that the listener lists.
        method: Method,
    },
}

impl ClientIdentity<'_> {
    /// The client's name, in log and audit.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::AnyLocal => "any-local",
            Self::Named { client, .. } => &client.name,
        }
    }

    /// How the client was identified, in a word for log and audit.
    #[must_use]
    pub const fn identified_by(&self) -> &'static str {
        match self {
            Self::AnyLocal => "any-local",
            Self::Named { method, .. } => method.as_str(),
        }
    }

    /// Counts a call against the client's rate. Whoever has no name has no rate: the limits of route and listener hold.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn take(&self, now_nanos: u64) -> Result<(), Throttled> {
        match self {
            Self::AnyLocal => Ok(()),
            Self::Named { client, .. } => client.take(now_nanos),
        }
    }
}
