//! Proving a key before it is used: a harmless call to the endpoint, made by whoever can make calls.

use thiserror::Error;

use super::access_key::ActiveKey;

/// Proves keys.
pub trait Proof: Send + Sync {
    /// Uses `key` for a harmless call. Blocks until that is answered.
    ///
    /// # Errors
    /// [`Unproven`]: it is not good yet, or nobody can tell.
    fn prove(&self, key: &ActiveKey) -> Result<(), Unproven>;
}

/// What kept a key from being proven. It is loaded and proven again later: new keys of AWS take a while until every endpoint
/// knows them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unproven(String);

impl Unproven {
    /// `why` is shown in log and readiness: no secrets.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
